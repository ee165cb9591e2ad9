"""The EIE player: its JavaScript and its Python against a machine that is stepped cycle by cycle, and against the engines."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, skip_or_fail
from eie_stepped import Stepped
from hypothesis import given, settings
from hypothesis import strategies as st
from widgets import data_of, run_module

from efflab import eie, viz
from efflab.eie import datapath
from efflab.errors import EfflabError
from efflab.viz.played import MOST_BYTES
from efflab.viz.timeline import Timeline

STATES = ("busy", "empty", "hazard", "starved", "finished")


def drawn(seed: int) -> dict[str, Any]:
    """A random machine and what it runs on."""
    rng = np.random.default_rng(seed)
    columns, pes = int(rng.integers(0, 30)), int(rng.choice([1, 2, 3, 4, 8, 17, 64]))
    real = rng.poisson(rng.choice([0.2, 1.0, 3.0]), (columns, pes))
    cuts = np.sort(rng.integers(0, columns + 1, int(rng.integers(0, 3))))
    return {
        "real": real,
        "padding": rng.binomial(real, 0.3),
        "gaps": rng.choice([0, 0, 0, 1, 5], columns),
        "depth": int(rng.choice([0, 1, 2, 3, 7, 15])),
        "batches": np.diff([0, *cuts, columns]).tolist(),
        "clashes": (rng.random((columns, pes)) < 0.3) * (real > 0) if seed % 3 == 0 else None,
    }


def replayed(figures: list[viz.EiePlayer], folder: Path) -> list[dict[str, Any]]:
    """What the page's JavaScript makes of the figures' traits."""
    node = shutil.which("node")
    if node is None:
        skip_or_fail("node is not installed; the browser tests run the same module")
    (folder / "module.mjs").write_text(figures[0]._esm)
    (folder / "runs.json").write_text(json.dumps([data_of(figure) for figure in figures]))
    command = [str(node), ROOT / "tests/js/eie_replay.mjs", folder / "module.mjs", folder / "runs.json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return list(json.loads(run.stdout))


def test_the_page_replays_what_the_stepped_machine_does_in_every_cycle(tmp_path: Path) -> None:
    cases = [drawn(seed) for seed in range(60)]
    figures = [viz.EiePlayer.of_counts(**case) for case in cases]
    for case, figure, page in zip(cases, figures, replayed(figures, tmp_path), strict=True):
        entries = case["real"] + case["padding"]
        clashes = np.zeros_like(entries) if case["clashes"] is None else case["clashes"]
        assert page["real"] == case["real"].ravel().tolist()
        assert page["padding"] == case["padding"].ravel().tolist()
        assert page["gaps"] == case["gaps"].tolist()
        cycles = Stepped(entries, clashes, case["gaps"], case["depth"], case["batches"]).run()
        assert page["cycles"] == len(cycles) == figure._timeline.cycles
        sums = {"": 0, "stalled": 0, "scanning": 0, "sent": 0}
        for cycle, (want, got) in enumerate(zip(cycles, page["states"], strict=False)):
            sent, stalled, scanning, pushed, stalls, rows, queues, doing, done, balance = got
            event = want["event"]
            assert (sent, stalled, scanning) == (
                sums["sent"] if event == "sent" else None, event == "stalled", event == "scanning",
            ), cycle  # fmt: skip
            sums[event] += 1
            assert (stalls, rows, pushed) == (sums["stalled"], sums["scanning"], sums["sent"]), cycle
            assert (queues, done) == (want["queues"], want["entries"]), cycle
            assert [STATES[one] for one in doing] == want["states"], cycle
            assert balance == pytest.approx(sum(done) / (len(done) * (cycle + 1)))
        assert page["states"][-1][7] == [4] * entries.shape[1]
        assert page["states"][-1][8] == entries.sum(axis=0).tolist()


def test_python_and_page_agree_on_every_time_and_state(tmp_path: Path) -> None:
    figures = [viz.EiePlayer.of_counts(**drawn(seed)) for seed in range(100, 130)]
    for figure, page in zip(figures, replayed(figures, tmp_path), strict=True):
        line = figure._timeline
        assert page["broadcast"] == line.broadcast.tolist()
        assert page["ready"] == line.ready.tolist()
        assert page["taken"] == line.taken.tolist()
        for cycle, got in enumerate(page["states"]):
            figure.cycle = cycle
            state = figure.state
            here = (
                state.broadcast,
                state.stalled,
                state.scanning,
                state.broadcasts,
                state.stalls,
                state.zero_rows,
            )
            assert here == tuple(got[:6])
            assert (list(state.queues), list(state.entries)) == (got[6], got[8])
            assert list(state.states) == [STATES[one] for one in got[7]]
            assert state.balance == pytest.approx(got[9])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_no_queue_overflows_and_every_entry_is_processed_once(seed: int) -> None:
    case = drawn(seed)
    figure = viz.EiePlayer.of_counts(**case)
    line = figure._timeline
    fills = [line.at(cycle).queues for cycle in range(line.cycles + 1)]
    assert max(max(fill) for fill in fills) <= max(1, case["depth"])
    last = line.at(line.cycles)
    assert list(last.entries) == (case["real"] + case["padding"]).sum(axis=0).tolist()
    assert (last.broadcasts, last.stalled, set(last.queues)) == (len(case["gaps"]), False, {0})


@pytest.mark.parametrize("bypass", [True, False])
@pytest.mark.parametrize("fifo", [1, 2, 8])
def test_a_layers_run_is_that_of_the_engine(fifo: int, bypass: bool) -> None:
    rng = np.random.default_rng(fifo)
    matrix = rng.choice([0, 0, 0, 0, -1.5, 0.5], (90, 300))
    inputs = np.maximum(rng.normal(size=300), 0) * (rng.random(300) < 0.5)
    machine = eie.Machine(pes=8, fifo=fifo, index_bits=2, regs=10, bypass=bypass)
    layer = eie.encode(matrix, machine)
    figure = viz.EiePlayer(layer, inputs)
    run = eie.simulate(layer, inputs)
    last = figure._timeline.at(figure._timeline.cycles)
    assert (figure.columns, len(figure.batches), figure.depth) == (np.count_nonzero(inputs), 4, fifo - 1)
    assert last.cycle == run.cycles
    assert last.stalls == run.counters.blocked
    assert last.balance == pytest.approx(run.balance)
    assert list(last.entries) == run.counters.busy.tolist()
    assert last.broadcasts + last.zero_rows == run.counters.scan_cycles
    real = sum(figure.kinds[label][0] for label in _labels(figure))
    padding = sum(figure.kinds[label][1] for label in _labels(figure))
    assert (real, padding) == (run.counters.real_work, run.counters.padding)
    assert figure._timeline.extra.sum() == run.counters.hazards


def _labels(figure: viz.EiePlayer) -> list[int]:
    """The embedded counts, read by the course's own decoder."""
    import base64

    from efflab.huffman import HuffmanCode

    code = HuffmanCode(np.array(figure.lengths, np.uint8))
    size = figure.columns * figure.pes
    return code.decode(base64.b64decode(figure.counts), size, streams=1).tolist()


