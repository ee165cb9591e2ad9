"""Hidden checks of lab 01, pruning. Oracles are written in NumPy and share no code with `efflab.pruning`.

Those of task 5 and the challenge stand here, the others in `pruning_layers`.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from autograder.checks.pruning_layers import *  # noqa: F403 - tasks 1 to 4, collected from here
from autograder.checks.pruning_layers import (
    NAMES,
    Array,
    Rng,
    arrays,
    by_place,
    choose,
    choose_by_place,
    draw_layers,
    mask_oracle,
)
from autograder.tasks import Callback, Student, expect, task


@task("pruning-5", points=2)
def rounds_remove_the_same_share(student: Student, rng: Rng) -> None:
    """The schedule removes the same part of what is left in every round and ends at the target. Hint: the part kept after k of n rounds is (1 - target) ** (k / n)."""
    for rounds in (1, 2, int(rng.integers(3, 9))):
        target = float(rng.uniform(0.3, 0.99))
        density = np.geomspace(1.0, 1.0 - target, rounds + 1)[1:]
        got = student.call("sparsity_schedule", target, rounds)
        expect.close(
            got, 1.0 - density, f"the schedule to {target:.3f} in {rounds} rounds", rtol=1e-4, atol=1e-6
        )


class Trainer:
    """A retraining that moves the weights by what it drew beforehand, and the calls that it got."""

    def __init__(self, rng: Rng, weights: Mapping[str, Array], rounds: int, *, careless: bool) -> None:
        self._gains = [
            {name: rng.normal(0, 0.6, size=weight.shape) for name, weight in weights.items()}
            for _ in range(rounds)
        ]
        self._careless = careless
        self.calls: list[tuple[dict[str, Array], dict[str, Array]]] = []

    def __call__(self, weights: Any, masks: Any) -> dict[str, torch.Tensor]:
        """Retrain, as the student's call of it gets it."""
        for given, what in ((weights, "weights"), (masks, "masks")):
            fits = isinstance(given, dict) and set(given) == set(NAMES)
            expect.true(fits, f"retrain takes the {what} of all layers by name.")
        number = len(self.calls)
        expect.true(number < len(self._gains), "There should be one retraining a round, but there were more.")
        for name, gain in self._gains[number].items():
            for given, what in ((weights, "weight"), (masks, "mask")):
                expect.shape(given[name], np.shape(gain), f"the {what} of {name} given to retrain")
        self.calls.append((dict(weights), dict(masks)))
        return {
            name: torch.from_numpy(value.astype(np.float32))
            for name, value in self.of(weights, masks, number).items()
        }

    def of(self, weights: Mapping[str, Array], masks: Mapping[str, Array], number: int) -> dict[str, Array]:
        """The retraining itself."""
        moved = {name: weights[name] + self._gains[number][name] for name in weights}
        if self._careless:
            return moved
        return {name: np.where(np.asarray(masks[name], bool), value, 0.0) for name, value in moved.items()}


def prune_oracle(
    weights: dict[str, Array],
    schedules: Mapping[str, list[float]],
    trainer: Trainer,
    pick: Callable[[Array, float], Array],
) -> tuple[list[tuple[dict[str, Array], dict[str, Array]]], dict[str, Array]]:
    """What every retraining should be given, and the weights that should come out."""
    alive = {name: np.ones(weight.shape, bool) for name, weight in weights.items()}
    given = []
    for number in range(len(schedules[NAMES[0]])):
        for name, schedule in schedules.items():
            # Dead weights rank below every other, so that the count of the sparsity includes them.
            score = np.where(alive[name], np.abs(weights[name]) + 1.0, 0.0)
            alive[name] = alive[name] & pick(score, schedule[number])
        held = {name: np.where(alive[name], weight, 0.0) for name, weight in weights.items()}
        given.append((held, dict(alive)))
        # Through float32, as the student's weights go.
        moved = {name: one.astype(np.float32) for name, one in trainer.of(held, dict(alive), number).items()}
        weights = {name: np.where(alive[name], one, np.float32(0)) for name, one in moved.items()}
    return given, weights


def draw_schedules(rng: Rng, rounds: int) -> dict[str, list[float]]:
    """For each layer sparsities that rise in steps of unequal size."""
    return {name: np.sort(rng.uniform(0.1, 0.9, size=rounds)).tolist() for name in NAMES}


def run_rounds(
    student: Student, rng: Rng, *, careless: bool, magnitude: bool = True
) -> tuple[Any, Trainer, Any, Any]:
    """Let the student prune in three rounds; what came back, the trainer, and what should have been."""
    weights = draw_layers(rng)
    schedules = draw_schedules(rng, 3)
    trainer = Trainer(rng, arrays(weights), 3, careless=careless)
    given, final = prune_oracle(arrays(weights), schedules, trainer, mask_oracle if magnitude else by_place)
    told = Callback(choose if magnitude else choose_by_place)
    got = student.call("prune_and_retrain", weights, schedules, Callback(trainer), told)
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    expect.true(pair, "prune_and_retrain should return two dicts: the weights and the masks.")
    return got, trainer, given, final


@task("pruning-5", points=2)
def prunes_in_rounds(student: Student, rng: Rng) -> None:
    """Each round chooses by the weights as they are, to the sparsity of the schedule, inside the old masks. Hint: retraining has moved the weights since the round before."""
    for magnitude in (True, False):
        _, trainer, given, _ = run_rounds(student, rng, careless=False, magnitude=magnitude)
        expect.equal(len(trainer.calls), 3, "the number of retrainings in three rounds")
        for number, ((_, masks), (_, right)) in enumerate(zip(trainer.calls, given, strict=True), 1):
            for name in NAMES:
                mask = expect.shape(masks[name], right[name].shape, f"the mask of {name}") != 0
                expect.equal(mask, right[name], f"the mask of {name} in round {number}")


