"""The nearest of k centroids, exactly: the line between two neighbours, rounded to where the comparison is exact."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from efflab.quantization._arrays import Values, label_dtype

# Below this many weights NumPy's binary search takes less than compiling a loop.
LARGE = 1 << 17


def cuts(centroids: NDArray[np.float64], dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Find the thresholds between neighbouring centroids.

    Args:
        centroids: (k,) finite, in any order.
        dtype: float32 or float64, of the weights that will be compared.

    Returns:
        (m - 1,) ascending thresholds of that dtype and (m,) indices of the m distinct centroids: the weight w belongs
        to the centroid ``order[number of thresholds < w]``.
    """
    order = np.argsort(centroids, kind="stable")
    ordered = centroids[order]
    fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    order, ordered = order[fresh], ordered[fresh]
    low, high = ordered[:-1] / 2, ordered[1:] / 2  # halves: a sum of two large numbers would overflow
    if ordered.size and np.abs(ordered).max() < 1e300 and ordered.size > 1:
        total, error = _two_sum(ordered[:-1], ordered[1:])
        middle, error = total / 2, error / 2
        # Halving a denormal rounds; the part lost joins the error.
        error += (total - 2 * middle) / 2
    else:
        middle, error = _two_sum(low, high)
    thresholds = _round_down(middle, error, dtype)
    # A weight on the line goes to the lower index: where that is the upper centroid, the threshold lies just below.
    exact = (error == 0) & (thresholds.astype(np.float64) == middle)
    upper_first = exact & (order[1:] < order[:-1])
    thresholds[upper_first] = np.nextafter(thresholds[upper_first], dtype.type(-np.inf))
    return thresholds, order


def _two_sum(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knuth's exact sum: rounded result and its error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _round_down(
    middle: NDArray[np.float64], error: NDArray[np.float64], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Round ``middle + error`` to the largest number of ``dtype`` that is not above it."""
    down = np.where(error < 0, np.nextafter(middle, -np.inf), middle)
    if dtype == np.float64:
        return down
    with np.errstate(over="ignore"):
        narrow = down.astype(dtype)
    above = narrow > down
    narrow[above] = np.nextafter(narrow[above], dtype.type(-np.inf))
    return narrow


def labels(values: Values, centroids: NDArray[np.float64]) -> NDArray[Any]:
    """Label each of the flat values with its nearest centroid, ties to the lower index."""
    thresholds, order = cuts(centroids, values.dtype)
    dtype = label_dtype(centroids.size)
    straight = bool((order == np.arange(order.size)).all())
    if values.size < LARGE or not thresholds.size:
        rank = np.searchsorted(thresholds, values, side="left")
        return rank.astype(dtype) if straight else order.astype(dtype)[rank]
    rank = _search(values, thresholds, dtype)
    return rank if straight else order.astype(dtype)[rank]


def _search(values: Values, thresholds: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Count the thresholds below each value, from a table of cells between the first and the last threshold."""
    from efflab.quantization import _kernels  # noqa: PLC0415 - Numba loads only where it is needed

    kind = values.dtype.type
    cells = 1 << 12 if thresholds.size < 64 else 1 << 14
    low, high = thresholds[0], thresholds[-1]
    with np.errstate(over="ignore", divide="ignore"):
        scale: Any = kind(cells - 1) / (high - low)
    if not np.isfinite(scale) or scale <= 0:
        # All thresholds are nearly one: a single cell holds them.
        cells, scale = 1, kind(0)
    top: Any = kind(cells - 1)
    at = _kernels.cells(thresholds, low, scale, top)
    first = np.zeros(cells + 1, dtype)
    first[1:] = np.cumsum(np.bincount(at, minlength=cells))
    out = np.empty(values.size, dtype)
    if np.bincount(at).max() == 1:
        ends = np.append(thresholds, kind(np.inf))
        _kernels.label_near(values, low, scale, top, first, ends, out)
    else:
        _kernels.label_any(values, low, scale, top, first, thresholds, out)
    return out
