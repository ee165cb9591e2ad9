"""The trade-off between weights left and error: L1 and L2, with and without retraining, in one step and iterated.

Source: NIPS 2015, figure 5, drawn for AlexNet there and for LeNet-300-100 on MNIST here. Errors are those on the 5,000
held-out training images, since the curves serve to choose.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn

from efflab import models, results, training
from efflab.data import ImageData, Split
from efflab.pruning.configs import Magnitude
from efflab.pruning.pruner import Pruner, prune_
from efflab.pruning.reproduce import kept_json

NETWORK = "lenet-300-100"
# Strengths of the two penalties, chosen on the held-out images so that both dense networks do equally well.
PENALTIES: dict[str, dict[str, Any]] = {"l1": {"l1": 2e-5}, "l2": {"weight_decay": 1e-4}}
CURVES = ("l1_no_retrain", "l2_no_retrain", "l1_retrain", "l2_retrain", "l2_iterative")
# A curve is free of loss up to the point where its error exceeds the dense network's by more than this.
FREE_POINTS = 0.1


@dataclass(frozen=True)
class Plan:
    """How much work the figure is: sparsities, epochs, and training images."""

    sparsities: tuple[float, ...]
    dense_epochs: int
    retrain_epochs: int
    lr: float = 0.1
    images: int = 55_000


PLANS = {
    "smoke": Plan((0.5, 0.9), 1, 1, images=5_000),
    "cpu": Plan((0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.96, 0.98), 20, 6),
    "full": Plan(
        (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99), 40, 20
    ),
}


def run(scale: str, seeds: Sequence[int], mnist: ImageData, progress: bool) -> dict[str, Any]:
    """Draw all curves.

    Returns:
        ``kept_pct`` (the points' weights kept, in percent), ``seeds``, ``date`` (the day the last seed was drawn), ``dense``
        (the dense networks' errors by penalty, one a seed) and ``curves`` (by name: one list of errors in percent a seed).
    """
    plan = PLANS[scale]
    drawn = [
        kept_json(("tradeoff", plan, seed), partial(draw, plan, seed, mnist, progress=progress))
        for seed in seeds
    ]
    return {
        "kept_pct": [round(100 * (1 - sparsity), 6) for sparsity in plan.sparsities],
        "seeds": list(seeds),
        "date": max(one["date"] for one in drawn),
        "dense": {penalty: [one["dense"][penalty] for one in drawn] for penalty in PENALTIES},
        "curves": {name: [one[name] for one in drawn] for name in CURVES},
    }


def draw(plan: Plan, seed: int, mnist: ImageData, _path: Path, *, progress: bool) -> dict[str, Any]:
    """Errors of one seed's curves, each a list over the plan's sparsities."""
    drawn: dict[str, Any] = {"dense": {}}
    for penalty, settings in PENALTIES.items():
        fit = _trainer(mnist.train.take(plan.images), lr=plan.lr, seed=seed, progress=progress, **settings)
        dense = fit(_fresh(seed), epochs=plan.dense_epochs)
        drawn["dense"][penalty] = _error(dense, mnist)
        cut = [_pruned(dense, sparsity) for sparsity in plan.sparsities]
        drawn[f"{penalty}_no_retrain"] = [_error(network, mnist) for network, _ in cut]
        retrain = partial(_retrained, fit, plan.retrain_epochs)
        drawn[f"{penalty}_retrain"] = [_error(retrain(*one), mnist) for one in cut]
        if penalty == "l2":
            drawn["l2_iterative"] = _iterate(copy.deepcopy(dense), plan.sparsities, retrain, mnist)
    return drawn


def _fresh(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return models.get(NETWORK)


def _error(network: nn.Module, mnist: ImageData) -> float:
    if mnist.validation is None:
        raise ValueError("the curves need held-out images")
    return training.evaluate(network, mnist.validation).error_percent


def _pruned(dense: nn.Module, sparsity: float) -> tuple[nn.Module, Pruner]:
    network = copy.deepcopy(dense)
    return network, prune_(network, Magnitude(sparsity, scope="deviation"))


def _trainer(images: Split, **settings: Any) -> Callable[..., nn.Module]:
    def fit(network: nn.Module, **more: Any) -> nn.Module:
        training.fit(network, images, **settings, **more)
        return network

    return fit


def _retrained(fit: Callable[..., nn.Module], epochs: int, network: nn.Module, pruner: Pruner) -> nn.Module:
    return fit(network, epochs=epochs, on_optimizer=pruner.attach)


def _iterate(
    network: nn.Module, sparsities: Sequence[float], retrain: Callable[..., nn.Module], mnist: ImageData
) -> list[float]:
    """Prune a little more and retrain, from each point to the next."""
    errors = []
    for sparsity in sparsities:
        retrain(network, prune_(network, Magnitude(sparsity, scope="deviation")))
        errors.append(_error(network, mnist))
    return errors


LABELS = {
    "l1_no_retrain": "L1, no retraining",
    "l2_no_retrain": "L2, no retraining",
    "l1_retrain": "L1, retrained",
    "l2_retrain": "L2, retrained",
    "l2_iterative": "L2, pruned and retrained step by step",
}


def plot(curves: dict[str, Any]) -> Any:
    """The figure: held-out error against weights kept, means over the seeds with the band from lowest to highest.

    Args:
        curves: what :func:`run` returned, or ``efflab.results.series("pruning", "tradeoff")``.

    Returns:
        A matplotlib figure.
    """
    from efflab import viz  # noqa: PLC0415 - only drawing needs matplotlib

    dense = fmean(curves["dense"]["l2"])
    figure = viz.curve(
        curves["kept_pct"],
        {LABELS[name]: curves["curves"][name] for name in CURVES},
        references={"dense": dense},
        xlabel="weights kept (%), fewer to the right",
        ylabel="error on held-out images (%)",
        title="LeNet-300-100 on MNIST",
        log_x=True,
    )
    (axes,) = figure.axes
    axes.invert_xaxis()
    axes.set_ylim(0, 6 * dense)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda _value, _: "")
    axes.set_xticks([70, 50, 30, 20, 10, 6, 4, 2])
    return figure


def records(curves: dict[str, Any], common: dict[str, Any]) -> list[results.Result]:
    """How far each curve is free: the largest rate before its mean error leaves its dense network's by 0.1 points."""
    made = []
    for name in CURVES:
        dense = fmean(curves["dense"][name[:2]])
        means = [fmean(errors) for errors in zip(*curves["curves"][name], strict=True)]
        rate = 1.0
        for kept, error in zip(curves["kept_pct"], means, strict=True):
            if error > dense + FREE_POINTS:
                break
            rate = 100 / kept
        made.append(
            results.record("pruning", f"tradeoff/{name}/free_rate", rate, "x", date=curves["date"], **common)
        )
    return made
