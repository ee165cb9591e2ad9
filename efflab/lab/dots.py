"""A few numbers on one scale: the picture behind a prediction's gap and a challenge's result."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from efflab.tables import quantity
from efflab.viz.colours import BAD, GOOD, NOTE

_LABELS, _SCALE, _VALUES, _ROW = 200, 260, 110, 24
_COLOURS = {"mine": NOTE, "good": GOOD, "bad": BAD, "reference": "currentColor"}


@dataclass(frozen=True)
class Dot:
    """One row of the picture.

    Attributes:
        label: what the number is.
        value: the number.
        kind: ``"mine"``, ``"good"``, ``"bad"`` or ``"reference"``; references are hollow.
    """

    label: str
    value: float
    kind: str = "reference"


def with_unit(value: float, unit: str) -> str:
    """A number with its unit.

    >>> with_unit(37.5, "%"), with_unit(12, "")
    ('37.5 %', '12')
    """
    written = quantity(value) if math.isfinite(value) else str(value)
    return f"{written} {unit}".strip()


def positions(values: Sequence[float], low: float, high: float, *, log: bool) -> list[float]:
    """Where values stand on a scale from ``low`` (0) to ``high`` (1), held inside it.

    >>> positions([1, 10, 100], 1, 100, log=True)
    [0.0, 0.5, 1.0]
    """
    scale = (lambda x: math.log10(max(x, low))) if log else float
    span = (scale(high) - scale(low)) or 1.0
    return [min(1.0, max(0.0, (scale(value) - scale(low)) / span)) for value in values]


def bounds(values: Sequence[float], low: float | None, high: float | None) -> tuple[float, float]:
    """Ends of a scale that holds all values; the given ends where they do."""
    bottom = min([*values, *([low] if low is not None else [])])
    top = max([*values, *([high] if high is not None else [])])
    return (bottom, top) if top > bottom else (bottom - 0.5, top + 0.5)


def svg(dots: Sequence[Dot], *, unit: str, low: float, high: float, log: bool, join: bool = False) -> str:
    """The picture as SVG in the page's own text colour.

    Args:
        dots: one row each, finite values.
        unit: of all values.
        low: left end of the scale.
        high: right end of the scale.
        log: whether the scale is logarithmic.
        join: draw the gap between the first two rows.

    Returns:
        An ``<svg>`` element that names its content to a screen reader.
    """
    places = [_LABELS + _SCALE * x for x in positions([dot.value for dot in dots], low, high, log=log)]
    height = _ROW * len(dots) + 6
    spoken = "; ".join(f"{dot.label}: {with_unit(dot.value, unit)}" for dot in dots)
    rows = [
        _row(dot, x, _ROW * (i + 0.5) + 3, unit) for i, (dot, x) in enumerate(zip(dots, places, strict=True))
    ]
    if join and len(dots) > 1:
        y0, y1 = _ROW * 0.5 + 3, _ROW * 1.5 + 3
        line = f'x1="{places[0]:.1f}" x2="{places[1]:.1f}" y1="{y0}" y2="{y1}"'
        rows.insert(0, f'<line {line} stroke="currentColor" stroke-dasharray="3 3" opacity="0.7"/>')
    width = _LABELS + _SCALE + _VALUES
    return (
        f'<svg role="img" aria-label="{html.escape(spoken, quote=True)}" viewBox="0 0 {width} {height}" '
        f'style="width:100%;max-width:{width}px;height:auto;display:block;color:inherit" font-size="13" '
        f'font-family="inherit">{"".join(rows)}</svg>'
    )


def _row(dot: Dot, x: float, y: float, unit: str) -> str:
    colour = _COLOURS[dot.kind]
    fill = "none" if dot.kind == "reference" else colour
    label = dot.label if len(dot.label) <= 26 else f"{dot.label[:25]}…"
    return (
        f'<line x1="{_LABELS}" x2="{_LABELS + _SCALE}" y1="{y}" y2="{y}" stroke="currentColor" opacity="0.25"/>'
        f'<circle cx="{x:.1f}" cy="{y}" r="6" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{_LABELS - 12}" y="{y + 4}" text-anchor="end" fill="currentColor">{html.escape(label)}</text>'
        f'<text x="{_LABELS + _SCALE + 12}" y="{y + 4}" fill="currentColor">'
        f"{html.escape(with_unit(dot.value, unit))}</text>"
    )
