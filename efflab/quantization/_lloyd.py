"""Lloyd's iterations on sorted weights: O(k log n) each, with the results of the plain ones."""

import numpy as np
from numpy.typing import NDArray

from efflab.quantization import _nearest
from efflab.quantization._arrays import Values

Doubles = NDArray[np.float64]


class Runs:
    """Ascending weights whose runs' means are found from prefix sums."""

    def __init__(self, ordered: Values) -> None:
        self.ordered = ordered
        self.shift = float(ordered[ordered.size // 2])
        centred = ordered.astype(np.float64) - self.shift
        self.prefix = np.concatenate([[0.0], np.cumsum(centred)])
        spread = float(np.quantile(np.abs(centred), 0.5)) if ordered.size else 0.0
        # Far outliers would leave no digits for the others in a difference of prefix sums.
        self.wild = bool(np.finfo(np.float64).eps * np.abs(self.prefix).max() > 1e-10 * spread)
        self.variance = max(
            float(centred @ centred) / ordered.size - (self.prefix[-1] / ordered.size) ** 2, 0.0
        )

    def move(self, centroids: Doubles) -> Doubles:
        """Move ascending centroids to the means of the weights nearest to them; an empty one stays."""
        thresholds, order = _nearest.cuts(centroids, self.ordered.dtype)
        inner = np.searchsorted(self.ordered, thresholds, side="right")
        edges = np.concatenate([[0], inner, [self.ordered.size]])
        counts = np.diff(edges)
        full = counts > 0
        if self.wild:
            sums = np.add.reduceat(self.ordered, edges[:-1][full], dtype=np.float64)
            means = sums / counts[full]
        else:
            sums = (self.prefix[edges[1:]] - self.prefix[edges[:-1]])[full]
            means = sums / counts[full] + self.shift
        moved = centroids.copy()
        lows, highs = self.ordered[edges[:-1][full]], self.ordered[edges[1:][full] - 1]
        moved[order[full]] = np.clip(means, lows, highs)
        return moved


def iterate(ordered: Values, centroids: Doubles, max_iter: int, tol: float) -> tuple[Doubles, int]:
    """Move centroids until their squared shifts sum to ``tol`` times the variance at most.

    Args:
        ordered: ascending weights.
        centroids: (k,), in any order.
        max_iter: most iterations.
        tol: relative to the weights' variance.

    Returns:
        Centroids, and the number of iterations.
    """
    runs = Runs(ordered)
    for iteration in range(max_iter):
        moved = runs.move(centroids)
        shift = float(((moved - centroids) ** 2).sum())
        centroids = moved
        if shift <= tol * runs.variance:
            return centroids, iteration + 1
    return centroids, max_iter
