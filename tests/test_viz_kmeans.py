"""The k-means explorer: its trajectories against Lloyd's iteration written out, its traits, its JavaScript."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from widgets import data_of, run_module

from efflab import viz
from efflab.errors import EfflabError

LEFT, RIGHT = 52, 348  # of the histogram's axes in the figure


def pruned(size: int = 4000, seed: int = 0) -> torch.Tensor:
    """Weights of a pruned layer: two groups and zeros, in two dimensions."""
    drawn = torch.randn(size // 50, 50, generator=torch.Generator().manual_seed(seed))
    return drawn * (drawn.abs() > 1.0)


@pytest.fixture(scope="module")
def figure() -> viz.KMeansExplorer:
    return viz.KMeansExplorer(pruned(), k=6)


def lloyd(weights: np.ndarray, centroids: np.ndarray, steps: int) -> list[np.ndarray]:
    """Lloyd's iteration by comparing every weight with every centroid."""
    found = [np.array(centroids)]
    for _ in range(steps):
        nearest = np.abs(weights[:, None] - found[-1]).argmin(axis=1)
        found.append(
            np.array(
                [weights[nearest == i].mean() if (nearest == i).any() else c for i, c in enumerate(found[-1])]
            )
        )
    return found


def error(weights: np.ndarray, centroids: np.ndarray) -> float:
    return float((np.abs(weights[:, None] - centroids).min(axis=1) ** 2).sum())


def test_each_run_is_lloyds_iteration(figure: viz.KMeansExplorer) -> None:
    flat = pruned().double().numpy().ravel()
    flat = flat[flat != 0]
    assert [run["init"] for run in figure.runs] == ["linear", "density", "random"]
    for run in figure.runs:
        frames = np.array(run["centroids"])
        by_hand = lloyd(flat, frames[0], len(frames) - 1)
        np.testing.assert_allclose(frames, by_hand, atol=2e-4 * figure.limit)
        np.testing.assert_allclose(run["errors"], [error(flat, c) for c in by_hand], rtol=2e-3)
        assert (np.diff(run["errors"]) <= 1e-4 * run["errors"][0]).all()  # the iteration never loses
        if run["settled"]:
            assert np.allclose(lloyd(flat, by_hand[-1], 1)[1], by_hand[-1])


def test_the_starts_are_those_of_the_paper(figure: viz.KMeansExplorer) -> None:
    flat = np.sort(pruned().double().numpy().ravel())
    flat = flat[flat != 0]
    first = {run["init"]: np.array(run["centroids"][0]) for run in figure.runs}
    np.testing.assert_allclose(first["linear"], np.linspace(flat[0], flat[-1], 6), rtol=1e-4)
    shares = np.searchsorted(flat, first["density"]) / flat.size
    np.testing.assert_allclose(np.diff(shares), 1 / 6, atol=0.01)
    assert all(np.isclose(flat, one, rtol=1e-4).any() for one in first["random"])


def test_no_run_is_better_than_the_optimum() -> None:
    figure = viz.KMeansExplorer(pruned(400), k=3, iterations=60)
    flat = np.sort(pruned(400).double().numpy().ravel())
    flat = flat[flat != 0]
    parts = [
        np.split(flat, [i, j]) for i in range(1, flat.size - 1) for j in range(i + 1, flat.size)
    ]  # every way to cut the ordered weights into three
    best = min(
        sum(part.size * part.var() for part in three) for three in parts[:: max(1, len(parts) // 9000)]
    )
    assert figure.optimum <= best * (1 + 1e-4)
    assert min(min(run["errors"]) for run in figure.runs) >= figure.optimum * (1 - 1e-4)


def test_linear_keeps_the_largest_weights_and_the_others_lose_them(figure: viz.KMeansExplorer) -> None:
    def off(init: str) -> float:
        figure.init, figure.iteration = init, 0
        return float(np.mean([min(abs(w - c) for c in figure.centroids) for w in figure.largest]))

    assert off("linear") < off("density")
    assert off("linear") < off("random")
    flat = pruned().abs().flatten()
    assert np.abs(figure.largest) == pytest.approx(flat.topk(5).values.tolist(), rel=1e-4)


def test_traits_are_observed_and_checked(figure: viz.KMeansExplorer) -> None:
    figure.init, figure.iteration = "density", 2
    (run,) = (run for run in figure.runs if run["init"] == "density")
    assert figure.centroids == run["centroids"][2]
    assert figure.squared_error == run["errors"][2]
    with pytest.raises(EfflabError, match="init must be one of linear, density, random, got 'best'"):
        figure.init = "best"
    with pytest.raises(EfflabError, match="iteration must be a whole number from 0 to"):
        figure.iteration = 1000
    assert (figure.init, figure.iteration) == ("density", 2)


def test_the_page_gets_a_few_kilobytes_however_many_weights() -> None:
    figure = viz.KMeansExplorer(torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)))
    assert sum(figure.counts) == 1_000_000
    assert len(json.dumps(data_of(figure))) < 12_000
    assert figure.limit == pytest.approx(max(map(abs, figure.largest)), rel=1e-4)


