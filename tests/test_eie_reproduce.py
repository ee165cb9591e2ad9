"""The nine layers and the recorded run: what is drawn, what is judged, what the paper's figures say of each other."""

import dataclasses

import numpy as np
import pytest

from efflab import eie, paper, results
from efflab.eie import BENCHMARKS, reproduce, reproduce_identities, reproduce_layers, reproduce_runs
from efflab.eie.reproduce_records import Bar, made, printed, worst
from efflab.eie.reproduce_runs import DEPTHS, MACHINE, PES
from efflab.errors import EfflabError

COMMON = {"scale": "cpu", "seeds": (0,), "command": "efflab reproduce eie --scale cpu"}
SMALL = ("nt-we", "nt-wd", "nt-lstm")


@pytest.fixture(autouse=True)
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path))


@pytest.fixture(scope="module")
def drawn():
    """Three layers at full size through all machines, one seed."""
    return {name: [reproduce_runs.run_layer(BENCHMARKS[name], 0)] for name in (*SMALL, "vgg-8")}


def published(name: str) -> float:
    return float(paper.get(f"eie/{name}").value)


def test_the_benchmarks_are_table_3():
    assert list(BENCHMARKS) == list(paper.table("eie", "table3").labels)
    one = BENCHMARKS["vgg-6"]
    assert (one.title, one.shape, one.weights_pct, one.act_pct) == ("VGG-6", (4096, 25088), 4, 18.3)


@pytest.mark.parametrize("name", ["vgg-8", "nt-wd"])
def test_layers_are_drawn_at_their_densities_and_again_alike(name):
    layer = BENCHMARKS[name]
    pattern, active = layer.pattern(5), layer.active(5)
    assert pattern.shape == layer.shape
    assert 100 * pattern.density == pytest.approx(layer.weights_pct, rel=0.01)
    assert active.sum() == round(layer.act_pct / 100 * layer.inputs)
    assert np.array_equal(layer.pattern(5).rows, pattern.rows)
    assert np.array_equal(layer.active(5), active)
    assert not np.array_equal(layer.pattern(6).rows, pattern.rows)
    if layer.act_pct < 100:
        assert not np.array_equal(layer.active(6), active)


def test_layers_of_one_size_have_streams_of_their_own():
    alex, vgg = BENCHMARKS["alex-8"], dataclasses.replace(BENCHMARKS["vgg-8"], act_pct=37.5)
    assert alex.shape == vgg.shape
    assert not np.array_equal(alex.active(0), vgg.active(0))


def test_the_largest_layers_fit_the_published_machine():
    """By expected entries, since drawing them all takes a while; reproduce checks the drawn ones."""
    for layer in BENCHMARKS.values():
        real = published(f"figure12/{layer.name}/pe_64") / 100
        entries = layer.weights_pct / 100 * layer.inputs * layer.outputs / real
        assert entries / MACHINE.pes < 0.9 * MACHINE.capacity
    assert eie.fits(BENCHMARKS["nt-wd"].pattern(), MACHINE)


def test_two_layers_need_more_weights_than_printed_for_their_products():
    """Weight % times Act % is FLOP %, each rounded to a whole percent."""
    for layer in BENCHMARKS.values():
        product = layer.agreed_pct * layer.act_pct / 100
        assert abs(product - layer.flop_pct) <= 0.5 + 1e-9
        assert abs(layer.agreed_pct - layer.weights_pct) <= 0.5 + 1e-9
    changed = {name: one.agreed_pct for name, one in BENCHMARKS.items() if one.agreed_pct != one.weights_pct}
    assert changed == {"alex-8": pytest.approx(25.333, abs=1e-3), "nt-lstm": 10.5}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda one: one.active(0, 101), "act_pct must be from 0 to 100, got 101"),
        (lambda one: one.pattern(0, 101), "density must be from 0 to 1"),
        (lambda one: one.pattern(-1), "seed must be a whole number from 0, got -1"),
        (lambda one: one.active(0.5), "seed must be a whole number from 0, got 0.5"),
    ],
)
def test_bad_input_gets_one_sentence(call, message):
    with pytest.raises(EfflabError, match=message):
        call(BENCHMARKS["nt-we"])


def test_times_are_within_their_bars(drawn):
    """One seed of four layers; NT-LSTM's actual time meets its bar at the density that all columns of table III allow."""
    for name, (part,) in drawn.items():
        for kind, bars in (
            ("theoretical", reproduce_layers.THEORETICAL_BARS),
            ("actual", reproduce_layers.ACTUAL_BARS),
        ):
            group = part["agreed"] if name == "nt-lstm" else part["time"]
            if name in bars:
                said = published(f"table4/eie-64pe-{kind}-batch-1/{name}")
                assert bars[name].holds(group[f"{kind}_us"], said), (name, kind)


