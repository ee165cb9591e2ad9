"""Records of the nine layers: tables III and IV, figures 8, 9, 11, 12 and 13, and what their differences come from."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, Final

from efflab import paper
from efflab.eie.energy_tables import WIDTHS, read_pj
from efflab.eie.nine import BENCHMARKS
from efflab.eie.reproduce_records import Bar, Common, made, worst
from efflab.eie.reproduce_runs import DEPTHS, MACHINE, PES
from efflab.paper import Figure
from efflab.results import Result

Drawn = dict[str, list[dict[str, Any]]]
"""What ``run_layer`` gave, by layer, one a seed."""

THEORETICAL_BARS: Final = dict.fromkeys(("alex-6", "alex-7", "vgg-7", "vgg-8", "nt-wd", "nt-lstm"), Bar(7))
ACTUAL_BARS: Final = {
    **dict.fromkeys(("alex-6", "alex-7", "vgg-7", "vgg-8", "nt-wd"), Bar(7)),
    **dict.fromkeys(("nt-we", "nt-lstm"), Bar(10)),
}
REAL_BAR: Final = Bar(6, "points")
BALANCE_BARS: Final = {
    layer: Bar(12 if layer in {"vgg-6", "nt-lstm"} else 5, "points") for layer in BENCHMARKS
}
UNEVEN = "weights and inputs of a trained layer are less evenly spread than drawn ones"
ROUNDED = (
    "table III prints 10 % of weights and 11 % of products where all inputs are non-zero, and 10.5 % alone rounds to both; "
    "with it the figure is nt-lstm/agreed/actual_us"
)

SAMPLE = "the paper timed one image with more non-zero inputs than table III's mean; with as many the figure is {}/sample/{}"
DIFFERS = {
    "alex-8": SAMPLE,
    "vgg-6": f"{SAMPLE}, and what is then left is bursts, which drawn inputs do not have",
    "nt-we": "the printed time takes more entries than table III's share of weights has, its rounding included, and the paper "
    "does not say why",
}
"""Why times without a bar are not the paper's."""


def published(figure: str, layer: str, axis: str, points: Sequence[int]) -> list[Figure]:
    """The paper's points of one layer's curve.

    >>> [point.value for point in published("figure8", "alex-7", "fifo", (1, 8))]
    [65.2, 95.4]
    """
    return [paper.get(f"eie/{figure}/{layer}/{axis}_{point}") for point in points]


def time_records(layer: str, parts: Sequence[dict[str, Any]], common: Common) -> Iterator[Result]:
    """Tables III and IV of one layer, and its energy."""

    def values(name: str, group: str = "time") -> list[float]:
        return [part[group][name] for part in parts]

    for column in ("weights_pct", "act_pct", "flop_pct"):
        figure = paper.get(f"eie/table3/{layer}/{column}")
        yield made(f"{layer}/{column}", values(column), "%", common, paper=figure)
    printed_us = {
        kind: paper.get(f"eie/table4/eie-64pe-{kind}-batch-1/{layer}") for kind in ("theoretical", "actual")
    }
    for kind, bars in (("theoretical", THEORETICAL_BARS), ("actual", ACTUAL_BARS)):
        why = ROUNDED if layer == "nt-lstm" else UNEVEN
        bar = bars.get(layer)
        name = f"{kind}_us"
        differs = DIFFERS.get(layer, "").format(layer, name)
        yield made(
            f"{layer}/{name}",
            values(name),
            "us",
            common,
            paper=printed_us[kind],
            bar=bar,
            why=why,
            differs=differs,
        )
    yield made(f"{layer}/energy_uj", values("energy_uj"), "µJ", common)
    yield made(f"{layer}/counted_uj", values("counted_uj"), "µJ", common)
    yield made(f"{layer}/reads", values("reads"), "reads", common)
    rounding = BENCHMARKS[layer].rounding_pct
    yield made(f"{layer}/rounding", [rounding], "%", {**common, "seeds": (), "data": "table III"})
    for group in ("sample", "agreed"):
        if parts[0][group] is None:
            continue
        share = "act_pct" if group == "sample" else "weights_pct"
        yield made(f"{layer}/{group}/{share}", values(share, group), "%", common)
        yield made(f"{layer}/{group}/reads", values("reads", group), "reads", common)
        for kind, figure in printed_us.items():
            name = f"{kind}_us"
            bars = {"theoretical": THEORETICAL_BARS, "actual": ACTUAL_BARS}[kind] if group == "agreed" else {}
            found = values(name, group)
            yield made(f"{layer}/{group}/{name}", found, "us", common, paper=figure, bar=bars.get(layer))
            missing = [100 * (1 - us / figure.value) for us in found]
            yield made(f"{layer}/{group}/{kind}_missing", missing, "%", common)


