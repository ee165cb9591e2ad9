"""The recorded run's book-keeping: what is kept, what is made again, what is judged, how it is measured again."""

import json

import pytest
import torch

from efflab import models, results
from efflab.data import Split
from efflab.pruning import reproduce, tradeoff
from efflab.results import _kept


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder; the folder that the run keeps its parts in."""
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path))
    return tmp_path / "reproduce" / "pruning"


class Make:
    """Counts how often it was asked to make something."""

    def __init__(self):
        self.times = 0

    def __call__(self, path):
        self.times += 1
        weights = path.with_suffix(".safetensors")
        weights.write_bytes(b"weights")
        return {"error": 1.5, "weights": weights.name}


def test_what_was_made_is_kept_with_its_day(monkeypatch):
    make = Make()
    first = reproduce.kept_json("a", make)
    assert first["date"] == results.record("pruning", "a", 1.0, "%").date
    # A later call, as on another day, gives the day of the measurement.
    monkeypatch.setattr(_kept, "dt", None)
    assert reproduce.kept_json("a", make) == first
    assert make.times == 1


@pytest.mark.parametrize(
    "damage", [b"", b'{"error": 1.', b"\xff\xfe", b"[]", b'{"error": 1.5}', None], ids=repr
)
def test_what_is_damaged_or_has_lost_its_weights_is_made_again(damage, cache):
    make = Make()
    first = reproduce.kept_json("a", make)
    if damage is None:
        (cache / first["weights"]).unlink()
    else:
        (path,) = cache.glob("*.json")
        path.write_bytes(damage)
    assert reproduce.kept_json("a", make) == first == reproduce.kept_json("a", make)
    assert make.times == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda patch, _: patch.setattr("efflab.results._record.versions", lambda: {"torch": "another"}),
        lambda patch, _: patch.setattr("efflab.results._record.machine", lambda: "another"),
        lambda patch, folder: patch.setattr("efflab.__file__", str(folder / "efflab" / "__init__.py")),
    ],
    ids=["versions", "machine", "sources"],
)
def test_another_code_version_or_machine_makes_it_again(change, monkeypatch, tmp_path):
    make = Make()
    reproduce.kept_json("a", make)
    (tmp_path / "efflab").mkdir()
    (tmp_path / "efflab" / "training.py").write_text("changed = True\n")
    with monkeypatch.context() as patch:
        change(patch, tmp_path)
        _kept.made_by.cache_clear()
        reproduce.kept_json("a", make)
    _kept.made_by.cache_clear()
    assert make.times == 2


def test_the_command_names_seeds_that_are_not_the_scales_own():
    assert reproduce.command("smoke", (0,)) == "efflab reproduce pruning --scale smoke"
    assert reproduce.command("full", [0, 1, 2]) == "efflab reproduce pruning --scale full --seeds 0,1,2"


@pytest.fixture(scope="module")
def parts():
    """A network and test images for the figures, untrained and random."""
    torch.manual_seed(0)
    images = Split(torch.rand(1000, 1, 28, 28), torch.zeros(1000, dtype=torch.int64))
    return models.get("lenet-300-100"), images


@pytest.mark.parametrize(
    ("scale", "seeds", "judged"),
    [
        ("cpu", (0, 1, 2), True),
        ("full", (4, 5, 6), True),
        ("cpu", (0, 1), False),
        ("full", (0,), False),
        ("smoke", (0, 1, 2), False),
    ],
)
def test_only_enough_seeds_at_a_recorded_scale_are_judged(scale, seeds, judged, parts):
    network, images = parts
    trios = [reproduce.Trio(1.7, 1.6, 1.7, f"2025-01-0{i + 1}", network) for i in range(len(seeds))]
    common = {"scale": scale, "seeds": seeds, "command": reproduce.command(scale, seeds)}
    found = {one.id: one for one in reproduce.compare(reproduce.LENET_300_100, trios, images, common)}
    barred = [one.id.rpartition("/")[2] for one in found.values() if one.bar]
    assert barred == (["error_dense", "error_change", "rate"] if judged else [])
    assert [found[f"lenet-300-100/{name}"].holds for name in barred] == (
        [True, True, False] if judged else []
    )
    assert {one.date for one in found.values()} == {f"2025-01-0{len(seeds)}"}


def test_the_trade_offs_records_carry_the_day_of_the_curves():
    curves = {
        "kept_pct": [50.0, 10.0],
        "date": "2025-01-01",
        "dense": {"l1": [2.0], "l2": [2.0]},
        "curves": {name: [[2.05, 3.0]] for name in tradeoff.CURVES},
    }
    made = tradeoff.records(json.loads(json.dumps(curves)), {"scale": "smoke"})
    assert {(one.measured, one.date) for one in made} == {(2.0, "2025-01-01")}
