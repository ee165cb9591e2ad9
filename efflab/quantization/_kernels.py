"""Loops of k-means, compiled by Numba; each is plain Python under ``.py_func``.

Indices are unsigned where they can be: Numba then leaves out its care for negative ones, which costs half the time.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Array = NDArray[Any]

# Positions within a histogram's range: bins and, in the bits below theirs, the place in the bin.
POSITION_BITS = 24
POSITIONS = 1 << POSITION_BITS
# A counter holds the sum of places below its 40th bit and the count above: 2^23 values cannot overflow either.
COUNT_BIT = 40
CHUNK = 1 << 22
BLOCK = 512


@njit(cache=True, nogil=True)
def histogram(  # noqa: PLR0917 - Numba compiles positional calls
    values: Array, low: float, scale: float, bits: int, counters: NDArray[np.int64], tail: Array
) -> int:
    """Count values by bin, with the sum of their places in it, in one pass.

    Args:
        values: flat floats, at most 2^23 of them.
        low: lower end of the range, of the values' dtype.
        scale: 2^24 over the range's width, of the values' dtype.
        bits: log2 of the number of bins.
        counters: (2^bits,) zeros; the count times 2^40, plus the places.
        tail: room for what lies outside the range, NaN too.

    Returns:
        How many values lie outside; -1 where they are more than ``tail`` holds.
    """
    shift = np.uint32(POSITION_BITS - bits)
    below = np.uint32((1 << (POSITION_BITS - bits)) - 1)
    one = np.int64(1) << np.int64(COUNT_BIT)
    top = values.dtype.type(POSITIONS)
    nothing, outside = values.dtype.type(0), values.dtype.type(-1)
    buffer = np.empty(BLOCK, np.uint32)
    found = 0
    for start in range(0, values.size, BLOCK):
        block = values[start : start + BLOCK]
        strays = np.uint32(0)
        for i in range(block.size):
            place = (block[i] - low) * scale
            inside = (place >= nothing) & (place < top)
            strays |= np.uint32(not inside)
            buffer[i] = np.uint32(np.int32(place if inside else outside))
        if strays == 0:
            for i in range(block.size):
                at = buffer[i]
                counters[np.uint64(at >> shift)] += one + np.int64(at & below)
        else:
            if found + BLOCK > tail.size:
                return -1
            for i in range(block.size):
                at = buffer[i]
                if at < np.uint32(POSITIONS):
                    counters[np.uint64(at >> shift)] += one + np.int64(at & below)
                else:
                    tail[found] = block[i]
                    found += 1
    return found


@njit(cache=True, nogil=True)
def cells(values: Array, low: float, scale: float, top: float) -> NDArray[np.uint32]:
    """Find the cell of each value just as the label kernels do."""
    out = np.empty(values.size, np.uint32)
    nothing = values.dtype.type(0)
    for i in range(values.size):
        place = (values[i] - low) * scale
        place = place if place > nothing else nothing  # noqa: FURB136 - a comparison and a choice, which vectorize
        out[i] = np.uint32(np.int32(place if place < top else top))  # noqa: FURB136 - as above
    return out


@njit(cache=True, nogil=True)
def label_near(  # noqa: PLR0917 - as above
    values: Array, low: float, scale: float, top: float, first: Array, thresholds: Array, labels: Array
) -> None:
    """Label values where no cell holds more than one threshold.

    Args:
        values: flat finite floats.
        low: start of the first cell.
        scale: cells a unit.
        top: index of the last cell, as a float of the values' dtype.
        first: (cells,) number of thresholds in the cells before.
        thresholds: ascending, with infinity at the end.
        labels: written: the number of thresholds below each value.
    """
    buffer = np.empty(BLOCK, np.uint32)
    nothing = values.dtype.type(0)
    for start in range(0, values.size, BLOCK):
        block = values[start : start + BLOCK]
        out = labels[start : start + BLOCK]
        for i in range(block.size):
            place = (block[i] - low) * scale
            place = place if place > nothing else nothing  # noqa: FURB136 - a comparison and a choice, which vectorize
            buffer[i] = np.uint32(np.int32(place if place < top else top))  # noqa: FURB136 - as above
        for i in range(block.size):
            label = first[np.uint64(buffer[i])]
            out[i] = label + labels.dtype.type(block[i] > thresholds[np.uint64(label)])


@njit(cache=True, nogil=True)
def label_any(  # noqa: PLR0917 - as above
    values: Array, low: float, scale: float, top: float, first: Array, thresholds: Array, labels: Array
) -> None:
    """Label values as ``label_near`` does, with a binary search in cells of many thresholds.

    ``first`` has one more entry, the number of all thresholds.
    """
    nothing = values.dtype.type(0)
    for i in range(values.size):
        place = (values[i] - low) * scale
        place = place if place > nothing else nothing  # noqa: FURB136 - a comparison and a choice, which vectorize
        cell = np.uint64(np.int32(place if place < top else top))  # noqa: FURB136 - as above
        left, right = np.int64(first[cell]), np.int64(first[cell + np.uint64(1)])
        while left < right:
            middle = (left + right) >> 1
            if values[i] > thresholds[middle]:
                left = middle + 1
            else:
                right = middle
        labels[i] = left


@njit(cache=True, nogil=True)
def decode(centroids: Array, labels: Array, zero: int, out: Array) -> None:
    """Write ``centroids[labels]``; with ``zero`` 1, label 0 is 0 and label i is centroid i - 1."""
    table = np.zeros(centroids.size + zero, centroids.dtype)
    table[zero:] = centroids
    for i in range(labels.size):
        out[i] = table[np.uint64(labels[i])]


@njit(cache=True, nogil=True)
def sum_by_label(gradient: Array, labels: Array, zero: int, out: Array) -> None:
    """Sum over each label but the zero's, in double precision; four tables in turn, so that no sum waits for the last."""
    sums = np.zeros((4, out.size + zero))
    whole = labels.size // 4 * 4
    for i in range(0, whole, 4):
        for lane in range(4):
            sums[lane, np.uint64(labels[i + lane])] += gradient[i + lane]
    for i in range(whole, labels.size):
        sums[0, np.uint64(labels[i])] += gradient[i]
    for c in range(out.size):
        out[c] = (sums[0, c + zero] + sums[1, c + zero]) + (sums[2, c + zero] + sums[3, c + zero])


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, the search's too, so that no call has to."""
    import torch  # noqa: PLC0415 - the loops themselves do without

    from efflab.quantization import _decode, optimal_centroids  # noqa: PLC0415 - it loads its loops where it needs them
    from efflab.quantization._nearest import labels  # noqa: PLC0415 - as above

    ascending = np.linspace(-1, 1, 1 << 18) ** 3
    for values in (ascending, ascending.astype(np.float32)):
        optimal_centroids(values, 16)
        optimal_centroids(values[::64], 300)
        # Centroids so close together that a cell holds several; and more of them than a byte can tell apart.
        for k, spread in ((16, 1.0), (16, 1e-6), (300, 1.0), (300, 1e-6)):
            labels(values, np.append(np.linspace(-1, 1, k - 1) * spread, 2.0))
        for kind in (np.uint8, np.int16, np.int32):
            codes = torch.from_numpy(np.zeros(1 << 12, kind))
            weights = _decode.gather(torch.from_numpy(values[:2]), codes, zero=False)
            _decode.scatter(weights, codes, zero=False, k=2)
