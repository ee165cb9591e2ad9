"""Hidden checks of lab 01, tasks 1 to 4; `pruning` collects them. Oracles share no code with `efflab.pruning`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from autograder.tasks import Callback, Student, expect, task

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

NAMES = ("conv", "wide", "last")
LARGEST, MOST_CALLS = 1000, 200
"""Elements of a weight, and calls, that a check takes from a student's code: many times what the task needs."""


def mask_oracle(weight: Array, sparsity: float) -> Array:
    """By brute force: one after the other, the smallest magnitude goes, of equal ones the first."""
    magnitude = np.abs(np.asarray(weight, np.float64)).ravel()
    mask = np.ones(magnitude.size, bool)
    for _ in range(round(sparsity * magnitude.size)):
        mask[np.argmin(np.where(mask, magnitude, np.inf))] = False
    return mask.reshape(np.shape(weight))


def a_sparsity(rng: Rng, size: int) -> float:
    """A sparsity that removes some weights and keeps some, far from a half that could be rounded either way."""
    return float((rng.integers(1, size) + rng.uniform(-0.3, 0.3)) / size)


def draw(rng: Rng, shape: tuple[int, ...]) -> torch.Tensor:
    """Weights as float32, no two of equal magnitude."""
    size = math.prod(shape)
    magnitude = rng.permutation(np.linspace(0.02, 1.0, size)) * rng.choice([-1.0, 1.0], size)
    return torch.from_numpy(magnitude.reshape(shape).astype(np.float32))


def draw_layers(rng: Rng) -> dict[str, torch.Tensor]:
    """Three layers of different kinds and sizes."""
    shapes = ((4, 2, 3, 3), (6, 8), (3, 6))
    return {name: draw(rng, shape) for name, shape in zip(NAMES, shapes, strict=True)}


