"""Energy, area and power: the published chip comes out, others scale as said, and prices add up."""

import math

import numpy as np
import pytest

from efflab import eie, paper
from efflab.eie import Counters, Machine, energy_model, energy_tables, platforms
from efflab.eie.platforms import Chip
from efflab.errors import EfflabError


def published(name: str) -> float:
    return float(paper.get(f"eie/{name}").value)


@pytest.fixture(scope="module")
def run() -> eie.Run:
    """A small layer on the published machine."""
    return eie.simulate(eie.draw(640, 512, 0.1, seed=3), eie.draw_active(512, 0.4, seed=4), Machine())


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("power", ("memory", "clock-network", "register", "combinational")),
        ("power", ("act-queue", "ptrread", "spmatread", "arithmunit", "actrw")),
        ("area", ("memory", "clock-network", "register", "combinational", "filler-cell")),
        (
            "area",
            ("act-queue", "ptrread", "spmatread", "arithmunit", "actrw", "filler-cell-module-view"),
        ),
    ],
)
def test_both_views_of_table_2_sum_to_its_total(column, names):
    whole = sum(published(f"table2/{name}/{column}") for name in names)
    # Each power is rounded to a microwatt; areas are whole square micrometres.
    slack = 0.0005 * (len(names) + 1) if column == "power" else 0
    assert whole == pytest.approx(published(f"table2/total/{column}"), abs=slack + 1e-9)


def test_the_published_chip_comes_out_of_its_modules():
    assert paper.get("eie/hardware/chip_area").agrees(eie.area(Machine()).total_mm2)
    assert paper.get("eie/hardware/chip_power").agrees(eie.power(Machine()).total_w)
    parts = {part.name: part for part in eie.area(Machine()).parts}
    assert sum(part.each for name, part in parts.items() if name != "LNZD") == published("table2/total/area")
    assert parts["LNZD"].count == published("hardware/lnzd_units")
    assert parts["SpmatRead"].each == published("table2/spmatread/area")


@pytest.mark.parametrize(("pes", "nodes"), [(1, 0), (2, 1), (4, 1), (5, 3), (16, 5), (64, 21), (256, 85)])
def test_the_tree_has_a_node_for_every_four(pes, nodes):
    assert energy_tables.lnzd_nodes(pes) == nodes


def test_the_projection_is_table_vs():
    """Linear frequency, quadratic area, constant power; the paper takes 1.6 for 45/28, and prints another clock."""
    small = eie.project(Machine(pes=256), 28)
    assert small.clock_mhz == pytest.approx(800 * 45 / 28)
    assert eie.power(small).total_w == pytest.approx(eie.power(Machine(pes=256)).total_w)
    assert eie.area(small).total_mm2 == pytest.approx(eie.area(Machine(pes=256)).total_mm2 * (28 / 45) ** 2)
    row = "table5/eie-256pe-projected"
    assert eie.area(small).total_mm2 == pytest.approx(published(f"{row}/area"), rel=0.01)
    assert eie.power(small).total_w == pytest.approx(published(f"{row}/power"), rel=0.01)
    assert eie.project(small, 45).clock_mhz == pytest.approx(800)
    # The printed speed takes the same ratio, the printed clock a smaller one.
    gain = published(f"{row}/frames_per_s") / published("table5/eie-64pe/frames_per_s")
    assert gain / 3.25 == pytest.approx(1.6, rel=1e-4)
    assert published(f"{row}/clock") / published("table5/eie-64pe/clock") == 1.5


@pytest.mark.parametrize(
    ("changes", "module", "ratio"),
    [
        ({"fifo": 16}, "Act queue", 2),
        ({"ptr_kb": 64}, "PtrRead", 2),
        ({"spmat_kb": 32}, "SpmatRead", 1 / 4),
        ({"precision": "int8"}, "ArithmUnit", 1 / 2),
        ({"regs": 128}, "ActRW", 2),
    ],
)
def test_area_follows_what_a_module_holds(changes, module, ratio):
    before, after = (
        {part.name: part.each for part in eie.area(machine).parts}
        for machine in (Machine(), Machine(**changes))
    )
    assert after[module] == pytest.approx(ratio * before[module])
    assert after["filler cell"] / sum(after.values()) == pytest.approx(
        before["filler cell"] / sum(before.values()), rel=0.01
    )


