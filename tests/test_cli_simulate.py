"""``efflab simulate`` and ``efflab sweep``."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from efflab import efz, models
from efflab.cli.app import app

runner = CliRunner()


@pytest.fixture
def file(tmp_path):
    """A passport network of few values."""
    torch.manual_seed(0)
    model = models.passport()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = (parameter * 20).round().clamp(-7, 7) / 20 * (parameter.abs() > 0.05)
    efz.save(model, tmp_path / "net.efz")
    return tmp_path / "net.efz"


def run(*words, code=0):
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_a_file_through_the_machine(file):
    answer = json.loads(run("simulate", file, "--pes", 4, "--json").stdout)
    assert answer["cycles"] == sum(one["cycles"] for one in answer["layers"]) > 0
    table = run("simulate", file, "--pes", 4)
    assert "at one place of its output" in table.stderr
    assert all(one["name"] in table.stdout for one in answer["layers"])


def test_the_cycle_engine_says_the_same(file):
    both = [
        json.loads(
            run("simulate", file, "--pes", 4, "--engine", engine, "--act-density", 0.5, "--json").stdout
        )
        for engine in ("event", "cycle")
    ]
    assert both[0] == both[1]


def test_with_its_model_convolutions_run_all_places(file, tmp_path):
    shape = models.input_shape("passport")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random(shape))
    answer = json.loads(
        run(
            "simulate", file, "--model", "passport", "--input", tmp_path / "x.npy", "--json", "--pes", 4
        ).stdout
    )
    assert max(one["vectors"] for one in answer["layers"]) > 1


def test_only_one_layer_and_a_figure(file, tmp_path):
    with efz.open(file) as opened:
        name = next(entry.names[0] for entry in opened.entries if len(entry.shape) == 2)
    answer = json.loads(
        run("simulate", file, "--layer", name, "--figure", tmp_path / "f.svg", "--json").stdout
    )
    assert len(answer["layers"]) == 1
    assert (tmp_path / "f.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--act-density", "0.5", "--model", "passport"), "goes neither with --input nor with --model"),
        (("--pes", "0"), "pes is 0"),
        (("--fifo", "-1"), "fifo is -1"),
        (("--index-bits", "12"), "index_bits is 12"),
        (("--layer", "nowhere"), "no layer 'nowhere'"),
        (("--figure", "f.gif"), "written as .png, .svg or .pdf"),
        (("--input", "missing.npy"), "No such file"),
    ],
)
def test_mistakes_are_one_sentence(file, words, sentence):
    result = run("simulate", file, *words, code=1)
    assert sentence in result.stderr and "Traceback" not in result.output


def test_arrays_that_are_none(file, tmp_path):
    (tmp_path / "x.npy").write_bytes(b"no array")
    assert "no .npy file" in run("simulate", file, "--input", tmp_path / "x.npy", code=1).stderr
    np.save(tmp_path / "o.npy", np.array(["a"]))
    assert "no array of numbers" in run("simulate", file, "--input", tmp_path / "o.npy", code=1).stderr


def test_a_sweep_over_a_file(file, tmp_path):
    table = tmp_path / "s.csv"
    words = ("sweep", file, "-o", table, "--pes", "2,4", "--fifo", "2,8", "--sram-width", "64")
    answer = json.loads(run(*words, "--json").stdout)
    assert len(answer["points"]) == 4 and answer["front"]
    assert len(table.read_text().splitlines()) == 5
    assert "no other beats" in run(*words, "--figure", tmp_path / "p.png").stdout
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_over_a_benchmark(tmp_path):
    words = (
        "sweep",
        "benchmarks",
        "-o",
        tmp_path / "s.csv",
        "--fifo",
        "8",
        "--sram-width",
        "64",
        "--layer",
        "NT-LSTM",
    )
    answer = json.loads(run(*words, "--pes", "64", "--json").stdout)
    assert answer["points"][0]["fits"]
    assert "no benchmark is called" in run(*words, "--layer", "Alex-9", code=1).stderr
    assert "whole numbers" in run(*words, "--pes", "a", code=2).stderr
