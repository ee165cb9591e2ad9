"""Kinds of numbers, and tensors as their bits: the format keeps bits, and never asks what they mean."""

import math
import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parameter import is_lazy

from efflab.errors import EfflabError

Bits = NDArray[Any]

# The numbers on the left stand in files; they are never given to another kind.
_NAMES = {
    0: "float32",
    1: "float16",
    2: "bfloat16",
    3: "float64",
    4: "int8",
    5: "uint8",
    6: "int16",
    7: "uint16",
    8: "int32",
    9: "uint32",
    10: "int64",
    11: "uint64",
    12: "bool",
    13: "complex32",
    14: "complex64",
    15: "complex128",
    16: "float8_e4m3fn",
    17: "float8_e5m2",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2fnuz",
    20: "float8_e8m0fnu",
}
DTYPES: dict[int, torch.dtype] = {
    number: getattr(torch, name) for number, name in _NAMES.items() if hasattr(torch, name)
}
"""The kinds of numbers that a file may hold, by the number that stands for each."""

NUMBERS = {dtype: number for number, dtype in DTYPES.items()}
LARGEST_CODED = 8
"""Bytes of the largest number that a codebook may hold; complex128 is stored as it is."""

_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def name_of(dtype: torch.dtype) -> str:
    """The dtype without ``torch.`` in front."""
    return str(dtype).removeprefix("torch.")


def unsigned(itemsize: int) -> np.dtype[Any]:
    """The unsigned integer of 1, 2, 4 or 8 bytes."""
    return _UNSIGNED[itemsize]


def refuse_big_endian() -> None:
    """Raise an EfflabError where numbers lie in memory the other way round than in a file."""
    if sys.byteorder != "little":
        raise EfflabError("an .efz file holds little-endian numbers, and this machine is big-endian")


def refuse_unstorable(name: str, value: object) -> None:
    """Raise an EfflabError naming the tensor where it is not one that a file can hold."""
    if not isinstance(value, Tensor):
        raise EfflabError(
            f"{name} is no tensor but {type(value).__name__}, and an .efz file holds tensors only"
        )
    if is_lazy(value):
        raise EfflabError(f"{name} has no values yet: run the model once before it is saved")
    if value.layout is not torch.strided:
        raise EfflabError(
            f"{name} is stored as {value.layout}; an .efz file takes dense tensors (call .to_dense())"
        )
    if value.is_meta:
        raise EfflabError(f"{name} is on the meta device and has no values")
    if value.dtype not in NUMBERS:
        raise EfflabError(f"{name} is of {value.dtype}, which an .efz file does not hold")


def bytes_of(tensor: Tensor) -> NDArray[np.uint8]:
    """The bytes of a tensor in row-major order, little-endian; a view where the tensor is contiguous and on the CPU.

    Args:
        tensor: any dense tensor.

    Returns:
        (numel * itemsize,) bytes.
    """
    return _flat(tensor.detach().cpu().resolve_conj().resolve_neg().contiguous())


def _flat(tensor: Tensor) -> NDArray[np.uint8]:
    """The memory of a contiguous tensor; one of one element is contiguous whatever its stride, and reshape keeps that."""
    flat: NDArray[np.uint8] = tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8).numpy()
    return flat


def bits_of(tensor: Tensor) -> Bits:
    """The bits of a tensor as unsigned integers of its size, flat; for dtypes of at most 8 bytes."""
    return bytes_of(tensor).view(unsigned(tensor.dtype.itemsize))


def writable_bytes(tensor: Tensor) -> NDArray[np.uint8] | None:
    """The memory of a tensor as bytes to write into, or None where it does not lie flat in this machine's memory."""
    if tensor.device.type != "cpu" or not tensor.is_contiguous() or tensor.is_conj() or tensor.is_neg():
        return None
    return _flat(tensor.detach())


def dense_bytes(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Bytes of a dense tensor; exact for shapes of any size."""
    return math.prod(shape) * dtype.itemsize
