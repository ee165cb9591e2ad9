"""Predictions, the state in the student's folder, hints, challenge, recorded results."""

import json
import random
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from efflab import results, viz
from efflab.errors import EfflabError
from efflab.lab import cards, challenge, hint, recorded, scale_score, start, student_folder
from efflab.lab.folder import HIDDEN, MARKER

QUESTION = "How many weights can go?"


@pytest.fixture(autouse=True)
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EFFLAB_STUDENT", str(tmp_path))
    cards._said.clear()
    with warnings.catch_warnings():  # start() silences them for the session
        yield tmp_path


def state(folder: Path) -> dict:
    return json.loads((folder / HIDDEN / "01-pruning.json").read_text())["predictions"]["pruning-1"]


def test_start_says_what_the_lab_costs_and_fixes_the_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    draws = []
    for _ in range(2):
        start("01-pruning")
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))  # noqa: NPY002 - the global generator is the one to fix
    assert draws[0] == draws[1]
    assert re.search(r"Lab 01: Pruning\n  Budget: about \d+ minutes", capsys.readouterr().out)
    with pytest.raises(EfflabError, match="no lab is called '1-pruning'"):
        start("1-pruning")


def test_a_prediction_is_kept_with_its_time_and_compared(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = start("01-pruning")
    lab.predict("pruning-1", QUESTION, unit="%", low=0, high=100, value=np.float32(37))
    assert state(student)["prediction"]["value"] == 37
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", state(student)["prediction"]["time"])
    lab.compare("pruning-1", torch.tensor(90.0))
    assert "Your prediction was 53 percentage points too low." in capsys.readouterr().out
    assert state(student)["measured"] == 90


def test_a_prediction_after_measuring_never_replaces_the_first(student: Path) -> None:
    lab = start("01-pruning")
    lab.predict("pruning-1", QUESTION, value=10)
    lab.predict("pruning-1", QUESTION, value=20)
    lab.compare("pruning-1", 90)
    lab.predict("pruning-1", QUESTION, value=90)
    lab.predict("pruning-1", QUESTION, value=90)
    lab.predict("pruning-1", QUESTION, value=20)
    kept = state(student)
    assert kept["prediction"]["value"] == 20
    assert [one["value"] for one in kept["earlier"]] == [10]
    assert [one["value"] for one in kept["later"]] == [90]


def test_a_first_prediction_after_measuring_counts_as_later(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = start("01-pruning")
    lab.compare("pruning-1", 90, unit="%")
    assert "You did not predict. Measured: 90 %." in capsys.readouterr().out
    lab.predict("pruning-1", QUESTION, unit="%", value=90)
    assert "prediction" not in state(student)
    assert "Given after measuring: 90 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"value": 137, "low": 0, "high": 100, "unit": "%"},
            "value must lie between 0 % and 100 %, got 137 %",
        ),
        ({"value": "many"}, "value must be one number, got 'many'"),
        ({"value": float("nan")}, "value must be a finite number"),
        ({"value": True}, "value must be one number"),
        ({"value": torch.ones(2)}, "value must be one number"),
        ({"low": 5, "high": 5}, "low must be below high"),
        ({"low": 0, "high": 5, "log": True}, "needs a low above 0"),
    ],
)
def test_a_prediction_that_cannot_be_is_refused(student: Path, settings: dict, words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        start("01-pruning").predict("pruning-1", QUESTION, **settings)
    assert not (student / HIDDEN / "01-pruning.json").exists()


def test_orders_of_magnitude_are_told_as_a_factor(capsys: pytest.CaptureFixture[str]) -> None:
    lab = start("01-pruning")
    lab.predict("pruning-1", "MACs?", unit="MAC", low=1, high=1e12, value=1e9, log=True)
    lab.compare("pruning-1", 2.5e8)
    assert "too high by a factor of 4" in capsys.readouterr().out


def test_without_a_widget_the_plain_way_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    start("01-pruning").predict("pruning-1", QUESTION, unit="%", low=0, high=100)
    assert "a number between 0 and 100 (in %). Commit to it by giving value=..." in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"{broken", b"[1, 2]", b"\xff\xfe\x00"])
