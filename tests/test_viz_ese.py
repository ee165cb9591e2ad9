"""The ESE schedule: its JavaScript against Python's schedule, its switches, its words."""

import itertools
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, skip_or_fail
from widgets import data_of, run_module

from efflab import viz
from efflab.errors import EfflabError
from efflab.ese import OVERLAPS, Schedule, Task, Work, lstm_schedule

TASKS = [
    Task("weights A", "memory", 3),
    Task("A", "products", 4, after=("weights A",)),
    Task("weights B", "memory", 3, unless={"buffers": ("A",)}),
    Task("B", "products", 4, after=("weights B",)),
    Task("sum A", "element-wise", 2, after=("A",), unless={"passes": ("B",)}),
]


def drawn(seed: int) -> Schedule:
    """Tasks that wait for any before them, always or unless some overlap is on."""
    rng = np.random.default_rng(seed)
    names = [f"task {i}" for i in range(int(rng.integers(1, 30)))]

    def some(i: int, most: int) -> tuple[str, ...]:
        return tuple(names[j] for j in np.unique(rng.integers(0, i, rng.integers(0, most + 1)))) if i else ()

    tasks = [
        Task(name, f"r{rng.integers(4)}", int(rng.choice([0, 1, 5, 20])), some(i, 2), {key: found for key in "abc" if (found := some(i, 2))})
        for i, name in enumerate(names)
    ]  # fmt: skip
    return Schedule.of(tasks, clock_mhz=200)


def step(**settings: Any) -> Schedule:
    """A step of an LSTM with numbers of our own."""
    work = {name: Work(100, 30, 9) for name in ("Wix", "Wfx", "Wcx", "Wox")}
    work |= {name: Work(200, 90, 26) for name in ("Wir", "Wfr", "Wcr", "Wor")}
    work["Wym"] = Work(310, 82, 50)
    return lstm_schedule(work, hidden=64, inputs=15, outputs=32, **settings)