def arrays(weights: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """The same layers as arrays of their own."""
    return {name: weight.numpy().copy() for name, weight in weights.items()}


def a_layer(weight: Array) -> Array:
    """What a student's code hands to `choose`: no more than a layer of these checks has, since the oracles are slow."""
    got = expect.array(weight, "the weight given to choose")
    expect.true(got.size <= LARGEST, f"choose takes one layer's weight; this one has {got.size} elements.")
    return got


def choose(weight: Array, sparsity: float) -> torch.Tensor:
    """Task 1's answer, handed to later tasks so that they do not depend on it."""
    return torch.from_numpy(mask_oracle(a_layer(weight), expect.number(sparsity, "the sparsity")))


def by_place(weight: Array, sparsity: float) -> Array:
    """A mask of as many places as magnitude would remove, but drawn by the sparsity, whatever the weights are."""
    places = np.random.default_rng(int(1e9 * float(sparsity))).uniform(size=np.shape(weight))
    return mask_oracle(places, float(sparsity))


def choose_by_place(weight: Array, sparsity: float) -> torch.Tensor:
    """The same, as a student's function calls it."""
    return torch.from_numpy(by_place(a_layer(weight), expect.number(sparsity, "the sparsity")))


@task("pruning-1", points=2)
def keeps_the_largest(student: Student, rng: Rng) -> None:
    """The mask keeps the weights of largest magnitude, in layers of any shape. Hint: rank the absolute values."""
    for shape in ((7, 9), (4, 3, 3, 3), (31,)):
        weight = draw(rng, shape)
        sparsity = a_sparsity(rng, weight.numel())
        got = student.call("magnitude_mask", weight, sparsity)
        expect.equal(got, mask_oracle(weight.numpy(), sparsity), f"the mask at sparsity {sparsity:.3f}")


@task("pruning-1", points=1)
def removes_just_as_many(student: Student, rng: Rng) -> None:
    """The mask is boolean and removes exactly round(sparsity * n) weights, none at sparsity 0. Hint: count, do not compare with the largest weight."""
    for sparsity in (0.0, *(a_sparsity(rng, 40) for _ in range(3))):
        weight = torch.from_numpy(rng.normal(size=(5, 8)))
        mask = expect.dtype(student.call("magnitude_mask", weight, sparsity), "bool", "the mask")
        expect.equal(int((~mask).sum()), round(sparsity * 40), f"the number removed at {sparsity:.3f}")


@task("pruning-1", points=1)
def ties_go_by_position(student: Student, rng: Rng) -> None:
    """Of equal magnitudes the first in the flattened weight goes first. Hint: a stable sort keeps their order."""
    for _ in range(3):
        weight = torch.from_numpy(rng.integers(-2, 3, size=(6, 20)).astype(np.float32))
        sparsity = a_sparsity(rng, weight.numel())
        got = student.call("magnitude_mask", weight, sparsity)
        expect.equal(got, mask_oracle(weight.numpy(), sparsity), "the mask of weights with many ties")


@task("pruning-1", points=2)
def threshold_is_quality_times_deviation(student: Student, rng: Rng) -> None:
    """A weight stays where its magnitude reaches quality times the layer's standard deviation. Hint: divide by n, and take the deviation of the weights, not of their magnitudes."""
    for shape in ((5,), (3, 4), (6, 5, 2)):
        for _ in range(6):
            weight = rng.normal(rng.uniform(-1, 1), rng.uniform(0.1, 2), size=shape)
            kept = int(rng.integers(0, weight.size))
            # A quality whose threshold lies midway between two magnitudes, so that rounding decides nothing.
            ranked = np.sort(np.abs(weight), axis=None)
            threshold = ranked[: kept + 1].mean() if kept == 0 else ranked[kept - 1 : kept + 1].mean()
            if kept == 0:
                threshold *= 0.5
            got = student.call("quality_mask", torch.from_numpy(weight), float(threshold / np.std(weight)))
            expect.equal(got, np.abs(weight) >= threshold, "the mask by quality")
    zeros = torch.from_numpy(rng.integers(-1, 2, size=(4, 9)).astype(np.float32))
    got = student.call("quality_mask", zeros, 0.0)
    expect.equal(got, np.ones((4, 9), bool), "the mask at quality 0, where zeros reach the threshold")


def sgd_oracle(
    weight: Array, gradient: Array, velocity: Array, mask: Array, settings: Mapping[str, float]
) -> tuple[Array, Array]:
    """One step of SGD with momentum and decay, then the mask."""
    moved = settings["momentum"] * velocity + gradient + settings["weight_decay"] * weight
    return np.where(mask, weight - settings["lr"] * moved, 0.0), moved


def draw_settings(rng: Rng) -> dict[str, float]:
    """Settings of an optimiser, none of them so small that it could be forgotten."""
    low, high = (0.05, 0.5, 0.05), (0.3, 0.95, 0.3)
    return dict(zip(("lr", "momentum", "weight_decay"), rng.uniform(low, high).tolist(), strict=True))


def draw_step(rng: Rng, shape: tuple[int, ...] = (5, 6)) -> tuple[list[torch.Tensor], dict[str, float]]:
    """Weight, gradient, velocity and mask of one step, and the settings."""
    values = [torch.from_numpy(rng.normal(size=shape)) for _ in range(3)]
    mask = torch.from_numpy(mask_oracle(rng.normal(size=shape), 0.6))
    return [*values, mask], draw_settings(rng)


@task("pruning-2", points=2)
def survivors_follow_sgd(student: Student, rng: Rng) -> None:
    """Weights that stay make the ordinary step with momentum and weight decay. Hint: the decay is part of the gradient."""
    for shape in ((5, 6), (3, 2, 3, 3)):
        given, settings = draw_step(rng, shape)
        got = expect.array(student.call("masked_step", *given, **settings)[0], "the weight")
        weight, gradient, velocity, mask = (value.numpy() for value in given)
        right, _ = sgd_oracle(weight, gradient, velocity, mask, settings)
        expect.shape(got, shape, "the weight")
        expect.close(got[mask], right[mask], "the weights that stay, after one step", rtol=1e-4, atol=1e-6)


@task("pruning-2", points=1)
def removed_are_exactly_zero(student: Student, rng: Rng) -> None:
    """Removed weights are exactly zero after each of many steps, whatever momentum and decay do. Hint: mask after the step."""
    (weight, gradient, velocity, mask), settings = draw_step(rng)
    for _ in range(8):
        got = student.call("masked_step", weight, gradient, velocity, mask, **settings)
        weight, velocity = (torch.from_numpy(np.array(expect.shape(one, (5, 6)))) for one in (got[0], got[1]))
        gradient = torch.from_numpy(rng.normal(size=(5, 6)))
        expect.true(not weight[~mask].any(), "Every removed weight should be exactly zero after each step.")
        expect.true(weight[mask].any(), "The weights that stay should not be erased with the others.")


@task("pruning-2", points=1)
def velocity_is_carried(student: Student, rng: Rng) -> None:
    """The new velocity comes back as the second result, so that several steps follow SGD. Hint: v' = momentum * v + g, without a factor before g."""
    given, settings = draw_step(rng)
    weight, _, velocity, mask = (value.numpy() for value in given)
    theirs = [given[0], given[2]]
    for _ in range(4):
        gradient = rng.normal(size=(5, 6))
        got = student.call(
            "masked_step", theirs[0], torch.from_numpy(gradient), theirs[1], given[3], **settings
        )
        theirs = [torch.from_numpy(np.array(expect.shape(one, (5, 6)))) for one in (got[0], got[1])]
        weight, velocity = sgd_oracle(weight, gradient, velocity, mask, settings)
    expect.close(
        theirs[1].numpy()[mask],
        velocity[mask],
        "the velocity of weights that stay, after four steps",
        rtol=1e-4,
        atol=1e-6,
    )


@task("pruning-2", points=1)
def step_leaves_its_arguments(student: Student, rng: Rng) -> None:
    """Weight, gradient and velocity that were given are as they were. Hint: `+=` and functions that end in `_` write in place."""
    given, settings = draw_step(rng)
    handles = [student.put(value) for value in given]
    got = expect.array(student.call("masked_step", *handles, **settings)[0], "the weight")
    expect.true(np.any(got != given[0].numpy()), "The step should change the weight that it returns.")
    for name, handle, value in zip(("weight", "gradient", "velocity", "mask"), handles, given, strict=True):
        expect.equal(student.fetch(handle), value.numpy(), f"the {name} that was given, after the call")


@task("pruning-3", points=2)
def follows_equation_2(student: Student, rng: Rng) -> None:
    """The rate falls with the root of the part of the connections that is left. Hint: count entries of the mask, not neurons."""
    for _ in range(4):
        shape = rng.integers(3, 30, size=2)
        mask = rng.random(shape) < rng.uniform(0.05, 0.9)
        mask.flat[rng.integers(mask.size)] = True
        rate = float(rng.uniform(0.1, 0.9))
        right = rate * math.sqrt(np.count_nonzero(mask) / mask.size)
        got = student.call("retraining_dropout", rate, torch.from_numpy(mask))
        expect.close(expect.number(got, "the rate"), right, "the rate", rtol=1e-4)


@task("pruning-3", points=1)
def ends_of_the_scale(student: Student, rng: Rng) -> None:
    """A layer that kept everything keeps its rate; one that kept nothing gets none; one that kept a quarter gets half. Hint: try these three by hand."""
    rate = float(rng.uniform(0.2, 0.8))
    quarter = torch.zeros(8, 6, dtype=torch.bool)
    quarter[2:4] = True
    masks = {1.0: torch.ones_like(quarter), 0.0: torch.zeros_like(quarter), 0.5: quarter}
    for factor, mask in masks.items():
        got = expect.number(student.call("retraining_dropout", rate, mask), "the rate")
        expect.close(got, factor * rate, f"the rate of a layer that kept {int(mask.sum())} of 48 connections")


class Judge:
    """An error function in which every layer's weights tell on those of the others, and the calls that it got."""

    def __init__(self, rng: Rng, weights: Mapping[str, Array]) -> None:
        self._factors = {name: rng.uniform(0.5, 2.0, size=weight.shape) for name, weight in weights.items()}
        self.calls: list[dict[str, Array]] = []

    def __call__(self, weights: Any) -> float:
        """The error, as the student's call of it gets it."""
        expect.true(isinstance(weights, dict), "The error function takes a dict of weights by name.")
        missing = set(self._factors) - set(weights)
        expect.true(not missing, "The error function needs the weights of all layers, pruned or not.")
        expect.true(
            len(self.calls) < MOST_CALLS, f"The error function was asked more than {MOST_CALLS} times."
        )
        got = {
            name: expect.shape(weights[name], np.shape(factor), f"the weight of {name}")
            for name, factor in self._factors.items()
        }
        self.calls.append(got)
        return self.of(got)

    def of(self, weights: Mapping[str, Array]) -> float:
        """The error itself."""
        sums = [float(np.sum(self._factors[name] * np.abs(weights[name]))) for name in self._factors]
        return 3.0 + math.prod(sums) ** 0.5


@task("pruning-4", points=2)
def scans_layer_by_layer(student: Student, rng: Rng) -> None:
    """Every layer's errors, one a sparsity and in the given order, with all other layers dense, whatever `choose` removes. Hint: begin each trial with the dense weights, and take the mask from `choose`."""
    weights = draw_layers(rng)
    judge = Judge(rng, arrays(weights))
    sparsities = rng.permutation([0.0, *rng.uniform(0.1, 0.95, size=3)]).tolist()
    dense = arrays(weights)
    for mask, told in ((mask_oracle, choose), (by_place, choose_by_place)):
        got = student.call("sensitivity_scan", weights, sparsities, Callback(judge), Callback(told))
        right = {
            name: [judge.of(dense | {name: dense[name] * mask(dense[name], s)}) for s in sparsities]
            for name in weights
        }
        expect.close(got, right, "the scan", rtol=1e-4)


@task("pruning-4", points=2)
def others_stay_dense(student: Student, rng: Rng) -> None:
    """Each trial shows the error function one pruned layer beside dense ones. Hint: a pruned layer must be whole again before the next trial."""
    weights = draw_layers(rng)
    dense = arrays(weights)
    judge = Judge(rng, dense)
    sparsities = [0.9, 0.3, 0.6]
    student.call("sensitivity_scan", weights, sparsities, Callback(judge), Callback(choose))
    seen = set()
    for trial in judge.calls:
        changed = [name for name in NAMES if np.any(trial[name] != dense[name])]
        expect.true(len(changed) < 2, "One layer at a time should be pruned, but a trial had several.")
        for name in changed:
            removed = np.count_nonzero(trial[name] == 0)
            seen.add((name, removed))
            expect.true(
                np.all((trial[name] == 0) | (trial[name] == dense[name])),
                "A pruned layer should hold its old weights or zeros.",
            )
    wanted = {(name, round(s * dense[name].size)) for name in NAMES for s in sparsities}
    expect.true(wanted <= seen, "Every layer should be tried at every sparsity.")


@task("pruning-4", points=1)
def scan_changes_nothing(student: Student, rng: Rng) -> None:
    """After the scan the weights that were given are as they were. Hint: a copied dictionary still holds the same tensors."""
    weights = draw_layers(rng)
    judge = Judge(rng, arrays(weights))
    given = student.put(weights)
    student.call("sensitivity_scan", given, [0.7, 0.2], Callback(judge), Callback(choose))
    expect.true(judge.calls, "The scan should ask the error function.")
    expect.equal(student.fetch(given), arrays(weights), "the weights that were given, after the scan")