def test_damaged_state_is_kept_aside_with_a_notice(
    student: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = student / HIDDEN / "01-pruning.json"
    file.parent.mkdir()
    file.write_bytes(content)
    start("01-pruning").predict("pruning-1", QUESTION, value=5)
    assert (student / HIDDEN / "01-pruning.json.damaged").read_bytes() == content
    assert state(student)["prediction"]["value"] == 5
    told = capsys.readouterr().out
    assert told.count("was damaged") == 1
    assert "kept as 01-pruning.json.damaged" in told


@pytest.mark.parametrize(
    "content",
    [
        '{"predictions": {"pruning-1": 7}}',
        '{"predictions": []}',
        '{"predictions": {"pruning-1": {"prediction": 3, "later": "x"}}}',
        '{"predictions": {"pruning-1": {"prediction": {"value": "many"}}}}',
    ],
)
def test_odd_but_valid_state_does_no_harm(student: Path, content: str) -> None:
    file = student / HIDDEN / "01-pruning.json"
    file.parent.mkdir()
    file.write_text(content)
    start("01-pruning").predict("pruning-1", QUESTION, value=5)
    assert state(student)["prediction"]["value"] == 5


def test_a_folder_that_cannot_be_written_costs_one_notice(
    student: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("efflab.lab.folder.write_atomic", full)
    lab = start("01-pruning")
    lab.predict("pruning-1", QUESTION, unit="%", value=40)
    lab.compare("pruning-1", 30)
    told = capsys.readouterr().out
    assert told.count("cannot be written (No space left on device)") == 1
    assert "Your prediction was 10 percentage points too high." in told
    assert not list(student.iterdir())


def test_a_folder_that_the_system_refuses(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (student / HIDDEN).write_text("a file where the folder should be, which stops root too")
    lab = start("01-pruning")
    lab.predict("pruning-1", QUESTION, unit="%", value=40)
    lab.compare("pruning-1", 30)
    told = capsys.readouterr().out
    assert told.count("cannot be") == 1
    assert "10 percentage points too high" in told


def test_all_labs_of_a_student_share_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EFFLAB_STUDENT")
    lab = tmp_path / "my-labs" / "01-pruning"
    lab.mkdir(parents=True)
    monkeypatch.chdir(lab)
    assert student_folder() == lab
    (lab.parent / HIDDEN).mkdir()
    (lab.parent / HIDDEN / MARKER).write_text("{}")
    assert student_folder() == lab.parent


def test_hints_come_layer_by_layer(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []
    lab = start("01-pruning")
    lab.hints({"pruning-1": (lambda: asked.append(1) or "[1 0 1]", "Think of `abs`.", "def f(w):\n    ...")})
    assert not asked
    capsys.readouterr()
    hint("pruning-1")
    first = capsys.readouterr().out
    assert "[1 0 1]" in first
    assert "abs" not in first
    hint("pruning-1", 3)
    assert "def f(w):\n    ..." in capsys.readouterr().out
    with pytest.raises(EfflabError, match="no hints for 'pruning-9'"):
        hint("pruning-9")
    with pytest.raises(EfflabError, match="layer must be 1, 2 or 3"):
        hint("pruning-1", 4)
    with pytest.raises(EfflabError, match="got 2 layers"):
        lab.hints({"pruning-1": ("a", "b")})


def test_a_hint_may_be_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    figure = viz.histogram(torch.randn(100))
    start("01-pruning").hints(
        {"pruning-3": (lambda: viz.picture(figure, alt="A bell curve."), "words", "shape")}
    )
    hint("pruning-3")
    assert "A bell curve." in capsys.readouterr().out


def test_recorded_results_stand_beside_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path / "results"))
    one = results.record(
        "pruning", "lenet5/error", 0.77, "%", paper=0.8, source="Table 1", command="efflab reproduce"
    )
    results.write("pruning", [one])
    recorded("pruning", "lenet5/error", "lenet5/absent", mine={"lenet5/error": torch.tensor(0.5)})
    told = capsys.readouterr().out
    assert re.search(r"lenet5/error +0\.5 +0\.77 +0\.8 +%", told)
    assert "paper: Table 1" in told
    assert "No recorded result" in told
    assert "lenet5/absent" in told
    assert "spread" not in told  # a column without a value
    recorded("nothing", "at/all")
    assert "No recorded result" in capsys.readouterr().out


def test_a_source_of_several_results_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path / "results"))
    sources = {"dense": "the chart", "pruned": "the chart; densities: Table 4"}
    results.write(
        "pruning", [results.record("pruning", one, 1.5, "µJ", source=said) for one, said in sources.items()]
    )
    recorded("pruning", *sources)
    told = capsys.readouterr().out
    assert told.count("the chart") == 1
    assert "paper: the chart; densities: Table 4" in told
    assert not re.search(r"^figure.*(yours|spread|paper)", told, re.MULTILINE)


def test_challenge_ranks_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    points = {"dense": 40_000, "paper": 1_000}
    challenge("Smallest file", 2_000, references=points, unit="bytes", better="lower", condition="98 %")
    told = capsys.readouterr().out
    assert told.index("paper") < told.index("you") < told.index("dense")
    assert "Better than dense. Condition met: 98 %." in told
    challenge("Smallest file", 10, references=points, better="lower", holds=False, condition="98 %")
    assert "does not count yet: 98 %" in capsys.readouterr().out
    with pytest.raises(EfflabError, match="references\\['x'\\] must be a finite number"):
        challenge("t", 1, references={"x": float("inf")})


def test_scale_score_is_linear_on_its_scale_and_held_inside() -> None:
    assert scale_score(75, start=50, goal=100) == 0.5
    assert scale_score(100, start=1000, goal=10, log=True) == pytest.approx(0.5)
    assert (scale_score(5, start=10, goal=20), scale_score(25, start=10, goal=20)) == (0, 1)
    assert (scale_score(25, start=20, goal=10), scale_score(5, start=20, goal=10)) == (0, 1)
    with pytest.raises(EfflabError, match="must differ"):
        scale_score(1, start=1, goal=1)
