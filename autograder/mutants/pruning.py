"""Mutants and honest variants of lab 01, pruning.

Those of task 5 and the challenge stand here, the others in `pruning_masks` and `pruning_retraining`.
"""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutants.pruning_masks import *  # noqa: F403 - tasks 1 and 2, collected from here
from autograder.mutants.pruning_masks import magnitude_mask, ranked
from autograder.mutants.pruning_retraining import *  # noqa: F403 - tasks 3 and 4, the same
from autograder.mutating import honest, mutant

# Task 5


@mutant(
    "pruning-5",
    replaces="sparsity_schedule",
    misconception="The steps are equal parts of the whole layer; each round should remove the same part of what is left.",
    named=True,
)
def equal_steps(target, rounds):
    return [target * k / rounds for k in range(1, rounds + 1)]


@mutant(
    "pruning-5",
    replaces="sparsity_schedule",
    misconception="These are the parts that stay; asked for are sparsities.",
    named=True,
)
def densities(target, rounds):
    return [(1 - target) ** (k / rounds) for k in range(1, rounds + 1)]


@mutant(
    "pruning-5",
    replaces="sparsity_schedule",
    misconception="The schedule starts with nothing removed and ends too early: k runs from 1 to n.",
    named=True,
)
def ends_early(target, rounds):
    return [1 - (1 - target) ** (k / rounds) for k in range(rounds)]


@mutant("pruning-5", replaces="sparsity_schedule", misconception="The cubic schedule of later work.")
def cubic(target, rounds):
    return [target * (1 - (1 - k / rounds) ** 3) for k in range(1, rounds + 1)]


def _rounds(weights, schedules, choose):
    """The masks of each round, one after the other, chosen by what the caller sends in."""
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        weights = (yield masks) if number else weights
        masks = {name: masks[name] & choose(weights[name], schedules[name][number]) for name in schedules}
    yield masks


def _held(weights, masks):
    return {name: weight * masks[name] for name, weight in weights.items()}


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="The second round chose by the dense weights: choose by the weights as they are after retraining.",
    named=True,
)
def by_dense_weights(weights, schedules, retrain, choose=magnitude_mask):
    current = weights
    for number in range(len(next(iter(schedules.values())))):
        masks = {name: choose(weights[name], schedules[name][number]) for name in schedules}
        current = _held(retrain(_held(current, masks), masks), masks)
    return current, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="The second round went on from the dense weights: go on from what retraining returned.",
    named=True,
)
def from_dense_weights(weights, schedules, retrain, choose=magnitude_mask):
    current = weights
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        masks = {name: masks[name] & choose(current[name], schedules[name][number]) for name in schedules}
        current = _held(retrain(_held(weights, masks), masks), masks)
    return current, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="Everything was pruned in one step.",
    named=True,
)
def one_step(weights, schedules, retrain, choose=magnitude_mask):
    masks = {name: choose(weights[name], schedule[-1]) for name, schedule in schedules.items()}
    for _ in next(iter(schedules.values())):
        weights = _held(retrain(_held(weights, masks), masks), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="A removed weight came back: masks only shrink, and what retraining writes to a removed weight is erased.",
    named=True,
)
def trusts_retraining(weights, schedules, retrain, choose=magnitude_mask):
    for number in range(len(next(iter(schedules.values())))):
        masks = {name: choose(weights[name], schedules[name][number]) for name in schedules}
        weights = retrain(_held(weights, masks), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="The last round was not retrained.",
    named=True,
)
def last_not_retrained(weights, schedules, retrain, choose=magnitude_mask):
    rounds = len(next(iter(schedules.values())))
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(rounds):
        masks = {name: masks[name] & choose(weights[name], schedules[name][number]) for name in schedules}
        weights = _held(weights, masks)
        if number < rounds - 1:
            weights = _held(retrain(weights, masks), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="You changed what you were given: `*=` and functions that end in `_` write in place.",
    named=True,
)
def erases_in_place(weights, schedules, retrain, choose=magnitude_mask):
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        for name in schedules:
            masks[name] = masks[name] & choose(weights[name], schedules[name][number])
            weights[name] *= masks[name]
        weights = _held(retrain(weights, dict(masks)), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="The new choice replaced the old mask: keep only what both of them keep.",
    named=True,
)
def forgets_old_masks(weights, schedules, retrain, choose=magnitude_mask):
    for number in range(len(next(iter(schedules.values())))):
        masks = {name: choose(weights[name], schedules[name][number]) for name in schedules}
        weights = _held(retrain(_held(weights, masks), masks), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="The mask did not come from `choose`: call the function that you were given.",
    named=True,
)
def rounds_by_magnitude(weights, schedules, retrain, choose=magnitude_mask):
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        masks = {
            name: masks[name] & magnitude_mask(weights[name], schedules[name][number]) for name in schedules
        }
        weights = _held(retrain(_held(weights, masks), masks), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="Round 2 removed too much: erase before you choose; the sparsity is of the whole layer.",
    named=True,
)
def chooses_before_erasing(weights, schedules, retrain, choose=magnitude_mask):
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        masks = {name: masks[name] & choose(weights[name], schedules[name][number]) for name in schedules}
        weights = retrain(_held(weights, masks), masks)
    return _held(weights, masks), masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="Each round's sparsity is taken of what is left instead of the whole layer.",
)
def of_what_is_left(weights, schedules, retrain, choose=magnitude_mask):
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        for name, schedule in schedules.items():
            left = float(masks[name].float().mean())
            masks[name] = masks[name] & choose(weights[name], 1 - left * (1 - schedule[number]))
        weights = _held(retrain(_held(weights, masks), dict(masks)), masks)
    return weights, masks


