"""Mutants and honest variants of lab 01, tasks 1 and 2; `pruning` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import math

import numpy as np
import torch

from autograder.mutating import honest, mutant


def ranked(score, drop):
    """A mask without the ``drop`` smallest scores, of equal ones the first."""
    mask = torch.ones(score.numel(), dtype=torch.bool)
    mask[score.flatten().argsort(stable=True)[:drop]] = False
    return mask.view(score.shape)


def magnitude_mask(weight, sparsity):
    return ranked(weight.abs(), round(sparsity * weight.numel()))


# Task 1


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You ranked signed values: a large negative weight matters as much as a large positive one.",
    named=True,
)
def signed(weight, sparsity):
    return ranked(weight, round(sparsity * weight.numel()))


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="The mask is turned round: it should be True where a weight stays.",
    named=True,
)
def turned_round(weight, sparsity):
    return ~magnitude_mask(weight, sparsity)


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You kept the fraction that should go: sparsity is the part of zeros.",
    named=True,
)
def density(weight, sparsity):
    return ranked(weight.abs(), round((1 - sparsity) * weight.numel()))


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
    return weight * magnitude_mask(weight, sparsity)


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
    return magnitude_mask(weight.flatten().flip(0), sparsity).flip(0).view(weight.shape)


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
    return ranked(weight.abs(), int(sparsity * weight.numel()))


@mutant(
    "pruning-1",
    replaces="magnitude_mask",
    misconception="You ranked each row by itself: the weights of the whole layer compete.",
    named=True,
)
def row_by_row(weight, sparsity):
    if weight.dim() < 2:
        return magnitude_mask(weight, sparsity)
    return torch.stack([magnitude_mask(row, sparsity) for row in weight])


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
