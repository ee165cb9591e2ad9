"""Time against energy of a sweep's machines, with the front of those that no other beats."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from efflab.eie.sweep_points import PARAMETERS, Point, pareto
from efflab.errors import EfflabError

Places = NDArray[np.float64]
"""(points, 2) pixels on the figure."""

WORDS: Final[dict[str, Callable[[Any], str]]] = {
    "pes": "{} PEs".format,
    "fifo": "FIFO {}".format,
    "index_bits": "{}-bit index".format,
    "code_bits": "{}-bit codes".format,
    "precision": str,
    "sram_width": "{} bit".format,
    "clock_mhz": "{:g} MHz".format,
    "bypass": lambda bypass: "bypass" if bypass else "no bypass",
    "regs": "{} registers".format,
    "spmat_kb": "{:g} KB".format,
    "ptr_kb": "{:g} KB of pointers".format,
    "technology_nm": "{} nm".format,
}
MOST_LABELS: Final = 7
NEAR: Final = 12
"""Pixels between the ends and the knee, below which one label is enough."""
FAR: Final = 70
"""Pixels between two labelled points, of those that are not labelled in any case."""
# Where a label may stand: steps right and up of its nearer edges from the point, in pixels at 100 dots an inch.
_SIDES: Final = ((1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1))
_NEAREST: Final = 7
OFFSETS: Final = tuple(
    (reach * x, reach * y) for reach in (_NEAREST, 14, 22, 32, 44, 58, 76) for x, y in _SIDES
)


def plot(points: Sequence[Point], ax: Any = None) -> Any:
    """Draw time against energy, the machines that no other beats joined by a line and some of them named.

    Args:
        points: of a sweep.
        ax: axes to draw on; None makes a figure.

    Returns:
        The figure.

    Raises:
        EfflabError: no machine holds every layer.
    """
    from efflab.viz.styles import canvas  # noqa: PLC0415 - drawing needs matplotlib

    usable = [one for one in points if one.fits]
    if not usable:
        raise EfflabError("no machine of the sweep holds every layer: there is nothing to draw")
    front = pareto(usable)
    with canvas(ax, 6.4, 4.2) as (figure, axes, colours):
        axes.scatter(
            [one.time_us for one in usable],
            [one.energy_uj for one in usable],
            s=14,
            color=colours.removed,
            label="machines",
        )
        axes.plot(
            [one.time_us for one in front], [one.energy_uj for one in front],
            color=colours.kept, marker="o", linestyle="-", label="no other is faster and takes less",
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="time (µs)", ylabel="energy (µJ)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_view_interval(*_widened(*axis.get_data_interval()), ignore=True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        for axis in (axes.xaxis, axes.yaxis):
            _plain_ticks(axis)
        figure.draw_without_rendering()  # places are known from here on
        _name(axes, usable, front, colours)
    return figure


def label(point: Point, varied: Sequence[str]) -> str:
    """What a machine is called among others.

    Args:
        point: of the machine.
        varied: the parameters to name.
    """
    return ", ".join(WORDS[name](getattr(point, name)) for name in varied)


def varied(points: Sequence[Point]) -> tuple[str, ...]:
    """The parameters in which points differ; the number of PEs where they differ in none."""
    found = tuple(name for name in PARAMETERS if len({getattr(one, name) for one in points}) > 1)
    return found or ("pes",)


def named(places: Places) -> list[int]:
    """Choose the points of a front that get a label: its ends and its knee, then others that are far from those.

    Args:
        places: (points, 2) where they are drawn, from one end of the front to the other.

    Returns:
        Their numbers, the most important first.
    """
    last = len(places) - 1
    chosen = [0]
    for at in (last, knee(places)):
        if np.linalg.norm(places[chosen] - places[at], axis=1).min() >= NEAR:
            chosen.append(at)
    for _ in range(MOST_LABELS - len(chosen)):
        apart = np.linalg.norm(places[:, None] - places[chosen], axis=2).min(axis=1)
        farthest = int(apart.argmax())
        if apart[farthest] < FAR:
            break
        chosen.append(farthest)
    return chosen


def knee(places: Places) -> int:
    """The point of a front that is farthest from the straight line between its ends."""
    along, span = places - places[0], places[-1] - places[0]
    return int(np.abs(along[:, 0] * span[1] - along[:, 1] * span[0]).argmax())


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two others on a logarithmic axis: 1, 2 and 5 times powers of ten, or closer ones."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - drawing needs matplotlib

    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if len(powers) > 4 else (1, 2, 5)
    found = [step * 10.0**power for power, step in itertools.product(powers, steps)]
    inside = [one for one in found if low <= one <= high]
    if len(inside) < 3:
        closer = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        inside = [float(one) for one in closer if low <= one <= high]
    return inside


def _widened(low: float, high: float) -> tuple[float, float]:
    """Limits of a logarithmic axis, with room for names on the side of the front, and at least a tenth wide."""
    span = max(math.log(high / low), 0.1)
    middle = math.sqrt(low * high)
    half = span / 2
    return middle * math.exp(-half - 0.22 * span), middle * math.exp(half + 0.06 * span)


def _plain_ticks(axis: Any) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator  # noqa: PLC0415 - as above

    low, high = axis.get_view_interval()
    axis.set_major_locator(FixedLocator(ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _name(axes: Any, usable: Sequence[Point], front: Sequence[Point], colours: Any) -> None:
    """Write the names of some points of the front where nothing is yet."""
    figure = axes.get_figure(root=True)
    pixel = figure.dpi / 100
    dots = axes.transData.transform([(one.time_us, one.energy_uj) for one in usable]) / pixel
    places = axes.transData.transform([(one.time_us, one.energy_uj) for one in front]) / pixel
    frame = np.array(axes.get_window_extent().extents) / pixel
    obstacles = np.concatenate([dots, _along(places)])
    parameters, boxes = varied(usable), np.zeros((0, 4))
    for at in named(places):
        words = label(front[at], parameters)
        sample = axes.text(0, 0, words, fontsize=8)
        size = np.array(sample.get_window_extent().size) / pixel
        sample.remove()
        box = _room(places[at], size, obstacles, boxes, frame)
        boxes = np.concatenate([boxes, box[None]])
        far = bool(np.maximum(box[:2] - places[at], places[at] - box[2:]).max() > 2 * _NEAREST)
        line = {"arrowstyle": "-", "color": colours.muted, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            words, (front[at].time_us, front[at].energy_uj), fontsize=8, color=colours.text,
            xytext=tuple((box[:2] - places[at]) * 72 / 100), textcoords="offset points",
            verticalalignment="bottom", arrowprops=line if far else None,
        )  # fmt: skip


def _along(places: Places) -> Places:
    """Points every few pixels along a line."""
    parts = [
        np.linspace(start, end, 2 + int(np.linalg.norm(end - start) / 4))
        for start, end in itertools.pairwise(places)
    ]
    return np.concatenate([places[:1], *parts])


def _room(place: Places, size: Places, obstacles: Places, boxes: Places, frame: Places) -> Places:
    """The nearest box beside a point that covers least: left, bottom, right, top."""
    found, least = np.zeros(4), math.inf
    for step in OFFSETS:
        # An edge of the box, or its middle, stands at the step.
        corner = place + step + size * ((np.sign(step) - 1) / 2)
        corner = np.clip(corner, frame[:2] + 2, np.maximum(frame[2:] - size - 2, frame[:2] + 2))
        box = np.concatenate([corner, corner + size])
        covered = _covered(box, obstacles, boxes, frame)
        # A name that covers something stays near.
        covered += covered and float(np.abs(step).max()) / 20
        if covered < least:
            found, least = box, covered
        if not least:
            break
    return found


def _covered(box: Places, obstacles: Places, boxes: Places, frame: Places) -> float:
    """How many dots and names a box covers, a name for ten; a box that leaves the frame is worse than any."""
    near = (obstacles > box[:2] - 4) & (obstacles < box[2:] + 4)
    over = ((boxes[:, :2] < box[2:] + 3) & (boxes[:, 2:] > box[:2] - 3)).all(axis=1)
    leaves = bool((box[:2] < frame[:2]).any() or (box[2:] > frame[2:]).any())
    return float(near.all(axis=1).sum()) + 10.0 * float(over.sum()) + 1e6 * leaves
