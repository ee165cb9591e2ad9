"""Mutants and honest variants of lab 01, tasks 3 and 4; `pruning` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import copy
import math

import numpy as np
import torch

from autograder.mutants.pruning_masks import magnitude_mask
from autograder.mutating import honest, mutant

# Task 3


def _kept(mask):
    return float(mask.float().mean())


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="The root is missing: connections grow with the square of the neurons that dropout counts.",
    named=True,
)
def no_root(rate, mask):
    return rate * _kept(mask)


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="You took the part that was removed; the formula takes the part that stays.",
    named=True,
)
def by_sparsity(rate, mask):
    return rate * math.sqrt(1 - _kept(mask))


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="The root covers the rate too; only the ratio stands under it.",
    named=True,
)
def root_of_product(rate, mask):
    return math.sqrt(rate * _kept(mask))


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="You scaled the probability to keep a neuron; D is the probability to drop it.",
    named=True,
)
def keep_probability(rate, mask):
    return 1 - (1 - rate) * math.sqrt(_kept(mask))


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="The ratio is upside down: fewer connections need less dropout, not more.",
    named=True,
)
def upside_down(rate, mask):
    return rate / math.sqrt(_kept(mask)) if mask.any() else 0.0


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="You counted the neurons that still have an input; count connections.",
    named=True,
)
def counts_neurons(rate, mask):
    return rate * math.sqrt(_kept(mask.any(dim=0)))


@mutant(
    "pruning-3",
    replaces="retraining_dropout",
    misconception="The rate is unchanged: does the mask enter your formula?",
    named=True,
)
def unchanged(rate, mask):
    return rate


@mutant("pruning-3", replaces="retraining_dropout", misconception="The ratio is squared instead of rooted.")
def squared(rate, mask):
    return rate * _kept(mask) ** 2


@honest("pruning-3", replaces="retraining_dropout", differs="counts connections in NumPy, returns an array")
def counted_in_numpy(rate, mask):
    outputs, inputs = mask.shape
    return np.float64(rate) * np.sqrt(np.count_nonzero(mask.numpy()) / (outputs * inputs))


@honest("pruning-3", replaces="retraining_dropout", differs="through the logarithm, a tensor of one number")
def by_logarithm(rate, mask):
    return rate * torch.exp(0.5 * torch.log(mask.double().mean()))


# Task 4


def _without(weights, name, sparsity, choose):
    return {**weights, name: weights[name] * choose(weights[name], sparsity)}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="An earlier layer stayed pruned while the next was scanned: all others should be dense.",
    named=True,
)
def accumulates(weights, sparsities, error, choose=magnitude_mask):
    current, scan = dict(weights), {}
    for name in weights:
        scan[name] = [error(_without(current, name, sparsity, choose)) for sparsity in sparsities]
        current = _without(current, name, sparsities[-1], choose)
    return scan


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="You pruned the given tensor itself: a copied dictionary still holds the same tensors.",
    named=True,
)
def shallow_copy(weights, sparsities, error, choose=magnitude_mask):
    scan = {}
    for name in weights:
        scan[name] = []
        for sparsity in sparsities:
            trial = dict(weights)
            trial[name].mul_(choose(trial[name], sparsity))
            scan[name].append(error(trial))
    return scan


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="All layers were pruned together.",
    named=True,
)
def all_together(weights, sparsities, error, choose=magnitude_mask):
    errors = [
        error({name: w * choose(w, sparsity) for name, w in weights.items()}) for sparsity in sparsities
    ]
    return {name: errors for name in weights}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="You returned the increase of the error; asked for is the error itself.",
    named=True,
)
def increase(weights, sparsities, error, choose=magnitude_mask):
    dense = error(weights)
    return {name: [error(_without(weights, name, s, choose)) - dense for s in sparsities] for name in weights}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="The error function got the pruned layer alone; it needs the weights of all layers.",
    named=True,
)
def layer_alone(weights, sparsities, error, choose=magnitude_mask):
    return {name: [error({name: w * choose(w, s)}) for s in sparsities] for name, w in weights.items()}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="The errors are in another order than the sparsities.",
    named=True,
)
def sorts(weights, sparsities, error, choose=magnitude_mask):
    return {name: [error(_without(weights, name, s, choose)) for s in sorted(sparsities)] for name in weights}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="The mask did not come from `choose`: call the function that you were given.",
    named=True,
)
def scan_by_magnitude(weights, sparsities, error, choose=magnitude_mask):
    return {name: [error(_without(weights, name, s, magnitude_mask)) for s in sparsities] for name in weights}


@mutant("pruning-4", replaces="sensitivity_scan", misconception="The weights themselves end up pruned.")
def leaves_pruned(weights, sparsities, error, choose=magnitude_mask):
    scan = {name: [error(_without(weights, name, s, choose)) for s in sparsities] for name in weights}
    for name in weights:
        weights[name] = weights[name] * choose(weights[name], sparsities[-1])
    return scan


@mutant("pruning-4", replaces="sensitivity_scan", misconception="The scan keeps what it should remove.")
def keeps_the_smallest(weights, sparsities, error, choose=magnitude_mask):
    return {
        name: [error({**weights, name: w * ~choose(w, s)}) for s in sparsities] for name, w in weights.items()
    }


@honest(
    "pruning-4", replaces="sensitivity_scan", differs="prunes in place in a deep copy, made anew each time"
)
def deep_copies(weights, sparsities, error, choose=magnitude_mask):
    scan = {name: [] for name in weights}
    for sparsity in sparsities:
        for name in weights:
            trial = copy.deepcopy(weights)
            trial[name][~choose(trial[name], sparsity)] = 0.0
            scan[name].append(torch.tensor(error(trial), dtype=torch.float64))
    return {name: torch.stack(errors) for name, errors in scan.items()}


@honest("pruning-4", replaces="sensitivity_scan", differs="prunes the weights themselves and puts them back")
def puts_back(weights, sparsities, error, choose=magnitude_mask):
    scan = {}
    for name, weight in weights.items():
        original = weight.clone()
        row = np.empty(len(sparsities))
        for place, sparsity in enumerate(sparsities):
            weight.copy_(original * choose(original, sparsity))
            row[place] = error(weights)
            weight.copy_(original)
        scan[name] = row
    return scan
