"""Records of the chip: table II, its power and area, table V, figures 6 and 7."""

from collections.abc import Iterator, Sequence
from typing import Final

from efflab import paper
from efflab.eie.energy_model import area, power, project
from efflab.eie.energy_tables import MODULES, POWER_MW
from efflab.eie.nine import BENCHMARKS
from efflab.eie.platforms import Chip, efficiencies, geomean, speedups
from efflab.eie.reproduce_layers import Drawn
from efflab.eie.reproduce_records import Common, made, printed
from efflab.eie.reproduce_runs import MACHINE, PES
from efflab.results import Result

FRAME: Final = "alex-7"
"""Table V's layer."""
ALEXNET: Final = ("alex-6", "alex-7", "alex-8")
PROJECTED: Final = project(MACHINE.with_(pes=256), 28)
_VIEWS = {
    "parts": ("memory", "clock-network", "register", "combinational", "filler-cell"),
    "modules": ("act-queue", "ptrread", "spmatread", "arithmunit", "actrw", "filler-cell-module-view"),
}
_COLUMNS = ("frames_per_s", "frames_per_s_mm2", "frames_per_j")
_UNITS = dict(zip(_COLUMNS, ("1/s", "1/(s mm2)", "1/J"), strict=True))


def table2_records(common: Common) -> Iterator[Result]:
    """Whether both views of table II add up to its totals, and what follows for the chip."""
    rows = paper.table("eie", "table2")
    for view, names in _VIEWS.items():
        for column, unit in (("power", "mW"), ("area", "um2")):
            known = [rows.row(name)[column].value for name in names if column in rows.row(name)]
            figure = rows.row("total")[column]
            yield printed(f"table2/{view}/{column}", sum(known), unit, figure, common, summed=len(known))
    shares = {module: 100 * POWER_MW[module] / sum(POWER_MW.values()) for module in MODULES}
    for module, share in shares.items():
        name = module.lower().replace(" ", "-")
        yield printed(f"table2/{name}/power_pct", share, "%", rows.row(name)["power_pct"], common)
    chip = (
        ("chip/area_mm2", area(MACHINE).total_mm2, "mm2", "chip_area"),
        ("chip/power_w", power(MACHINE).total_w, "W", "chip_power"),
        ("chip/gops", 2e-3 * MACHINE.pes * MACHINE.clock_mhz, "GOP/s", "gops"),
    )
    for name, value, unit, said in chip:
        yield printed(name, value, unit, paper.get(f"eie/hardware/{said}"), common)


def table5_records(drawn: Drawn, common: Common) -> Iterator[Result]:
    """EIE's two rows of table V, with our times."""
    frames = [part["time"]["actual_us"] for part in drawn[FRAME]]
    last = PES.index(PROJECTED.pes)
    larger = [part["pes"]["cycles"][last] / PROJECTED.clock_mhz for part in drawn[FRAME]]
    for row, machine, times in (
        ("eie-64pe", MACHINE, frames),
        ("eie-256pe-projected", PROJECTED, larger),
    ):
        chips = [Chip(machine, time) for time in times]
        for column in _COLUMNS:
            figure = paper.get(f"eie/table5/{row}/{column}")
            values = [getattr(chip, column) for chip in chips]
            yield made(f"table5/{row}/{column}", values, _UNITS[column], common, paper=figure)
        for column, value, unit in (
            ("clock", machine.clock_mhz, "MHz"),
            ("area", chips[0].area_mm2, "mm2"),
            ("power", chips[0].power_w, "W"),
        ):
            figure = paper.get(f"eie/table5/{row}/{column}")
            yield made(f"table5/{row}/{column}", [value], unit, {**common, "seeds": ()}, paper=figure)
    dense = 2 * BENCHMARKS[FRAME].inputs * BENCHMARKS[FRAME].outputs
    tops = [dense / time / 1e6 for time in frames]
    figure = paper.get("eie/hardware/equivalent_dense_tops")
    yield made("chip/equivalent_dense_tops", tops, "TOP/s", common, paper=figure)
    every = [
        1e6 / sum(drawn[layer][seed]["time"]["actual_us"] for layer in ALEXNET) for seed in range(len(frames))
    ]
    figure = paper.get("eie/hardware/frames_per_s_alexnet_fc")
    yield made("chip/frames_per_s_alexnet_fc", every, "1/s", common, paper=figure)
    gain = [geomean(_gains(drawn, seed)) for seed in range(len(frames))]
    yield made("table5/speedup_64_to_256", gain, "x", common)


def _gains(drawn: Drawn, seed: int) -> list[float]:
    """How many times faster 256 PEs are than 64, layer by layer."""
    few, many = PES.index(MACHINE.pes), PES.index(PROJECTED.pes)
    cycles = [parts[seed]["pes"]["cycles"] for parts in drawn.values()]
    return [line[few] / line[many] for line in cycles]


def platform_records(drawn: Drawn, common: Common) -> Iterator[Result]:
    """Figures 6 and 7: EIE's row by layer, the geometric means, and how many of the platforms' cells come out."""
    for figure, column, again in (
        ("figure6", "actual_us", speedups),
        ("figure7", "energy_uj", efficiencies),
    ):
        by_seed = [again(_column(drawn, column, seed)) for seed in range(len(drawn[FRAME]))]
        for name in by_seed[0]["eie"]:
            values = [rows["eie"][name] for rows in by_seed]
            yield made(f"{figure}/{name}", values, "x", common, paper=paper.get(f"eie/{figure}/eie/{name}"))
        offs = _platform_offs(figure, by_seed[0])
        plain = {**common, "seeds": (), "data": "published times and powers"}
        yield made(f"{figure}/cells_as_printed", [sum(off is None for off in offs)], "cells", plain)
        yield made(f"{figure}/cells", [len(offs)], "cells", plain)
        far = max((off for off in offs if off is not None), default=0.0)
        yield made(f"{figure}/farthest_cell", [far], "%", plain)


def _column(drawn: Drawn, column: str, seed: int) -> dict[str, float]:
    return {layer: parts[seed]["time"][column] for layer, parts in drawn.items()}


def _platform_offs(figure: str, rows: dict[str, dict[str, float]]) -> Sequence[float | None]:
    """By how many percent the platforms' cells miss the printed ones; None where they print alike."""
    offs: list[float | None] = []
    for row, line in rows.items():
        for layer, value in line.items():
            if row == "eie":
                continue
            cell = paper.get(f"eie/{figure}/{row}/{layer}")
            offs.append(None if cell.agrees(value) else 100 * abs(value / cell.value - 1))
    return offs
