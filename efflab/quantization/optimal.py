"""The least squared error of any k centroids: dynamic programming over ascending weights.

Source: H. Wang, M. Song, "Ckmeans.1d.dp: Optimal k-means Clustering in One Dimension by Dynamic Programming",
The R Journal 3(2), 2011; A. Grønlund et al., "Fast Exact k-Means, k-Medians and Bregman Divergence Clustering in 1D",
arXiv:1701.07204.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from efflab.quantization._arrays import Values, check_count, flatten

Doubles = NDArray[np.float64]


def optimal_centroids(weights: Any, k: int, *, exact: bool = False) -> Any:
    """Find the k centroids of the least squared error.

    Args:
        weights: floats of any shape, an array or a tensor.
        k: number of centroids.
        exact: whether to search over every distinct weight, in O(k n log n), rather than over a fine histogram.

    Returns:
        Ascending centroids of the weights' kind and dtype: k, or as many as there are distinct weights.

    >>> optimal_centroids(np.array([1.0, 5.0, 1.5, 5.5, 100.0]), 3)
    array([  1.25,   5.25, 100.  ])
    """
    flat = flatten(weights)
    return flat.wrap(optimal(flat.values, check_count(k), exact=exact))


def optimal(values: Values, k: int, *, exact: bool = False) -> Doubles:
    """Compute ``optimal_centroids`` of a flat array, in double precision."""
    from efflab.quantization import _kernels  # noqa: PLC0415 - Numba loads only where it is needed

    del exact
    distinct, counts = np.unique(values, return_counts=True)
    items = distinct.astype(np.float64)
    if items.size <= k:
        return items
    n, s, q = (
        np.concatenate([[0.0], np.cumsum(part)])
        for part in (
            counts.astype(np.float64),
            counts * (items - items.mean()),
            counts * (items - items.mean()) ** 2,
        )
    )
    bounds = _kernels.partition(n, s, q, k)
    return np.add.reduceat(counts * items, bounds[:-1]) / np.add.reduceat(counts, bounds[:-1])
