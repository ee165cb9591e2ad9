"""An interactive figure: a slider prunes a histogram of weights and runs along the accuracy curve.

The page gets a binned histogram and a table of thresholds, a few kilobytes however large the network. The JavaScript
module works on those alone, so the figure answers in JupyterLab and in a built page without a kernel.
"""

from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from efflab.errors import EfflabError
from efflab.viz.plots import _flat, as_array
from efflab.viz.widgets import css, module

STEP = 0.005


class PruneExplorer(anywidget.AnyWidget):
    """Move the sparsity, and see which weights go and what the accuracy is.

    Args:
        weights: a tensor or array, or a list of them: the layer or network whose histogram is shown.
        sparsities: shape (points,), increasing, fractions in [0, 1].
        accuracies: shape (points,) in percent, or by label several such curves.
        sparsity: where the slider starts.
        title: a heading; also the figure's name for a screen reader.
        ylabel: what the curves show, with unit.
        bins: number of bins of the histogram.

    The trait ``sparsity`` follows the slider and moves it (``explorer.observe(f, "sparsity")``); ``threshold`` and
    ``kept`` are computed here from it, as the page computes them there.

    Raises:
        EfflabError: lengths differ, or values are not finite or out of range.
    """

    _esm = module("prune_explorer")
    _css = css()

    sparsity = traitlets.Float(0.0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    ylabel = traitlets.Unicode("").tag(sync=True)
    step = traitlets.Float(STEP).tag(sync=True)
    limit = traitlets.Float(1.0).tag(sync=True)
    total = traitlets.Int(0).tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    thresholds = traitlets.List(traitlets.Float()).tag(sync=True)
    sparsities = traitlets.List(traitlets.Float()).tag(sync=True)
    curves = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        weights: Any,
        sparsities: Any,
        accuracies: Any,
        *,
        sparsity: float = 0.5,
        title: str = "What magnitude pruning removes",
        ylabel: str = "accuracy (%)",
        bins: int = 81,
    ) -> None:
        flat = _flat(weights)
        x = as_array(sparsities).ravel()
        if x.size < 2 or not (np.isfinite(x).all() and (np.diff(x) > 0).all() and x[0] >= 0 and x[-1] <= 1):
            raise EfflabError(f"sparsities must be increasing fractions in [0, 1], got {x.tolist()}")
        limit = float(np.abs(flat).max()) or 1.0
        counts, _ = np.histogram(flat, bins=bins, range=(-limit, limit))
        super().__init__(
            sparsity=sparsity,
            title=title,
            ylabel=ylabel,
            limit=limit,
            total=int(flat.size),
            counts=counts.tolist(),
            thresholds=[float(f"{value:.5g}") for value in _thresholds(flat)],
            sparsities=x.tolist(),
            curves=_curves(accuracies, x.size),
        )

    @traitlets.validate("sparsity")
    def _in_range(self, proposal: Any) -> float:
        value = float(proposal["value"])
        if not 0 <= value < 1:
            raise EfflabError(f"sparsity must be in [0, 1), got {value}")
        return value

    @property
    def threshold(self) -> float:
        """Absolute value below which weights go, read off the table the page has."""
        grid = np.linspace(0, 1, len(self.thresholds))
        return float(np.interp(self.sparsity, grid, self.thresholds))

    @property
    def kept(self) -> int:
        """Number of weights that stay."""
        return self.total - round(self.sparsity * self.total)


def _thresholds(flat: Any) -> list[float]:
    """The threshold of each sparsity 0, STEP, 2 STEP, ... 1: the smallest magnitude that stays."""
    magnitudes = np.sort(np.abs(flat))
    steps = round(1 / STEP)
    places = [min(round(i * magnitudes.size / steps), magnitudes.size - 1) for i in range(steps + 1)]
    return [0.0, *(float(magnitudes[place]) for place in places[1:])]


def _curves(accuracies: Any, points: int) -> list[dict[str, Any]]:
    """The curves as the page reads them, checked."""
    named = accuracies if isinstance(accuracies, Mapping) else {"accuracy": accuracies}
    curves = []
    for name, values in named.items():
        y = as_array(values).ravel()
        if y.size != points or not np.isfinite(y).all():
            raise EfflabError(
                f"accuracies of {name!r} must be {points} finite numbers, one a sparsity, got {y.tolist()}"
            )
        curves.append({"name": str(name), "y": y.tolist()})
    return curves
