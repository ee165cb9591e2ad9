"""The pictures that chapters and labs draw again and again. Each takes data, or axes to draw on, and returns its figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from efflab.errors import EfflabError
from efflab.tables import quantity
from efflab.viz.styles import canvas, new_figure, style


def as_array(values: Any) -> NDArray[Any]:
    """Numbers of any kind (tensor, array, list) as a float64 array on the CPU."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)


def _flat(weights: Any) -> NDArray[Any]:
    """All weights of one or several tensors, checked."""
    several = isinstance(weights, list | tuple) and any(np.ndim(one) > 0 for one in weights)
    parts = [as_array(one).ravel() for one in weights] if several else [as_array(weights).ravel()]
    flat = np.concatenate(parts)
    if flat.size == 0 or not np.isfinite(flat).all():
        what = "no weights" if flat.size == 0 else f"{int((~np.isfinite(flat)).sum())} that are not finite"
        raise EfflabError(f"weights must be finite numbers, got {what}")
    return flat


def histogram(
    weights: Any,
    *,
    threshold: float | None = None,
    bins: int = 121,
    title: str = "",
    xlabel: str = "weight",
    ax: Axes | None = None,
) -> Figure:
    """Histogram of weights; what a magnitude threshold removes is hatched and in the other colour.

    Args:
        weights: a tensor or array of any shape, or a list of them.
        threshold: weights with an absolute value below it are removed; None marks nothing.
        bins: number of bins, odd so that one bin is centred on zero.
        title: the title.
        xlabel: what the weights are.
        ax: axes to draw on; None makes a figure.

    Returns:
        The figure.

    Raises:
        EfflabError: there are no weights, or some are not finite.
    """
    flat = _flat(weights)
    limit = float(np.abs(flat).max()) or 1.0
    counts, edges = np.histogram(flat, bins=bins, range=(-limit, limit))
    with canvas(ax) as (figure, axes, colours):
        axes.stairs(counts, edges, fill=True, color=colours.kept, label="kept")
        if threshold is not None:
            inside = np.clip(edges, -abs(threshold), abs(threshold))
            axes.bar(
                inside[:-1],
                counts,
                np.diff(inside),
                align="edge",
                color=colours.removed,
                edgecolor=colours.face,
                linewidth=0,
                hatch="////",
                label="removed",
            )
            axes.legend()
        axes.set(title=title, xlabel=xlabel, ylabel="number of weights")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))
    return figure


