"""Hidden checks of lab 02, tasks 1 to 3; `quantization` collects them. Oracles share no code with `efflab.quantization`."""

import math
from typing import Any

import numpy as np
import torch

from autograder.tasks import Student, expect, task

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

CLEAR = 1e-3
"""How much nearer, in widths of the weights' range, one centroid must be than any other where rounding must not decide."""


def tensor(values: Array) -> torch.Tensor:
    """An array of the check's own as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(values))


def label_oracle(weights: Array, centroids: Array) -> Array:
    """By one look after another: a centroid takes over where it is nearer than all before it."""
    best = np.full(weights.shape, np.inf)
    labels = np.zeros(weights.shape, np.int64)
    for place, centroid in enumerate(centroids):
        nearer = np.abs(weights - centroid) < best
        labels[nearer] = place
        best[nearer] = np.abs(weights - centroid)[nearer]
    return labels


def margin(weights: Array, centroids: Array) -> float:
    """By how much the second nearest centroid is farther than the nearest, at the weight where it is closest."""
    if len(centroids) < 2:
        return math.inf
    gaps = np.sort(np.abs(weights.ravel()[:, None] - centroids), axis=1)
    return float((gaps[:, 1] - gaps[:, 0]).min())


def a_codebook(got: Any, k: int, what: str = "the centroids") -> Array:
    """As many finite numbers as there are clusters, in one dimension."""
    values = expect.shape(got, (k,), what).astype(np.float64)
    expect.true(np.isfinite(values).all(), f"{what} should be finite numbers.")
    return values


def a_label(got: Any, shape: tuple[int, ...], what: str = "the labels") -> Array:
    """Whole numbers that can index, in the weights' shape."""
    labels = expect.dtype(expect.shape(got, shape, what), "int", what)
    expect.true(
        labels.dtype.name not in {"uint8", "int8"}, f"{what} should index a tensor: torch.int64, not 8 bits."
    )
    return labels


@task("quantization-1", points=1)
def labels_the_nearest(student: Student, rng: Rng) -> None:
    """Every weight gets the centroid that is nearest to it, whatever its sign and the order of the centroids. Hint: the distance is the magnitude of the difference."""
    for shape, k in (((7, 9), 5), ((4, 3, 3, 3), 16), ((31,), 2)):
        while True:
            weights, centroids = rng.normal(size=shape), rng.normal(size=k)
            if margin(weights, centroids) > CLEAR:
                break
        got = student.call("assign", tensor(weights.astype(np.float32)), tensor(centroids.astype(np.float32)))
        right = label_oracle(weights, centroids)
        expect.equal(expect.shape(got, shape, "the labels"), right, f"the labels with {k} centroids")


@task("quantization-1", points=1)
def labels_can_index(student: Student, rng: Rng) -> None:
    """Labels are whole numbers that index a tensor, in the weights' shape. Hint: `argmin` gives them; in uint8 they would be taken for a mask."""
    weights = tensor(rng.normal(size=(3, 4, 2)))
    for k in (1, 3, 40):
        got = student.call("assign", weights, tensor(rng.normal(size=k)))
        labels = a_label(got, (3, 4, 2))
        expect.true(
            labels.min() >= 0 and labels.max() < k, f"Labels of {k} centroids lie between 0 and {k - 1}."
        )


@task("quantization-1", points=1)
def ties_go_to_the_first(student: Student, rng: Rng) -> None:
    """Of two centroids that are equally near the one of lower index is taken, equal centroids included. Hint: a search for the smallest that keeps the first."""
    for _ in range(3):
        # Quarters: every distance is exact, so that a tie is one.
        weights = rng.integers(-8, 9, size=(6, 20)) / 4
        centroids = rng.permutation(np.concatenate([rng.integers(-4, 5, size=6) / 2, [0.0, 0.0]]))
        got = student.call("assign", tensor(weights.astype(np.float32)), tensor(centroids.astype(np.float32)))
        expect.equal(got, label_oracle(weights, centroids), "the labels of weights with many ties")


@task("quantization-1", points=2)
def follows_equation_1(student: Student, rng: Rng) -> None:
    """The rate counts codes of whole bits and the codebook's own bits. Hint: n * b bits before; n codes and k values of b bits after."""
    clusters = [1, 2, 3, 4, 5, 8, 9, 16, 17, 256, int(rng.integers(33, 64)), int(rng.integers(65, 128))]
    for k in clusters:
        n, bits = int(rng.integers(50, 5000)), int(rng.choice([8, 16, 32, 64]))
        code = next(b for b in range(20) if 2**b >= k)
        right = n * bits / (n * code + k * bits)
        got = expect.number(student.call("compression_rate", n, bits, k), "the rate")
        expect.close(got, right, f"the rate of {n} weights of {bits} bits with {k} centroids", rtol=1e-6)