def test_curves_are_near_the_papers_points(drawn):
    at = PES.index(64)
    for name, (part,) in drawn.items():
        points = [one.value for one in reproduce_layers.published("figure12", name, "pe", PES)]
        assert np.abs(np.subtract(part["pes"]["real"], points)).max() <= 6
        assert part["pes"]["balance"][at] == pytest.approx(
            published(f"figure13/{name}/pe_64"), abs=reproduce_layers.BALANCE_BARS[name].limit
        )
        assert part["fifo"][DEPTHS.index(8)] == pytest.approx(part["pes"]["balance"][at])
        assert (np.diff(part["fifo"]) >= 0).all()
        assert (np.diff(part["pes"]["real"]) >= -0.1).all()
        # Sixteen rows a PE or fewer leave no room for a run of zeros that is too long.
        rows = BENCHMARKS[name].outputs
        full = [pes for pes in PES if -(-rows // pes) <= 16]
        assert all(part["pes"]["real"][PES.index(pes)] == 100 for pes in full)


def test_the_narrow_layer_saturates(drawn):
    """NT-We has fewer than three rows for each of 256 PEs."""
    rises = reproduce_layers.speedup(drawn["nt-we"][0])
    assert rises[-1] == pytest.approx(published("figure11/nt-we/pe_256"), rel=0.1)
    assert rises[-1] < 0.3 * 256


def test_reads_fall_with_the_width_and_are_near_figure_9(drawn):
    from efflab.eie.energy_tables import WIDTHS, read_pj

    for name, (part,) in drawn.items():
        assert (np.diff(part["reads"]) < 0).all()
        assert all(
            few * later >= more * first
            for few, more, first, later in zip(
                part["reads"][1:], part["reads"], WIDTHS, WIDTHS[1:], strict=False
            )
        ), "half the reads at twice the width is the best that can be"
        total = part["reads"][1] * read_pj(64) / 1e3
        assert total == pytest.approx(published(f"figure9/total_energy/{name}/width_64"), rel=0.25)


def test_the_sample_has_the_papers_theoretical_time(drawn):
    (part,) = drawn["vgg-8"]
    said = published("table4/eie-64pe-theoretical-batch-1/vgg-8")
    assert part["sample"]["theoretical_us"] == pytest.approx(said, rel=0.02)
    assert part["sample"]["act_pct"] == pytest.approx(39.7, abs=0.1)
    assert drawn["nt-we"][0]["sample"] is None
    assert drawn["vgg-8"][0]["agreed"] is None
    assert drawn["nt-lstm"][0]["agreed"]["weights_pct"] == pytest.approx(10.5, rel=0.01)


def test_the_whole_run_is_recorded_and_drawn(monkeypatch, drawn):
    """The four layers stand for the nine."""
    short = {name: BENCHMARKS[name] for name in drawn}
    whole = {name: drawn.get(name, drawn["vgg-8"]) for name in BENCHMARKS}
    monkeypatch.setattr(reproduce, "draw_all", lambda seeds, progress: whole)
    measured = reproduce.run("cpu", (0,), progress=False)
    by_id = {one.id: one for one in measured.records}
    assert len(by_id) == len(measured.records)
    assert {f"{name}/actual_us" for name in short} <= set(by_id)
    for name in short:
        assert (by_id[f"{name}/actual_us"].bar is None) == (name not in reproduce_layers.ACTUAL_BARS)
    assert by_id["table2/modules/power"].holds and by_id["chip/area_mm2"].holds
    assert by_id["nt-lstm/agreed/actual_us"].holds
    assert by_id["figure6/cells_as_printed"].measured == by_id["figure6/cells"].measured == 50
    assert all(one.command.endswith("--seeds 0") for one in measured.records)
    results.write("eie", measured.records, measured.series)
    for figure in reproduce.AXES:
        axes = reproduce.plot(figure, results.series("eie", figure)).axes
        assert len(axes) == 9
        simulated, points = axes[-1].lines
        assert list(points.get_ydata()) == [
            one.value
            for one in reproduce_layers.published(
                figure, "nt-lstm", reproduce.AXES[figure][0], simulated.get_xdata()
            )
        ]


def test_scales_and_figures_that_do_not_exist_are_refused():
    with pytest.raises(EfflabError, match="smoke, cpu, full"):
        reproduce.run("tiny", progress=False)
    with pytest.raises(EfflabError, match="figure8, figure11, figure12, figure13"):
        reproduce.plot("figure9", {})


def test_a_bar_is_in_percent_or_in_points():
    assert Bar(7).holds(107, 100) and not Bar(7).holds(108, 100)
    assert Bar(5, "points").holds(60, 55) and not Bar(5, "points").holds(60.1, 55)
    assert str(Bar(7)) == "within 7 %" and str(Bar(6, "points")) == "within 6 points"


def test_a_missed_bar_says_why_and_a_smoke_run_is_not_judged():
    figure = paper.get("eie/table4/eie-64pe-actual-batch-1/nt-lstm")
    missed = made("a", [6.6, 6.8], "us", COMMON, paper=figure, bar=Bar(10), why="of rounding")
    assert missed.holds is False and missed.source.endswith("missed because of rounding")
    assert missed.measured == pytest.approx(6.7) and missed.spread == (6.6, 6.8)
    held = made("a", [7.0], "us", COMMON, paper=figure, bar=Bar(10), why="of rounding")
    assert held.holds is True and "missed" not in held.source
    smoke = made("a", [6.6], "us", {**COMMON, "scale": "smoke"}, paper=figure, bar=Bar(10))
    assert smoke.bar is None and smoke.holds is None


def test_times_that_nothing_was_promised_of_say_why_they_differ(drawn):
    """Alex-8, VGG-6 and NT-We's theoretical time; no figure and no bar changes with it."""
    told = {}
    for layer, one in (("alex-8", "vgg-8"), ("vgg-6", "vgg-8"), ("nt-we", "nt-we"), ("nt-wd", "nt-wd")):
        for found in reproduce_layers.time_records(layer, drawn[one], COMMON):
            if found.id.removeprefix("eie/") in {f"{layer}/theoretical_us", f"{layer}/actual_us"}:
                told[found.id.removeprefix("eie/")] = found
    assert {name for name, one in told.items() if "; differs because " in one.source} == {
        "alex-8/theoretical_us", "alex-8/actual_us", "vgg-6/theoretical_us", "vgg-6/actual_us", "nt-we/theoretical_us",
    }  # fmt: skip
    assert all((one.bar is None) == ("differs" in one.source) for one in told.values())
    assert told["alex-8/actual_us"].source.endswith("with as many the figure is alex-8/sample/actual_us")
    # NT-We has too few rows a PE for padding: its printed time alone says how many weights it has.
    layer = BENCHMARKS["nt-we"]
    entries = published("table4/eie-64pe-theoretical-batch-1/nt-we") * MACHINE.clock_mhz * MACHINE.pes
    assert 100 * entries / (layer.inputs * layer.outputs) > layer.weights_pct + 0.5


def test_the_farthest_point_is_that_of_the_mean_and_no_clipped_one():
    points = reproduce_layers.published("figure11", "alex-6", "pe", (64, 128, 256))
    curves = [[70.8, 130.0, 300.0], [70.8, 134.0, 300.0]]
    found = worst("a", curves, points, COMMON, unit="%")
    assert found.measured == pytest.approx(100 * 2 / 134, rel=1e-4)
    assert worst("a", curves, points, COMMON, bar=Bar(1.9, "points")).holds is False


def test_sums_may_be_off_by_their_rounding():
    total = paper.get("eie/table2/total/power")
    assert printed("a", 9.158, "mW", total, COMMON, summed=5).holds
    assert not printed("a", 9.161, "mW", total, COMMON, summed=5).holds
    assert not printed("a", 9.158, "mW", total, COMMON).holds


def test_identities_of_the_published_figures():
    """What holds to the ruler's precision, and the five places where the paper contradicts itself."""
    found = {(one.law, one.case): one.off_pct for one in reproduce_identities.identities()}
    off = {key for key, percent in found.items() if abs(percent) > 4}
    law = "figure 11 = figures 12 x 13 at 64"
    assert off == {
        *((law, layer) for layer in ("alex-6", "alex-7", "vgg-6", "vgg-7")),
        ("figure 6 = times of table IV", "nt-we"),
        ("figure 6 = times of table IV", "nt-lstm"),
    }


@pytest.mark.parametrize("pes", [64, 128])
def test_four_curves_of_figure_11_fit_with_names_exchanged(pes):
    def off(printed_as, computed_for):
        said = published(f"figure11/{printed_as}/pe_{pes}")
        return abs(reproduce_identities.scaled(computed_for, pes) / said - 1)

    for pair in reproduce_identities.TWINS.items():
        own = sum(off(name, name) for name in pair)
        exchanged = sum(off(name, other) for name, other in (pair, pair[::-1]))
        assert exchanged < 0.07 and own > 0.2


def test_the_two_panels_of_figure_9_do_not_multiply_out():
    both = reproduce_identities.read_energies()
    within = {width for width, (shown, implied) in both.items() if abs(shown - implied) <= 4}
    assert within == {32, 64, 128}
    assert both[512][0] > 1.5 * both[512][1]
