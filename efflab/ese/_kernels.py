"""Loops over the bits of float32 weights whose rows are dealt out to processing elements, compiled by Numba.

With the sign dropped, the bits of floats sort as unsigned integers just as their magnitudes do.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bits = NDArray[np.uint32]

MAGNITUDE = np.uint32(0x7FFFFFFF)
INFINITY = 0x7F800000
DROPPED = np.uint32(20)
"""Low bits that a bin leaves out: the exponent and three bits of the mantissa are left."""
BINS = 1 << 11


@njit(cache=True, nogil=True)
def histogram(bits: Bits, counts: NDArray[np.int32]) -> np.uint32:
    """Count each element's magnitudes by their high bits.

    Args:
        bits: (rows, columns) float32 as uint32.
        counts: (pes, BINS) zeros.

    Returns:
        The bits of the largest magnitude.
    """
    largest = np.uint32(0)
    for row in range(bits.shape[0]):
        own = counts[row % counts.shape[0]]
        for column in range(bits.shape[1]):
            magnitude = bits[row, column] & MAGNITUDE
            own[magnitude >> DROPPED] += np.int32(1)
            largest = max(largest, magnitude)
    return largest


@njit(cache=True, nogil=True)
def collect(bits: Bits, bins: NDArray[np.uint32], starts: NDArray[np.int64], found: Bits) -> None:
    """Collect the magnitudes that lie in each element's bin.

    Args:
        bits: (rows, columns) float32 as uint32.
        bins: (pes,) the bin of each element.
        starts: (pes,) where each element's magnitudes begin in ``found``; moved to where they end.
        found: room for all of them, and behind those of each element one place more.
    """
    pes = bins.size
    for row in range(bits.shape[0]):
        k = row % pes
        wanted, at = bins[k], starts[k]
        for column in range(bits.shape[1]):
            magnitude = bits[row, column] & MAGNITUDE
            found[at] = magnitude
            at += np.int64((magnitude >> DROPPED) == wanted)
        starts[k] = at


@njit(cache=True, nogil=True)
def keep_larger(bits: Bits, thresholds: Bits, mask: NDArray[np.bool_]) -> None:
    """Write where a magnitude is above its element's threshold."""
    for row in range(bits.shape[0]):
        threshold = thresholds[row % thresholds.size]
        for column in range(bits.shape[1]):
            mask[row, column] = (bits[row, column] & MAGNITUDE) > threshold


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, so that no call has to."""
    rows, places, bins = "uint32[:, ::1]", "int64[::1]", "uint32[::1]"
    histogram.compile(f"({rows}, int32[:, ::1])")
    collect.compile(f"({rows}, {bins}, {places}, {bins})")
    keep_larger.compile(f"({rows}, {bins}, boolean[:, ::1])")
