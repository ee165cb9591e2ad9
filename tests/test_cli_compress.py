"""``efflab compress``, ``inspect`` and ``decompress``: what they write, and that bad input costs one sentence and nothing else."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner, Result

from efflab import efz, models
from efflab.cli import app, compressed


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def refusal(result: Result) -> str:
    """The sentence of a run that failed."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("no --")]
    assert len(lines) == 1, result.stderr
    return lines[0].removeprefix("efflab: ")


def answered(*arguments: object) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def weights(tmp_path):
    """A file of weights of the smallest model."""
    torch.manual_seed(0)
    return models.save_weights(models.get("passport"), tmp_path / "dense.safetensors")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "model.efz"


def test_without_data_the_drift_is_printed(weights, out):
    result = run("compress", "passport", "--weights", weights, "--sparsity", "0.8", "--bits", "4", "-o", out)
    assert result.exit_code == 0, result.output
    assert "the outputs on a random input drift by" in result.stdout
    assert "drift %" in result.stdout
    assert f"{out}: " in result.stdout
    state = efz.load(out)
    total = sum(tensor.numel() for name, tensor in state.items() if name.endswith("weight"))
    kept = sum(int(tensor.count_nonzero()) for name, tensor in state.items() if name.endswith("weight"))
    assert kept == round(0.2 * total)
    assert all(tensor.unique().numel() <= 17 for name, tensor in state.items() if name.endswith("weight"))


def test_the_answer_as_json(weights, out):
    answer = answered(
        "compress",
        "passport",
        "--weights",
        weights,
        "--bits",
        "5,conv*=6,fc2=3",
        "--sparsity",
        "fc1=0.9,conv1=0",
        "-o",
        out,
    )
    assert answer["file_bytes"] == out.stat().st_size
    assert answer["bytes_before"] == weights.stat().st_size
    assert answer["error_percent"] is None
    assert 0 < answer["output_drift"] < 2
    layers = {layer["layer"]: layer for layer in answer["layers"]}
    assert layers["conv1.weight"]["kept"] == layers["conv1.weight"]["weights"]
    assert layers["fc1.weight"]["weights_percent"] == pytest.approx(10, abs=0.1)
    assert [layers[name]["weight_bits"] for name in ("conv2.weight", "fc1.weight", "fc2.weight")] == [6, 5, 3]


def test_with_data_the_whole_procedure(weights, out, tmp_path):
    options = ["--data", "digits", "--epochs", "4", "--rounds", "1", "--lr", "0.5", "--sparsity", "0.7"]
    answer = answered("compress", "passport", "--weights", weights, *options, "-o", out)
    assert [stage["stage"] for stage in answer["stages"]] == [
        "dense",
        "pruned and retrained",
        "shared",
        "fine-tuned",
    ]
    assert answer["error_percent"] < answer["error_percent_dense"]
    assert answer["rate"] > 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dense.safetensors", "model.efz"]


def test_an_interrupted_run_goes_on(weights, tmp_path, monkeypatch):
    from efflab.deep_compression.stages import Stages

    arguments = [
        "compress",
        "passport",
        "--weights",
        weights,
        "--data",
        "digits",
        "--epochs",
        "1",
        "--rounds",
        "1",
        "-o",
    ]
    assert run(*arguments, tmp_path / "plain.efz").exit_code == 0
    save = Stages.save

    def interrupted(self, name, *rest):
        save(self, name, *rest)
        if name == "1-prune":
            raise KeyboardInterrupt

    monkeypatch.setattr(Stages, "save", interrupted)
    first = run(*arguments, tmp_path / "again.efz")
    assert first.exit_code == 130
    assert "the same command goes on from there" in first.stderr
    monkeypatch.setattr(Stages, "save", save)
    kept = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(kept) == 1
    other = refusal(run(*arguments, tmp_path / "again.efz", "--bits", "3"))
    assert "another config" in other
    monkeypatch.setattr("efflab.pruning.retrain.prune_and_retrain", None)
    result = run(*arguments, tmp_path / "again.efz")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "again.efz").read_bytes() == (tmp_path / "plain.efz").read_bytes()
    assert not kept[0].exists()


