"""The study of accuracy against bits: what it draws, how seeds are put together, what is recorded."""

import copy
import json
import math

import numpy as np
import pytest
import torch

from efflab import data, models, results
from efflab.data import ImageData, Split
from efflab.pruning import reproduce as pruned_networks
from efflab.quantization import _study, reproduce
from efflab.quantization._study import AFFINE, INITS, METHODS, Plan


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "reproduce"


@pytest.fixture(scope="module")
def noise():
    """Images of noise, in the shape of MNIST."""
    torch.manual_seed(0)
    split = Split(torch.rand(64, 1, 28, 28), torch.arange(64) % 10)
    return ImageData("mnist", split, split, split, tuple("0123456789"))


def test_the_plans_name_the_networks_of_the_pruning_topic():
    for scale in ("smoke", "cpu", "full"):
        assert [plan.recipe for plan in reproduce.plans(scale)] == list(pruned_networks.RECIPES[scale])
        assert all(set(reproduce.SHOWN_BITS) <= set(plan.bits) for plan in reproduce.plans(scale))


def test_the_networks_are_those_that_the_pruning_topic_keeps(monkeypatch, noise):
    """Once it has trained them, nothing is trained again."""
    recipe = pruned_networks.RECIPES["smoke"][0]
    recipe = pruned_networks._replace(recipe, images=64, rounds=(1.0,))
    trio = pruned_networks.train_trio(recipe, 0, noise, progress=False)
    for name in ("train_dense", "prune"):
        monkeypatch.setattr(pruned_networks, name, lambda *_, **__: pytest.fail("trained again"))
    networks = _study.trained(recipe, 0, noise, progress=False)
    assert torch.equal(networks["pruned"].fc1.weight, trio.pruned.fc1.weight)
    assert bool((networks["dense"].fc1.weight != 0).all())
    assert not [layer for layer in networks["dense"].modules() if isinstance(layer, torch.nn.Dropout)]


@pytest.fixture(scope="module")
def drawn(noise):
    """The curves of a small run, as JSON keeps them."""
    torch.manual_seed(0)
    plan = Plan(pruned_networks.RECIPES["smoke"][0], (1, 4, 8), 16)
    network = models.get("lenet-300-100")
    before = copy.deepcopy(network.state_dict())
    curves = _study.curves(plan, 0, "dense", network, noise, progress=False)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in before.items())
    return plan, json.loads(json.dumps(curves | {"date": "2025-01-01"}))


def test_curves_have_a_value_for_every_method_and_width(drawn):
    plan, curves = drawn
    for name in ("still", "tuned", "largest", "squared"):
        assert list(curves[name]) == list(METHODS)
        for method, line in curves[name].items():
            assert [value is None for value in line] == [method == AFFINE and bits < 2 for bits in plan.bits]


def test_the_optimum_is_nearest_to_the_weights_and_linear_keeps_the_largest(drawn):
    _, curves = drawn
    squared, largest = (np.array([curves[name][init] for init in INITS]) for name in ("squared", "largest"))
    assert (squared[INITS.index("optimal")] <= squared.min(0) * (1 + 1e-3)).all()
    assert (np.diff(squared, axis=1) < 0).all()
    # Eight bits: the linear start has a centroid at the largest weight, and keeps it.
    assert largest[INITS.index("linear"), 2] == pytest.approx(100, abs=0.5)
    assert largest[INITS.index("density"), 2] < largest[INITS.index("linear"), 2]


def test_eight_bits_change_no_error(drawn):
    _, curves = drawn
    assert all(abs(curves["still"][method][2] - curves["base"]) <= 100 * 2 / 64 for method in METHODS)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([[9.0, 1.0, 1.0]], 4),
        ([[1.0, 9.0, 1.0]], 8),  # free from there on, not once
        ([[9.0, 9.0, 9.0]], None),
        ([[None, 1.0, 1.0]], 4),
        ([[9.0, 1.3, 1.0], [9.0, 0.8, 1.0]], 4),  # by the mean of the seeds
    ],
)
def test_bits_without_loss(errors, expected):
    assert reproduce.free_bits((2, 4, 8), [1.0] * len(errors), errors) == expected


def test_seeds_are_put_together_and_recorded_with_their_spread(drawn):
    plan, curves = drawn
    both = reproduce.gathered(plan, [curves, curves | {"base": curves["base"] + 2, "date": "2025-01-02"}])
    made = {
        one.id: one
        for one in reproduce.compare(
            "lenet-5", "pruned", both, {"scale": "cpu", "seeds": (0, 1), "command": "x"}
        )
    }
    base = made["lenet-5/pruned/error"]
    assert base.spread == (curves["base"], curves["base"] + 2)
    assert base.measured == pytest.approx(curves["base"] + 1)
    assert {one.date for one in made.values()} == {"2025-01-02"}
    assert made["lenet-5/pruned/linear/largest_kept_pct"].measured == pytest.approx(
        curves["largest"]["linear"][1]
    )
    assert f"lenet-5/pruned/{AFFINE}/still/error_1_bits" not in made
    assert f"lenet-5/pruned/{AFFINE}/still/error_4_bits" in made
    results.write("quantization", made.values(), {"bits": {"lenet-5": {"pruned": both}}})
    assert results.series("quantization", "bits") == {"lenet-5": {"pruned": both}}


def test_the_figures_draw_what_was_recorded(drawn):
    plan, curves = drawn
    both = reproduce.gathered(plan, [curves, curves])
    (axes,) = reproduce.plot(both, "tuned", ("linear", AFFINE)).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["linear"].get_xdata()) == [4, 8]
    assert lines["linear quantization"].get_ydata()[0] == pytest.approx(curves["tuned"][AFFINE][1])
    (axes,) = reproduce.plot_largest(both).axes
    assert max(axes.lines[0].get_ydata()) <= 100 + 1e-6


def test_scales_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="smoke, cpu, full"):
        reproduce.run("tiny", progress=False)


def test_a_smoke_run_records_both_networks(monkeypatch, noise):
    monkeypatch.setattr(data, "load", lambda *_, **__: noise)
    plans = tuple(
        Plan(pruned_networks._replace(plan.recipe, images=64, dense_epochs=1, rounds=(1.0,)), (4,), 64)
        for plan in reproduce.plans("smoke")
    )
    monkeypatch.setattr(reproduce, "plans", lambda _: plans)
    measured = reproduce.run("smoke", (3,), progress=False)
    assert set(measured.series["bits"]) == {"lenet-300-100", "lenet-5"}
    assert all(math.isfinite(one.measured) and one.seeds == (3,) for one in measured.records)
    assert measured.records[0].command == "efflab reproduce quantization --scale smoke --seeds 3"
