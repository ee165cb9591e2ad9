"""Which of 64 numbers are not zero, as 64 bits: a line of Python, or a few vector instructions when compiled.

Nothing is checked: the caller answers for it that all 64 numbers lie in the array.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

Words = NDArray[Any]
"""uint8, uint16, uint32 or uint64: bits of numbers."""

Compiled = Callable[..., Any]


def nonzero_mask(words: Words, at: np.uint64, matters: np.uint64) -> np.uint64:
    """Bit i says whether ``words[at + i]`` has any of the bits ``matters``."""
    some = (words[int(at) : int(at) + 64].astype(np.uint64) & np.uint64(matters)) != 0
    return np.uint64(int.from_bytes(np.packbits(some, bitorder="little").tobytes(), "little"))


def lowest_bit(mask: np.uint64) -> np.uint64:
    """Index of the lowest bit that is set; 64 where none is."""
    return np.uint64(64 if mask == 0 else (int(mask) & -int(mask)).bit_length() - 1)


def without_lowest_bit(mask: np.uint64) -> np.uint64:
    """The mask with its lowest set bit cleared."""
    return np.uint64(int(mask) & (int(mask) - 1)) if mask else mask


@intrinsic
def _nonzero_mask(_: Any, words: Any, at: Any, matters: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        start = builder.gep(context.make_array(kind)(context, builder, arguments[0]).data, [arguments[1]])
        word = ir.IntType(kind.dtype.bitwidth)
        vector = ir.VectorType(word, 64)
        numbers = builder.load(builder.bitcast(start, vector.as_pointer()), align=kind.dtype.bitwidth // 8)
        one = arguments[2] if kind.dtype.bitwidth == 64 else builder.trunc(arguments[2], word)
        single = builder.insert_element(
            ir.Constant(vector, ir.Undefined), one, ir.Constant(ir.IntType(32), 0)
        )
        all_of_it = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        bits = builder.and_(numbers, builder.shuffle_vector(single, single, all_of_it))
        some = builder.icmp_unsigned("!=", bits, ir.Constant(vector, [0] * 64))
        return builder.bitcast(some, ir.IntType(64))

    return types.uint64(words, at, matters), generate


@intrinsic
def _trailing_zeros(_: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - Numba's signature
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(mask), generate


# Called without the context that the definitions begin with.
_mask: Any = _nonzero_mask
_zeros: Any = _trailing_zeros


@overload(nonzero_mask)
def _(words: Any, at: Any, matters: Any) -> Compiled:  # noqa: ARG001 - Numba gives types, and wants the same names below
    def compiled(words: Any, at: Any, matters: Any) -> Any:
        return _mask(words, at, matters)

    return compiled


@overload(lowest_bit)
def _(mask: Any) -> Compiled:  # noqa: ARG001 - as above
    def compiled(mask: Any) -> Any:
        return _zeros(mask)

    return compiled


@overload(without_lowest_bit)
def _(mask: Any) -> Compiled:  # noqa: ARG001 - as above
    def compiled(mask: Any) -> Any:
        return mask & (mask - np.uint64(1))

    return compiled