def test_a_run_that_is_not_resumed_begins_again(weights, out, monkeypatch):
    seen = []
    monkeypatch.setattr("efflab.deep_compression.compress_", lambda *_, **named: seen.append(named) or 1 / 0)
    for flag in ("--resume", "--no-resume"):
        result = run("compress", "passport", "--weights", weights, "--data", "digits", "-o", out, flag)
        assert isinstance(result.exception, ZeroDivisionError)  # an error of the program is no sentence
    assert [named["resume"] for named in seen] == [True, False]
    assert seen[0]["checkpoint"] == seen[1]["checkpoint"]


def test_inspect_shows_every_tensor_and_one_layer_s_values(weights, out):
    run("compress", "passport", "--weights", weights, "--bits", "3", "-o", out)
    printed = run("inspect", out).stdout
    assert all(name in printed for name in load_file(weights))
    assert "total" in printed
    answer = answered("inspect", out)
    assert answer["file_bytes"] == out.stat().st_size
    state = efz.load(out)
    assert [one["names"][0] for one in answer["tensors"]] == list(state)
    assert answer["dense_bytes"] == sum(tensor.nbytes for tensor in state.values())
    histogram = answered("inspect", out, "--layer", "fc2.weight")
    weight = state["fc2.weight"]
    values, counts = weight[weight != 0].unique(return_counts=True)
    shown = [(v, n) for v, n in zip(histogram["values"], histogram["counts"], strict=True) if v != 0]
    assert shown == list(zip(values.double().tolist(), counts.tolist(), strict=True))
    assert "weights" in run("inspect", out, "--layer", "fc2.weight").stdout


def test_a_layer_of_many_values_is_drawn_in_ranges(out):
    efz.save({"w": torch.arange(600).repeat(9).float()}, out)
    printed = run("inspect", out, "--layer", "w").stdout
    assert " to " in printed
    assert len(printed.splitlines()) < 40


def test_decompress_gives_the_tensors_back_bit_for_bit(tmp_path, out):
    state = {
        "a": torch.tensor([0.0, -0.0, torch.nan, 1.5]).repeat(100), "half": torch.arange(6).half().view(2, 3),
        "count": torch.tensor(7), "flags": torch.tensor([True, False]),
    }  # fmt: skip
    state["tied"] = state["a"]
    efz.save(state, out)
    back = tmp_path / "back.safetensors"
    answer = answered("decompress", out, "-o", back)
    assert answer["bytes_after"] == back.stat().st_size
    found = load_file(back)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].numpy().tobytes() == tensor.numpy().tobytes()


def test_there_and_back_into_the_model(weights, out, tmp_path):
    run("compress", "passport", "--weights", weights, "-o", out)
    result = run("decompress", out, "-o", tmp_path / "back.safetensors")
    assert "8 tensors" in result.stdout
    loaded = models.load_weights(models.get("passport"), tmp_path / "back.safetensors")
    assert all(torch.equal(tensor, efz.load(out)[name]) for name, tensor in loaded.state_dict().items())


def test_a_model_of_the_user_s_own(tmp_path, monkeypatch, out):
    (tmp_path / "compressed_models.py").write_text(
        "from torch import nn\ndef linear():\n    return nn.Sequential(nn.Linear(40, 40))\ndef relu():\n    return nn.ReLU()\n"
    )
    monkeypatch.chdir(tmp_path)
    result = run("compress", "compressed_models:linear", "-o", out)
    assert result.exit_code == 0, result.output
    assert "the drift of the outputs is not measured" in result.stderr
    assert (
        answered("compress", "compressed_models:linear", "--input-shape", "40", "-o", out, "--force")[
            "output_drift"
        ]
        > 0
    )
    told = refusal(run("compress", "compressed_models:linear", "--input-shape", "41", "-o", out, "--force"))
    assert "does not take an input of 41" in told
    assert "no prunable layers" in refusal(run("compress", "compressed_models:relu", "-o", out, "--force"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--sparsity", "1"), "sparsity"),
        (("--sparsity", "fc1=-0.5"), "sparsity"),
        (("--bits", "0"), "bits must be a whole number from 1 to 16"),
        (("--bits", "2.5"), "bits must be a whole number from 1 to 16"),
        (("--bits", "conv9=4"), "no prunable layer matches 'conv9'"),
        (("--data", "wikitext-2"), "no images"),
        (("--data", "mnist-of-mine"), "mnist-of-mine"),
    ],
)
def test_options_out_of_range(options, told, out):
    assert told in refusal(run("compress", "passport", *options, "-o", out))
    assert not out.exists()