def placed(runs: list[tuple[viz.EseSchedule, tuple[str, ...]]], folder: Path) -> list[dict[str, Any]]:
    """What the page's JavaScript makes of the figures' tasks."""
    node = shutil.which("node")
    if node is None:
        skip_or_fail("node is not installed; the browser tests run the same module")
    (folder / "module.mjs").write_text(runs[0][0]._esm)
    (folder / "runs.json").write_text(json.dumps([{"tasks": figure.tasks, "on": on} for figure, on in runs]))
    command = [str(node), ROOT / "tests/js/ese_place.mjs", folder / "module.mjs", folder / "runs.json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return list(json.loads(run.stdout))


def test_the_page_places_tasks_as_python_does_whatever_is_switched_off(tmp_path: Path) -> None:
    schedules = [drawn(seed) for seed in range(40)] + [step(), step(steps=3)]
    runs = []
    for schedule in schedules:
        figure = viz.EseSchedule(schedule)
        subsets = itertools.chain.from_iterable(
            itertools.combinations(schedule.known, size) for size in range(len(schedule.known) + 1)
        )
        runs += [(figure, on) for on in subsets]
    assert len(runs) > 300
    for (figure, on), page in zip(runs, placed(runs, tmp_path), strict=True):
        figure.overlaps = list(on)
        want = figure.schedule
        assert page["makespan"] == want.makespan
        assert page["deciding"] == [slot.name for slot in want.critical()]
        assert page["utilisation"] == {one: pytest.approx(want.utilisation(one)) for one in want.resources}
        assert page["reached"] == len(want.slots)  # arrow keys lead to every bar
        for got, slot in zip(page["slots"], want.slots, strict=True):
            assert (got["name"], got["resource"], got["start"], got["end"], got["state"]) == (
                slot.name, slot.resource, slot.start, slot.end, slot.state,
            )  # fmt: skip
            assert sorted(got["after"]) == sorted(slot.after)


def test_overlaps_are_observed_put_in_order_and_checked() -> None:
    figure, seen = viz.EseSchedule(step(), overlaps=["passes"]), []
    assert (figure.overlaps, figure.known) == (["passes"], list(OVERLAPS))
    figure.observe(lambda change: seen.append(change["new"]), "overlaps")
    figure.overlaps = ["passes", "buffers"]
    assert seen == [["buffers", "passes"]]
    assert figure.schedule.makespan == step(overlaps=["buffers", "passes"]).makespan
    with pytest.raises(EfflabError, match="there is no overlap 'speed'"):
        figure.overlaps = ["speed"]
    assert figure.meanings == OVERLAPS


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([], "schedule must have 1 to 400 tasks on at most 8 resources, got 0 on 0"),
        ([Task(str(i), str(i), 1) for i in range(9)], "got 9 on 9"),
        ([Task("a", "r", 1), Task("a", "r", 1)], "two tasks are called 'a'"),
        (
            [Task("a", "r", 1, after=("b",)), Task("b", "r", 1)],
            "waits for 'b', which is not listed before it",
        ),
    ],
)
def test_bad_schedules_are_refused(tasks: list[Task], words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        viz.EseSchedule(tasks)


def test_the_page_gets_little() -> None:
    assert len(json.dumps(data_of(viz.EseSchedule(step())))) < 10_000


def test_the_javascript_answers_without_a_kernel(tmp_path: Path) -> None:
    figure = viz.EseSchedule(TASKS, title="Two products")
    found = run_module(figure, "ese_schedule.mjs", tmp_path)
    full, width = Schedule.of(TASKS, []).makespan, 698
    shortest = Schedule.of(TASKS).makespan  # fills the figure; what takes longer is scrolled to

    def check(here: dict[str, Any], overlaps: list[str]) -> None:
        want = Schedule.of(TASKS, overlaps)
        assert here["places"] == pytest.approx(
            [1 + width * slot.start / shortest for slot in want.slots], abs=0.01
        )
        widths = [width * (slot.end - slot.start) / shortest for slot in want.slots]
        assert here["widths"] == pytest.approx(widths, abs=0.01)
        deciding = [slot.name for slot in want.critical()]
        assert here["hatched"] == len(deciding)
        assert here["width"] == max(700, math.ceil(2 + width * want.makespan / shortest))
        assert [row[0] for row in here["table"] if row[6] == "yes"] == deciding
        assert [label.endswith(" It decides the length.") for label in here["labels"]] == [
            slot.name in deciding for slot in want.slots
        ]
        assert here["overlaps"] == overlaps
        assert here["checked"] == [name in overlaps for name in figure.known]
        assert f"it takes {want.makespan:.2f} µs" in here["text"]
        assert [row[3:5] for row in here["table"]] == [
            [f"{slot.start:.2f}", f"{slot.end:.2f}"] for slot in want.slots
        ]
        rows = [
            f"{one}, at work {int(100 * want.utilisation(one) + 0.5)} % of the time" for one in want.resources
        ]
        assert here["rows"] == rows

    assert figure.known == ["buffers", "passes"]
    for name, overlaps in (
        ("first", ["buffers", "passes"]), ("off", ["passes"]), ("none", []), ("all", ["buffers", "passes"]), ("followed", []),
    ):  # fmt: skip
        check(found[name], overlaps)
    ratio = Schedule.of(TASKS, []).makespan / Schedule.of(TASKS).makespan
    assert (
        f"Without any overlap it takes {full:.2f} µs, {ratio:.2f} times as long as with all."
        in found["none"]["text"]
    )
    assert found["first"]["text"].startswith("With all overlaps")
    assert found["off"]["text"].startswith("Without the overlap of buffers")
    assert (
        found["pointed"]["detail"]
        == "B on products: 7.00 µs to 11.00 µs, waits for weights B; nothing waits for it. It decides the length."
    )
    assert (found["pointed"]["dim"], found["pointed"]["threads"]) == (3, [1, 0])
    assert (found["left"]["dim"], found["left"]["threads"]) == (0, [0, 0])
    assert found["left"]["detail"].startswith("Point at a bar")
    assert (found["walked"][0], found["walked"][2]) == (True, False)
    assert found["walked"][1].startswith("A on products: ")
    assert found["focused"]["tab"] == ["-1", "-1", "0", "-1", "-1"]
    assert found["saved"] == 3
    assert found["listening"] == 0
    assert found["named"]["unnamed"] == 0
    assert found["named"]["groups"][0] == "Two products"
    assert found["named"]["pictures"] == found["labels"]
    assert found["switches"] == ["switch", "switch"]
    assert set(found["scopes"]) == {"col", "row"}
    assert found["fitted"] == ["weights Wix (12)", "weights Wix", "Wix", ""]
