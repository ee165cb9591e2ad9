"""Hidden checks of lab 02, quantization. Oracles are written in NumPy and share no code with `efflab.quantization`.

Those of tasks 4 and 5 and the challenge stand here, the others in `quantization_clustering`.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from autograder.checks.pruning import trained_network
from autograder.checks.quantization_clustering import *  # noqa: F403 - tasks 1 to 3, collected from here
from autograder.checks.quantization_clustering import Array, Rng, a_codebook, a_label, tensor
from autograder.tasks import Callback, Student, expect, task


def a_pruned_layer(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Weights of which more than half are exactly zero, all others different from each other."""
    weights = rng.permutation(np.linspace(-1.0, 1.0, 2 * math.prod(shape))[1:-1])[: math.prod(shape)]
    weights[rng.permutation(len(weights))[: round(0.6 * len(weights))]] = 0.0
    return weights.reshape(shape).astype(np.float32)


class Clustering:
    """A clustering that goes by chance instead of nearness, and what it was asked."""

    def __init__(self, rng: Rng, weights: Array, k: int) -> None:
        self._values = np.unique(weights)
        self._codes = rng.integers(k - 1, size=len(self._values))
        self.centroids = rng.normal(3.0, 1.0, size=k - 1).astype(np.float32)
        self.asked: list[Array] = []

    def code(self, weights: Array) -> Array:
        """The label that each weight gets."""
        return np.asarray(self._codes[np.searchsorted(self._values, weights).clip(0, len(self._values) - 1)])

    def __call__(self, weights: Any, k: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Cluster, as the student's call of it gets it."""
        given = expect.array(weights, "the weights given to cluster").astype(np.float32)
        expect.true(given.ndim == 1, "cluster takes weights in one dimension.")
        expect.true(given.size <= len(self._values), "cluster was given more weights than the layer has.")
        expect.equal(
            int(expect.number(k, "the number of centroids")),
            len(self.centroids),
            "the number of centroids that cluster is asked for",
        )
        expect.true(len(self.asked) < 10, "cluster was asked again and again for one layer.")
        self.asked.append(given)
        return tensor(self.centroids), tensor(self.code(given))


def shared_by(student: Student, weights: Array, k: int, *cluster: Callback) -> tuple[Array, Array]:
    """Codebook and labels that the student's `share` gives."""
    got = student.call("share", tensor(weights), k, *cluster)
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    expect.true(pair, "share should return two things: the codebook and the labels.")
    return a_codebook(got[0], k, "the codebook"), a_label(got[1], weights.shape)


@task("quantization-4", points=2)
def zeros_stand_apart(student: Student, rng: Rng) -> None:
    """Only the survivors are clustered, into k - 1 values behind entry 0, and their labels are those of `cluster`, moved by one. Hint: take the survivors out with a mask, and put their codes back with it."""
    for shape, k in (((9, 7), 4), ((4, 2, 3, 3), 16), ((40,), 3)):
        weights = a_pruned_layer(rng, shape)
        clustering = Clustering(rng, weights, k)
        book, labels = shared_by(student, weights, k, Callback(clustering))
        expect.true(clustering.asked, "share should ask cluster.")
        survivors = np.sort(weights[weights != 0])
        expect.equal(np.sort(clustering.asked[-1]), survivors, "the weights that are clustered, sorted")
        expect.close(book, [0.0, *clustering.centroids.tolist()], "the codebook")
        right = np.where(weights != 0, clustering.code(weights) + 1, 0)
        expect.equal(labels, right, f"the labels with a codebook of {k} entries")


def sum_oracle(gradient: Array, labels: Array, k: int) -> Array:
    """One cluster after another."""
    return np.array([gradient[labels == place].sum() for place in range(k)])


@task("quantization-4", points=2)
def follows_equation_3(student: Student, rng: Rng) -> None:
    """The gradient of an entry is the sum over all weights with its label, and 0 where there are none. Hint: add each weight's gradient to the place that its label names."""
    for shape, k in (((8, 9), 5), ((4, 3, 3, 3), 16), ((60,), 40)):
        gradient = rng.normal(0.2, 1.0, size=shape)
        # Clusters of very different sizes, the last one empty.
        labels = rng.choice(k - 1, size=shape, p=rng.dirichlet(np.full(k - 1, 0.7)))
        got = a_codebook(
            student.call("centroid_gradient", tensor(gradient), tensor(labels), k), k, "the gradient"
        )
        expect.close(
            got, sum_oracle(gradient, labels, k), "the gradient of the codebook", rtol=1e-4, atol=1e-5
        )


@task("quantization-4", points=2)
def steps_down_from_entry_one(student: Student, rng: Rng) -> None:
    """Steps with momentum move every entry but entry 0 against its summed gradient, and leave what was given as it was. Hint: v' = momentum * v + sum, then c' = c - lr * v'."""
    k, shape = 6, (7, 8)
    settings = {"lr": float(rng.uniform(0.05, 0.3)), "momentum": float(rng.uniform(0.5, 0.95))}
    labels = rng.integers(k, size=shape)
    book, speed = rng.normal(size=k), rng.normal(size=k)
    book[0] = 0.0
    theirs = [tensor(book), tensor(speed)]
    for _ in range(4):
        gradient = rng.normal(size=shape)
        kept = [student.put(one) for one in (*theirs, tensor(gradient))]
        got = student.call("codebook_step", *kept, tensor(labels), **settings)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        expect.true(pair, "codebook_step should return two things: the codebook and the velocity.")
        for one, before in zip(kept, (*theirs, tensor(gradient)), strict=True):
            expect.equal(student.fetch(one), before.numpy(), "what was given, after the call")
        speed = settings["momentum"] * speed + sum_oracle(gradient, labels, k)
        book = np.where(np.arange(k) > 0, book - settings["lr"] * speed, 0.0)
        stepped, velocity = (a_codebook(one, k, "what the step returns") for one in got)
        expect.true(stepped[0] == 0, "Entry 0 of the codebook should stay exactly 0.")
        expect.close(stepped, book, "the codebook after a step", rtol=1e-4, atol=1e-5)
        expect.close(velocity[1:], speed[1:], "the velocity of entries 1 and up", rtol=1e-4, atol=1e-5)
        theirs = [tensor(stepped), tensor(velocity)]


def affine(student: Student, weights: Array, bits: int) -> tuple[Array, float, float]:
    """Codes, scale and zero point that the student's `affine_quantize` gives."""
    got = student.call("affine_quantize", tensor(weights), bits)
    three = isinstance(got, (tuple, list)) and len(got) == 3
    expect.true(three, "affine_quantize should return three things: codes, scale and zero point.")
    codes = expect.dtype(expect.shape(got[0], weights.shape, "the codes"), "int", "the codes").astype(
        np.int64
    )
    return codes, expect.number(got[1], "the scale"), expect.number(got[2], "the zero point")


def affine_oracle(weights: Array, bits: int) -> tuple[Array, float, int, float]:
    """Codes, scale, zero point, and how near any of the roundings was to a half."""
    low, high = min(0.0, weights.min()), max(0.0, weights.max())
    scale = (high - low) / (2**bits - 1)
    steps = np.append(weights / scale, -low / scale)
    halves = float(np.abs(np.abs(steps - np.floor(steps)) - 0.5).min())
    codes = np.floor(steps[:-1] + 0.5).reshape(weights.shape) + math.floor(steps[-1] + 0.5)
    return codes.clip(0, 2**bits - 1).astype(np.int64), float(scale), math.floor(steps[-1] + 0.5), halves


def draw_affine(rng: Rng, shape: tuple[int, ...], bits: int, centre: float) -> Array:
    """Weights of which none is rounded at a half, with an exact zero among them."""
    while True:
        weights = rng.normal(centre, 1.0, size=shape)
        weights.flat[0] = 0.0
        if affine_oracle(weights, bits)[3] > CLEAR_OF_A_HALF:
            return weights


CLEAR_OF_A_HALF = 5e-4


@task("quantization-5", points=2)
def rounds_to_even_steps(student: Student, rng: Rng) -> None:
    """Codes, scale and zero point follow the equations, for one scale a layer. Hint: 2 ** bits codes have one step fewer between them."""
    for shape, bits, centre in (((6, 7), 4, 0.5), ((3, 2, 3, 3), 8, -0.7), ((30,), 2, 0.2), ((5, 8), 3, 0.0)):
        weights = draw_affine(rng, shape, bits, centre)
        right, scale, zero_point, _ = affine_oracle(weights, bits)
        codes, s, z = affine(student, weights, bits)
        expect.close(s, scale, f"the scale at {bits} bits", rtol=1e-4)
        expect.equal(z, float(zero_point), f"the zero point at {bits} bits")
        expect.equal(codes, right, f"the codes at {bits} bits")


@task("quantization-5", points=2)
def zero_has_a_code(student: Student, rng: Rng) -> None:
    """A weight that is zero comes back as exactly zero, also where all others have one sign. Hint: the range always holds zero, and the zero point is a whole number."""
    for sign in (1.0, -1.0):
        for bits in (2, 4, 8):
            weights = sign * rng.uniform(1.0, 3.0, size=(5, 9))
            _, scale, zero_point, _ = affine_oracle(weights, bits)
            _, s, z = affine(student, weights, bits)
            expect.close(s, scale, "the scale of weights of one sign", rtol=1e-4)
            expect.equal(z, float(zero_point), "the zero point of weights of one sign")
            with_zeros = np.where(rng.random((5, 9)) < 0.4, 0.0, weights)
            with_zeros.flat[:2] = 0.0, weights.flat[0]
            codes, _, z = affine(student, with_zeros, bits)
            expect.true(z == round(z), "The zero point should be a whole number.")
            expect.true(
                np.all(codes[with_zeros == 0] == z), "Every zero should have the zero point as its code."
            )


@task("quantization-5", points=1)
def codes_stay_inside(student: Student, rng: Rng) -> None:
    """Codes lie between 0 and 2 ** bits - 1 even where rounding pushes over an end, and no decoded weight is off by more than a step. Hint: hold the codes inside."""
    for bits in (1, 2, 4, 8):
        # A range about zero: both its ends lie just between two whole numbers of steps, in exact arithmetic.
        end = (2**bits - 1) / 2 * 2.0 ** int(rng.integers(-4, 3))
        weights = rng.uniform(-end, end, size=(4, 6))
        weights.flat[:2] = -end, end
        codes, s, z = affine(student, weights, bits)
        expect.true(
            codes.min() >= 0 and codes.max() < 2**bits,
            f"Codes of {bits} bits lie between 0 and {2**bits - 1}.",
        )
        worst = float(np.abs(s * (codes - z) - weights).max())
        expect.true(worst <= s * (1 + 1e-4), "A decoded weight should be off by one step at most.")


LIMIT = 2.0
"""Percentage points of accuracy that the challenge's network may lose on images never seen."""
NOTHING, FULL = 4.0, 12.0
"""Times fewer bits that earn no points, and all of them."""
KEEP = {"conv1.weight": 0.7, "conv2.weight": 0.18, "fc1.weight": 0.07, "fc2.weight": 0.5}
"""The part of each layer that survives in the network which the challenge gives."""


@functools.lru_cache(maxsize=4)
def pruned_network(seed: int) -> tuple[dict[str, torch.Tensor], Any, Any]:
    """A pruned network's state, its training images, and images that it has not seen, all drawn by the seed."""
    from efflab import models, training  # noqa: PLC0415 - this check alone needs them

    state, train, held_out = trained_network(seed)
    network = models.passport()
    masks: dict[str, torch.Tensor] = {}
    network.load_state_dict(state)

    def erase() -> None:
        with torch.no_grad():
            for name, mask in masks.items():
                network.get_parameter(name).mul_(mask)

    for rounds in (0.5, 1.0):
        for name, share in KEEP.items():
            magnitude = network.get_parameter(name).detach().abs()
            drop = magnitude.numel() - round(share**rounds * magnitude.numel())
            masks[name] = magnitude > magnitude.flatten().kthvalue(drop).values
        erase()
        training.fit(
            network, train, epochs=6, lr=0.1, weight_decay=1e-3, seed=seed, after_step=erase, progress=False
        )
    return {name: value.detach().clone() for name, value in network.state_dict().items()}, train, held_out


def _accuracy(parameters: Mapping[str, torch.Tensor], images: Any) -> float:
    from efflab import models, training  # noqa: PLC0415 - this check alone needs them

    network = models.passport()
    network.load_state_dict(parameters)
    return 100 * training.evaluate(network, images).accuracy


def bits_of(survivors: Array) -> int:
    """Codes of whole bits and a codebook of 32-bit values, for what is left of a layer."""
    k = len(np.unique(survivors))
    return len(survivors) * math.ceil(math.log2(k)) + 32 * k


@task("quantization-challenge", points=4)
def few_bits(student: Student, rng: Rng, shared: Rng) -> float:
    """Survivors in few bits, codebooks counted, at most two points less accurate than the pruned network on images it has never seen; a twelfth of the bits earns all points. Hint: few values a layer, then fine-tuning."""
    # Training takes seconds, so the course's secret draws one network for all; the order of the images is each one's own.
    state, train, held_out = pruned_network(int(shared.integers(2**31)))
    given = {name: value.clone() for name, value in state.items()}
    order = torch.from_numpy(rng.permutation(len(train)))
    got = student.call("fewest_bits", given, train.x[order], train.y[order])
    expect.true(isinstance(got, dict), "The answer should be a state dict: tensors by name.")
    found, before, after = {}, 0, 0
    for name, value in state.items():
        expect.true(name in got, f"The answer has no entry {name}.")
        values = expect.shape(got[name], value.shape, name)
        expect.true(values.dtype.kind in "biuf", f"{name} should hold real numbers.")
        values = values.astype(np.float32)
        expect.true(np.isfinite(values).all(), f"{name} should hold finite numbers.")
        found[name] = torch.from_numpy(values)
        if value.dim() > 1:
            alive = value.numpy() != 0
            expect.true(not values[~alive].any(), f"What was zero in {name} should stay zero.")
            before, after = before + 32 * int(alive.sum()), after + bits_of(values[alive])
    pruned, accuracy = (_accuracy(parameters, held_out) for parameters in (state, found))
    expect.true(
        accuracy >= pruned - LIMIT,
        f"On new images the pruned network is right in {pruned:.1f} % and yours in {accuracy:.1f} %; it may lose {LIMIT:g} points.",
    )
    return expect.scale(math.log(before / after), math.log(NOTHING), math.log(FULL), "the reduction")
