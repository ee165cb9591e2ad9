"""Mutants and honest variants of lab 02, task 2; `quantization` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import math

import numpy as np
import torch

from autograder.mutating import honest, mutant

# Task 2


@mutant(
    "quantization-2",
    replaces="linear_centroids",
    misconception="Your range is symmetric about zero; it should run from the smallest weight to the largest.",
    named=True,
)
def symmetric(weights, k):
    end = weights.abs().max().item()
    return torch.linspace(-end, end, k)


@mutant(
    "quantization-2",
    replaces="linear_centroids",
    misconception="Your centroids are the middles of k equal parts; the first and the last should lie at the ends.",
    named=True,
)
def middles_of_parts(weights, k):
    low, high = weights.min(), weights.max()
    return low + (high - low) * (torch.arange(k) + 0.5) / k


@mutant(
    "quantization-2",
    replaces="linear_centroids",
    misconception="The largest weight is not reached: k values have k - 1 steps between them.",
    named=True,
)
def one_step_short(weights, k):
    low, high = weights.min(), weights.max()
    return low + (high - low) * torch.arange(k) / k


@mutant(
    "quantization-2",
    replaces="linear_centroids",
    misconception="You spread the magnitudes; weights have signs.",
    named=True,
)
def of_magnitudes(weights, k):
    return torch.linspace(weights.abs().min().item(), weights.abs().max().item(), k)


def _levels(weights, levels):
    ordered = weights.flatten().sort().values
    return ordered[(levels * len(ordered)).long().clamp(0, len(ordered) - 1)]


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="The first and the last are the smallest and the largest weight: levels go from 1/2k to 1 - 1/2k, not from 0 to 1.",
    named=True,
)
def from_end_to_end(weights, k):
    return _levels(weights, torch.linspace(0, 1, k))


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="Each centroid stands at the lower end of its share of the weights; it belongs in the middle.",
    named=True,
)
def lower_ends(weights, k):
    return _levels(weights, torch.arange(k) / k)


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="Your levels are i / (k + 1); they should be (i + 1/2) / k.",
    named=True,
)
def between_the_levels(weights, k):
    return _levels(weights, torch.arange(1, k + 1) / (k + 1))


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="You took the distribution of the magnitudes; the paper takes that of the weights.",
    named=True,
)
def density_of_magnitudes(weights, k):
    return _levels(weights.abs(), (torch.arange(k) + 0.5) / k)


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="You took the mean of each share; asked for is the weight in its middle.",
    named=True,
)
def means_of_shares(weights, k):
    return torch.stack([one.mean() for one in weights.flatten().sort().values.tensor_split(k)])


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="These steps are even in the weights, not in their distribution.",
    named=True,
)
def even_in_the_weights(weights, k):
    return torch.linspace(weights.min().item(), weights.max().item(), k)


@mutant(
    "quantization-2",
    replaces="density_centroids",
    misconception="The weights are taken in the order in which they lie instead of by size.",
)
def forgets_to_sort(weights, k):
    places = ((torch.arange(k) + 0.5) / k * weights.numel()).long()
    return weights.flatten()[places]


@mutant(
    "quantization-2",
    replaces="random_centroids",
    misconception="A weight was drawn twice: draw without putting back.",
    named=True,
)
def with_replacement(weights, k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return weights.flatten()[torch.randint(weights.numel(), (k,), generator=generator)]


@mutant(
    "quantization-2",
    replaces="random_centroids",
    misconception="You drew from the range of the weights; Forgy draws some of the weights themselves.",
    named=True,
)
def from_the_range(weights, k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = weights.min(), weights.max()
    return low + (high - low) * torch.rand(k, generator=generator)


@mutant(
    "quantization-2",
    replaces="random_centroids",
    misconception="The seed is not used: two draws with the same seed differ.",
    named=True,
)
def ignores_the_seed(weights, k, seed=0):
    return weights.flatten()[torch.randperm(weights.numel())[:k]]


@mutant(
    "quantization-2",
    replaces="random_centroids",
    misconception="The seed is fixed in your function; use the one that you are given.",
    named=True,
)
def fixes_the_seed(weights, k, seed=0):
    generator = torch.Generator().manual_seed(0)
    return weights.flatten()[torch.randperm(weights.numel(), generator=generator)[:k]]


@mutant(
    "quantization-2",
    replaces="random_centroids",
    misconception="You took the first k weights; draw them at random.",
    named=True,
)
def the_first_ones(weights, k, seed=0):
    return weights.flatten()[:k]


@mutant(
    "quantization-2",
    replaces="random_centroids",
    misconception="You drew among the different values; equal weights are still several weights.",
    named=True,
)
def among_the_values(weights, k, seed=0):
    values = weights.unique()
    return values[torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))[:k]]


@honest(
    "quantization-2", replaces="linear_centroids", differs="by multiples of the step, in NumPy and float64"
)
def by_multiples(weights, k):
    low, high = (np.float64(end.item()) for end in weights.aminmax())
    return low + np.arange(k) * ((high - low) / (k - 1))


@honest(
    "quantization-2", replaces="density_centroids", differs="by torch's own quantiles, between neighbours"
)
def by_quantile(weights, k):
    levels = (torch.arange(k, dtype=torch.float64) + 0.5) / k
    return torch.quantile(weights.double().flatten(), levels)


@honest("quantization-2", replaces="density_centroids", differs="selects each centroid by its rank")
def by_rank(weights, k):
    flat = weights.reshape(-1)
    ranks = [max(1, math.ceil((2 * i + 1) * flat.numel() / (2 * k))) for i in range(k)]
    return torch.stack([flat.kthvalue(rank).values for rank in ranks])


@honest("quantization-2", replaces="random_centroids", differs="draws with NumPy, sorted")
def drawn_by_numpy(weights, k, seed=0):
    flat = np.ravel(weights.numpy())
    return np.sort(np.random.default_rng(seed).choice(flat, size=k, replace=False))
