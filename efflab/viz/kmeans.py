"""An interactive figure: k-means moves a codebook through the weights, from one of three starts (Deep Compression, section 3).

The trajectories are computed when the figure is made. The page gets the centroids of each iteration and a histogram, a few
kilobytes however large the network.
"""

from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from efflab import quantization
from efflab.errors import EfflabError
from efflab.viz.plots import _flat
from efflab.viz.widgets import css, module, whole

SAMPLE = 20_000
INITS = ("linear", "density", "random")

Array = NDArray[np.float64]


class KMeansExplorer(anywidget.AnyWidget):
    """Choose a start, let Lloyd's iteration run, and see where centroids and squared error go.

    Args:
        weights: a tensor or array, or a list of them. Zeros are left out: in a pruned network they take no centroid. Of more
            than 20,000 weights that many evenly spaced in their order stand for all, the extremes among them.
        k: number of centroids, 2 to 32, fewer than there are distinct weights.
        inits: the starts to compare, from ``"linear"``, ``"density"`` and ``"random"``; the first is shown first.
        iterations: most iterations of each run, 1 to 60; a run ends earlier when no weight changes its cluster.
        largest: how many of the largest weights are tied to the centroid that replaces them, 0 to 10.
        seed: of the random start.
        title: a heading; also the figure's name for a screen reader.
        bins: number of bins of the histogram.

    The traits ``init`` and ``iteration`` follow the controls and move them; ``centroids`` and ``squared_error`` are those
    of the step that is shown.

    Raises:
        EfflabError: an argument is out of range, or there are too few weights.
    """

    _esm = module("kmeans_explorer")
    _css = css()

    init = traitlets.Unicode("").tag(sync=True)
    iteration = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    limit = traitlets.Float(1.0).tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    runs = traitlets.List(traitlets.Dict()).tag(sync=True)
    optimum = traitlets.Float(0.0).tag(sync=True)
    largest = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(
        self,
        weights: Any,
        k: int = 8,
        inits: Sequence[str] = INITS,
        *,
        iterations: int = 30,
        largest: int = 5,
        seed: int = 0,
        title: str = "K-means moves a codebook",
        bins: int = 81,
    ) -> None:
        flat = np.sort(_flat(weights))
        flat = flat[flat != 0]
        k, names = whole("k", k, 2, 32), _checked(inits)
        distinct = np.unique(flat).size
        if distinct <= k:
            raise EfflabError(
                f"weights must have more than k = {k} distinct values beside zero, got {distinct}"
            )
        sample = _spread(flat)
        steps, scale = whole("iterations", iterations, 1, 60), flat.size / sample.size
        limit = float(np.abs(flat).max())
        top = np.argsort(-np.abs(flat), kind="stable")[: whole("largest", largest, 0, 10)]
        best = quantization.optimal_centroids(sample, k, exact=True)
        super().__init__(
            init=names[0],
            title=title,
            limit=limit,
            counts=np.histogram(flat, bins=whole("bins", bins, 8, 400), range=(-limit, limit))[0].tolist(),
            runs=[_run(name, sample, _start(name, sample, k, seed), steps, scale) for name in names],
            optimum=_short(_squared_error(sample, best)[1] * scale),
            largest=[_short(value) for value in flat[top].tolist()],
        )

    @traitlets.validate("init")
    def _known(self, proposal: Any) -> str:
        names = [run["init"] for run in self.runs]
        if proposal["value"] not in names:
            raise EfflabError(f"init must be one of {', '.join(names)}, got {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("iteration")
    def _in_range(self, proposal: Any) -> int:
        last = max(len(run["errors"]) for run in self.runs) - 1
        return whole("iteration", proposal["value"], 0, last)

    def _shown(self, what: str) -> Any:
        run = next(run for run in self.runs if run["init"] == self.init)
        return run[what][min(self.iteration, len(run["errors"]) - 1)]

    @property
    def centroids(self) -> list[float]:
        """The codebook of the step that is shown, increasing."""
        return list(self._shown("centroids"))

    @property
    def squared_error(self) -> float:
        """Its squared error over all weights (equation 2)."""
        return float(self._shown("errors"))


def _checked(inits: Sequence[str]) -> tuple[str, ...]:
    names = (inits,) if isinstance(inits, str) else tuple(inits)
    if not names or len(set(names)) < len(names) or not set(names) <= set(INITS):
        raise EfflabError(f"inits must be some of {', '.join(INITS)}, each once, got {names!r}")
    return names


def _spread(ordered: Array) -> Array:
    """At most SAMPLE of the ordered weights, evenly spaced in rank, with the lowest and the highest."""
    if ordered.size <= SAMPLE:
        return ordered
    return ordered[np.linspace(0, ordered.size - 1, SAMPLE).round().astype(np.int64)]


def _start(name: str, sample: Array, k: int, seed: int) -> Array:
    """The first centroids of a run."""
    if name == "random":
        return np.sort(quantization.random_centroids(sample, k, np.random.default_rng(seed)))
    find = quantization.linear_centroids if name == "linear" else quantization.density_centroids
    return np.sort(find(sample, k))


def _squared_error(sample: Array, centroids: Array) -> tuple[Array, float]:
    labels = quantization.assign(sample, centroids)
    return labels, float(np.square(sample - centroids[labels]).sum())


def _run(name: str, sample: Array, centroids: Array, iterations: int, scale: float) -> dict[str, Any]:
    """Lloyd's iteration step by step: centroids and squared error of every step, and whether it came to rest."""
    frames: list[list[float]] = []
    errors: list[float] = []
    before, settled = np.empty(0), False
    while len(frames) <= iterations and not settled:
        labels, error = _squared_error(sample, centroids)
        frames.append([_short(value) for value in centroids.tolist()])
        errors.append(_short(error * scale))
        centroids = quantization.update(sample, labels, centroids.size, previous=centroids)
        settled, before = np.array_equal(labels, before), labels
    return {"init": name, "centroids": frames, "errors": errors, "settled": settled}


def _short(value: float) -> float:
    """Five digits: finer than a pixel."""
    return float(f"{value:.5g}")
