"""Mutants and honest variants of lab 02, task 4; `quantization` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutants.quantization_clustering import kmeans
from autograder.mutants.quantization_codes import nearest
from autograder.mutating import honest, mutant

# Task 4


@mutant(
    "quantization-4",
    replaces="share",
    misconception="The zeros were clustered with the others: only the survivors take part.",
    named=True,
)
def clusters_zeros_too(weight, k, cluster=kmeans):
    centroids, labels = cluster(weight.flatten(), k)
    return centroids, labels.reshape(weight.shape)


@mutant(
    "quantization-4",
    replaces="share",
    misconception="The zeros were clustered with the others: only the survivors take part.",
    named=True,
)
def snaps_one_to_zero(weight, k, cluster=kmeans):
    centroids, labels = cluster(weight.flatten(), k - 1)
    codebook = torch.cat([torch.zeros(1), centroids])
    return codebook, torch.where(weight == 0, 0, labels.reshape(weight.shape) + 1)


@mutant(
    "quantization-4",
    replaces="share",
    misconception="One entry of the codebook is zero's own: the survivors share k - 1.",
    named=True,
)
def one_entry_too_many(weight, k, cluster=kmeans):
    survives = weight != 0
    centroids, codes = cluster(weight[survives], k)
    labels = torch.zeros(weight.shape, dtype=torch.int64)
    labels[survives] = codes + 1
    return torch.cat([torch.zeros(1), centroids]), labels


@mutant(
    "quantization-4",
    replaces="share",
    misconception="The survivors' labels were not moved: label 0 is zero's, so theirs begin at 1.",
    named=True,
)
def codes_not_moved(weight, k, cluster=kmeans):
    survives = weight != 0
    centroids, codes = cluster(weight[survives], k - 1)
    labels = torch.zeros(weight.shape, dtype=torch.int64)
    labels[survives] = codes
    return torch.cat([torch.zeros(1), centroids]), labels


@mutant(
    "quantization-4",
    replaces="share",
    misconception="Zero is the last entry; it should be entry 0.",
    named=True,
)
def zero_comes_last(weight, k, cluster=kmeans):
    survives = weight != 0
    centroids, codes = cluster(weight[survives], k - 1)
    labels = torch.full(weight.shape, k - 1)
    labels[survives] = codes
    return torch.cat([centroids, torch.zeros(1)]), labels


@mutant(
    "quantization-4",
    replaces="share",
    misconception="The labels did not come from `cluster`: use what it returned.",
    named=True,
)
def labels_of_its_own(weight, k, cluster=kmeans):
    centroids, _ = cluster(weight[weight != 0], k - 1)
    labels = torch.where(weight == 0, 0, nearest(weight, centroids) + 1)
    return torch.cat([torch.zeros(1), centroids]), labels


@mutant(
    "quantization-4",
    replaces="share",
    misconception="Labels are whole numbers that can index a tensor: torch.int64. As an index, a tensor of uint8 is taken for a mask.",
    named=True,
)
def shares_in_uint8(weight, k, cluster=kmeans):
    survives = weight != 0
    centroids, codes = cluster(weight[survives], k - 1)
    labels = torch.zeros(weight.shape, dtype=torch.uint8)
    labels[survives] = (codes + 1).to(torch.uint8)
    return torch.cat([torch.zeros(1), centroids]), labels


def summed(gradient, labels, k):
    """Right sums, for what stands on them."""
    return torch.stack([gradient[labels == place].sum() for place in range(k)])


@mutant(
    "quantization-4",
    replaces="centroid_gradient",
    misconception="You took the mean of each cluster: all its weights move with the centroid, so their gradients add up.",
    named=True,
)
def mean_gradient(gradient, labels, k):
    counts = labels.flatten().bincount(minlength=k).clamp(min=1)
    return summed(gradient, labels, k) / counts


@mutant(
    "quantization-4",
    replaces="centroid_gradient",
    misconception="Only the last weight of each cluster counts: `total[labels] += ...` adds once a place, however often it is named.",
    named=True,
)
def last_one_counts(gradient, labels, k):
    total = torch.zeros(k, dtype=gradient.dtype)
    total[labels] += gradient
    return total


@mutant(
    "quantization-4",
    replaces="centroid_gradient",
    misconception="The sums are right, but each is multiplied by the size of its cluster.",
    named=True,
)
def counted_twice(gradient, labels, k):
    return summed(gradient, labels, k) * labels.flatten().bincount(minlength=k)


@mutant(
    "quantization-4",
    replaces="centroid_gradient",
    misconception="Entries that no weight has are missing: there are k sums, whatever the labels say.",
    named=True,
)
def only_used_entries(gradient, labels, k):
    return torch.bincount(labels.flatten(), weights=gradient.flatten())


@mutant(
    "quantization-4",
    replaces="centroid_gradient",
    misconception="The magnitudes were added; gradients have signs.",
    named=True,
)
def summed_magnitudes(gradient, labels, k):
    return summed(gradient.abs(), labels, k)


def _moved(codebook, velocity, slope, lr, momentum):
    faster = momentum * velocity + slope
    return codebook - lr * faster, faster


def _held(codebook):
    return torch.cat([torch.zeros(1, dtype=codebook.dtype), codebook[1:]])


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="Entry 0 moved: removed weights would come back.",
    named=True,
)
def zero_moves(codebook, velocity, gradient, labels, *, lr, momentum):
    return _moved(codebook, velocity, summed(gradient, labels, len(codebook)), lr, momentum)


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="Your step uses the mean of each cluster's gradients; equation 3 is a sum.",
    named=True,
)
def steps_by_the_mean(codebook, velocity, gradient, labels, *, lr, momentum):
    k = len(codebook)
    slope = summed(gradient, labels, k) / labels.flatten().bincount(minlength=k).clamp(min=1)
    stepped, faster = _moved(codebook, velocity, slope, lr, momentum)
    return _held(stepped), faster


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="Your velocity is an average, with a factor (1 - momentum) before the gradient.",
    named=True,
)
def averaged_velocity(codebook, velocity, gradient, labels, *, lr, momentum):
    slope = (1 - momentum) * summed(gradient, labels, len(codebook))
    stepped, faster = _moved(codebook, velocity, slope, lr, momentum)
    return _held(stepped), faster


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="The step goes uphill: subtract it.",
    named=True,
)
def uphill(codebook, velocity, gradient, labels, *, lr, momentum):
    stepped, faster = _moved(codebook, velocity, summed(gradient, labels, len(codebook)), -lr, momentum)
    return _held(stepped), faster


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="The velocity has no part in the step.",
    named=True,
)
def without_velocity(codebook, velocity, gradient, labels, *, lr, momentum):
    slope = summed(gradient, labels, len(codebook))
    return _held(codebook - lr * slope), momentum * velocity + slope


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="You returned the old velocity: the next step would start without momentum.",
    named=True,
)
def keeps_the_old_velocity(codebook, velocity, gradient, labels, *, lr, momentum):
    stepped, _ = _moved(codebook, velocity, summed(gradient, labels, len(codebook)), lr, momentum)
    return _held(stepped), velocity


@mutant(
    "quantization-4",
    replaces="codebook_step",
    misconception="You changed what you were given: `+=`, `[0] = ...` and functions that end in `_` write in place.",
    named=True,
)
def steps_in_place(codebook, velocity, gradient, labels, *, lr, momentum):
    velocity.mul_(momentum).add_(summed(gradient, labels, len(codebook)))
    codebook -= lr * velocity
    codebook[0] = 0
    return codebook, velocity


@honest(
    "quantization-4", replaces="share", differs="flattens, looks the codes up by position, labels in int32"
)
def by_position(weight, k, cluster=kmeans):
    flat = weight.reshape(-1)
    places = torch.nonzero(flat).flatten()
    centroids, codes = cluster(flat[places], k - 1)
    labels = np.zeros(flat.numel(), np.int32)
    labels[places.numpy()] = np.asarray(codes) + 1
    return np.concatenate([[0.0], np.asarray(centroids)]), torch.from_numpy(labels).view(weight.shape)


@honest(
    "quantization-4", replaces="share", differs="clusters the survivors in another order, in double precision"
)
def largest_first(weight, k, cluster=kmeans):
    places = weight.nonzero()
    order = weight[tuple(places.T)].abs().argsort(descending=True)
    places = tuple(places[order].T)
    centroids, codes = cluster(weight[places], k - 1)
    labels = torch.zeros_like(weight, dtype=torch.int64).index_put(places, 1 + codes.long())
    return torch.nn.functional.pad(centroids.double(), (1, 0)), labels


@honest(
    "quantization-4",
    replaces="centroid_gradient",
    differs="a matrix product with the memberships, in double precision",
)
def by_matrix_product(gradient, labels, k):
    members = (labels.flatten() == torch.arange(k).unsqueeze(1)).double()
    return members @ gradient.double().flatten()


@honest("quantization-4", replaces="centroid_gradient", differs="lets autograd differentiate the look-up")
def by_autograd(gradient, labels, k):
    codebook = torch.zeros(k, dtype=gradient.dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(codebook[labels], codebook, grad_outputs=gradient)
    return slope


@honest(
    "quantization-4", replaces="codebook_step", differs="lets torch's own optimiser step, entry 0 cut off"
)
def by_optimiser(codebook, velocity, gradient, labels, *, lr, momentum):
    moving = torch.nn.Parameter(codebook[1:].clone())
    moving.grad = summed(gradient, labels, len(codebook))[1:]
    optimizer = torch.optim.SGD([moving], lr=lr, momentum=momentum)
    optimizer.state[moving]["momentum_buffer"] = velocity[1:].clone()
    optimizer.step()
    faster = optimizer.state[moving]["momentum_buffer"]
    return torch.nn.functional.pad(moving.detach(), (1, 0)), torch.nn.functional.pad(faster, (1, 0))