def test_every_cycle_is_that_of_the_trace(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    traces = []
    for i in range(24):
        pes, fifo, bypass = int(rng.choice([1, 2, 4, 16])), int(rng.choice([1, 2, 3, 8])), bool(i % 2)
        density = rng.choice([0.03, 0.2, 0.6])
        matrix = rng.choice([-1.5, 0.5, 2.0], (40, 50)) * (rng.random((40, 50)) < density)
        inputs = rng.normal(size=50) * (rng.random(50) < rng.choice([0.2, 0.8]))
        machine = eie.Machine(pes=pes, fifo=fifo, index_bits=2, regs=int(rng.choice([3, 64])), bypass=bypass)
        traces.append(eie.trace(eie.encode(matrix, machine), inputs))
    figures = [viz.EiePlayer(trace) for trace in traces]
    for trace, figure, page in zip(traces, figures, replayed(figures, tmp_path), strict=True):
        assert page["cycles"] == trace.cycles
        kinds = {datapath.ENTRY: "busy", datapath.PADDING: "busy", datapath.EMPTY: "empty", datapath.WAIT: "hazard", datapath.IDLE: "starved"}  # fmt: skip
        active = np.flatnonzero(trace.held)
        for cycle, got in enumerate(page["states"][:-1]):
            figure.cycle = cycle
            state = figure.state
            assert got[6] == list(state.queues) == trace.queue[cycle].tolist()
            doing = [STATES[one].replace("finished", "starved") for one in got[7]]
            assert doing == [kinds[one] for one in trace.state[cycle].tolist()]
            assert (-1 if got[0] is None else active[got[0]]) == trace.sent[cycle]
            assert got[1] == trace.blocked[cycle]


def test_a_pattern_is_played_without_outputs() -> None:
    pattern, active = eie.draw(512, 256, 0.1, seed=1), eie.draw_active(256, 0.4, seed=2)
    figure = viz.EiePlayer(pattern, active, eie.Machine(pes=16))
    assert figure.outputs == figure.values == ""
    assert figure._timeline.cycles == eie.simulate(pattern, active, eie.Machine(pes=16)).cycles


def test_alexnets_seventh_layer_takes_less_than_two_hundred_kilobytes() -> None:
    pattern, active = eie.draw(4096, 4096, 0.09), eie.draw_active(4096, 0.353)
    figure = viz.EiePlayer(pattern, active)
    assert figure.pes == 64
    assert len(json.dumps(data_of(figure))) < MOST_BYTES / 2


def test_cycles_are_observed_and_checked() -> None:
    figure, seen = viz.EiePlayer.of_counts([[2, 0], [1, 3]], [[0, 0], [1, 0]], [0, 0], 7), []
    figure.observe(lambda change: seen.append(change["new"]), "cycle")
    figure.cycle = 5
    assert seen == [5]
    with pytest.raises(EfflabError, match="cycle must be a whole number from 0 to 5, got 6"):
        figure.cycle = 6
    assert repr(figure) == "EiePlayer: 2 PEs, queues of 7, 2 broadcasts, 5 cycles, load balance 70.0 %"


def test_a_run_without_inputs_is_over_at_once() -> None:
    figure = viz.EiePlayer.of_counts(np.zeros((0, 4), int), np.zeros((0, 4), int), np.zeros(0, int), 7)
    assert figure.state.states == ("finished",) * 4
    assert figure.state.balance == 1.0
    assert Timeline.of(np.zeros((0, 2)), [], 3).cycles == 0


COUNTS = {"real": [[2, 0], [1, 3]], "padding": [[0, 0], [1, 0]], "gaps": [0, 0], "depth": 7}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"real": [1, 2]}, r"real must be of shape \(non-zero inputs, PEs\), got \(2,\)"),
        ({"real": [[0.5, 1]]}, "real must be whole numbers from 0 to 65,535, got float64"),
        ({"real": [[-1, 1], [0, 0]]}, "real must be whole numbers from 0"),
        ({"padding": [[1]]}, r"padding must be of shape \(2, 2\)"),
        ({"gaps": [0]}, r"gaps must be of shape \(2,\)"),
        ({"depth": -1}, "depth must be a whole number from 0 to 4096, got -1"),
        ({"batches": [1]}, r"batches must be sizes that sum to 2 non-zero inputs, got \[1\]"),
        ({"indices": [3, 3]}, "indices must be increasing"),
        ({"values": [1.0]}, r"values must be finite numbers of shape \(2,\)"),
        ({"outputs": [float("nan")]}, "outputs must be finite numbers"),
        ({"clashes": [[2, 0], [0, 0]]}, "clashes must be whole numbers from 0 to 1,"),
        ({"cycle": 99}, "cycle must be a whole number from 0 to 5, got 99"),
    ],
)
def test_bad_counts_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        viz.EiePlayer.of_counts(**{**COUNTS, **changes})


