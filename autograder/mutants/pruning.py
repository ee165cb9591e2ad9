"""Mutants and honest variants of lab 01, pruning."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import copy
import math

import numpy as np
import torch

from autograder.mutating import honest, mutant


def _ranked(score, drop):
    """A mask without the ``drop`` smallest scores, of equal ones the first."""
    mask = torch.ones(score.numel(), dtype=torch.bool)
    mask[score.flatten().argsort(stable=True)[:drop]] = False
    return mask.view(score.shape)


def _mask(weight, sparsity):
    return _ranked(weight.abs(), round(sparsity * weight.numel()))


# Task 1


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You ranked signed values: a large negative weight matters as much as a large positive one.",
    named=True,
)
def signed(weight, sparsity):
    return _ranked(weight, round(sparsity * weight.numel()))


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="The mask is turned round: it should be True where a weight stays.",
    named=True,
)
def turned_round(weight, sparsity):
    return ~_mask(weight, sparsity)


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You kept the fraction that should go: sparsity is the part of zeros.",
    named=True,
)
def density(weight, sparsity):
    return _ranked(weight.abs(), round((1 - sparsity) * weight.numel()))


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You removed what is below a fraction of the largest weight; sparsity is a fraction of the number of weights.",
    named=True,
)
def part_of_largest(weight, sparsity):
    return weight.abs() >= sparsity * weight.abs().max()


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You returned the pruned weights; asked for is the mask.",
    named=True,
)
def pruned_weights(weight, sparsity):
    return weight * _mask(weight, sparsity)


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="Every weight at the threshold was removed; of equal weights only as many go as the sparsity says.",
    named=True,
)
def all_ties_go(weight, sparsity):
    drop = round(sparsity * weight.numel())
    return weight.abs() > (weight.abs().flatten().kthvalue(drop).values if drop else -1)


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="Ties are settled from the end instead of the start.",
)
def last_tie_first(weight, sparsity):
    return _mask(weight.flatten().flip(0), sparsity).flip(0).view(weight.shape)


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="As many go as should, but not the first ones: your ranking does not keep equal values in their order.",
    named=True,
)
def unstable(weight, sparsity):
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[weight.abs().flatten().topk(round(sparsity * weight.numel()), largest=False).indices] = False
    return mask.view(weight.shape)


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You cut the decimals off; the number that goes is round(sparsity * n).",
    named=True,
)
def rounds_down(weight, sparsity):
    return _ranked(weight.abs(), int(sparsity * weight.numel()))


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You ranked each row by itself: the weights of the whole layer compete.",
    named=True,
)
def row_by_row(weight, sparsity):
    if weight.dim() < 2:
        return _mask(weight, sparsity)
    return torch.stack([_mask(row, sparsity) for row in weight])


@mutant(
    "pruning-1",
    replaces="quality_mask",
    misconception="Your deviation divides by n - 1, as torch.std does unless told otherwise.",
    named=True,
)
def sample_deviation(weight, quality):
    return weight.abs() >= quality * weight.std()


@mutant(
    "pruning-1",
    replaces="quality_mask",
    misconception="You took the deviation of the magnitudes; the paper takes that of the weights.",
    named=True,
)
def deviation_of_magnitudes(weight, quality):
    return weight.abs() >= quality * weight.abs().std(correction=0)


@mutant(
    "pruning-1",
    replaces="quality_mask",
    misconception="A weight that is just at the threshold stays: compare with >=.",
    named=True,
)
def above(weight, quality):
    return weight.abs() > quality * weight.std(correction=0)


@mutant(
    "pruning-1",
    replaces="quality_mask",
    misconception="You took a deviation for each row or column; a layer has one.",
    named=True,
)
def deviation_by_column(weight, quality):
    return weight.abs() >= quality * weight.std(dim=0, correction=0)


@mutant(
    "pruning-1",
    replaces="quality_mask",
    misconception="You did not subtract the mean: this is the root of the mean square, no deviation.",
    named=True,
)
def root_mean_square(weight, quality):
    return weight.abs() >= quality * weight.square().mean().sqrt()


@honest("pruning-1", replaces="magnitude_mask", differs="selects a threshold, then counts off the ties")
def by_selection(weight, sparsity):
    drop = round(sparsity * weight.numel())
    magnitude = weight.abs().reshape(-1)
    if drop == 0:
        return torch.ones(weight.shape, dtype=torch.bool)
    threshold = magnitude.kthvalue(drop).values
    tied = magnitude == threshold
    excess = drop - int((magnitude < threshold).sum())
    return ((magnitude > threshold) | (tied & (tied.cumsum(0) > excess))).reshape(weight.shape)


@honest(
    "pruning-1", replaces="magnitude_mask", differs="in NumPy, in double precision, an array in Fortran order"
)
def in_numpy(weight, sparsity):
    magnitude = np.abs(np.asarray(weight, dtype=np.float64))
    order = np.lexsort((np.arange(magnitude.size), magnitude.ravel()))
    mask = np.ones(magnitude.size, dtype=bool)
    mask[order[: int(np.rint(sparsity * magnitude.size))]] = False
    return torch.from_numpy(np.asfortranarray(mask.reshape(magnitude.shape)))


@honest("pruning-1", replaces="quality_mask", differs="writes the deviation out, in double precision")
def deviation_written_out(weight, quality):
    wide = weight.double()
    variance = (wide - wide.mean()).pow(2).sum() / wide.numel()
    return ~(wide.abs() < quality * math.sqrt(variance.item()))


# Task 2


def _sgd(weight, gradient, velocity, lr, momentum, weight_decay):
    moved = momentum * velocity + gradient + weight_decay * weight
    return weight - lr * moved, moved


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="You masked the gradient alone: momentum and weight decay still move the removed weight.",
    named=True,
)
def masks_gradient(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    return _sgd(weight, gradient * mask, velocity, lr, momentum, weight_decay)


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="You masked the weight before the step; the step moves it away from zero again.",
    named=True,
)
def masks_before(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    return _sgd(weight * mask, gradient, velocity, lr, momentum, weight_decay)


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="You masked the update: the removed weight does not move, but it keeps its old value.",
    named=True,
)
def masks_update(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    _, moved = _sgd(weight, gradient, velocity, lr, momentum, weight_decay)
    return weight - lr * moved * mask, moved * mask


@mutant("pruning-2", replaces="masked_step", misconception="The mask is not applied at all.", named=True)
def forgets_mask(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    return _sgd(weight, gradient, velocity, lr, momentum, weight_decay)


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="Weight decay is missing from the gradient.",
    named=True,
)
def forgets_decay(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    stepped, moved = _sgd(weight, gradient, velocity, lr, momentum, 0.0)
    return stepped * mask, moved


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="Your velocity is an average, with a factor (1 - momentum) before the gradient.",
    named=True,
)
def averages(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    moved = momentum * velocity + (1 - momentum) * (gradient + weight_decay * weight)
    return (weight - lr * moved) * mask, moved


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="You returned the old velocity: the next step would start without momentum.",
    named=True,
)
def old_velocity(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    stepped, _ = _sgd(weight, gradient, velocity, lr, momentum, weight_decay)
    return stepped * mask, velocity


@mutant(
    "pruning-2",
    replaces="masked_step",
    misconception="You changed what you were given: `+=` and functions that end in `_` write in place.",
    named=True,
)
def in_place(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    velocity.mul_(momentum).add_(gradient + weight_decay * weight)
    return (weight - lr * velocity) * mask, velocity


@mutant("pruning-2", replaces="masked_step", misconception="The mask is used the other way round.")
def mask_inverted(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    stepped, moved = _sgd(weight, gradient, velocity, lr, momentum, weight_decay)
    return stepped * ~mask, moved


@mutant(
    "pruning-2", replaces="masked_step", misconception="Decay acts beside the velocity instead of through it."
)
def decoupled_decay(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    stepped, moved = _sgd(weight, gradient, velocity, lr, momentum, 0.0)
    return (stepped - lr * weight_decay * weight) * mask, moved


@honest("pruning-2", replaces="masked_step", differs="lets torch's own optimiser take the step")
def by_optimiser(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    parameter = torch.nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    optimizer = torch.optim.SGD([parameter], lr=lr, momentum=momentum, weight_decay=weight_decay)
    optimizer.state[parameter]["momentum_buffer"] = velocity.clone()
    optimizer.step()
    return parameter.detach().masked_fill(~mask, 0), optimizer.state[parameter]["momentum_buffer"]


@honest("pruning-2", replaces="masked_step", differs="masks gradient and velocity too, in single precision")
def masks_everything(weight, gradient, velocity, mask, *, lr, momentum, weight_decay):
    keep = mask.float()
    slope = (gradient.float() + weight_decay * weight.float()) * keep
    moved = momentum * velocity.float() * keep + slope
    return torch.where(mask, weight.float() - lr * moved, torch.zeros(())), moved


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
def accumulates(weights, sparsities, error, choose=_mask):
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
def shallow_copy(weights, sparsities, error, choose=_mask):
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
def all_together(weights, sparsities, error, choose=_mask):
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
def increase(weights, sparsities, error, choose=_mask):
    dense = error(weights)
    return {name: [error(_without(weights, name, s, choose)) - dense for s in sparsities] for name in weights}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="The error function got the pruned layer alone; it needs the weights of all layers.",
    named=True,
)
def layer_alone(weights, sparsities, error, choose=_mask):
    return {name: [error({name: w * choose(w, s)}) for s in sparsities] for name, w in weights.items()}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="The errors are in another order than the sparsities.",
    named=True,
)
def sorts(weights, sparsities, error, choose=_mask):
    return {name: [error(_without(weights, name, s, choose)) for s in sorted(sparsities)] for name in weights}


@mutant(
    "pruning-4",
    replaces="sensitivity_scan",
    misconception="The mask did not come from `choose`: call the function that you were given.",
    named=True,
)
def scan_by_magnitude(weights, sparsities, error, choose=_mask):
    return {name: [error(_without(weights, name, s, _mask)) for s in sparsities] for name in weights}


@mutant("pruning-4", replaces="sensitivity_scan", misconception="The weights themselves end up pruned.")
def leaves_pruned(weights, sparsities, error, choose=_mask):
    scan = {name: [error(_without(weights, name, s, choose)) for s in sparsities] for name in weights}
    for name in weights:
        weights[name] = weights[name] * choose(weights[name], sparsities[-1])
    return scan


@mutant("pruning-4", replaces="sensitivity_scan", misconception="The scan keeps what it should remove.")
def keeps_the_smallest(weights, sparsities, error, choose=_mask):
    return {
        name: [error({**weights, name: w * ~choose(w, s)}) for s in sparsities] for name, w in weights.items()
    }


@honest(
    "pruning-4", replaces="sensitivity_scan", differs="prunes in place in a deep copy, made anew each time"
)
def deep_copies(weights, sparsities, error, choose=_mask):
    scan = {name: [] for name in weights}
    for sparsity in sparsities:
        for name in weights:
            trial = copy.deepcopy(weights)
            trial[name][~choose(trial[name], sparsity)] = 0.0
            scan[name].append(torch.tensor(error(trial), dtype=torch.float64))
    return {name: torch.stack(errors) for name, errors in scan.items()}


@honest("pruning-4", replaces="sensitivity_scan", differs="prunes the weights themselves and puts them back")
def puts_back(weights, sparsities, error, choose=_mask):
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
def by_dense_weights(weights, schedules, retrain, choose=_mask):
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
def from_dense_weights(weights, schedules, retrain, choose=_mask):
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
def one_step(weights, schedules, retrain, choose=_mask):
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
def trusts_retraining(weights, schedules, retrain, choose=_mask):
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
def last_not_retrained(weights, schedules, retrain, choose=_mask):
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
def erases_in_place(weights, schedules, retrain, choose=_mask):
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
def forgets_old_masks(weights, schedules, retrain, choose=_mask):
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
def rounds_by_magnitude(weights, schedules, retrain, choose=_mask):
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        masks = {name: masks[name] & _mask(weights[name], schedules[name][number]) for name in schedules}
        weights = _held(retrain(_held(weights, masks), masks), masks)
    return weights, masks


@mutant(
    "pruning-5",
    replaces="prune_and_retrain",
    misconception="Round 2 removed too much: erase before you choose; the sparsity is of the whole layer.",
    named=True,
)
def chooses_before_erasing(weights, schedules, retrain, choose=_mask):
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
def of_what_is_left(weights, schedules, retrain, choose=_mask):
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for number in range(len(next(iter(schedules.values())))):
        for name, schedule in schedules.items():
            left = float(masks[name].float().mean())
            masks[name] = masks[name] & choose(weights[name], 1 - left * (1 - schedule[number]))
        weights = _held(retrain(_held(weights, masks), dict(masks)), masks)
    return weights, masks


@honest("pruning-5", replaces="prune_and_retrain", differs="masks from a generator, erases by indexing")
def by_generator(weights, schedules, retrain, choose=_mask):
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
def in_double(weights, schedules, retrain, choose=_mask):
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
    pruned = {n: v * _mask(v, 0.9) if v.dim() > 1 else v for n, v in parameters.items()}
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
    return {n: _mask(v, 0.92).float() if v.dim() > 1 else v for n, v in parameters.items()}


@mutant(
    "pruning-challenge",
    replaces="smallest_network",
    misconception="At least three quarters of the weights are zero",
    named=True,
)
def a_third_removed(parameters, images, labels):
    return {n: v * _mask(v, 0.3) if v.dim() > 1 else v.clone() for n, v in parameters.items()}


@mutant(
    "pruning-challenge", replaces="smallest_network", misconception="Pruned to a tenth and never retrained."
)
def never_retrained(parameters, images, labels):
    return {n: v * _mask(v, 0.91) if v.dim() > 1 else v.clone() for n, v in parameters.items()}


@mutant(
    "pruning-challenge",
    replaces="smallest_network",
    misconception="So few weights that the accuracy is lost.",
)
def too_few(parameters, images, labels):
    network = _passport(parameters)
    _train(network, images, labels, 3, {n: _mask(parameters[n], 0.99) for n in _matrices(parameters)})
    return _state(network)


@mutant("pruning-challenge", replaces="smallest_network", misconception="The biases are left out.")
def no_biases(parameters, images, labels):
    return {n: v * _mask(v, 0.9) for n, v in parameters.items() if v.dim() > 1}


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
            masks[name] = _mask(weight, 1 - share ** (number / 6))
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
        chosen = _ranked(torch.cat(scores), total - round(total * 0.115 ** (number / 5)))
        pieces = chosen.split([parameters[name].numel() for name in names])
        alive = {n: piece.view(parameters[n].shape) for n, piece in zip(names, pieces, strict=True)}
        _train(network, images, labels, 6, alive)
    return {name: value.to(torch.float64) for name, value in _state(network).items()}