@honest("pruning-5", replaces="prune_and_retrain", differs="masks from a generator, erases by indexing")
def by_generator(weights, schedules, retrain, choose=magnitude_mask):
    rounds = _rounds(weights, schedules, choose)
    masks = next(rounds)
    while True:
        trained = retrain(_held(weights, masks), masks)
        weights = {name: trained[name].clone() for name in trained}
        for name, mask in masks.items():
            weights[name][~mask] = 0
        try:
            masks = rounds.send(weights)
        except StopIteration:
            return weights, masks


@honest("pruning-5", replaces="prune_and_retrain", differs="in double precision, reads masks off the zeros")
def in_double(weights, schedules, retrain, choose=magnitude_mask):
    current = {name: weight.double() for name, weight in weights.items()}
    alive = {name: torch.full(weight.shape, fill_value=True) for name, weight in current.items()}
    for sparsities in zip(*schedules.values(), strict=True):
        for name, sparsity in zip(schedules, sparsities, strict=True):
            alive[name] = torch.logical_and(alive[name], choose(current[name], sparsity))
            current[name] = torch.where(alive[name], current[name], 0.0)
        answer = retrain(dict(current), dict(alive))
        current = {name: torch.where(alive[name], answer[name].double(), 0.0) for name in current}
    return current, alive


@honest("pruning-5", replaces="sparsity_schedule", differs="by repeated multiplication, as an array")
def by_multiplication(target, rounds):
    share = (1 - target) ** (1 / rounds)
    return 1 - np.cumprod(np.full(rounds, share))


# The challenge


def _train(network, images, labels, epochs, masks, optimizer="sgd", lr=0.1):
    from efflab import training  # noqa: PLC0415 - the challenge alone trains
    from efflab.data import Split  # noqa: PLC0415 - the same

    def erase():
        with torch.no_grad():
            for name, mask in masks.items():
                network.get_parameter(name).mul_(mask)

    erase()
    training.fit(
        network,
        Split(images, labels),
        epochs=epochs,
        lr=lr,
        weight_decay=1e-3 if optimizer == "sgd" else 0.0,
        optimizer=optimizer,
        after_step=erase,
        progress=False,
    )


