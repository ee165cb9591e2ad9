"""``efflab simulate`` and ``efflab sweep``."""

import importlib.util
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
        (("--sram-width", "1024"), "published from 32 to 512"),
        (("--figure", "nowhere/f.png"), "there is no folder nowhere"),
        (("--input-shape", "1x8x8"), "name the model as --model"),
        (("--technology", "0"), "technology_nm is 0"),
        (("--ptr-kb", "0.001"), "too little for the pointers"),
        (
            ("--model", "passport", "--input-shape", "1x5x5"),
            "the model does not take an input of shape 1 x 1 x 5 x 5",
        ),
    ],
)
def test_mistakes_are_one_sentence(file, words, sentence):
    result = run("simulate", file, *words, code=1)
    assert sentence in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize("words", [("--figure", "f.gif"), ("--input", "no.npy"), ("--sram-width", "1024")])
def test_what_is_refused_is_refused_before_the_file_is_read(tmp_path, words):
    """A file that is none would be the first complaint otherwise."""
    (tmp_path / "net.efz").write_bytes(b"no network")
    (tmp_path / "no.npy").write_bytes(b"no array")
    words = [tmp_path / word if word.startswith("no.") else word for word in words]
    assert "net.efz" not in run("simulate", tmp_path / "net.efz", *words, code=1).stderr


def test_without_matplotlib_a_figure_is_refused_with_the_extra_to_install(file, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a)
    )
    said = run("simulate", file, "--figure", tmp_path / "f.svg", code=1).stderr
    assert "matplotlib, which is not installed" in said and "student" in said


def test_inputs_of_a_model_have_its_shape(file, tmp_path):
    words = ("simulate", file, "--model", "passport", "--input", tmp_path / "x.npy", "--json", "--pes", 4)
    image = np.random.default_rng(0).random((8, 8))
    answers = []
    for shape in ((8, 8), (1, 8, 8), (1, 1, 8, 8)):
        np.save(tmp_path / "x.npy", image.reshape(shape))
        answers.append(json.loads(run(*words).stdout))
    assert answers[0] == answers[1] == answers[2]
    for shape in ((7,), (4, 1, 8, 8), (64,)):
        np.save(tmp_path / "x.npy", np.ones(shape))
        written = "x".join(map(str, shape))
        assert f"has the shape {written}, and passport takes 1x8x8" in run(*words, code=1).stderr
    np.save(tmp_path / "x.npy", np.full((1, 8, 8), np.nan))
    assert "must hold finite numbers" in run(*words, code=1).stderr


def test_convolutions_come_with_what_the_paper_says_of_them(file):
    said = run("simulate", file, "--model", "passport").stderr
    assert "Winograd" in said and "taken by their shapes" not in said
    assert "taken by their shapes" in run("simulate", file).stderr


def test_new_clusters_and_what_they_change_in_the_model(file):
    words = ("simulate", file, "--model", "passport", "--code-bits", 2)
    answer = json.loads(run(*words, "--json").stdout)
    assert answer["model_output"]["relative"] > 0 and answer["model_output"]["places"] == 1
    assert "new clusters change the model's own output by" in run(*words).stdout
    assert (
        json.loads(run("simulate", file, "--model", "passport", "--code-bits", 8, "--json").stdout)[
            "model_output"
        ]
        is None
    )


def test_every_parameter_of_the_machine(file):
    def figures(*words):
        answer = json.loads(run("simulate", file, "--pes", 4, *words, "--json").stdout)
        return answer["cycles"], answer["energy_uj"]

    cycles, energy = figures()
    assert figures("--technology", 28)[1] < energy
    assert figures("--no-bypass")[0] >= cycles
    assert figures("--regs", 1)[0] > cycles
    assert figures("--ptr-kb", 0.125)[0] > cycles


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
