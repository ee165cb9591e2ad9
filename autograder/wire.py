"""Values across the border between grader and student: a bounded encoding of data, never of code.

A value is turned into a tree of msgpack's own scalars and lists, in which the first element of each list names what
the rest is (list, tuple, dict, array, ...). Only exact types are encoded, so that no method of a student's class ever
runs; decoding checks every tag, dtype, shape and size before it builds anything.
"""

import enum
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgpack
import numpy as np


class WireError(ValueError):
    """A value that is not data, is too large, or bytes that are not a value; the message says which."""


@dataclass(frozen=True)
class Limits:
    """What one message may hold.

    Attributes:
        size: bytes of the whole message.
        items: elements of all lists, tuples and dicts together.
        depth: how deep containers may be nested.
        integer_bits: length of a whole number.
    """

    size: int = 64 * 2**20
    items: int = 500_000
    depth: int = 64
    integer_bits: int = 4096


LIMITS = Limits()


@dataclass(frozen=True)
class Handle:
    """An object that stays on the student's side, known to the grader by a number alone."""

    id: int


@dataclass(frozen=True)
class Callback:
    """A function that stays on the grader's side; the student gets something to call, values cross as data."""

    function: Callable[..., Any]


class Tag(enum.IntEnum):
    """What the rest of an encoded list is."""

    LIST = 0
    TUPLE = 1
    DICT = 2
    ARRAY = 3
    TENSOR = 4
    SCALAR = 5
    INTEGER = 6
    COMPLEX = 7
    HANDLE = 8
    CALLBACK = 9


