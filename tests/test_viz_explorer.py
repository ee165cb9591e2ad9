"""The pruning explorer: its traits, its numbers, and its JavaScript run without a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from widgets import data_of, run_module

from efflab import viz
from efflab.errors import EfflabError
from efflab.viz.explorer import STEP
from efflab.viz.widgets import css, module

EXPLORERS = [viz.EiePlayer, viz.EseSchedule, viz.HuffmanExplorer, viz.KMeansExplorer, viz.PruneExplorer]
SPARSITIES = [0.0, 0.5, 0.8, 0.9, 0.99]


@pytest.fixture
def weights() -> torch.Tensor:
    return torch.randn(300, 100, generator=torch.Generator().manual_seed(0))


def explorer(weights: torch.Tensor, **settings) -> viz.PruneExplorer:
    curves = {"no retraining": [98, 97, 80, 40, 10], "retrained": [98, 98, 98, 97, 90]}
    return viz.PruneExplorer(weights, SPARSITIES, curves, **settings)


def test_threshold_removes_just_the_wanted_share(weights: torch.Tensor) -> None:
    figure = explorer(weights)
    for sparsity in (0.0, 0.5, 0.9, 0.99):
        figure.sparsity = sparsity
        removed = int((weights.abs() < figure.threshold).sum())
        assert removed == pytest.approx(
            sparsity * weights.numel(), abs=2
        )  # the page's table keeps five digits
        assert figure.kept == round((1 - sparsity) * weights.numel())


def test_the_page_gets_bins_and_not_the_weights() -> None:
    figure = explorer(torch.randn(1_000_000))
    state = figure.get_state()
    assert sum(state["counts"]) == state["total"] == 1_000_000
    assert len(json.dumps(data_of(figure))) < 8000


def test_sparsity_is_observed_and_checked(weights: torch.Tensor) -> None:
    figure, seen = explorer(weights), []
    figure.observe(lambda change: seen.append(change["new"]), "sparsity")
    figure.sparsity = 0.75
    assert seen == [0.75]
    with pytest.raises(EfflabError, match=r"sparsity must be in \[0, 1\), got 1.0"):
        figure.sparsity = 1.0
    assert figure.sparsity == 0.75


@pytest.mark.parametrize(
    ("sparsities", "accuracies", "words"),
    [
        ([0.5, 0.1], [1, 2], "increasing fractions"),
        ([0, 1.5], [1, 2], "increasing fractions"),
        ([0, 0.5], [1, 2, 3], "2 finite numbers"),
        ([0, 0.5], [1, float("nan")], "2 finite numbers"),
    ],
)
def test_bad_curves_are_refused(weights: torch.Tensor, sparsities, accuracies, words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        viz.PruneExplorer(weights, sparsities, accuracies)


@pytest.mark.parametrize("kind", EXPLORERS)
def test_the_module_stands_alone(kind: type) -> None:
    source, sheet = kind._esm, kind._css
    addresses = [word for word in source.split('"') if "://" in word]
    assert addresses == ["http://www.w3.org/2000/svg"]  # the name of a namespace, never fetched
    assert re.search(r"^\s*import\b|\bimport\(|\bfetch\(", source, re.MULTILINE) is None
    assert source.startswith(module())  # every figure's helpers
    assert "@import" not in sheet
    assert "url(" not in sheet


def test_the_style_sheet_follows_system_book_and_jupyterlab() -> None:
    sheet = css()
    for palette in (viz.palette, viz.dark_palette):
        assert all(colour in sheet for colour in (palette.face, palette.text, palette.stop, *palette.series))
    for selector in (
        "prefers-color-scheme: dark",
        'html[data-theme="dark"]',
        'body[data-jp-theme-light="false"]',
    ):
        assert selector in sheet


def test_the_javascript_answers_without_a_kernel(weights: torch.Tensor, tmp_path: Path) -> None:
    figure = explorer(weights, sparsity=0.5)
    found = run_module(figure, "explorer.mjs", tmp_path)

    assert found["first"]["slider"] == 0.5
    assert "15,000 of 30,000 weights stay" in found["first"]["text"]
    moved = found["moved"]
    assert "Sparsity 90.0 %: 3,000 of 30,000 weights stay" in moved["text"]
    assert "no retraining 40.0, retrained 97.0" in moved["text"]
    assert found["saved"] == 1
    figure.sparsity = 0.9
    full_width = 2 * figure.limit
    panel = 360 - 12 - 52
    assert moved["width"] == pytest.approx(2 * figure.threshold / full_width * panel, rel=1e-4)
    assert moved["markers"][0] > moved["markers"][1]  # 40 % lies below 97 %, and y grows downwards
    assert found["followed"]["slider"] == 0.25
    assert found["left"] == 0
    assert found["labelled"]
    assert found["type"] == "range"
    assert found["valuetext"] == "25.0 percent"
    assert len(found["pictures"]) == 2
    assert found["thresholds"] == [0, 2, 4, 8]
    assert found["between"] == 10
    assert found["outside"] == [5, 6]
    assert found["ticks"] == [-0.2, -0.1, 0, 0.1, 0.2]


def test_slider_steps_fall_on_the_table_of_thresholds(weights: torch.Tensor) -> None:
    figure = explorer(weights)
    assert len(figure.thresholds) == round(1 / STEP) + 1
    magnitudes = np.sort(weights.abs().numpy().ravel())
    assert figure.thresholds[100] == pytest.approx(float(magnitudes[15_000]), rel=1e-4)