@task("quantization-2", points=2)
def linear_reaches_both_ends(student: Student, rng: Rng) -> None:
    """Linear centroids go in even steps from the smallest weight to the largest. Hint: k values have k - 1 steps between them."""
    for shape, k in (((8, 5), 4), ((3, 2, 3, 3), 16), ((50,), 2), ((9, 9), int(rng.integers(5, 30)))):
        weights = rng.normal(rng.uniform(-2, 2), rng.uniform(0.1, 2), size=shape).astype(np.float32)
        low, high = float(weights.min()), float(weights.max())
        right = [low + (high - low) * i / (k - 1) for i in range(k)]
        got = a_codebook(student.call("linear_centroids", tensor(weights), k), k)
        expect.close(got, right, f"{k} linear centroids", rtol=1e-4, atol=1e-5)


def a_skewed_sample(rng: Rng, size: int) -> Array:
    """Distinct weights, many of them on one side, a few far out on the other."""
    return np.concatenate(
        [rng.normal(-0.4, 0.1, size=size // 2), rng.exponential(1.0, size=size - size // 2)]
    )


@task("quantization-2", points=2)
def density_steps_through_the_distribution(student: Student, rng: Rng) -> None:
    """Below each density-based centroid lies its part (i + 1/2) / k of the weights. Hint: sort the weights; a level is a place in the sorted list."""
    for shape, k in (((40, 25), 8), ((10, 4, 5, 5), 16), ((997,), int(rng.integers(5, 20)))):
        size = math.prod(shape)
        weights = rng.permutation(a_skewed_sample(rng, size)).reshape(shape)
        got = a_codebook(student.call("density_centroids", tensor(weights), k), k)
        expect.true(np.all(np.diff(got) >= 0), "Density-based centroids should be ascending.")
        slack = 2 + 1e-6 * size
        for i, centroid in enumerate(got):
            wanted = (i + 0.5) / k * size
            # Rounding to single precision may move a centroid just past the weight that it is.
            reach = 1e-5 * max(1.0, abs(float(centroid)))
            below = np.count_nonzero(weights < centroid - reach)
            through = np.count_nonzero(weights <= centroid + reach)
            expect.true(
                below <= wanted + slack and through >= wanted - slack,
                f"Below centroid {i} of {k} there should be about {wanted:.0f} of {size} weights, but there are {below}.",
            )


@task("quantization-2", points=1)
def random_draws_different_weights(student: Student, rng: Rng) -> None:
    """Random centroids are the values of k different places of the weights; equal weights count as several. Hint: shuffle all places and take the first k."""
    weights = rng.normal(size=(6, 5)).astype(np.float32)
    for k in (30, 12):
        got = np.sort(
            a_codebook(student.call("random_centroids", tensor(weights), k, int(rng.integers(1000))), k)
        )
        expect.true(
            np.isin(got.astype(np.float32), weights).all(), "Random centroids should be some of the weights."
        )
        expect.true(np.all(np.diff(got) > 0), "No place of the weights should be drawn twice.")
    repeated = np.repeat([1.0, 2.0, 5.0], [9, 8, 3])
    got = np.sort(
        a_codebook(student.call("random_centroids", tensor(repeated), 20, int(rng.integers(1000))), 20)
    )
    expect.equal(got, repeated, "all twenty weights, of three values, drawn and sorted")


@task("quantization-2", points=2)
def random_follows_its_seed(student: Student, rng: Rng) -> None:
    """The same seed draws the same, others draw others, and every place is drawn equally often. Hint: a generator of your own, with this seed."""
    weights, seeds = np.arange(12.0), rng.choice(100_000, size=150, replace=False)
    counts = np.zeros(12)
    for seed in seeds:
        got = student.call("random_centroids", tensor(weights), 4, int(seed))
        counts[a_codebook(got, 4).astype(np.int64).clip(0, 11)] += 1
    # Each count is binomial around 50 with a deviation of 5.8: seven deviations never happen by chance.
    expect.true(
        counts.min() > 9 and counts.max() < 91,
        "Over many seeds every place of the weights should be drawn about equally often.",
    )
    seed = int(seeds[0])
    first, again = (
        a_codebook(student.call("random_centroids", tensor(weights), 4, seed), 4) for _ in range(2)
    )
    expect.equal(again, first, "a second draw with the same seed")


def mean_oracle(weights: Array, labels: Array, previous: Array) -> Array:
    """One cluster after another."""
    chosen = [weights[labels == place] for place in range(len(previous))]
    return np.array([one.mean() if one.size else old for one, old in zip(chosen, previous, strict=True)])


@task("quantization-3", points=1)
def moves_to_the_mean(student: Student, rng: Rng) -> None:
    """Each centroid becomes the mean of its weights. Hint: sums and counts, both gathered by label."""
    for shape, k in (((6, 9), 4), ((3, 2, 3, 3), 7), ((400,), 16)):
        weights = rng.normal(0.3, 1.0, size=shape)
        labels = rng.permutation(np.arange(math.prod(shape)) % k).reshape(shape)
        previous = rng.normal(size=k)
        got = a_codebook(student.call("update", tensor(weights), tensor(labels), tensor(previous)), k)
        expect.close(got, mean_oracle(weights, labels, previous), "the means", rtol=1e-4, atol=1e-5)


@task("quantization-3", points=1)
def empty_clusters_stay(student: Student, rng: Rng) -> None:
    """A centroid without a weight stays where it was, the last ones included, and the given ones are not written to. Hint: there is no mean of nothing."""
    for _ in range(3):
        k = int(rng.integers(6, 12))
        weights = rng.normal(size=(5, 6)).astype(np.float32)
        labels = rng.choice(rng.choice(k - 1, size=k // 2, replace=False), size=(5, 6))
        previous = rng.normal(5.0, 1.0, size=k).astype(np.float32)
        kept = student.put(tensor(previous))
        got = a_codebook(student.call("update", tensor(weights), tensor(labels), kept), k)
        right = mean_oracle(weights.astype(np.float64), labels, previous)
        expect.close(got, right, "the centroids, some of them without weights", rtol=1e-4, atol=1e-5)
        expect.equal(student.fetch(kept), previous, "the previous centroids, after the call")


def lloyd_oracle(weights: Array, centroids: Array, most: int) -> tuple[Array, Array, int, float]:
    """Lloyd's method, how many updates it took, and the closest call of any labelling on the way."""
    closest = margin(weights, centroids)
    labels, updates = label_oracle(weights, centroids), 0
    for _ in range(most):
        updates += 1
        centroids = mean_oracle(weights, labels, centroids)
        closest = min(closest, margin(weights, centroids))
        before, labels = labels, label_oracle(weights, centroids)
        if np.array_equal(before, labels):
            break
    return centroids, labels, updates, closest


def draw_run(rng: Rng, *, most: int, least: int = 0, far: bool = False) -> tuple[Array, Array, Array, Array]:
    """Weights and a start of which Lloyd's method takes at least some updates and nothing hangs on rounding, and where it ends."""
    for _ in range(2000):
        weights = np.concatenate([rng.normal(c, 0.5, size=24) for c in rng.uniform(-4, 4, size=5)])
        weights = rng.permutation(weights).reshape(10, 12)
        start = rng.choice(weights.ravel(), size=5, replace=False)
        if far:
            start = rng.permutation(np.append(start, [40.0, -60.0]))
        centroids, labels, updates, closest = lloyd_oracle(weights, start, most)
        if closest > 1e-4 and updates >= least:
            return weights, start, centroids, labels
    raise AssertionError("no run was drawn")


def a_pair(got: Any, k: int, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """What `lloyd` returns: k centroids and labels in the weights' shape."""
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    expect.true(pair, "lloyd should return two things: the centroids and the labels.")
    return a_codebook(got[0], k), a_label(got[1], shape)


@task("quantization-3", points=2)
def settles_where_nothing_changes(student: Student, rng: Rng) -> None:
    """Lloyd's method goes on until no label changes, with each centroid in its own place and empty ones where they began. Hint: label, move, label again."""
    for far in (False, True):
        for _ in range(3):
            weights, start, centroids, labels = draw_run(rng, most=100, least=4, far=far)
            answer = student.call("lloyd", tensor(weights), tensor(start))
            got, found = a_pair(answer, len(start), weights.shape)
            expect.close(got, centroids, "the centroids when nothing changes any more", rtol=1e-4, atol=1e-5)
            expect.equal(found, labels, "their labels")


@task("quantization-3", points=2)
def labels_are_those_of_the_centroids(student: Student, rng: Rng) -> None:
    """After at most max_iter updates the centroids come back with the labels that they themselves give; what was given is unchanged. Hint: the last thing that happens is a labelling."""
    for most in (1, 2, 3):
        weights, start, centroids, labels = draw_run(rng, most=most + 1, least=most + 1)
        centroids, labels, _, _ = lloyd_oracle(weights, start, most)
        given = student.put(tensor(start))
        answer = student.call("lloyd", tensor(weights), given, most)
        got, found = a_pair(answer, len(start), weights.shape)
        expect.close(got, centroids, f"the centroids after {most} updates", rtol=1e-4, atol=1e-5)
        expect.equal(found, labels, f"the labels after {most} updates")
        expect.equal(student.fetch(given), start, "the centroids that were given, after the call")
