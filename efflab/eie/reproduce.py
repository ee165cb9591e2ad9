"""EIE's nine layers on the simulated machine, held against the paper's tables and figures.

Source: S. Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016, tables II to V, figures 6
to 9 and 11 to 13.

Weights and inputs are drawn at the densities of table III, since the trained ones were never published; every seed draws
anew. No constant of the machine or of its energy is fitted: each is the paper's own. Two further runs show where a difference
comes from, and are judged against nothing: ``sample`` has as many non-zero inputs as the paper's theoretical time says that
its sample had, ``agreed`` the share of weights that all columns of table III round to.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from tqdm.auto import tqdm

from efflab import results
from efflab.eie import reproduce_chip as chip
from efflab.eie import reproduce_layers as layers
from efflab.eie.nine import BENCHMARKS
from efflab.eie.reproduce_runs import run_layer
from efflab.errors import EfflabError

SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)}


def run(scale: str = "cpu", seeds: Sequence[int] | None = None, *, progress: bool = True) -> results.Measured:
    """Run the nine layers on all machines of the paper.

    Args:
        scale: ``"smoke"`` (one seed), ``"cpu"`` (three) or ``"full"`` (ten); all take the layers at full size.
        seeds: of weights and inputs.
        progress: whether to show a progress bar.

    Returns:
        The records, and the points of figures 8, 9, 11, 12 and 13.

    Raises:
        EfflabError: no such scale.
    """
    if scale not in SEEDS:
        raise EfflabError(f"scale must be one of {', '.join(SEEDS)}, got {scale!r}")
    chosen = tuple(SEEDS[scale] if seeds is None else seeds)
    common = {"scale": scale, "seeds": chosen, "command": command(scale, chosen)}
    drawn = draw_all(chosen, progress=progress)
    records = [
        *(one for name, parts in drawn.items() for one in layers.time_records(name, parts, common)),
        *(one for name, parts in drawn.items() for one in layers.curve_records(name, parts, common)),
        *layers.sram_records(drawn, common),
        *chip.table2_records(common),
        *chip.table5_records(drawn, common),
        *chip.platform_records(drawn, common),
    ]
    return results.Measured(tuple(records), layers.series(drawn))


def draw_all(seeds: Sequence[int], *, progress: bool) -> layers.Drawn:
    """Run every layer with every seed."""
    jobs = [(name, seed) for name in BENCHMARKS for seed in seeds]
    found: layers.Drawn = {name: [] for name in BENCHMARKS}
    for name, seed in tqdm(jobs, desc="eie", disable=not progress):
        found[name].append(run_layer(BENCHMARKS[name], seed))
    return found


def command(scale: str, seeds: Sequence[int]) -> str:
    """The command that measures again what a scale and seeds give.

    >>> command("cpu", (0, 1, 2))
    'efflab reproduce eie --scale cpu'
    """
    own = "" if tuple(seeds) == SEEDS[scale] else f" --seeds {','.join(map(str, seeds))}"
    return f"efflab reproduce eie --scale {scale}{own}"


AXES = {
    "figure8": ("fifo", "queue, FIFO = N", "load balance (%)"),
    "figure11": ("pe", "PEs", "speed-up over one PE"),
    "figure12": ("pe", "PEs", "real work (%)"),
    "figure13": ("pe", "PEs", "load balance (%)"),
}


def plot(figure: str, points: dict[str, Any]) -> Any:
    """Draw a figure of the paper: a panel a layer, our curve with the paper's points.

    Args:
        figure: ``"figure8"``, ``"figure11"``, ``"figure12"`` or ``"figure13"``.
        points: ``efflab.results.series("eie", figure)``.

    Returns:
        A matplotlib figure.

    Raises:
        EfflabError: no such figure.
    """
    if figure not in AXES:
        raise EfflabError(f"figure must be one of {', '.join(AXES)}, got {figure!r}")
    from matplotlib.figure import Figure  # noqa: PLC0415 - only drawing needs matplotlib

    from efflab.viz import style  # noqa: PLC0415

    axis, xlabel, ylabel = AXES[figure]
    with style() as colours:
        drawn = Figure(figsize=(7.5, 6.4), layout="constrained")
        panels = drawn.subplots(3, 3, sharex=True, sharey=True)
        for panel, (layer, lines) in zip(panels.flat, points["layers"].items(), strict=True):
            printed = [one.value for one in layers.published(figure, layer, axis, points["x"])]
            means = [fmean(values) for values in zip(*lines, strict=True)]
            panel.plot(points["x"], means, marker="", color=colours.series[0], label="simulated")
            panel.plot(points["x"], printed, linestyle="", marker="s", color=colours.series[1], label="paper")
            panel.set_title(BENCHMARKS[layer].title)
            panel.set_xscale("log", base=2)
            panel.set_xticks(points["x"][::2], minor=False)
            if figure == "figure11":
                panel.set_yscale("log", base=2)
            panel.xaxis.set_major_formatter("{x:.0f}")
            panel.yaxis.set_major_formatter("{x:.0f}")
        panels.flat[0].legend()
        drawn.supxlabel(xlabel)
        drawn.supylabel(ylabel)
    return drawn