def curve(
    x: Any,
    series: Mapping[str, Any],
    *,
    spread: Mapping[str, Any] | None = None,
    references: Mapping[str, float] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """One or several curves, each with its spread.

    Args:
        x: shape (points,).
        series: by label, values of shape (points,), or (runs, points): then the mean is drawn, and the band from the
            lowest to the highest run.
        spread: by label, half the height of the band around a series of shape (points,).
        references: by label, values drawn as horizontal lines (what the paper reports, the dense network).
        xlabel: with its unit.
        ylabel: with its unit.
        title: the title.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis.
        ax: axes to draw on; None makes a figure.

    Returns:
        The figure.

    Raises:
        EfflabError: a series has not as many points as ``x``.
    """
    points = as_array(x).ravel()
    with canvas(ax) as (figure, axes, colours):
        for label, values in series.items():
            mean, low, high = _band(label, values, (spread or {}).get(label), points.size)
            (line,) = axes.plot(points, mean, label=label)
            if low is not None:
                axes.fill_between(points, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        for label, value in (references or {}).items():
            axes.axhline(value, color=colours.muted, linestyle=(0, (1, 2)), marker="")
            axes.annotate(label, (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        if log_x:
            axes.set_xscale("log")
        elif _counts(points) and isinstance(axes.xaxis.get_major_locator(), MaxNLocator):
            axes.locator_params(axis="x", integer=True)
        if log_y:
            axes.set_yscale("log")
        if len(series) > 1:
            axes.legend()
    return figure


def _counts(points: np.ndarray[Any, Any]) -> bool:
    """Whether points are whole numbers, such as epochs, between which no tick makes sense."""
    return bool(points.size and (points % 1 == 0).all() and np.ptp(points) >= 2)


def _band(label: str, values: Any, half: Any, points: int) -> tuple[Any, Any, Any]:
    """Mean, lower and upper edge of a series; the edges are None where nothing is known of its spread."""
    array = as_array(values)
    if array.ndim not in {1, 2} or array.shape[-1] != points:
        raise EfflabError(f"series {label!r} must end in {points} points as x does, got shape {array.shape}")
    if array.ndim == 2:
        return array.mean(0), array.min(0), array.max(0)
    if half is None:
        return array, None, None
    return array, array - as_array(half), array + as_array(half)


def roofline(
    peak_gflops: float,
    bandwidth_gb_s: float,
    points: Mapping[str, tuple[float, float]] | None = None,
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """The roofline of a machine: what arithmetic intensity allows (Williams, Waterman and Patterson, CACM 2009).

    Args:
        peak_gflops: the machine's peak, in GFLOP/s.
        bandwidth_gb_s: its memory bandwidth, in GB/s.
        points: by label, (FLOP per byte, GFLOP/s) of something that ran.
        title: the title.
        ax: axes to draw on; None makes a figure.

    Returns:
        The figure.

    Raises:
        EfflabError: a figure of the machine is not above zero.
    """
    if not (peak_gflops > 0 and bandwidth_gb_s > 0):
        raise EfflabError(
            f"peak and bandwidth must be above zero, got {peak_gflops} GFLOP/s, {bandwidth_gb_s} GB/s"
        )
    ridge = peak_gflops / bandwidth_gb_s
    measured = [intensity for intensity, _ in (points or {}).values() if intensity > 0]
    low, high = min([ridge / 30, *measured]) / 2, max([ridge * 30, *measured]) * 2
    with canvas(ax) as (figure, axes, colours):
        x = np.array([low, ridge, high])
        axes.plot(
            x, np.minimum(peak_gflops, x * bandwidth_gb_s), color=colours.text, marker="", linestyle="-"
        )
        axes.axvline(ridge, color=colours.muted, linestyle=(0, (1, 2)), marker="")
        place = ("data", "axes fraction")
        axes.annotate(f"ridge {ridge:.3g}", (ridge, 0), (5, 4), xycoords=place, textcoords="offset points")
        peak = f"peak {peak_gflops:.3g} GFLOP/s"
        axes.annotate(peak, (high, peak_gflops), (0, 4), textcoords="offset points", ha="right", va="bottom")
        for label, point in (points or {}).items():
            axes.plot(*point, linestyle="", label=label)
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="arithmetic intensity (FLOP/byte)",
            ylabel="GFLOP/s",
            title=title,
        )
        if points:
            axes.legend()
    return figure


def layers(
    names: Sequence[str],
    columns: Mapping[str, Sequence[float | None]],
    *,
    title: str = "",
    width: float = 7.5,
) -> Figure:
    """A table of layers whose numbers are bars too: one row a layer, one panel a column.

    Args:
        names: the layers, first one on top.
        columns: by heading (with its unit), one value a layer; None leaves a place empty.
        title: the title.
        width: inches.

    Returns:
        The figure.

    Raises:
        EfflabError: a column has not one value a layer.
    """
    for heading, values in columns.items():
        if len(values) != len(names):
            raise EfflabError(
                f"column {heading!r} must have {len(names)} values, one a layer, got {len(values)}"
            )
    rows = np.arange(len(names))
    with style() as colours:
        figure, axes = new_figure(width, 0.9 + 0.32 * len(names), max(1, len(columns)), sharey=True)
        for panel, (heading, values), colour in zip(
            np.atleast_1d(axes), columns.items(), _repeat(colours.series, len(columns)), strict=True
        ):
            lengths = [0.0 if value is None else float(value) for value in values]
            panel.barh(rows, lengths, height=0.66, color=colour)
            for row, length, value in zip(rows, lengths, values, strict=True):
                panel.annotate(
                    quantity(value),
                    (length, row),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=9,
                )
            panel.set(title=heading, yticks=rows, yticklabels=names, xlim=(0, 1.35 * max([*lengths, 1e-12])))
            panel.tick_params(bottom=False, labelbottom=False, left=False)
            panel.grid(visible=False)
        np.atleast_1d(axes)[0].invert_yaxis()
        figure.suptitle(title)
    return figure


def _repeat(colours: Sequence[str], count: int) -> list[str]:
    return [colours[i % len(colours)] for i in range(count)]