@pytest.mark.parametrize(
    ("changes", "module", "ratio"),
    [
        ({"clock_mhz": 400.0}, "PtrRead", 1 / 2),
        ({"technology_nm": 28, "clock_mhz": 800.0}, "PtrRead", 28 / 45),
        ({"precision": "int32"}, "ArithmUnit", 3.3 / 0.75),
        ({"precision": "float32"}, "ArithmUnit", 4.7 / 0.75),
        ({"sram_width": 128}, "SpmatRead", 152 * 32 / (248 * 16)),
        ({"sram_width": 512}, "SpmatRead", 56 * 179 / (248 * 16)),
        ({"fifo": 4, "precision": "int8"}, "Act queue", 1 / 4),
    ],
)
def test_power_follows_the_published_tables(changes, module, ratio):
    before, after = (
        {part.name: part.each for part in eie.power(machine).parts}
        for machine in (Machine(), Machine(**changes))
    )
    assert after[module] == pytest.approx(ratio * before[module])


def test_narrow_entries_share_a_row():
    """Half the bits an entry, half the reads at a width: what a row of twice the width reads at whole bits."""
    machine = Machine(code_bits=2, index_bits=2)
    spmat = next(part.each for part in eie.power(machine).parts if part.name == "SpmatRead")
    assert spmat == pytest.approx(4.955 * 152 / 248)


def test_reads_between_published_widths_lie_between():
    widths = np.linspace(32, 512, 200)
    energies = [energy_tables.read_pj(width) for width in widths]
    assert (np.diff(energies) > 0).all()
    assert [energy_tables.read_pj(w) for w in energy_tables.WIDTHS] == list(energy_tables.READ_PJ.values())
    assert energy_tables.reads(4) == 420_000 and energy_tables.reads(64) == 56_000
    assert energy_tables.reads(2) > energy_tables.reads(4)


def test_a_price_for_every_count():
    """One event of a kind at a time, against the table's price of it."""
    machine = Machine(pes=4)
    prices = {
        "pointer_reads": ("PtrRead", 5 / 32 * 16),
        "spmat_reads": ("SpmatRead", 16),
        "entries": ("ArithmUnit", 0.7 + 0.1 / 2),
        "codebook_reads": ("ArithmUnit", 1 / 2),
        "act_reads": ("ActRW", 1 / 2),
        "act_writes": ("ActRW", 1 / 2),
        "act_sram_reads": ("ActRW", 5 / 2),
        "act_sram_writes": ("ActRW", 5 / 2),
        "queue_pushes": ("Act queue", (16 + 8) / 32),  # 256 inputs a batch
        "queue_pops": ("Act queue", (16 + 8) / 32),
        "scan_cycles": ("LNZD", 0.023 / 800 * 1e3),
    }
    for name, (module, pj) in prices.items():
        spent = energy_model.counted_pj(Counters(4, **{name: 10}), machine)
        assert spent[module] == pytest.approx(10 * pj), name
        assert sum(spent.values()) == pytest.approx(spent[module])
    for silent in ("cycles", "padding", "empty", "starved", "blocked", "writebacks"):
        assert sum(energy_model.counted_pj(Counters(4, **{silent: 10}), machine).values()) == 0


def test_energy_is_power_times_time(run):
    spent = eie.energy(run)
    assert spent.total_uj == pytest.approx(eie.power(Machine()).total_w * run.time_us)
    assert spent.power_w == pytest.approx(eie.power(Machine()).total_w)
    assert [part.name for part in spent.modules] == [*energy_tables.MODULES, "LNZD"]
    assert all(part.counted_pj >= 0 and part.drawn_pj > 0 for part in spent.modules)


def test_energy_adds_up_over_runs(run):
    machine = Machine()
    both = eie.energy(run.counters + run.counters, machine)
    one = eie.energy(run)
    assert both.total_uj == pytest.approx(2 * one.total_uj)
    assert both.counted_uj == pytest.approx(2 * one.counted_uj)