def _passport(parameters):
    from efflab import models  # noqa: PLC0415 - the challenge alone needs it

    network = models.passport()
    network.load_state_dict(parameters)
    return network


def _matrices(parameters):
    return [name for name, value in parameters.items() if value.dim() > 1]


def _state(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@mutant(
    "pruning-challenge",
    replaces="smallest_network",
    misconception="At least three quarters of the weights are zero: what was removed is erased again after each step of training.",
    named=True,
)
def dense_again(parameters, images, labels):
    pruned = {n: v * magnitude_mask(v, 0.9) if v.dim() > 1 else v for n, v in parameters.items()}
    network = _passport(pruned)
    _train(network, images, labels, 1, {})
    return _state(network)


@mutant(
    "pruning-challenge",
    replaces="smallest_network",
    misconception="What you return are weights, not masks.",
    named=True,
)
def returns_masks(parameters, images, labels):
    return {n: magnitude_mask(v, 0.92).float() if v.dim() > 1 else v for n, v in parameters.items()}


@mutant(
    "pruning-challenge",
    replaces="smallest_network",
    misconception="At least three quarters of the weights are zero",
    named=True,
)
def a_third_removed(parameters, images, labels):
    return {n: v * magnitude_mask(v, 0.3) if v.dim() > 1 else v.clone() for n, v in parameters.items()}


@mutant(
    "pruning-challenge", replaces="smallest_network", misconception="Pruned to a tenth and never retrained."
)
def never_retrained(parameters, images, labels):
    return {n: v * magnitude_mask(v, 0.91) if v.dim() > 1 else v.clone() for n, v in parameters.items()}


@mutant(
    "pruning-challenge",
    replaces="smallest_network",
    misconception="So few weights that the accuracy is lost.",
)
def too_few(parameters, images, labels):
    network = _passport(parameters)
    _train(
        network, images, labels, 3, {n: magnitude_mask(parameters[n], 0.99) for n in _matrices(parameters)}
    )
    return _state(network)


@mutant("pruning-challenge", replaces="smallest_network", misconception="The biases are left out.")
def no_biases(parameters, images, labels):
    return {n: v * magnitude_mask(v, 0.9) for n, v in parameters.items() if v.dim() > 1}


def _keep_up():
    """How much of each layer stays at the end: a ninth in all."""
    return {"conv1.weight": 0.8, "conv2.weight": 0.24, "fc1.weight": 0.08, "fc2.weight": 0.5}


@honest(
    "pruning-challenge", replaces="smallest_network", differs="one network from the first to the last round"
)
def one_network(parameters, images, labels):
    network, masks = _passport(parameters), {}
    for number in range(1, 7):
        for name, share in _keep_up().items():
            weight = network.get_parameter(name).detach()
            masks[name] = magnitude_mask(weight, 1 - share ** (number / 6))
        _train(network, images, labels, 6, masks)
    return _state(network)


@honest(
    "pruning-challenge", replaces="smallest_network", differs="all layers ranked together, by their deviation"
)
def ranked_together(parameters, images, labels):
    network = _passport(parameters)
    names = _matrices(parameters)
    total = sum(parameters[name].numel() for name in names)
    alive = {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in names}
    for number in range(1, 6):
        scores = []
        for name in names:
            weight = network.get_parameter(name).detach()
            scores.append(torch.where(alive[name], weight.abs() / weight[alive[name]].std(), -1.0).flatten())
        chosen = ranked(torch.cat(scores), total - round(total * 0.115 ** (number / 5)))
        pieces = chosen.split([parameters[name].numel() for name in names])
        alive = {n: piece.view(parameters[n].shape) for n, piece in zip(names, pieces, strict=True)}
        _train(network, images, labels, 6, alive)
    return {name: value.to(torch.float64) for name, value in _state(network).items()}
