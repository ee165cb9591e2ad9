"""One-dimensional k-means: from any start by Lloyd's iterations, or at the optimum.

Source: Deep Compression, section 3.1 (equation 2: the least sum of squares within clusters) and section 3.2.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from efflab.errors import EfflabError
from efflab.quantization import _nearest, initial, optimal
from efflab.quantization._arrays import Flat, Values, check_count, check_finite, flatten, vector
from efflab.quantization._lloyd import iterate
from efflab.quantization.codebook import Codebook, squared_distance

Init = Literal["linear", "density", "random", "optimal"]
INITS = ("linear", "density", "random", "optimal")
MAX_ITER = 1000
TOL = 1e-12


def lloyd(weights: Any, centroids: Any, *, max_iter: int = 100, tol: float = 1e-6) -> tuple[Any, Any]:
    """Alternate between assigning weights to their nearest centroid and moving centroids to their weights' mean.

    The weights are sorted once, so that an iteration takes O(k log n); the results are those of the plain iterations.

    Args:
        weights: floats of any shape, an array or a tensor.
        centroids: (k,) start, in any order.
        max_iter: most iterations.
        tol: stop where the centroids' squared shifts sum to at most this fraction of the weights' variance.

    Returns:
        (k,) centroids (an empty cluster's stays) and the labels of the weights nearest to them.

    >>> lloyd(np.array([0.0, 1.0, 8.0, 10.0]), np.array([0.0, 1.0]))
    (array([0.5, 9. ]), array([0, 0, 1, 1], dtype=uint8))
    """
    flat = flatten(weights)
    start = vector(centroids)
    moved, _ = iterate(
        np.sort(flat.values), start, check_count(max_iter, "max_iter", 0, 1 << 62), check_tol(tol)
    )
    return _finish(flat, moved)


def kmeans(
    weights: Any,
    k: int,
    *,
    init: Init = "linear",
    exact: bool = False,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    generator: initial.Generator = None,
) -> Codebook:
    """Cluster weights into a codebook.

    Args:
        weights: floats of any shape, an array or a tensor.
        k: number of clusters.
        init: ``"linear"``, ``"density"`` or ``"random"`` (Forgy) start Lloyd's iterations; ``"optimal"`` gives the
            least squared error at once.
        exact: with ``"optimal"``, search over every weight instead of a fine histogram.
        max_iter: most iterations of Lloyd's.
        tol: as in ``lloyd``.
        generator: for ``"random"``: torch's, NumPy's or a seed.

    Returns:
        The codebook: ascending centroids, k at most (fewer where there are fewer distinct weights), and labels of the
        weights' shape.

    Raises:
        EfflabError: for empty weights, NaN, infinity, or an unknown ``init``.

    >>> kmeans(np.array([0.0, 1.0, 8.0, 10.0]), 2).centroids
    array([0.5, 9. ])
    """
    flat = flatten(weights, finite=False)
    centroids, _ = cluster(
        flat.values, check_count(k), init, exact=exact, max_iter=max_iter, tol=tol, generator=generator
    )
    return Codebook(*_finish(flat, centroids))


def cluster(
    values: Values,
    k: int,
    init: Init,
    *,
    exact: bool = False,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    generator: initial.Generator = None,
    name: str = "weights",
) -> tuple[NDArray[np.float64], int]:
    """Find centroids of a flat array, and in how many iterations; see ``kmeans``."""
    if init not in INITS:
        raise EfflabError(f"init must be one of {', '.join(map(repr, INITS))}, got {init!r}")
    if init == "optimal":
        return optimal.optimal(values, k, exact=exact, name=name), 1
    check_finite(values, name)
    if exact:
        raise EfflabError(
            f"exact=True goes with init='optimal'; Lloyd's iterations from init={init!r} are not exact"
        )
    ordered = np.sort(values)
    fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if np.count_nonzero(fresh) <= k:
        return ordered[fresh].astype(np.float64), 0
    if init == "linear":
        start = initial.linear(values, k)
    elif init == "density":
        start = initial.density(ordered, k)
    else:
        start = initial.forgy(values, k, generator)
    return iterate(ordered, np.unique(start), check_count(max_iter, "max_iter", 0, 1 << 62), check_tol(tol))


def check_tol(tol: object) -> float:
    """Return a tolerance as a float, or raise an ``EfflabError``."""
    if isinstance(tol, bool) or not isinstance(tol, int | float) or not tol >= 0:
        raise EfflabError(f"tol must be a number of at least 0, got {tol!r}")
    return float(tol)


def _finish(flat: Any, centroids: NDArray[np.float64]) -> tuple[Any, Any]:
    """Round the centroids to the weights' dtype, and label the weights by what was kept."""
    wrapped = flat.wrap(centroids)
    return wrapped, flat.wrap_labels(_nearest.labels(flat.values, vector(wrapped)))


def _points(X: Any, **kwargs: bool) -> Flat:
    """Take n numbers, of shape (n,) or (n, 1), apart; more columns would be features that one dimension lacks."""
    flat = flatten(X, "X", **kwargs)
    if flat.shape[1:] not in {(), (1,)}:
        raise EfflabError(f"X must have shape (n,) or (n, 1), got {flat.shape}")
    return flat


class KMeans1D:
    """K-means of one-dimensional data under scikit-learn's names.

    Args:
        n_clusters: k.
        init: ``"optimal"``, ``"linear"``, ``"density"``, ``"random"``, or (k,) centroids to start from.
        max_iter: most iterations of Lloyd's.
        tol: stop where the squared shifts sum to at most this fraction of the variance, as scikit-learn's.
        exact: with ``"optimal"``, search over every point.
        random_state: seed or NumPy generator for ``"random"``.

    >>> model = KMeans1D(2).fit([0.0, 1.0, 8.0, 10.0])
    >>> model.cluster_centers_, model.inertia_, model.predict([7.0])
    (array([0.5, 9. ]), 2.5, array([1], dtype=uint8))
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "optimal",
        max_iter: int = 300,
        tol: float = TOL,
        exact: bool = False,
        random_state: initial.Generator = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.exact = exact
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> "KMeans1D":
        """Find the centres of X: n numbers, of shape (n,) or (n, 1)."""
        del y
        flat = _points(X, finite=False)
        k = check_count(self.n_clusters, "n_clusters")
        if isinstance(self.init, str):
            init: Any = self.init
            found, self.n_iter_ = cluster(
                flat.values,
                k,
                init,
                exact=self.exact,
                max_iter=self.max_iter,
                tol=self.tol,
                generator=self.random_state,
                name="X",
            )
        else:
            start = vector(self.init, "init")
            if start.size != k:
                raise EfflabError(f"init has {start.size} centroids, n_clusters is {k}")
            found, self.n_iter_ = iterate(np.sort(flat.values), start, self.max_iter, check_tol(self.tol))
        centres = flat.wrap(found)
        labels = _nearest.labels(flat.values, vector(centres))
        self.cluster_centers_ = centres
        self.labels_ = flat.wrap_labels(labels).reshape(-1)
        self.inertia_ = squared_distance(flat.values, vector(centres)[labels])
        return self

    def predict(self, X: Any) -> Any:
        """Label points by the centre nearest to each."""
        flat = _points(X, empty=True)
        return flat.wrap_labels(_nearest.labels(flat.values, vector(self.cluster_centers_))).reshape(-1)

    def fit_predict(self, X: Any, y: object = None) -> Any:
        """Fit, and return the labels of X."""
        return self.fit(X, y).labels_
