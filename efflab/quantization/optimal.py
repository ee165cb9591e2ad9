"""The least squared error of any k centroids: dynamic programming over ascending weights or a fine histogram of them.

Source: H. Wang, M. Song, "Ckmeans.1d.dp: Optimal k-means Clustering in One Dimension by Dynamic Programming",
The R Journal 3(2), 2011; A. Grønlund et al., "Fast Exact k-Means, k-Medians and Bregman Divergence Clustering in 1D",
arXiv:1701.07204 (divide and conquer). Where centroids lie densest: P. Panter, W. Dite, "Quantization Distortion in
Pulse-Count Modulation with Nonuniform Spacing of Levels", Proceedings of the IRE 39(1), 1951.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efflab.errors import EfflabError
from efflab.quantization._arrays import Values, check_count, check_finite, flatten

Doubles = NDArray[np.float64]

# Below this many weights sorting them takes a few milliseconds.
LARGE = 1 << 18
SAMPLE = 1 << 14
# Terms of the dynamic programme that take a tenth of a second or a few milliseconds; above them it goes over runs of items.
MOST_TERMS = 1 << 26
FEW_TERMS = 1 << 21
RUNS = 1 << 12
REACH, FAR = 4, 48  # places on each side that a boundary may move to at once
POLISH = 1000  # most of Lloyd's iterations at the end
# Entries of the exact search's table: 8 GiB.
MOST_ENTRIES = 1 << 31


def optimal_centroids(weights: Any, k: int, *, exact: bool = False) -> Any:
    """Find the k centroids of the least squared error.

    Args:
        weights: floats of any shape, an array or a tensor.
        k: number of centroids.
        exact: whether to search over every distinct weight, in O(k n log n). Otherwise many weights are first counted
            in a fine histogram, unless it turns out too coarse for them, and boundaries are found in ever smaller steps:
            for normal weights the squared error is within 1e-5 of the least at k = 16.

    Returns:
        Ascending centroids of the weights' kind and dtype: k, or as many as there are distinct weights.

    Raises:
        EfflabError: where weights are empty, NaN or infinite, or an exact search would not fit in memory.

    >>> optimal_centroids(np.array([1.0, 5.0, 1.5, 5.5, 100.0]), 3)
    array([  1.25,   5.25, 100.  ])
    """
    flat = flatten(weights, finite=False)
    return flat.wrap(optimal(flat.values, check_count(k), exact=exact))


def optimal(values: Values, k: int, *, exact: bool = False, name: str = "weights") -> Doubles:
    """Compute ``optimal_centroids`` of a flat array, in double precision."""
    if values.size >= LARGE and not exact and k <= 1 << 10:
        items = _histogram(values, k)
        centroids = None if items is None else _fit_histogram(items, k)
        if centroids is not None:
            return centroids
    check_finite(values, name)
    return _fit_sorted(np.sort(values), k, exact=exact)


@dataclass(frozen=True)
class Items:
    """Ascending values with their counts: distinct weights, or the means of bins of a width."""

    values: Doubles
    counts: Doubles
    width: float = 0.0


# Every distinct weight.


def _fit_sorted(ordered: Values, k: int, *, exact: bool) -> Doubles:
    from efflab.quantization import _dynamic  # noqa: PLC0415 - Numba loads only where it is needed

    scale = _scale(ordered)
    values, counts = np.empty(ordered.size), np.empty(ordered.size)
    found = _dynamic.distinct(ordered if scale == 1 else ordered * scale, values, counts)
    items = Items(values[:found], counts[:found])
    if found <= k:
        return items.values / scale
    middle = int(np.searchsorted(items.values, float(ordered[ordered.size // 2]) * scale))
    sums = _dynamic.prefixes(items.values, items.counts, middle)
    wide = False
    bounds = _search(items, sums, k, exact=exact, wide=wide)
    if _is_lost(sums, bounds, 1e8 if exact else 1e5):
        wide = True
        bounds = _search(items, sums, k, exact=exact, wide=wide)
    centroids = _means(items, bounds)
    if not exact and not wide:
        _dynamic.lloyd_items(items.values, sums, items.values[middle], centroids, 0.0, POLISH)
    return centroids / scale


def _is_lost(sums: Doubles, bounds: NDArray[np.int64], digits: float) -> bool:
    """Whether differences of sums leave fewer than log10(digits) digits: clusters far out and dense need twice as many."""
    from efflab.quantization import _dynamic  # noqa: PLC0415 - as above

    cost, size = _dynamic.cost(sums, bounds, wide=False)
    return bool(cost <= digits * np.finfo(np.float64).eps * size)


def _means(items: Items, bounds: NDArray[np.int64]) -> Doubles:
    counts = np.add.reduceat(items.counts, bounds[:-1])
    means: Doubles = np.add.reduceat(items.values * items.counts, bounds[:-1]) / counts
    return means


def _scale(ordered: Values) -> float:
    """A power of two that brings values near 1 where their squares would overflow or vanish."""
    largest = max(abs(float(ordered[0])), abs(float(ordered[-1])))
    exponent = int(np.frexp(largest)[1]) if largest else 0
    return 1.0 if abs(exponent) < 200 else float(np.ldexp(1.0, -min(max(exponent, -1000), 1000)))


def _search(items: Items, sums: Doubles, k: int, *, exact: bool, wide: bool) -> NDArray[np.int64]:
    """Find the boundaries of k runs of items."""
    from efflab.quantization import _dynamic  # noqa: PLC0415 - as above

    m = items.values.size
    if exact and k * (m + 1) > MOST_ENTRIES:
        raise EfflabError(
            f"an exact search for {k} centroids of {m} distinct weights needs {k * m * 4 / 2**30:.0f} GiB; "
            "exact=False does without"
        )
    if exact or k * m * m.bit_length() <= (FEW_TERMS if items.width else MOST_TERMS):
        bounds: NDArray[np.int64] = _dynamic.partition(sums, k, wide)
        return bounds
    budget = FEW_TERMS if items.width else MOST_TERMS // 4
    first = max(min(RUNS, 1 << (budget // (12 * k)).bit_length() - 1), 4 * k)
    edges = _coarse(items, first, k)
    if k * edges.size * edges.size.bit_length() <= 4 * MOST_TERMS:
        places = _dynamic.partition(np.ascontiguousarray(sums[:, edges]), k, wide)
    else:
        places = np.linspace(0, edges.size - 1, k + 1).astype(np.int64)
    bounds = edges[places]
    edges = np.union1d(bounds, _coarse(items, max(RUNS, 8 * k), k))
    places = np.searchsorted(edges, bounds)
    _dynamic.refine(np.ascontiguousarray(sums[:, edges]), places, np.ones_like(places), FAR, wide)
    bounds = edges[places]
    steps = np.maximum(np.diff(edges, prepend=0, append=edges[-1])[places] // 2, 1)
    while True:
        for _ in range(64):
            if not _dynamic.refine(sums, bounds, steps, REACH, wide):
                break
        if steps.max() == 1:
            return bounds
        steps = np.maximum(steps // 2, 1)


def _coarse(items: Items, runs: int, k: int) -> NDArray[np.int64]:
    """Cut items into runs, k at least: as the best centroids lie densest, and by count and width as well."""
    width = np.diff(items.values, prepend=items.values[0])
    density = np.cbrt(items.counts * width * width)
    total = np.cumsum(
        0.5 * _share(density, runs) + 0.25 * _share(items.counts, runs) + 0.25 * _share(width, runs)
    )
    inner = np.searchsorted(total, np.linspace(0, total[-1], runs + 1)[1:-1])
    edges = np.unique(np.concatenate([[0], inner, [items.values.size]]))
    if edges.size - 1 >= k:
        return edges
    more = np.linspace(0, items.values.size, k + 1).astype(np.int64)
    return np.unique(np.concatenate([edges, more]))


def _share(part: Doubles, runs: int) -> Doubles:
    """Scale to a sum of 1, of which no item takes more than four runs' part: one that stands alone needs no more."""
    for _ in range(6):
        part = np.minimum(part, 4 * part.sum() / runs)
    return part / (part.sum() or 1.0)