def test_a_slower_clock_takes_as_much_energy_and_a_finer_process_less(run):
    counters = run.counters
    whole = eie.energy(counters, Machine())
    slow = eie.energy(counters, Machine(clock_mhz=400.0))
    fine = eie.energy(counters, eie.project(Machine(), 28))
    assert slow.time_us == pytest.approx(2 * whole.time_us)
    assert slow.total_uj == pytest.approx(whole.total_uj)
    assert slow.counted_uj == pytest.approx(whole.counted_uj)
    assert fine.total_uj == pytest.approx(whole.total_uj * 28 / 45)
    assert fine.counted_uj == pytest.approx(whole.counted_uj * 28 / 45)


def test_reports_show_themselves(run):
    for report, words in (
        (eie.energy(run), "SpmatRead"),
        (eie.area(Machine()), "mm²"),
        (eie.power(Machine()), "mW"),
    ):
        assert words in str(report) and words in report._repr_html_()
        assert report.plot().axes
    nothing = eie.energy(Counters(64), Machine())
    assert nothing.total_uj == 0 and nothing.power_w == 0 and "all" in str(nothing)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: eie.area(Machine(spmat_kb=None)), "spmat_kb is None"),
        (lambda: eie.area(Machine(ptr_kb=None)), "ptr_kb is None"),
        (lambda: eie.power(Machine(sram_width=1024)), "1024 bits.*from 32 to 512"),
        (lambda: eie.power(Machine(sram_width=16)), "16 bits.*from 32 to 512"),
        (lambda: eie.energy(Counters(4)), "machine is None"),
        (lambda: eie.energy(Counters(4), Machine()), "64 PEs.*counted on 4"),
        (lambda: eie.project(Machine(), 0), "technology_nm.*got 0"),
        (lambda: eie.project(Machine(), 28.0), "technology_nm.*got 28.0"),
        (lambda: platforms.speedups({"alex-9": 1.0}), "no benchmark layer is called 'alex-9'"),
        (lambda: platforms.efficiencies({"alex-6": 0.0}), "'alex-6'.*above 0, got 0"),
    ],
)
def test_bad_input_gets_one_sentence(call, message):
    with pytest.raises(EfflabError, match=message):
        call()


def test_figure_6_follows_from_table_4():
    """Every cell of the platforms; of EIE's row all but NT-We's and NT-LSTM's, as the paper has it."""
    times = {name: published(f"table4/eie-64pe-actual-batch-1/{name}") for name in eie.BENCHMARKS}
    again = platforms.speedups(times)
    wrong = {
        (row, layer)
        for row, line in again.items()
        for layer, value in line.items()
        if not paper.get(f"eie/figure6/{row}/{layer}").agrees(value)
    }
    assert wrong == {("eie", "nt-we"), ("eie", "nt-lstm"), ("eie", "geomean")}


def test_figure_7_is_power_times_time_with_one_power_for_all_layers():
    energies = {
        name: published(f"table4/eie-64pe-actual-batch-1/{name}") * published("hardware/chip_power")
        for name in eie.BENCHMARKS
    }
    again = platforms.efficiencies(energies)
    # Power is published for FC7 alone; the printed figure has each layer's own.
    assert again["eie"]["alex-7"] == pytest.approx(published("figure7/eie/alex-7"), rel=0.03)
    assert again["gpu_dense"]["alex-7"] == pytest.approx(published("figure7/gpu_dense/alex-7"), rel=0.03)
    assert again["eie"]["geomean"] == pytest.approx(published("figure7/eie/geomean"), rel=0.1)


def test_a_row_of_table_5():
    chip = Chip(Machine(), published("table4/eie-64pe-actual-batch-1/alex-7"))
    for column in ("frames_per_s", "frames_per_s_mm2", "frames_per_j"):
        assert getattr(chip, column) == pytest.approx(published(f"table5/eie-64pe/{column}"), rel=0.01)


def test_geometric_mean():
    assert platforms.geomean([2.0, 8.0]) == pytest.approx(4)
    assert platforms.geomean([3.0]) == pytest.approx(3)


def test_a_thousand_million_connections_from_dram():
    """The introduction: 1G connections at 20 Hz from DRAM take 12.8 W."""
    assert math.isclose(1e9 * 20 * published("table1/dram_32b") * 1e-12, 12.8)