_DTYPES = {
    np.dtype(name).name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
_SCALARS = {
    kind: np.dtype(kind).name for kind in set(np.sctypeDict.values()) if np.dtype(kind).name in _DTYPES
}
_TENSOR_ONLY = {"bfloat16": 2}
_MAX_DIMENSIONS = 32
_PARTS = 6
"""How many parts an element of a list can have in a message, its own list counted: an array has its tag, dtype, shape and data."""
_PLAIN: tuple[type, ...] = (type(None), bool, float)
_KEYS = (type(None), bool, int, float, str, bytes, tuple)

Refer = Callable[[Any], tuple[Tag, int]]
Resolve = Callable[[Tag, int], Any]


def encode(value: Any, *, limits: Limits = LIMITS, refer: Refer | None = None) -> bytes:
    """Turn a value into bytes.

    Args:
        value: None, bool, int, float, complex, str, bytes, list, tuple, dict, NumPy arrays and scalars, torch tensors,
            in any nesting. Named tuples and kinds of dict are sent as tuple and dict.
        limits: what the message may hold.
        refer: gives tag and number of a `Handle` or `Callback`; without it these are refused.

    Returns:
        The message.

    Raises:
        WireError: the value holds something that is not data, or is too large.
    """
    tree = _Encoder(limits, refer).tree(value, limits.depth)
    message: bytes = msgpack.packb(tree, use_bin_type=True)
    if len(message) > limits.size:
        raise WireError(f"the value takes {len(message)} bytes; at most {limits.size} can be sent")
    return message


def decode(
    message: bytes,
    *,
    limits: Limits = LIMITS,
    resolve: Resolve | None = None,
    tensors: Literal["torch", "numpy"] = "numpy",
) -> Any:
    """Turn bytes back into a value, trusting none of them.

    Args:
        message: what `encode` gave, or anything.
        limits: what the message may hold.
        resolve: gives the object for a tag (handle or callback) and number; without it these are refused.
        tensors: whether torch tensors come out as tensors or as NumPy arrays (bfloat16 as float32).

    Returns:
        The value; arrays are fresh and writable.

    Raises:
        WireError: the bytes are not a value within the limits.
    """
    if len(message) > limits.size:
        raise WireError(f"a message of {len(message)} bytes came; at most {limits.size} are read")
    try:
        tree = msgpack.unpackb(
            message,
            raw=False,
            list_hook=_Budget(_PARTS * limits.items).spend,
            max_array_len=limits.items + 4,  # tag, dtype, shape and data of the list itself
            max_map_len=0,
            max_ext_len=0,
        )
    except WireError:
        raise
    except (ValueError, TypeError, MemoryError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"the message is not msgpack ({type(error).__name__})") from error
    return _Decoder(limits, resolve, tensors).value(tree, limits.depth)


class _Budget:
    """Ends the unpacking of a message that grows to many times its size: an empty list takes one byte there and 64 here."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, values: list[Any]) -> list[Any]:
        """Count a list that has been unpacked."""
        self.left -= 1 + len(values)
        if self.left < 0:
            raise WireError("the message holds more lists than a value can have")
        return values


class _Encoder:
    """Builds the tree, counting items and bytes as it goes."""

    def __init__(self, limits: Limits, refer: Refer | None) -> None:
        self.limits, self.refer = limits, refer
        self.items, self.size = limits.items, limits.size

    def spend(self, *, items: int = 0, size: int = 0) -> None:
        self.items -= items
        self.size -= size
        if self.items < 0:
            raise WireError(f"the value has more than {self.limits.items} elements in lists and dicts")
        if self.size < 0:
            raise WireError(f"the value takes more than {self.limits.size} bytes")

    def tree(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind in _SCALARS:
            return self.scalar(value, _SCALARS[kind])
        leaves: dict[type, Callable[[Any], Any]] = {
            int: self.integer,
            str: self.text,
            bytes: self.raw,
            complex: self.complex_number,
            Handle: self.reference,
            Callback: self.reference,
        }
        if kind in leaves:
            return leaves[kind](value)
        return self.container(value, depth)

    @staticmethod
    def scalar(value: Any, name: str) -> Any:
        return [Tag.SCALAR, name, np.asarray(value).astype(_DTYPES[name]).tobytes()]

    @staticmethod
    def complex_number(value: complex) -> Any:
        return [Tag.COMPLEX, value.real, value.imag]

    def raw(self, value: bytes) -> bytes:
        self.spend(size=len(value))
        return value

    def integer(self, value: int) -> Any:
        bits = value.bit_length()
        if bits < 64:
            return value
        if bits > self.limits.integer_bits:
            raise WireError(f"a whole number of {bits} bits; at most {self.limits.integer_bits} can be sent")
        return [Tag.INTEGER, value.to_bytes(bits // 8 + 1, "big", signed=True)]

    def text(self, value: str) -> str:
        try:
            self.spend(size=len(value.encode()))
        except UnicodeEncodeError as error:
            raise WireError("a text with characters that UTF-8 does not have") from error
        return value

    def reference(self, value: Handle | Callback) -> Any:
        if self.refer is None:
            raise WireError(f"a {type(value).__name__.lower()} where only data can stand")
        return list(self.refer(value))

    def container(self, value: Any, depth: int) -> Any:
        if depth <= 0:
            raise WireError(f"the value is nested more than {self.limits.depth} deep")
        kind = type(value)
        if issubclass(kind, np.ndarray):
            return self.array(np.ndarray.view(value, np.ndarray))
        torch = sys.modules.get("torch")
        if torch is not None and issubclass(kind, torch.Tensor):
            return self.tensor(value, torch)
        # The base class's own methods read kinds of tuple and dict, so that nothing overridden runs.
        if issubclass(kind, tuple):
            self.spend(items=tuple.__len__(value))
            return [Tag.TUPLE, *(self.tree(item, depth - 1) for item in tuple.__iter__(value))]
        if issubclass(kind, list):
            self.spend(items=list.__len__(value))
            return [Tag.LIST, *(self.tree(item, depth - 1) for item in list.__iter__(value))]
        if issubclass(kind, dict):
            return self.mapping(value, depth)
        raise WireError(
            f"a value of type {kind.__name__} is not data (numbers, text, lists, dicts, arrays are)"
        )

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        self.spend(items=2 * dict.__len__(value))
        tree: list[Any] = [Tag.DICT]
        for key, item in dict.items(value):
            if type(key) not in _KEYS and type(key) not in _SCALARS:
                raise WireError(f"a dict key of type {type(key).__name__}; keys are numbers, text or tuples")
            tree += [self.tree(key, depth - 1), self.tree(item, depth - 1)]
        return tree

    def array(self, value: np.ndarray[Any, Any]) -> Any:
        name = value.dtype.name
        if name not in _DTYPES:
            raise WireError(f"an array of dtype {name}; expected one of {', '.join(_DTYPES)}")
        self.spend(size=value.size * value.itemsize)
        data = value.astype(_DTYPES[name], copy=False).tobytes()
        return [Tag.ARRAY, name, list(value.shape), data]

    def tensor(self, value: Any, torch: Any) -> Any:
        if type(value) not in {torch.Tensor, torch.nn.Parameter}:
            raise WireError(f"a tensor of class {type(value).__name__}; expected a plain torch.Tensor")
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise WireError("a sparse, quantized or meta tensor; expected a dense one")
        name = str(value.dtype).removeprefix("torch.")
        if name not in _DTYPES and name not in _TENSOR_ONLY:
            raise WireError(
                f"a tensor of dtype {name}; expected one of {', '.join([*_DTYPES, *_TENSOR_ONLY])}"
            )
        base = torch.Tensor
        self.spend(size=base.numel(value) * base.element_size(value))
        plain = base.detach(value).cpu().resolve_conj().resolve_neg()
        if name in _TENSOR_ONLY:
            plain = plain.contiguous().view(torch.int16)
        return [Tag.TENSOR, name, list(plain.shape), plain.numpy().tobytes()]


class _Decoder:
    """Builds the value out of a tree that may be anything msgpack can hold."""

    def __init__(self, limits: Limits, resolve: Resolve | None, tensors: str) -> None:
        self.limits, self.resolve, self.tensors = limits, resolve, tensors
        self.items = limits.items

    def value(self, tree: Any, depth: int) -> Any:
        if type(tree) in _PLAIN or type(tree) in {int, str, bytes}:
            return tree
        if type(tree) is not list or not tree or type(tree[0]) is not int:
            raise WireError("the message holds something without a tag")
        try:
            tag = Tag(tree[0])
        except ValueError as error:
            raise WireError(f"the message holds the unknown tag {tree[0]}") from error
        if tag in {Tag.LIST, Tag.TUPLE, Tag.DICT}:
            return self.container(tag, tree[1:], depth)
        return self.leaf(tag, tree[1:])

    def container(self, tag: Tag, parts: list[Any], depth: int) -> Any:
        if depth <= 0:
            raise WireError(f"the message is nested more than {self.limits.depth} deep")
        self.items -= len(parts)
        if self.items < 0:
            raise WireError(f"the message has more than {self.limits.items} elements")
        values = [self.value(part, depth - 1) for part in parts]
        if tag is Tag.LIST:
            return values
        if tag is Tag.TUPLE:
            return tuple(values)
        return self.mapping(values)

    @staticmethod
    def mapping(values: list[Any]) -> dict[Any, Any]:
        if len(values) % 2:
            raise WireError("the message holds a dict with a key without a value")
        result: dict[Any, Any] = {}
        for key, item in zip(values[::2], values[1::2], strict=True):
            # Whole numbers of more than 64 bits can be chosen so that all of them hash alike.
            long = type(key) is int and key.bit_length() > 64
            if long or (type(key) not in _KEYS and type(key) not in _SCALARS):
                raise WireError(f"the message holds a dict key that is a {type(key).__name__}")
            try:
                result[key] = item
            except TypeError as error:
                raise WireError("the message holds a dict key that cannot be one") from error
        return result

    def leaf(self, tag: Tag, parts: list[Any]) -> Any:
        match tag, parts:
            case (Tag.ARRAY, [str(name), list(shape), bytes(data)]):
                return _array(name, shape, data)
            case (Tag.TENSOR, [str(name), list(shape), bytes(data)]):
                return _tensor(name, shape, data, as_torch=self.tensors == "torch")
            case (Tag.SCALAR, [str(name), bytes(data)]):
                return _array(name, [], data)[()]
            case (Tag.INTEGER, [bytes(data)]) if len(data) <= self.limits.integer_bits // 8 + 1:
                return int.from_bytes(data, "big", signed=True)
            case (Tag.COMPLEX, [float(real), float(imaginary)]):
                return complex(real, imaginary)
            case (Tag.HANDLE | Tag.CALLBACK, [int(number)]) if self.resolve is not None:
                return self.resolve(tag, number)
        raise WireError(f"the message holds a {tag.name.lower()} that is not well formed or not allowed here")


def _checked(shape: list[Any], itemsize: int, data: bytes) -> tuple[int, ...]:
    """The shape, if it is one and the data fill it exactly."""
    if len(shape) > _MAX_DIMENSIONS or any(type(n) is not int or not 0 <= n < 2**40 for n in shape):
        raise WireError("the message holds an array whose shape is not one")
    if math.prod(shape) * itemsize != len(data) or math.prod(n for n in shape if n) >= 2**48:
        raise WireError(f"the message holds an array of shape {tuple(shape)} with {len(data)} bytes")
    return tuple(shape)


def _array(name: str, shape: list[Any], data: bytes) -> np.ndarray[Any, Any]:
    """A fresh array of a known dtype."""
    dtype = _DTYPES.get(name)
    if dtype is None:
        raise WireError("the message holds an array of unknown dtype")
    checked = _checked(shape, dtype.itemsize, data)
    if name == "bool" and data.strip(b"\0\1"):
        raise WireError("the message holds truth values that are neither 0 nor 1")
    return np.frombuffer(data, dtype).reshape(checked).astype(dtype.newbyteorder("="), copy=True)


def _tensor(name: str, shape: list[Any], data: bytes, *, as_torch: bool) -> Any:
    """A fresh torch tensor, or what NumPy has for it."""
    if name not in _TENSOR_ONLY:
        array = _array(name, shape, data)
        return _torch().from_numpy(array) if as_torch else array
    bits = _array("uint16", shape, data)
    if as_torch:
        torch = _torch()
        return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)
    # A bfloat16 is the upper half of a float32.
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _torch() -> Any:
    """Torch, imported when the first tensor comes."""
    import torch  # noqa: PLC0415 - a lab without tensors need not load it

    return torch