# A fine histogram.


def _histogram(values: Values, k: int) -> Items | None:
    """Count values in bins over most of their range, and those outside one by one; None where too many are outside."""
    from efflab.quantization import _kernels  # noqa: PLC0415 - as above

    sample = np.sort(values[:: max(1, values.size // SAMPLE)])
    low, high = _range(sample)
    kind = values.dtype.type
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        start: Any = kind(low)
        scale: Any = kind(np.float64(_kernels.POSITIONS) / (high - low))
    if not (np.isfinite(low) and np.isfinite(high) and np.isfinite(scale) and scale > 0):
        return None
    bits = 14 if k <= 32 else 16
    bins = 1 << bits
    tail = np.empty(max(values.size >> 6, 1 << 14), values.dtype)
    counts, places, strays = np.zeros(bins, np.int64), np.zeros(bins), 0
    mask = (1 << _kernels.COUNT_BIT) - 1
    for begin in range(0, values.size, _kernels.CHUNK):
        counters = np.zeros(bins, np.int64)
        found = _kernels.histogram(
            values[begin : begin + _kernels.CHUNK], start, scale, bits, counters, tail[strays:]
        )
        if found < 0:
            return None
        counts += counters >> _kernels.COUNT_BIT
        places += counters & mask
        strays += found
    outside = np.sort(tail[:strays]).astype(np.float64)
    if strays and not (np.isfinite(outside[0]) and np.isfinite(outside[-1])):
        return None
    used = np.flatnonzero(counts)
    unit = 1 / float(scale)
    # A place is cut off to a whole unit, so that half a unit is missing on average.
    middle = (
        places[used] / counts[used] + 0.5 + used * float(1 << (_kernels.POSITION_BITS - bits))
    ) * unit + float(start)
    below, above = outside[outside < float(start)], outside[outside >= float(start)]
    items = np.concatenate([below, middle, above])
    many = np.concatenate([np.ones(below.size), counts[used], np.ones(above.size)])
    return Items(np.maximum.accumulate(items), many, unit * (1 << (_kernels.POSITION_BITS - bits)))


def _range(sample: Values) -> tuple[float, float]:
    """Stretch the range of all but the outermost thousandths of a sample."""
    low, high = (float(sample[int(part * (sample.size - 1))]) for part in (0.001, 0.999))
    margin = 0.2 * (high - low)
    return low - margin, high + margin


def _fit_histogram(items: Items, k: int) -> Doubles | None:
    """Find centroids of the bins; None where the bins are too coarse for the outcome to be near the optimum."""
    from efflab.quantization import _dynamic  # noqa: PLC0415 - as above

    if items.values.size <= 8 * k:
        return None
    middle = int(np.searchsorted(np.cumsum(items.counts), items.counts.sum() / 2))
    shift = float(items.values[middle])
    sums = _dynamic.prefixes(items.values, items.counts, middle)
    bounds = _search(items, sums, k, exact=False, wide=False)
    if _is_lost(sums, bounds, 1e5):
        return None
    cost, _ = _dynamic.cost(sums, bounds, wide=False)
    centroids: Doubles = np.diff(sums[1, bounds]) / np.diff(sums[0, bounds]) + shift
    # Weights of a bin on a boundary may all belong to the other side: at most this much is lost.
    fullest = np.maximum(items.counts[bounds[1:-1] - 1], items.counts[bounds[1:-1]])
    lost = float((np.diff(centroids) * fullest).sum()) * items.width
    if lost > (2e-4 if k <= 32 else 2e-3) * cost:
        return None
    _dynamic.lloyd_items(items.values, sums, shift, centroids, items.width, POLISH)
    return centroids