@task("pruning-5", points=1)
def rounds_leave_their_arguments(student: Student, rng: Rng) -> None:
    """The dense weights that were given are as they were after all rounds. Hint: `*=` writes into the tensor; multiply into a new one."""
    weights = draw_layers(rng)
    trainer = Trainer(rng, arrays(weights), 2, careless=False)
    given = student.put(weights)
    schedules = draw_schedules(rng, 2)
    student.call("prune_and_retrain", given, schedules, Callback(trainer), Callback(choose))
    expect.true(trainer.calls, "There should be a retraining in each round.")
    expect.equal(student.fetch(given), arrays(weights), "the weights that were given, after the rounds")


@task("pruning-5", points=1)
def goes_on_from_survivors(student: Student, rng: Rng) -> None:
    """Each retraining begins with the survivors' values as the last one left them, and what the last one returns is the result. Hint: not from the dense weights, and not from scratch."""
    got, trainer, given, final = run_rounds(student, rng, careless=False)
    for number, ((weights, _), (right, _)) in enumerate(zip(trainer.calls, given, strict=False), 1):
        expect.close(
            weights, right, f"what the retraining of round {number} begins with", rtol=1e-4, atol=1e-6
        )
    expect.close(got[0], final, "the weights that come out", rtol=1e-4, atol=1e-6)
    expect.equal(got[1], given[-1][1], "the masks that come out")


@task("pruning-5", points=1)
def removed_stay_removed(student: Student, rng: Rng) -> None:
    """A removed weight stays zero, even where the retraining writes to it. Hint: erase after each retraining too, and let masks only shrink."""
    got, trainer, given, final = run_rounds(student, rng, careless=True)
    masks = [given for _, given in trainer.calls]
    for earlier, later in itertools.pairwise(masks):
        grown = any(np.any((later[name] != 0) & (earlier[name] == 0)) for name in NAMES)
        expect.true(not grown, "A mask should only shrink, but a removed weight came back.")
    for name in NAMES:
        result = expect.shape(got[0][name], final[name].shape, f"the weight of {name}")
        zeros = not np.any(result[~given[-1][1][name]])
        expect.true(zeros, f"Removed weights of {name} should be zero in the result.")
        expect.close(result, final[name], f"the weight of {name}", rtol=1e-4, atol=1e-6)


LIMIT = 2.0
"""Percentage points of accuracy that the challenge's network may lose on images never seen."""
FULL = 8.0
"""Times fewer weights that earn full points."""
HELD_OUT = 400


@functools.lru_cache(maxsize=4)
def trained_network(seed: int) -> tuple[dict[str, torch.Tensor], Any, Any]:
    """A trained network's state, its training images, and images that it has not seen, all drawn by the seed."""
    from efflab import data, models, training  # noqa: PLC0415 - this check alone needs them

    whole = data.load("digits")
    pooled = data.Split(torch.cat([whole.train.x, whole.test.x]), torch.cat([whole.train.y, whole.test.y]))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(pooled)))
    train, held_out = pooled[order[HELD_OUT:]], pooled[order[:HELD_OUT]]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = models.passport()
    training.fit(network, train, epochs=30, lr=0.1, weight_decay=1e-3, seed=seed, progress=False)
    return {name: value.detach() for name, value in network.state_dict().items()}, train, held_out


def _accuracy(network: torch.nn.Module, parameters: Mapping[str, torch.Tensor], images: Any) -> float:
    from efflab import training  # noqa: PLC0415 - this check alone needs it

    network.load_state_dict(parameters)
    return 100 * training.evaluate(network, images).accuracy


@task("pruning-challenge", points=4)
def few_weights(student: Student, rng: Rng, shared: Rng) -> float:
    """A network with few weights, at most two points less accurate than the dense one on images it has never seen; an eighth of the weights earns all points. Hint: several rounds, and more of the small layers."""
    from efflab import models  # noqa: PLC0415 - this check alone needs it

    # Training takes a second, so the course's secret draws one network for all; the order of the images is each one's own.
    state, train, held_out = trained_network(int(shared.integers(2**31)))
    given = {name: value.clone() for name, value in state.items()}
    order = torch.from_numpy(rng.permutation(len(train)))
    got = student.call("smallest_network", given, train.x[order], train.y[order])
    expect.true(isinstance(got, dict), "The answer should be a state dict: tensors by name.")
    found = {}
    for name, value in state.items():
        expect.true(name in got, f"The answer has no entry {name}.")
        values = expect.shape(got[name], value.shape, name)
        expect.true(values.dtype.kind in "biuf", f"{name} should hold real numbers.")
        values = values.astype(np.float32)
        expect.true(np.isfinite(values).all(), f"{name} should hold finite numbers.")
        found[name] = torch.from_numpy(values)
    network = models.passport()
    dense, accuracy = (_accuracy(network, parameters, held_out) for parameters in (state, found))
    expect.true(
        accuracy >= dense - LIMIT,
        f"On new images the dense network is right in {dense:.1f} % and yours in {accuracy:.1f} %; it may lose {LIMIT:g} points.",
    )
    matrices = [value for value in found.values() if value.dim() > 1]
    left = sum(int(torch.count_nonzero(value)) for value in matrices)
    total = sum(value.numel() for value in matrices)
    return expect.scale(math.log(total / max(left, 1)), 0.0, math.log(FULL), "the reduction")
