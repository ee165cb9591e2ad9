"""Making records: what was measured over the seeds beside what the paper prints, and whether a bar holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from efflab import results
from efflab.paper import Figure
from efflab.results import Result

Common = Mapping[str, Any]
"""Fields that all records of a run share: scale, seeds, command."""

MASKS = "nine layers drawn at table III's densities"


@dataclass(frozen=True)
class Bar:
    """What was promised of a figure.

    Attributes:
        limit: how far it may be from the paper's, in percent of it or in points.
        unit: ``"%"`` or ``"points"``.
    """

    limit: float
    unit: Literal["%", "points"] = "%"

    def __str__(self) -> str:
        return f"within {self.limit:g} {self.unit}"

    def holds(self, measured: float, paper: float) -> bool:
        """Whether a measured figure is as near to the paper's as promised."""
        off = abs(measured - paper)
        return (100 * off / paper if self.unit == "%" else off) <= self.limit


def made(
    name: str,
    values: Sequence[float],
    unit: str,
    common: Common,
    *,
    paper: Figure | None = None,
    bar: Bar | None = None,
    why: str = "",
    differs: str = "",
) -> Result:
    """Record the mean over the seeds.

    Args:
        name: id within the topic.
        values: one a seed.
        unit: theirs.
        common: see :data:`Common`.
        paper: the published figure, of the same unit.
        bar: what was promised; at scale smoke nothing is judged.
        why: reason of a bar that is missed.
        differs: reason of a difference for which nothing was promised.
    """
    mean = fmean(values)
    judged = bar if common["scale"] != "smoke" and paper is not None else None
    holds = None if judged is None or paper is None else judged.holds(mean, paper.value)
    source = (
        f"{paper.reference}; differs because {differs}"
        if differs and bar is None and paper is not None
        else ""
    )
    return _record(name, mean, unit, common, values, paper, judged, holds, why, source)


def worst(
    name: str,
    measured: Sequence[Sequence[float]],
    figures: Sequence[Figure],
    common: Common,
    *,
    unit: Literal["%", "points"] = "points",
    bar: Bar | None = None,
    why: str = "",
) -> Result:
    """Record how far a curve's mean is from the paper's points where it is farthest.

    Args:
        name: id within the topic.
        measured: a curve a seed.
        figures: the paper's points.
        common: see :data:`Common`.
        unit: points, or percent of the paper's value.
        bar: what was promised of every point.
        why: reason of a bar that is missed.
    """
    means = [fmean(values) for values in zip(*measured, strict=True)]
    offs = [
        abs(mean - figure.value) / (figure.value / 100 if unit == "%" else 1)
        for mean, figure in zip(means, figures, strict=True)
        if "clipped" not in figure.note
    ]
    judged = bar if common["scale"] != "smoke" else None
    holds = None if judged is None else max(offs) <= judged.limit
    source = f"{figures[0].source}, {figures[0].where}"
    return _record(name, max(offs), unit, common, None, None, judged, holds, why, source)


def _record(  # noqa: PLR0917 - the two above share it
    name: str,
    value: float,
    unit: str,
    common: Common,
    values: Sequence[float] | None,
    paper: Figure | None,
    bar: Bar | None,
    holds: bool | None,
    why: str,
    source: str = "",
) -> Result:
    source = source or (paper.reference if paper else "")
    return results.record(
        "eie",
        name,
        _six(value),
        unit,
        paper=None if paper is None else paper.value,
        source=f"{source}; missed because {why}" if holds is False and why else source,
        bar=None if bar is None else str(bar),
        holds=holds,
        spread=None if values is None else tuple(map(_six, values)),
        packages=("numba",),
        **{"data": MASKS, **common},
    )


def _six(value: float) -> float:
    return float(f"{value:.6g}")


def printed(name: str, value: float, unit: str, paper: Figure, common: Common, *, summed: int = 0) -> Result:
    """Record a figure that follows from published ones alone, and should print as the paper's does.

    Args:
        name: id within the topic.
        value: as computed.
        unit: its unit.
        paper: as printed.
        common: see :data:`Common`.
        summed: rounded figures that were added up, half a digit's error each; 0 for no sum.
    """
    judged = common["scale"] != "smoke"
    near = abs(value - paper.value) <= (summed + 1) * paper.step / 2 * (1 + 1e-9)
    bar = "within the rounding of what is summed" if summed else "within one unit of the last printed digit"
    return results.record(
        "eie",
        name,
        _six(value),
        unit,
        paper=paper,
        bar=bar if judged else None,
        holds=(near if summed else paper.agrees(value)) if judged else None,
        **{**common, "seeds": (), "data": ""},
    )
