"""The course's look for matplotlib: an opaque face, so that a figure reads on a dark page too."""

import contextlib
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from efflab.viz.colours import Palette, palette

DPI = 144
_MARKERS = ("o", "s", "^", "D", "v")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def settings(colours: Palette = palette) -> Any:
    """Settings of matplotlib for a palette, to be used by :func:`style`."""
    cycle = cycler(color=colours.series) + cycler(marker=_MARKERS) + cycler(linestyle=_DASHES)
    return {
        "figure.facecolor": colours.face,
        "savefig.facecolor": colours.face,
        "savefig.transparent": False,
        "axes.facecolor": colours.face,
        "axes.edgecolor": colours.muted,
        "axes.labelcolor": colours.text,
        "axes.titlecolor": colours.text,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycle,
        "grid.color": colours.grid,
        "grid.linewidth": 0.8,
        "text.color": colours.text,
        "xtick.color": colours.muted,
        "ytick.color": colours.muted,
        "xtick.labelcolor": colours.text,
        "ytick.labelcolor": colours.text,
        "legend.frameon": False,
        "font.size": 10,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "hatch.linewidth": 0.6,
    }


@contextlib.contextmanager
def style(colours: Palette = palette) -> Iterator[Palette]:
    """Draw with the course's palette inside the block.

    Args:
        colours: the palette; the light one by default, whose face is opaque and reads on dark pages too.

    Yields:
        The palette, for colours that matplotlib does not choose by itself.

    >>> with style() as colours:
    ...     figure, axes = new_figure()
    >>> figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0) and colours.face == "#ffffff"
    True
    """
    with mpl.rc_context(settings(colours)):
        yield colours


def new_figure(
    width: float = 6.0, height: float = 3.4, columns: int = 1, *, sharey: bool = False
) -> tuple[Figure, Any]:
    """Make a figure that belongs to no window and to no global list.

    Args:
        width: inches.
        height: inches.
        columns: panels side by side.
        sharey: whether the panels share their vertical axis.

    Returns:
        The figure and its axes (an array of them where ``columns`` is above 1).
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, sharey=sharey)


@contextlib.contextmanager
def canvas(
    ax: Axes | None, width: float = 6.0, height: float = 3.4
) -> Iterator[tuple[Figure, Axes, Palette]]:
    """Axes to draw on in the course's style: those given, or a new figure's."""
    with style() as colours:
        figure, axes = new_figure(width, height) if ax is None else (ax.get_figure(root=True), ax)
        assert figure is not None, "the axes belong to a figure"
        yield figure, axes, colours