@pytest.mark.parametrize(
    ("weights", "settings", "words"),
    [
        ([], {}, "weights must be finite numbers, got no weights"),
        ([1.0, float("nan")], {}, "weights must be finite"),
        ([0.0] * 50, {}, "more than k = 8 distinct values beside zero, got 0"),
        ([1.0, 2.0, 3.0], {"k": 3}, "more than k = 3 distinct values beside zero, got 3"),
        (range(1, 50), {"k": 1}, "k must be a whole number from 2 to 32, got 1"),
        (range(1, 50), {"k": 2.5}, "k must be a whole number"),
        (range(1, 50), {"inits": ()}, "inits must be some of linear, density, random"),
        (range(1, 50), {"inits": ("linear", "linear")}, "inits must be"),
        (range(1, 50), {"inits": "kmeans++"}, "inits must be"),
        (range(1, 50), {"iterations": 0}, "iterations must be a whole number from 1 to 60, got 0"),
        (range(1, 50), {"largest": 11}, "largest must be a whole number from 0 to 10, got 11"),
        (range(1, 50), {"bins": True}, "bins must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(weights, settings: dict[str, object], words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        viz.KMeansExplorer(list(weights), **settings)


def test_the_javascript_answers_without_a_kernel(tmp_path: Path) -> None:
    figure = viz.KMeansExplorer(pruned(), k=6, title="Six centroids")
    found = run_module(figure, "kmeans.mjs", tmp_path)
    runs = {run["init"]: run for run in figure.runs}
    middle, half = (LEFT + RIGHT) / 2, (RIGHT - LEFT) / 2

    def places(init: str, step: int) -> list[float]:
        return [middle + half * one / figure.limit for one in runs[init]["centroids"][step]]

    assert found["first"]["text"].startswith("Start linear, iteration 0 of")
    ratio = runs["linear"]["errors"][0] / figure.optimum
    assert f"{ratio:.2f} times the optimum" in found["first"]["text"]
    assert "The 5 largest weights are off by" in found["first"]["text"]
    for moment, init, step in (
        ("first", "linear", 0), ("stepped", "linear", 2), ("back", "linear", 1),
        ("last", "linear", -1), ("other", "density", -1), ("followed", "linear", 1),
    ):  # fmt: skip
        assert found[moment]["heads"] == pytest.approx(places(init, step), abs=0.01), moment
        heads = found[moment]["heads"]
        assert found[moment]["borders"] == pytest.approx(
            [(a + b) / 2 for a, b in itertools.pairwise(heads)], abs=0.02
        )
        assert found[moment]["chosen"] == [init]
    thread = found["first"]["threads"][0]
    assert thread[0] == pytest.approx(middle + half * figure.largest[0] / figure.limit, abs=0.01)
    assert min(abs(thread[1] - head) for head in found["first"]["heads"]) < 0.01
    assert found["last"]["marker"] > found["first"]["marker"]  # the error falls, and y grows downwards
    assert found["references"][0] >= found["last"]["marker"]
    end = "No weight changes its cluster" if runs["linear"]["settled"] else "The centroids would still move"
    assert end in found["last"]["text"]
    assert found["stepped"]["valuetext"] == "iteration 2"

    assert found["playing"]["iteration"] == 2
    assert (found["playing"]["live"], found["playing"]["timers"]) == ("off", 1)
    assert (found["paused"]["live"], found["paused"]["timers"]) == ("polite", 0)
    assert found["played"]["iteration"] == max(len(run["errors"]) for run in figure.runs) - 1
    assert found["played"]["timers"] == 0
    assert found["played"]["buttons"] == ["Back", "Step", "Play"]
    assert found["followed"]["slider"] == 1
    assert found["left"] == 0
    assert found["saved"] > 5
    assert found["named"]["unnamed"] == 0
    assert len(found["named"]["pictures"]) == 2
    assert found["named"]["groups"] == ["Six centroids"]
    assert found["curves"] == 6  # three runs, three entries of the legend
    assert found["ticks"] == [1, 2, 5, 10, 20, 50, 100]
    assert found["narrow"] == [2.1, 2.2, 2.3, 2.4]
    assert found["nearest"] == [0, 3, 3]
    assert found["borders"] == [0.5, 2]
    assert found["lost"] == pytest.approx([1.0, 0.2])
