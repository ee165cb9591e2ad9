"""``efflab sweep``: what it counts, and what it refuses before anything runs."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from efflab import efz, models
from efflab.cli import swept
from efflab.cli.app import app

runner = CliRunner()


def run(*words, code=0):
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def file(tmp_path):
    """A passport network of few values, with a table that is no weight."""
    torch.manual_seed(0)
    model = models.passport()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = (parameter * 20).round().clamp(-7, 7) / 20 * (parameter.abs() > 0.05)
    efz.save({**model.state_dict(), "table": torch.ones(3, 3)}, tmp_path / "net.efz")
    efz.save(model, tmp_path / "whole.efz")
    return tmp_path / "net.efz"


ONE = ("--pes", "4", "--fifo", "8", "--sram-width", "64", "--json")


def test_with_its_model_a_sweep_counts_what_simulate_counts(file, tmp_path):
    whole = file.with_name("whole.efz")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random(models.input_shape("passport")))
    words = ("--model", "passport", "--input", tmp_path / "x.npy")
    simulated = json.loads(run("simulate", whole, "--pes", 4, *words, "--json").stdout)
    point = json.loads(run("sweep", whole, "-o", tmp_path / "s.csv", *ONE, *words).stdout)["points"][0]
    assert max(one["vectors"] for one in simulated["layers"]) > 1
    for name in ("cycles", "time_us", "energy_uj"):
        assert point[name] == pytest.approx(simulated[name])


def test_what_a_sweep_leaves_out_is_said(file, tmp_path):
    said = run("sweep", file, "-o", tmp_path / "s.csv", *ONE).stderr
    assert "at one place of its output" in said
    assert "table is left out" in said
    efz.save(torch.nn.Sequential(torch.nn.Linear(9, 8)), tmp_path / "many.efz")
    said = run("sweep", tmp_path / "many.efz", "-o", tmp_path / "t.csv", *ONE).stderr
    assert "cluster its 72 values anew to 15" in said and "one place" not in said


def test_another_memory_is_not_taken_from_the_file(file, tmp_path):
    words = ("sweep", file, "-o", tmp_path / "s.csv", *ONE)
    first = json.loads(run(*words).stdout)["points"][0]
    assert first["spmat_kb"] == 128
    assert "spmat_kb 128, and this one has 0.05" in run(*words, "--spmat-kb", 0.05, code=1).stderr
    small = json.loads(run("sweep", file, "-o", tmp_path / "t.csv", *ONE, "--spmat-kb", 0.05).stdout)
    assert not small["points"][0]["fits"]


def test_the_table_shows_what_varies(file, tmp_path):
    words = ("sweep", file, "-o", tmp_path / "s.csv", "--pes", "4,8", "--fifo", "8", "--sram-width", "64")
    assert "MHz" in run(*words, "--clock", "400,800").stdout
    assert "MHz" not in run(*words).stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--figure", "f.gif"), "written as .png, .svg or .pdf"),
        (("--figure", "nowhere/f.png"), "there is no folder"),
        (("--input", "missing.npy"), "missing.npy"),
        (("--sram-width", "64,1024"), "1024 bits"),
        (("--sram-width", "4"), "sram_width is 4 bits"),
        (("--spmat-kb", "-1"), "spmat_kb must be above 0"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(tmp_path, monkeypatch, words, sentence):
    monkeypatch.setattr(swept, "_alone", None)
    result = run("sweep", tmp_path / "net.efz", "-o", tmp_path / "s.csv", *words, code=1)
    assert sentence in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (("--figure", "f.png"), "matplotlib", "student"),
        (("--scheduler", "tcp://127.0.0.1:9"), "distributed", "instructor"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, words, package, extra):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: None if name == package else find(name, *a)
    )
    monkeypatch.setattr(swept, "_alone", None)
    said = run("sweep", tmp_path / "net.efz", "-o", tmp_path / "s.csv", *words, code=1).stderr
    assert f"{package}, which is not installed" in said and extra in said


def test_the_scheduler_that_is_tried_is_named(file, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="it comes with efflab[instructor]")
    monkeypatch.setattr("efflab.eie.sweep.SCHEDULER_SECONDS", 0.5)
    words = ("sweep", file, "-o", tmp_path / "s.csv", *ONE, "--scheduler", "tcp://127.0.0.1:9")
    said = run(*words, code=1).stderr
    assert "asking the scheduler at tcp://127.0.0.1:9" in said and "no dask scheduler answers" in said


def test_the_benchmarks_have_inputs_of_their_own(tmp_path):
    for words in (("--act-density", "0.5"), ("--model", "passport")):
        said = run("sweep", "benchmarks", "-o", tmp_path / "s.csv", *ONE, *words, code=1).stderr
        assert "go with a file" in said
