"""The passport: its chain, its stand-ins, and what happens to a damaged one."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from efflab.errors import EfflabError
from efflab.lab import cards, keep_network, load_network, passport
from efflab.lab import network as network_module


@pytest.fixture(autouse=True)
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EFFLAB_STUDENT", str(tmp_path))
    shipped = tmp_path / "reference.json"
    shipped.write_text(
        json.dumps({"format": 1, "entries": {"00-measuring": {"bytes": 40000, "accuracy": 97.5}}})
    )
    monkeypatch.setattr(passport, "REFERENCE", shipped)
    cards._said.clear()
    return tmp_path


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "passport.jsonl").read_text().splitlines()]


def test_each_line_seals_the_one_before(student: Path) -> None:
    passport.append("00-measuring", bytes=39_208, accuracy=torch.tensor(97.5))
    passport.append("01-pruning", bytes=6_000, accuracy=97.0)
    first, second = lines(student)
    for line in (first, second):
        body = {key: value for key, value in line.items() if key != "hash"}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert line["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert (first["previous"], second["previous"]) == ("0" * 64, first["hash"])
    assert first["figures"] == {"bytes": 39208, "accuracy": 97.5}
    assert passport.verify()
    assert [entry.lab for entry in passport.read()] == ["00-measuring", "01-pruning"]


@pytest.mark.parametrize("change", ["figures", "drop first", "swap", "forge one hash"])
def test_any_tampering_breaks_the_chain(student: Path, change: str) -> None:
    for size in (3, 2, 1):
        passport.append("00-measuring", bytes=size)
    found = lines(student)
    if change == "figures":
        found[1]["figures"]["bytes"] = 0
    elif change == "drop first":
        found = found[1:]
    elif change == "swap":
        found[0], found[1] = found[1], found[0]
    else:
        found[1]["figures"]["bytes"] = 0
        found[1]["hash"] = passport.digest(found[1])
    (student / "passport.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
    verdict = passport.verify()
    assert not verdict
    assert verdict.problem
    assert len(passport.read()) == len(found)


def test_a_missing_earlier_lab_is_replaced_with_a_notice(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = passport.append("01-pruning", bytes=6_000)
    told = capsys.readouterr().out
    assert "no entry of lab 00-measuring: the shipped reference stands in" in told
    assert "6,000   (before: 40,000)" in told
    first, second = passport.read()
    assert (first.lab, first.reference, second.reference) == ("00-measuring", True, False)
    assert second == entry
    assert passport.verify()
    assert passport.get("00-measuring") == {"bytes": 40000, "accuracy": 97.5}


def test_the_first_lab_needs_no_stand_in(capsys: pytest.CaptureFixture[str]) -> None:
    passport.append("00-measuring", bytes=1)
    assert "stands in" not in capsys.readouterr().out
    assert passport.get("00-measuring") == {"bytes": 1}
    assert passport.reference("01-pruning") is None
    assert passport.get("01-pruning") is None


def test_running_a_cell_again_adds_nothing(student: Path) -> None:
    for _ in range(3):
        passport.append("00-measuring", bytes=1, accuracy=0.1 + 0.2)
    passport.append("00-measuring", bytes=2)
    assert [line["figures"]["bytes"] for line in lines(student)] == [1, 2]


def test_a_damaged_line_ends_the_passport_and_is_kept_aside(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passport.append("00-measuring", bytes=1)
    file = student / "passport.jsonl"
    damaged = file.read_text() + '{"lab": "01-pru'
    file.write_text(damaged)
    assert "line 2 cannot be read" in passport.verify().problem
    assert [entry.figures["bytes"] for entry in passport.read()] == [1]
    assert (student / "passport.jsonl.damaged").read_text() == damaged
    assert "passport.jsonl was damaged (line 2" in capsys.readouterr().out
    assert passport.verify()
    passport.append("01-pruning", bytes=2)
    assert passport.verify().entries == 2


@pytest.mark.parametrize("figures", [{}, {"bytes": float("nan")}, {"bytes": "many"}, {"bytes": None}])
def test_figures_must_be_finite_numbers(student: Path, figures: dict) -> None:
    with pytest.raises(EfflabError):
        passport.append("00-measuring", **figures)
    assert not (student / "passport.jsonl").exists()


def test_table_prefers_ones_own_newest_figures(student: Path) -> None:
    passport.append("01-pruning", bytes=9)
    passport.append("00-measuring", bytes=3)
    table = passport.table()
    assert [row[:2] for row in table.rows] == [("00-measuring", "3"), ("01-pruning", "9")]


def test_make_reference_ships_what_the_labs_wrote(student: Path) -> None:
    with pytest.raises(EfflabError, match="has no entry"):
        passport.make_reference(student / "new.json")
    passport.append("01-pruning", bytes=9)
    passport.make_reference(student / "new.json")
    content = json.loads((student / "new.json").read_text())
    assert content["entries"] == {
        "00-measuring": {"bytes": 40000, "accuracy": 97.5},
        "01-pruning": {"bytes": 9},
    }


def test_the_shipped_reference_is_in_order() -> None:
    content = json.loads(Path(passport.__file__).with_name("reference_passport.json").read_text())
    assert content["format"] == passport.FORMAT
    assert all(
        isinstance(value, int | float) for one in content["entries"].values() for value in one.values()
    )


def test_the_network_goes_from_lab_to_lab(
    student: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from efflab import models

    model = models.passport()
    file = keep_network(model, "00-measuring")
    assert file == student / "passport-00-measuring.safetensors"
    loaded = load_network("00-measuring")
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(loaded(x), model.eval()(x))
    assert not loaded.training

    monkeypatch.setattr(network_module, "REFERENCE", student / "absent.safetensors")
    assert load_network("01-pruning") is None
    file.rename(student / "shipped.safetensors")
    monkeypatch.setattr(network_module, "REFERENCE", student / "shipped.safetensors")
    assert torch.equal(load_network("00-measuring")(x), model(x))
    assert "the shipped one stands in" in capsys.readouterr().out