@pytest.mark.parametrize(
    "option", ["--bits=four", "--bits=4,5", "--sparsity=fc1=.5,fc1=.6", "--bits==4", "--epochs=-1"]
)
def test_options_that_cannot_be_read_are_wrong_usage(option, out):
    assert run("compress", "passport", option, "-o", out).exit_code == 2


def test_a_model_that_does_not_fit_the_data(out):
    told = refusal(run("compress", "lenet5", "--data", "digits", "-o", out))
    assert "lenet5 does not fit digits" in told


def test_a_layer_of_nan_is_named(weights, out):
    state = load_file(weights)
    state["conv2.weight"][0, 0, 0, 0] = torch.nan
    save_file(state, weights)
    told = refusal(run("compress", "passport", "--weights", weights, "-o", out))
    assert "layer 'conv2.weight' holds 1 weights that are NaN" in told
    assert not out.exists()


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_an_existing_output_is_kept_without_force(command, weights, out, tmp_path):
    efz.save(load_file(weights), out)
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    source = ["passport", "--weights", weights] if command == "compress" else [out]
    assert "--force" in refusal(run(command, *source, "-o", precious))
    assert precious.read_bytes() == b"precious"
    assert run(command, *source, "-o", precious, "--force").exit_code == 0
    assert precious.read_bytes() != b"precious"
    for nowhere in (tmp_path, tmp_path / "missing" / "out", os.devnull):
        assert "cannot be written" in refusal(run(command, *source, "-o", nowhere, "--force"))


@pytest.mark.parametrize("content", [b"", b"no file of ours", None, "cut", "changed"])
@pytest.mark.parametrize("command", ["inspect", "decompress"])
def test_a_damaged_file(command, content, out, tmp_path):
    efz.save({"w": torch.arange(6.0).repeat(500)}, out)
    whole = out.read_bytes()
    if content is None:
        out.unlink()
    elif content == "cut":
        out.write_bytes(whole[:-9])
    elif content == "changed":
        middle = 40
        out.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    else:
        out.write_bytes(content)
    target = ["-o", tmp_path / "back.safetensors"] if command == "decompress" else []
    assert str(out) in refusal(run(command, out, *target))
    assert not (tmp_path / "back.safetensors").exists()


def test_a_layer_that_is_not_there(out):
    efz.save({"w": torch.arange(6.0).repeat(500), "bias": torch.randn(3)}, out)
    assert "holds no tensor 'v'" in refusal(run("inspect", out, "--layer", "v"))
    assert "without codes" in refusal(run("inspect", out, "--layer", "bias"))


def test_a_file_that_claims_too_much(out):
    efz.save({"w": torch.zeros(10**7)}, out)
    assert "limit_bytes" in refusal(
        run("decompress", out, "-o", out.with_suffix(".st"), "--limit-bytes", "1000")
    )


def test_completion(weights, out):
    assert compressed.complete_model("lenet") == ["lenet-300-100", "lenet5"]
    assert "digits" in compressed.complete_data("")
    assert compressed.complete_data("wiki") == []
    efz.save(nn.Linear(20, 20), out)
    environment = os.environ | {
        "_EFFLAB_COMPLETE": "complete_bash",
        "COMP_WORDS": f"efflab inspect {out} --layer w",
        "COMP_CWORD": "4",
    }
    answer = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'efflab'; from efflab.cli import main; main()"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert answer.stdout.split() == ["weight"]


@pytest.mark.parametrize("command", ["compress", "inspect", "decompress"])
def test_help_has_an_example(command):
    assert f"efflab {command} " in " ".join(run(command, "--help").stdout.replace("\n", " ").split())


def test_an_infinite_number_is_refused_by_the_option_s_name():
    for option in ("--bits", "--sparsity"):
        with pytest.raises(Exception, match=f"{option} reads 5"):
            compressed.parse_by_layer("fc1=inf", option)