def curve_records(layer: str, parts: Sequence[dict[str, Any]], common: Common) -> Iterator[Result]:
    """Figures 8, 11, 12 and 13 of one layer: the published machine's point, and the farthest one."""
    here, bar = PES.index(MACHINE.pes), BALANCE_BARS[layer]
    fifo, balance, real = (
        [part["fifo"] for part in parts],
        [part["pes"]["balance"] for part in parts],
        [part["pes"]["real"] for part in parts],
    )
    points = published("figure8", layer, "fifo", DEPTHS)
    at = DEPTHS.index(MACHINE.fifo)
    name = f"{layer}/figure8"
    yield made(f"{name}/fifo_{MACHINE.fifo}", [line[at] for line in fifo], "%", common, paper=points[at])
    yield worst(f"{name}/farthest", fifo, points, common)
    points = published("figure11", layer, "pe", PES[1:])
    rises = [speedup(part) for part in parts]
    name = f"{layer}/figure11"
    yield made(
        f"{name}/pe_{MACHINE.pes}", [line[here - 1] for line in rises], "x", common, paper=points[here - 1]
    )
    yield worst(f"{name}/farthest", rises, points, common, unit="%")
    points = published("figure12", layer, "pe", PES)
    name = f"{layer}/figure12"
    yield made(f"{name}/pe_{MACHINE.pes}", [line[here] for line in real], "%", common, paper=points[here])
    yield worst(f"{name}/farthest", real, points, common, bar=REAL_BAR, why=UNEVEN)
    points = published("figure13", layer, "pe", PES)
    name = f"{layer}/figure13"
    yield made(
        f"{name}/pe_{MACHINE.pes}",
        [line[here] for line in balance],
        "%",
        common,
        paper=points[here],
        bar=bar,
        why=UNEVEN,
    )
    yield worst(f"{name}/farthest", balance, points, common, bar=bar, why=UNEVEN)


def speedup(part: dict[str, Any]) -> list[float]:
    """Figure 11 of one seed: cycles of one PE over those of more."""
    one, *more = part["pes"]["cycles"]
    return [one / cycles for cycles in more]


def sram_records(drawn: Drawn, common: Common) -> Iterator[Result]:
    """Figure 9: reads of Alex-6, which are those of its left panel, total energy by layer, and the best width."""
    for at, width in enumerate(WIDTHS):
        values = [part["reads"][at] for part in drawn["alex-6"]]
        figure = paper.get(f"eie/figure9/sram/width_{width}/reads")
        yield made(f"figure9/reads/width_{width}", values, "reads", common, paper=figure)
    for layer, parts in drawn.items():
        for at, width in enumerate(WIDTHS):
            values = [part["reads"][at] * read_pj(width) / 1e3 for part in parts]
            figure = paper.get(f"eie/figure9/total_energy/{layer}/width_{width}")
            yield made(f"{layer}/figure9/width_{width}", values, "nJ", common, paper=figure)
    best = min(
        WIDTHS,
        key=lambda width: (
            read_pj(width)
            * sum(fmean(part["reads"][WIDTHS.index(width)] for part in parts) for parts in drawn.values())
        ),
    )
    yield made("figure9/best_width", [best], "bits", common, paper=paper.get("eie/hardware/spmat_width"))


def series(drawn: Drawn) -> dict[str, Any]:
    """Points of the figures by layer, one list a seed."""

    def lines(axis: Sequence[int], pick: Any) -> dict[str, Any]:
        return {
            "x": list(axis),
            "layers": {
                name: [[float(f"{value:.5g}") for value in pick(part)] for part in parts]
                for name, parts in drawn.items()
            },
        }

    return {
        "figure8": lines(DEPTHS, lambda part: part["fifo"]),
        "figure9": lines(WIDTHS, lambda part: part["reads"]),
        "figure11": lines(PES[1:], speedup),
        "figure12": lines(PES, lambda part: part["pes"]["real"]),
        "figure13": lines(PES, lambda part: part["pes"]["balance"]),
    }
