"""``efflab prune``: what it writes, and that bad input costs one sentence and nothing else."""

import errno
import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner, Result

from efflab import models
from efflab.cli import app


def prune(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prune", *map(str, arguments)])


def refusal(result: Result) -> str:
    """The sentence of a run that failed."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("no --weights")]
    assert len(lines) == 1, result.stderr
    return lines[0].removeprefix("efflab: ")


@pytest.fixture
def weights(tmp_path):
    """A file of weights of the smallest model."""
    torch.manual_seed(0)
    return models.save_weights(models.get("passport"), tmp_path / "dense.safetensors")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's own in the current folder."""
    (tmp_path / "users_models.py").write_text(
        "from torch import nn\ndef flat():\n    return nn.Flatten()\ndef linear():\n    return nn.Linear(10, 10, bias=False)\n"
    )
    monkeypatch.chdir(tmp_path)


def test_writes_exactly_the_largest_weights(weights, tmp_path):
    out = tmp_path / "pruned.safetensors"
    result = prune("passport", "--weights", weights, "--sparsity", 0.9, "-o", out, "--json")
    answer = json.loads(result.stdout)
    dense, pruned = load_file(weights), load_file(out)
    assert dense.keys() == pruned.keys()
    names = [one["layer"] for one in answer["layers"]]
    magnitudes = torch.cat([dense[name].abs().flatten() for name in names])
    threshold = magnitudes.sort().values[-answer["kept"]]
    for name in names:
        kept = dense[name].abs() >= threshold
        assert torch.equal(pruned[name], dense[name] * kept)
    assert answer["kept"] == round(0.1 * answer["weights"])
    assert answer["bytes_after"] == out.stat().st_size
    assert answer["bytes_before"] == weights.stat().st_size


def test_prints_layers_and_real_bytes_for_a_person(weights, tmp_path):
    out = tmp_path / "pruned.safetensors"
    printed = prune("passport", "--weights", weights, "--sparsity", 0.5, "--scope", "layer", "-o", out).stdout
    assert "conv1.weight" in printed
    assert "in all" in printed
    assert str(out) in printed


def test_a_layer_pattern_leaves_the_others_alone(weights, tmp_path):
    out = tmp_path / "pruned.safetensors"
    prune("passport", "--weights", weights, "--n-m", "2:4", "--layer", "fc1", "-o", out)
    dense, pruned = load_file(weights), load_file(out)
    changed = [name for name in dense if not torch.equal(dense[name], pruned[name])]
    assert changed == ["fc1.weight"]
    groups = pruned["fc1.weight"].reshape(-1, 4)
    assert (groups.count_nonzero(1) == 2).all()


def test_retraining_keeps_the_zeros_and_the_error_is_measured(weights, tmp_path):
    out = tmp_path / "pruned.safetensors"
    options = ["--sparsity", "0.8", "--data", "digits", "--retrain-epochs", "5", "--lr", "0.05", "--json"]
    arguments = ("--weights", weights, *options, "-o", out)
    answer = json.loads(prune("passport", *arguments).stdout)
    assert answer["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert answer["error_percent_after"] < answer["error_percent_before"]
    model = models.load_weights(models.get("passport"), out)
    zeros = sum(int((p == 0).sum()) for name, p in model.named_parameters() if name.endswith("weight"))
    assert zeros >= answer["zeros"]


@pytest.mark.parametrize("sparsity", ["1", "1.5", "-0.1", "nan"])
def test_a_sparsity_outside_its_range(sparsity, tmp_path):
    out = tmp_path / "out.safetensors"
    assert "sparsity" in refusal(prune("passport", f"--sparsity={sparsity}", "-o", out))
    assert not out.exists()


def test_a_nan_weight(weights, tmp_path):
    state = load_file(weights)
    state["conv2.weight"][0, 0, 0, 0] = torch.nan
    save_file(state, weights)
    out = tmp_path / "out.safetensors"
    told = refusal(prune("passport", "--weights", weights, "--sparsity", 0.9, "-o", out))
    assert "NaN" in told
    assert "conv2" in told
    assert not out.exists()


def test_a_model_without_prunable_layers(own, tmp_path):
    out = tmp_path / "out.safetensors"
    assert "no prunable layers" in refusal(prune("users_models:flat", "--sparsity", 0.5, "-o", out))


def test_an_unknown_layer_names_the_close_ones(tmp_path):
    told = refusal(
        prune("passport", "--sparsity", 0.5, "--layer", "conv9", "-o", tmp_path / "out.safetensors")
    )
    assert "'conv9'" in told
    assert "conv1" in told


def test_a_checkpoint_of_another_model(weights, tmp_path):
    told = refusal(
        prune("lenet5", "--weights", weights, "--sparsity", 0.5, "-o", tmp_path / "out.safetensors")
    )
    assert "belongs to another model" in told
    assert "conv1.weight" in told


@pytest.mark.parametrize("content", [b"", b"{}", b"no weights at all", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint(content, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    told = refusal(
        prune("passport", "--weights", damaged, "--sparsity", 0.5, "-o", tmp_path / "out.safetensors")
    )
    assert str(damaged) in told
    assert damaged.read_bytes() == content


def test_a_checkpoint_is_never_unpickled(tmp_path, monkeypatch):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    torch.save({"fc1.weight": Bomb()}, tmp_path / "bomb.pt")
    refusal(
        prune(
            "passport",
            "--weights",
            tmp_path / "bomb.pt",
            "--sparsity",
            0.5,
            "-o",
            tmp_path / "out.safetensors",
        )
    )
    assert not (tmp_path / "exploded").exists()


def test_a_model_that_does_not_fit_the_data(tmp_path):
    told = refusal(prune("lenet5", "--sparsity", 0.5, "--data", "digits", "-o", tmp_path / "out.safetensors"))
    assert "lenet5 does not fit digits (1x8x8, 10 classes)" in told


@pytest.mark.parametrize(
    "model", ["lstm-classifier", "odd_models:pair", "odd_models:two", "odd_models:missing"]
)
def test_a_model_of_another_kind_is_one_sentence(model, tmp_path, monkeypatch):
    head = "from torch import nn\nclass {}(nn.Linear):\n    def __init__(self):\n        super().__init__(64, 10)\n"
    bodies = {
        "pair": "    def forward(self, x):\n        return super().forward(x.flatten(1)), x\n",
        "two": "    def forward(self, x, y):\n        return x\n",
        "missing": "    def forward(self, x):\n        return self.nothing(x)\n",
    }
    (tmp_path / "odd_models.py").write_text("".join(head.format(name) + bodies[name] for name in bodies))
    monkeypatch.chdir(tmp_path)
    told = refusal(prune(model, "--sparsity", 0.5, "--data", "digits", "-o", tmp_path / "out.safetensors"))
    assert f"{model} does not fit digits (1x8x8, 10 classes)" in told
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_the_machines_faults_are_not_the_models(error, tmp_path, monkeypatch):
    def fail(*_arguments, **_named):
        raise error

    monkeypatch.setattr("efflab.training.evaluate", fail)
    told = refusal(
        prune("passport", "--sparsity", 0.5, "--data", "digits", "-o", tmp_path / "out.safetensors")
    )
    assert "does not fit" not in told
    assert "Input/output error" in told or "not enough memory" in told


def test_the_size_before_is_right_where_the_weights_are_replaced(tmp_path):
    weights = tmp_path / "model.pt"
    torch.save(models.get("passport").state_dict(), weights)
    before = weights.stat().st_size
    result = prune("passport", "--weights", weights, "--sparsity", 0.5, "-o", weights, "--force", "--json")
    answer = json.loads(result.stdout)
    assert answer["bytes_before"] == before != answer["bytes_after"] == weights.stat().st_size


def test_data_that_are_no_images(tmp_path):
    told = refusal(
        prune("passport", "--sparsity", 0.5, "--data", "wikitext-2", "-o", tmp_path / "out.safetensors")
    )
    assert "no images" in told


def test_an_existing_output_is_kept_without_force(weights, tmp_path):
    out = tmp_path / "precious.safetensors"
    out.write_bytes(b"precious")
    assert "--force" in refusal(prune("passport", "--weights", weights, "--sparsity", 0.5, "-o", out))
    assert out.read_bytes() == b"precious"
    assert prune("passport", "--weights", weights, "--sparsity", 0.5, "-o", out, "--force").exit_code == 0
    assert out.read_bytes() != b"precious"


def test_an_output_that_is_no_file_is_refused_even_with_force(weights, tmp_path):
    for out in (tmp_path, tmp_path / "missing" / "out.safetensors", os.devnull):
        assert "cannot be written" in refusal(
            prune("passport", "--weights", weights, "--sparsity", 0.5, "-o", out, "--force")
        )


def test_a_full_disk_leaves_what_was_there(weights, tmp_path, monkeypatch):
    out = tmp_path / "precious.safetensors"
    out.write_bytes(b"precious")

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    told = refusal(prune("passport", "--weights", weights, "--sparsity", 0.5, "-o", out, "--force"))
    assert "No space left" in told
    assert out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dense.safetensors", "precious.safetensors"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--sparsity", "0.5", "--n-m", "2:4"),
        ("--n-m", "half"),
        ("--sparsity", "0.5", "--retrain-epochs", "1"),
        ("--sparsity", "half"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(arguments, tmp_path):
    assert prune("passport", *arguments, "-o", tmp_path / "out.safetensors").exit_code == 2


def test_the_users_own_model(own, tmp_path):
    out = tmp_path / "out.safetensors"
    answer = json.loads(prune("users_models:linear", "--sparsity", 0.25, "-o", out, "--json").stdout)
    assert isinstance(models.resolve("users_models:linear"), nn.Linear)
    assert answer["zeros"] == 25
    assert load_file(out)["weight"].count_nonzero() == 75
