"""Mutants and honest variants of lab 02, task 1; `quantization` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import math

import numpy as np
import torch

from autograder.mutating import honest, mutant

# Task 1


def nearest(weights, centroids):
    """Right labels, for what stands on them."""
    return (weights.unsqueeze(-1) - centroids).abs().argmin(dim=-1)


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="You compared magnitudes: a weight of -1.2 is near -1, not near 1.",
    named=True,
)
def by_magnitude(weights, centroids):
    return nearest(weights.abs(), centroids.abs())


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="Of two centroids that are equally near the one of lower index wins.",
    named=True,
)
def last_of_ties(weights, centroids):
    return len(centroids) - 1 - nearest(weights, centroids.flip(0))


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="Your labels belong to sorted centroids; they should be places in the codebook as it was given.",
    named=True,
)
def sorts_the_codebook(weights, centroids):
    return nearest(weights, centroids.sort().values)


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="You returned the values; asked for are the labels.",
    named=True,
)
def gives_values(weights, centroids):
    return centroids[nearest(weights, centroids)]


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="The values are right; only the shape is not.",
    named=True,
)
def flattened_labels(weights, centroids):
    return nearest(weights, centroids).flatten()


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="Labels are whole numbers that can index a tensor: torch.int64. As an index, a tensor of uint8 is taken for a mask.",
    named=True,
)
def in_uint8(weights, centroids):
    return nearest(weights, centroids).to(torch.uint8)


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="Labels are whole numbers that can index a tensor: torch.int64. As an index, a tensor of uint8 is taken for a mask.",
    named=True,
)
def in_float(weights, centroids):
    return nearest(weights, centroids).float()


@mutant(
    "quantization-1",
    replaces="assign",
    misconception="You took the centroid below each weight; the nearest may be above it.",
    named=True,
)
def the_one_below(weights, centroids):
    gaps = weights.unsqueeze(-1) - centroids
    return torch.where(gaps >= 0, gaps, torch.inf).argmin(dim=-1)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="The codebook's own bits are missing.",
    named=True,
)
def no_codebook(n, bits, k):
    return n * bits / (n * math.ceil(math.log2(k))) if k > 1 else float(n)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="Five values need codes of three whole bits: round log2 k up.",
    named=True,
)
def not_rounded(n, bits, k):
    return n * bits / (n * math.log2(k) + k * bits)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="Two bits tell four values apart, not five: round log2 k up, not down.",
    named=True,
)
def rounded_down(n, bits, k):
    return n * bits / (n * int(math.log2(k)) + k * bits)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="Four values need codes of two bits, 0 to 3; you counted a bit more.",
    named=True,
)
def bit_length(n, bits, k):
    return n * bits / (n * k.bit_length() + k * bits)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="The codebook holds values of b bits; you counted codes.",
    named=True,
)
def codebook_of_codes(n, bits, k):
    code = math.ceil(math.log2(k))
    return n * bits / ((n + k) * code) if code else float(n)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="A code of k bits is too long: k values can be told apart by log2 k bits.",
    named=True,
)
def one_bit_a_value(n, bits, k):
    return n * bits / (n * k + k * bits)


@mutant(
    "quantization-1",
    replaces="compression_rate",
    misconception="A single value needs no code at all: log2 1 is 0.",
    named=True,
)
def at_least_one_bit(n, bits, k):
    return n * bits / (n * max(1, math.ceil(math.log2(k))) + k * bits)


@honest("quantization-1", replaces="assign", differs="searches among sorted centroids, in NumPy and float64")
def by_search(weights, centroids):
    values = np.asarray(weights, dtype=np.float64)
    book = np.asarray(centroids, dtype=np.float64)
    order = np.lexsort((np.arange(len(book)), book))
    ranked = book[order]
    right = np.searchsorted(ranked, values, side="left").clip(0, len(book) - 1)
    left = (right - 1).clip(0)
    # Of equal centroids the first of a run has the lowest index.
    left = np.searchsorted(ranked, ranked[left], side="left")
    near, far = np.abs(values - ranked[left]), np.abs(values - ranked[right])
    take_left = (near < far) | ((near == far) & (order[left] < order[right]))
    return torch.from_numpy(np.where(take_left, order[left], order[right]))


@honest("quantization-1", replaces="assign", differs="one centroid after another, labels in int32")
def one_after_another(weights, centroids):
    best = torch.full(weights.shape, torch.inf, dtype=weights.dtype)
    labels = torch.zeros(weights.shape, dtype=torch.int32)
    for place in range(len(centroids)):
        distance = (weights - centroids[place]) ** 2
        labels[distance < best] = place
        best = torch.minimum(best, distance)
    return labels


@honest("quantization-1", replaces="compression_rate", differs="counts the bits of the largest label")
def by_largest_label(n, bits, k):
    before = np.float64(n * bits)
    return before / (n * (k - 1).bit_length() + k * bits)