def test_what_is_too_large_for_the_page_is_refused() -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(0, 60, (6000, 64))
    with pytest.raises(
        EfflabError, match=r"6,000 non-zero inputs in 64 PEs take \d+ kB in the page, and at most 200 kB"
    ):
        viz.EiePlayer.of_counts(many, many * 0, np.zeros(6000, int), 7)
    with pytest.raises(EfflabError, match="number of PEs must be a whole number from 1 to 256, got 512"):
        viz.EiePlayer(eie.draw(1024, 64, 0.1), np.ones(64), eie.Machine(pes=512))
    with pytest.raises(EfflabError, match=r"layer must be an efflab\.eie Layer, Pattern or Trace, got Run"):
        viz.EiePlayer(eie.simulate(eie.draw(64, 64, 0.1), np.ones(64)), np.ones(64))


def test_the_javascript_answers_without_a_kernel(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    figure = viz.EiePlayer.of_counts(
        real=rng.poisson(1.5, (12, 4)),
        padding=rng.poisson(0.4, (12, 4)),
        gaps=[0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0],
        depth=2,
        outputs=rng.normal(size=16),
        indices=[0, 3, 9, 10, 12, 13, 26, 27, 28, 29, 32, 33],
        values=rng.random(12),
        title="Four PEs",
    )
    found = run_module(figure, "eie_player.mjs", tmp_path)
    last = figure._timeline.cycles

    def state(cycle: int) -> Any:
        figure.cycle = cycle
        return figure.state

    assert found["first"]["bus"][1].startswith("Broadcast to all queues: input 0 = ")
    assert found["first"]["live"] == "polite"
    for name in ("first", "stepped", "opened", "paused", "faster", "played", "scrubbed", "followed"):
        here = found[name]
        now = state(here["cycle"])
        assert here["slider"] == here["cycle"]
        assert here["valuetext"] == f"cycle {here['cycle']} of {last}"
        assert here["counters"]["broadcasts"] == f"{now.broadcasts} / 12"
        assert here["counters"]["stalled cycles"] == str(now.stalls)
        assert here["counters"]["zero rows"] == str(now.zero_rows)
        assert here["counters"]["entries"] == f"{sum(now.entries)} / {figure._timeline.entries.sum()}"
        assert here["counters"]["balance so far"] == f"{100 * now.balance:.1f} %"
        kinds = {
            "sent": now.broadcast is not None,
            "stalled": now.stalled,
            "scanning": now.scanning,
            "ended": True,
        }
        kind = next(kind for kind, holds in kinds.items() if holds)
        assert here["bus"][0] == f"efflab-bus efflab-{kind}"
        working = sum(one == "busy" for one in now.states)
        if name != "faster":  # words follow more slowly while the figure plays
            assert f"Cycle {here['cycle']} of {last}." in here["text"]
            assert here["cycle"] == last or f"{working} of 4 PEs process an entry" in here["text"]
    assert found["stepped"]["cycle"] == 1
    assert [cycle for cycle, _ in found["keys"]] == [2, 3, 2, last, last, 0, 10, 10]
    assert [taken for _, taken in found["keys"]] == [True] * 7 + [False]
    assert found["own"] == [[10, False]] * 4
    assert [row[0] for row in found["opened"]["table"]] == ["0", "1", "2", "3"]
    for row, fill, entries in zip(found["opened"]["table"], state(3).queues, state(3).entries, strict=True):
        assert row[1:3] == [f"{fill} of 2", str(entries)]
        assert row[4]
    assert found["playing"]["live"] == "off"
    assert found["playing"]["button"] == ["Back", "Step", "Pause"]
    assert found["playing"]["cycle"] == 2 * 5  # two seconds of 5 cycles a second
    assert (found["paused"]["cycle"], found["paused"]["live"]) == (found["playing"]["cycle"], "polite")
    assert found["faster"]["cycle"] == 4  # 0.8 seconds of 5 cycles a second
    assert (found["played"]["cycle"], found["played"]["button"][2]) == (last, "Play")
    assert (found["again"]["cycle"], found["again"]["button"][2]) == (0, "Pause")
    assert (found["scrubbed"]["cycle"], found["scrubbed"]["button"][2]) == (last // 2, "Play")
    assert (found["dragged"], found["released"]) == (0, 0)
    assert "PE 1: " in found["chosen"]["text"] and found["chosen"]["pe"] == "1"
    assert "PE 1: " not in found["unchosen"]["text"] and found["unchosen"]["pe"] == ""
    assert "PE 0: " in found["typed"]["text"] and "PE" not in found["wrong"]["text"].split("PEs", 1)[1]
    assert found["followed"]["cycle"] == 2
    assert found["saved"] > 10
    assert found["left"] == 0
    assert found["named"]["unnamed"] == 0 and found["labelled"]
    assert found["named"]["groups"] == ["Four PEs"]
    assert len(found["named"]["pictures"]) == 4
    assert found["scopes"] == ["col", "row"]
    assert found["loads"] >= 12
    assert found["grids"][0] == [16, 43.75, 176]
    assert found["grids"][2] == [32, 21.875, 176]
    assert found["grids"][6] == [1, 120, 60]
    assert all(columns * cell <= 700 for columns, cell, _ in found["grids"])
    assert found["found"] == [0, 15, 16, None, None]
    assert found["speeds"] == [1, 5, 100, 10_000]
    assert found["bars"] == [[1, 2], [0, 1]]
    assert found["means"] == pytest.approx([0.5, 5 / 3])
    assert list(found["words"].values()) == [0, 1, 2, 0]
    assert list(found["one"].values()) == [0, 0, 0]
    assert found["varints"] == [5, 300, 0]


def test_an_input_that_the_registers_hold_as_zero_is_not_broadcast() -> None:
    machine = eie.Machine(pes=2, precision="float32")
    layer = eie.encode(np.eye(4), machine)
    inputs = [1e-50, 1, 0, 1]
    figure = viz.EiePlayer(layer, inputs)
    assert figure.columns == eie.simulate(layer, inputs).counters.broadcasts == 2
    assert figure.columns == viz.EiePlayer(eie.trace(layer, inputs)).columns


def test_the_words_add_up_to_the_pes_without_a_bypass(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    real = rng.poisson(1.0, (20, 4))
    figure = viz.EiePlayer.of_counts(
        real, real * 0, np.zeros(20, int), 3, clashes=(rng.random((20, 4)) < 0.8) * (real > 0)
    )
    found = run_module(figure, "eie_words.mjs", tmp_path)
    assert len(found["words"]) == figure._timeline.cycles
    told = 0
    for cycle, text in enumerate(found["words"]):
        figure.cycle = cycle
        states = figure.state.states
        line = text.split("Balance")[0].split(".", 1)[1]
        numbers = [int(one) for one in re.findall(r"(?<!of )\b(\d+)\b", line)]
        assert sum(numbers) == 4
        waiting = states.count("hazard")
        assert (f"{waiting} wait for a sum" in text) == (waiting > 0)
        told += waiting > 0
    assert told


def test_the_picture_of_the_outputs_says_that_it_is_estimated(tmp_path: Path) -> None:
    figure = viz.EiePlayer.of_counts([[2, 0]], [[0, 0]], [0], 7, outputs=[1.0, -2.0])
    found = run_module(figure, "eie_words.mjs", tmp_path)
    pictures = [text for text in found["named"]["pictures"] if text.startswith("The output")]
    assert "estimated from each element's share of products" in pictures[0]
    assert any("estimated from each element's share of products" in text for text in found["drawn"])
