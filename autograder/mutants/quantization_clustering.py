"""Mutants and honest variants of lab 02, task 3; `quantization` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutants.quantization_codes import nearest
from autograder.mutating import honest, mutant

# Task 3


def means(weights, labels, previous):
    """Right means, for what stands on them."""
    moved = previous.clone()
    for place in range(len(previous)):
        if (labels == place).any():
            moved[place] = weights[labels == place].mean()
    return moved


def settle(weights, centroids, most):
    """Right centroids and labels, for what stands on them."""
    labels = nearest(weights, centroids)
    for _ in range(most):
        centroids = means(weights, labels, centroids)
        before, labels = labels, nearest(weights, centroids)
        if torch.equal(before, labels):
            break
    return centroids, labels


def _by_cluster(weights, labels, previous, reduce, empty):
    chosen = [weights[labels == place] for place in range(len(previous))]
    return torch.stack(
        [reduce(one) if one.numel() else empty(old) for one, old in zip(chosen, previous, strict=True)]
    )


@mutant(
    "quantization-3",
    replaces="update",
    misconception="An empty cluster became NaN: zero weights have no mean, so keep the previous centroid.",
    named=True,
)
def empty_is_nan(weights, labels, previous):
    return torch.stack([weights[labels == place].mean() for place in range(len(previous))])


@mutant(
    "quantization-3",
    replaces="update",
    misconception="An empty cluster moved to 0; keep the previous centroid.",
    named=True,
)
def empty_is_zero(weights, labels, previous):
    return _by_cluster(weights, labels, previous, torch.mean, torch.zeros_like)


@mutant(
    "quantization-3",
    replaces="update",
    misconception="The empty cluster is missing, so later labels point to the wrong centroids.",
    named=True,
)
def empty_is_dropped(weights, labels, previous):
    return torch.stack([weights[labels == place].mean() for place in labels.unique()])


@mutant(
    "quantization-3",
    replaces="update",
    misconception="You took the sum of each cluster; asked for is the mean.",
    named=True,
)
def sums(weights, labels, previous):
    return _by_cluster(weights, labels, previous, torch.sum, torch.clone)


@mutant(
    "quantization-3",
    replaces="update",
    misconception="You took the median of each cluster; asked for is the mean.",
    named=True,
)
def medians(weights, labels, previous):
    return _by_cluster(weights, labels, previous, torch.median, torch.clone)


@mutant(
    "quantization-3",
    replaces="update",
    misconception="You took the middle of each cluster's range; asked for is the mean.",
    named=True,
)
def mid_ranges(weights, labels, previous):
    return _by_cluster(weights, labels, previous, lambda one: (one.min() + one.max()) / 2, torch.clone)


@mutant("quantization-3", replaces="update", misconception="The previous centroids are written over.")
def writes_previous(weights, labels, previous):
    previous.copy_(means(weights, labels, previous))
    return previous


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="You stopped after one update: go on until no label changes.",
    named=True,
)
def one_update(weights, centroids, max_iter=100):
    moved = means(weights, nearest(weights, centroids), centroids)
    return moved, nearest(weights, moved)


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="The labels are made once; they must be made again after each update.",
    named=True,
)
def labels_once(weights, centroids, max_iter=100):
    labels = nearest(weights, centroids)
    for _ in range(max_iter):
        centroids = means(weights, labels, centroids)
    return centroids, labels


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="These are the labels of the centroids before the update: assign once more.",
    named=True,
)
def labels_before_the_update(weights, centroids, max_iter=100):
    for _ in range(max_iter):
        labels = nearest(weights, centroids)
        before, centroids = centroids, means(weights, labels, centroids)
        if torch.equal(before, centroids):
            break
    return centroids, labels


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="max_iter is not used: there may be one update only.",
    named=True,
)
def without_limit(weights, centroids, max_iter=100):
    return settle(weights, centroids, 1000)


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="You changed what you were given: `centroids[j] = ...` writes in place.",
    named=True,
)
def in_place(weights, centroids, max_iter=100):
    labels = nearest(weights, centroids)
    for _ in range(max_iter):
        centroids[:] = means(weights, labels, centroids)
        before, labels = labels, nearest(weights, centroids)
        if torch.equal(before, labels):
            break
    return centroids, labels


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="Your codebook is sorted: each centroid should stay in its place.",
    named=True,
)
def sorted_codebook(weights, centroids, max_iter=100):
    centroids = settle(weights, centroids, max_iter)[0].sort().values
    return centroids, nearest(weights, centroids)


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="The empty cluster began anew elsewhere; it should keep its centroid.",
    named=True,
)
def begins_empty_ones_anew(weights, centroids, max_iter=100):
    labels = nearest(weights, centroids)
    for _ in range(max_iter):
        moved = means(weights, labels, centroids)
        counts = labels.flatten().bincount(minlength=len(centroids))
        farthest = (weights - moved[labels]).abs().flatten().argmax()
        centroids = torch.where(counts > 0, moved, weights.flatten()[farthest])
        before, labels = labels, nearest(weights, centroids)
        if torch.equal(before, labels):
            break
    return centroids, labels


@mutant(
    "quantization-3",
    replaces="lloyd",
    misconception="It stops when one update moved the centroids little, not when nothing changes.",
)
def stops_early(weights, centroids, max_iter=100):
    for _ in range(max_iter):
        moved = means(weights, nearest(weights, centroids), centroids)
        shift, centroids = (moved - centroids).abs().max(), moved
        if shift < 0.5:
            break
    return centroids, nearest(weights, centroids)


@honest(
    "quantization-3", replaces="update", differs="by a table of memberships and a matrix product, in float64"
)
def by_memberships(weights, labels, previous):
    members = torch.nn.functional.one_hot(labels.flatten(), len(previous)).double()
    totals, counts = members.T @ weights.flatten().double(), members.sum(dim=0)
    return torch.where(counts == 0, previous.double(), totals / counts.clamp(min=1))


@honest("quantization-3", replaces="update", differs="cluster by cluster, in NumPy")
def cluster_by_cluster(weights, labels, previous):
    moved = np.array(previous, copy=True)
    for place in np.unique(labels.numpy()):
        moved[place] = weights.numpy()[labels.numpy() == place].mean(dtype=np.float64)
    return torch.from_numpy(moved)


@honest(
    "quantization-3",
    replaces="lloyd",
    differs="on sorted weights, cut at the midpoints of sorted centroids, in float64",
)
def by_midpoints(weights, centroids, max_iter=100):
    flat = weights.flatten().double().numpy()
    rank = np.argsort(centroids.numpy(), kind="stable")
    book = centroids.double().numpy()[rank]
    previous = None
    for _ in range(max_iter):
        cuts = np.searchsorted((book[1:] + book[:-1]) / 2, flat, side="left")
        if previous is not None and np.array_equal(cuts, previous):
            break
        counts = np.bincount(cuts, minlength=len(book))
        totals = np.bincount(cuts, weights=flat, minlength=len(book))
        book = np.where(counts > 0, totals / np.maximum(counts, 1), book)
        previous = cuts
    cuts = np.searchsorted((book[1:] + book[:-1]) / 2, flat, side="left")
    placed = np.empty_like(book)
    placed[rank] = book
    return torch.from_numpy(placed), torch.from_numpy(rank[cuts].reshape(weights.shape))


@honest("quantization-3", replaces="lloyd", differs="always makes all updates that are allowed")
def all_updates(weights, centroids, max_iter=100):
    centroids = centroids.clone()
    for _ in range(max_iter):
        centroids = means(weights, nearest(weights, centroids), centroids)
    return centroids, nearest(weights, centroids).int()


def kmeans(weights, k, most=100):
    """The notebook's own clustering."""
    return settle(weights, torch.linspace(weights.min().item(), weights.max().item(), k), most)
