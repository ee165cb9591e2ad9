"""Loops over the bits of float32 weights, compiled by Numba; each is plain Python under ``.py_func``.

With the sign dropped, the bits of finite floats sort as unsigned integers just as their magnitudes do.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bits = NDArray[np.uint32]

MAGNITUDE = np.uint32(0x7FFFFFFF)
INFINITY = 0x7F800000
# A block of 32 weights is one unrolled vector loop, and most blocks hold nothing near the threshold.
BLOCK = 32


@njit(cache=True, nogil=True)
def bracket(bits: Bits, low: np.uint32, high: np.uint32, found: Bits) -> tuple[np.int64, np.int64, np.uint32]:
    """Count the magnitudes below ``low`` and collect those in [low, high], in one pass.

    Args:
        bits: float32 weights as uint32, flat.
        low: lower bound, sign bit clear.
        high: upper bound, sign bit clear.
        found: buffer for the magnitudes collected.

    Returns:
        How many lie below, how many were collected (-1: the buffer is too small), and the largest magnitude's bits.
    """
    below, inside = np.int64(0), np.int64(0)
    largest = np.uint32(0)
    width = np.uint32(high - low)
    whole = bits.size // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        under, hits = np.uint32(0), np.uint32(0)
        for i in range(start, start + BLOCK):
            magnitude = bits[i] & MAGNITUDE
            under += np.uint32(magnitude < low)
            hits += np.uint32(np.uint32(magnitude - low) <= width)
            largest = max(largest, magnitude)
        below += np.int64(under)
        if hits:
            if inside + BLOCK > found.size:
                return np.int64(0), np.int64(-1), largest
            for i in range(start, start + BLOCK):
                magnitude = bits[i] & MAGNITUDE
                found[inside] = magnitude
                inside += np.int64(np.uint32(magnitude - low) <= width)
    for i in range(whole, bits.size):
        magnitude = bits[i] & MAGNITUDE
        largest = max(largest, magnitude)
        if magnitude < low:
            below += np.int64(1)
        elif magnitude <= high:
            if inside >= found.size:
                return np.int64(0), np.int64(-1), largest
            found[inside] = magnitude
            inside += np.int64(1)
    return below, inside, largest


@njit(cache=True, nogil=True)
def histogram_high(bits: Bits) -> NDArray[np.int64]:
    """Count magnitudes by the top 16 of their 31 bits (65,536 bins)."""
    counts = np.zeros(1 << 16, np.int64)
    for i in range(bits.size):
        counts[(bits[i] & MAGNITUDE) >> np.uint32(15)] += 1
    return counts


@njit(cache=True, nogil=True)
def histogram_low(bits: Bits, high: int) -> NDArray[np.int64]:
    """Count the magnitudes whose top 16 bits are ``high`` by their low 15 bits (32,768 bins)."""
    counts = np.zeros(1 << 15, np.int64)
    for i in range(bits.size):
        magnitude = bits[i] & MAGNITUDE
        if magnitude >> np.uint32(15) == high:
            counts[magnitude & np.uint32(0x7FFF)] += 1
    return counts


@njit(cache=True, nogil=True)
def keep_larger(bits: Bits, threshold: np.uint32, mask: NDArray[np.bool_]) -> None:
    """Write ``|w| > threshold`` into ``mask``."""
    for i in range(bits.size):
        mask[i] = (bits[i] & MAGNITUDE) > threshold


@njit(cache=True, nogil=True)
def keep_larger_erase_others(bits: Bits, threshold: np.uint32, mask: NDArray[np.bool_]) -> None:
    """Write ``|w| > threshold`` into ``mask``, and +0 where it does not hold, in one pass."""
    for i in range(bits.size):
        larger = (bits[i] & MAGNITUDE) > threshold
        mask[i] = larger
        bits[i] = bits[i] if larger else np.uint32(0)


@njit(cache=True, nogil=True)
def erase(bits: Bits, mask: NDArray[np.bool_]) -> None:
    """Set to +0 what ``mask`` does not keep."""
    for i in range(bits.size):
        bits[i] = bits[i] if mask[i] else np.uint32(0)


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, so that no call has to."""
    bits, flags = "uint32[::1]", "boolean[::1]"
    bracket.compile(f"({bits}, uint32, uint32, {bits})")
    histogram_high.compile(f"({bits},)")
    histogram_low.compile(f"({bits}, int64)")
    for write in (keep_larger, keep_larger_erase_others):
        write.compile(f"({bits}, uint32, {flags})")
    erase.compile(f"({bits}, {flags})")
