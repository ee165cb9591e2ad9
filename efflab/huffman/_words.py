"""Eight bytes of an array as one 64-bit number, at any place: a line of Python, or one instruction when compiled.

Nothing is checked: the caller answers for it that all eight bytes lie in the array.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def load_bits(data: Bytes, at: np.uint64) -> np.uint64:
    """The 64 bits that begin with byte ``at``, the first on top."""
    return np.uint64(int.from_bytes(data[int(at) : int(at) + 8].tobytes(), "big"))


def store_bits(out: Bytes, at: np.uint64, bits: np.uint64) -> None:
    """Write 64 bits from byte ``at`` on, the top one first."""
    out[int(at) : int(at) + 8] = np.frombuffer(int(bits).to_bytes(8, "big"), np.uint8)


def load_symbols(symbols: Bytes, at: np.uint64) -> np.uint64:
    """Eight symbols from place ``at`` on, the first lowest."""
    return np.uint64(int.from_bytes(symbols[int(at) : int(at) + 8].tobytes(), "little"))


def store_symbols(out: Bytes, at: np.uint64, symbols: np.uint64) -> None:
    """Write eight symbols from place ``at`` on, the lowest first."""
    out[int(at) : int(at) + 8] = np.frombuffer(int(symbols).to_bytes(8, "little"), np.uint8)


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Pointer to eight bytes, aligned or not."""
    start = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(start, [at]), ir.IntType(64).as_pointer())


def _loader(order: str) -> Any:
    @intrinsic
    def load(_: Any, data: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = _place(context, builder, signature.args[0], *arguments)
            number = builder.load(place, align=1)
            return number if order == sys.byteorder else builder.bswap(number)

        return types.uint64(data, at), generate

    return load


def _storer(order: str) -> Any:
    @intrinsic
    def store(_: Any, out: Any, at: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = _place(context, builder, signature.args[0], arguments[0], arguments[1])
            value = arguments[2] if order == sys.byteorder else builder.bswap(arguments[2])
            builder.store(value, place, align=1)
            return context.get_dummy_value()

        return types.void(out, at, number), generate

    return store


_load_big, _load_little = _loader("big"), _loader("little")
_store_big, _store_little = _storer("big"), _storer("little")

Compiled = Callable[..., Any]


@overload(load_bits)
def _(data: Any, at: Any) -> Compiled:  # noqa: ARG001 - Numba gives types, and wants the same names below
    def compiled(data: Any, at: Any) -> Any:
        return _load_big(data, at)

    return compiled


@overload(load_symbols)
def _(symbols: Any, at: Any) -> Compiled:  # noqa: ARG001 - as above
    def compiled(symbols: Any, at: Any) -> Any:
        return _load_little(symbols, at)

    return compiled


@overload(store_bits)
def _(out: Any, at: Any, bits: Any) -> Compiled:  # noqa: ARG001 - as above
    def compiled(out: Any, at: Any, bits: Any) -> Any:
        return _store_big(out, at, bits)

    return compiled


@overload(store_symbols)
def _(out: Any, at: Any, symbols: Any) -> Compiled:  # noqa: ARG001 - as above
    def compiled(out: Any, at: Any, symbols: Any) -> Any:
        return _store_little(out, at, symbols)

    return compiled
