"""Mutants and honest variants of lab 02, quantization.

Those of task 5 and the challenge stand here, the others in `quantization_codes`, `quantization_starts`,
`quantization_clustering` and `quantization_sharing`.
"""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import copy
import math

import numpy as np
import torch

from autograder.mutants.quantization_clustering import *  # noqa: F403 - task 3, collected from here
from autograder.mutants.quantization_clustering import kmeans
from autograder.mutants.quantization_codes import *  # noqa: F403 - task 1, the same
from autograder.mutants.quantization_codes import nearest
from autograder.mutants.quantization_sharing import *  # noqa: F403 - task 4, the same
from autograder.mutants.quantization_starts import *  # noqa: F403 - task 2, the same
from autograder.mutating import honest, mutant

# Task 5


def _ends(weights):
    return min(0.0, weights.min().item()), max(0.0, weights.max().item())


def _affine(weights, bits, low, high, steps=None, toward=torch.round):
    scale = (high - low) / (steps or 2**bits - 1)
    zero_point = round(-low / scale)
    return (toward(weights / scale) + zero_point).clamp(0, 2**bits - 1).long(), scale, zero_point


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="Sixteen codes have fifteen steps between them: divide by 2**b - 1.",
    named=True,
)
def a_step_too_many(weights, bits):
    return _affine(weights, bits, *_ends(weights), steps=2**bits)


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="Your range leaves zero out, so zero has no code of its own: l is never above 0, and h never below.",
    named=True,
)
def leaves_zero_out(weights, bits):
    return _affine(weights, bits, weights.min().item(), weights.max().item())


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="Your range is symmetric; it runs from the smallest weight to the largest.",
    named=True,
)
def symmetric_range(weights, bits):
    end = weights.abs().max().item()
    return _affine(weights, bits, -end, end)


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="The zero point is not a whole number, so zero has no code of its own: round it.",
    named=True,
)
def broken_zero_point(weights, bits):
    low, high = _ends(weights)
    scale = (high - low) / (2**bits - 1)
    return ((weights - low) / scale).round().clamp(0, 2**bits - 1).long(), scale, -low / scale


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="You cut the decimals off; round to the nearest.",
    named=True,
)
def cuts_decimals(weights, bits):
    return _affine(weights, bits, *_ends(weights), toward=torch.trunc)


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="You left the zero point out.",
    named=True,
)
def signed_codes(weights, bits):
    _, scale, zero_point = _affine(weights, bits, *_ends(weights))
    return (weights / scale).round().long(), scale, zero_point


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="These are values; asked for are codes.",
    named=True,
)
def decoded_values(weights, bits):
    codes, scale, zero_point = _affine(weights, bits, *_ends(weights))
    return scale * (codes - zero_point), scale, zero_point


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="Four bits hold the codes 0 to 15: rounding may push a code over an end, so hold it inside.",
    named=True,
)
def over_the_end(weights, bits):
    _, scale, zero_point = _affine(weights, bits, *_ends(weights))
    return (weights / scale).round().long() + zero_point, scale, zero_point


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="This is the smallest weight in steps; the zero point is the code of zero, so its sign is the other.",
    named=True,
)
def zero_point_negated(weights, bits):
    codes, scale, zero_point = _affine(weights, bits, *_ends(weights))
    return codes, scale, -zero_point


@mutant(
    "quantization-5",
    replaces="affine_quantize",
    misconception="The zero point is added before rounding, unrounded.",
)
def rounds_once(weights, bits):
    low, high = _ends(weights)
    scale = (high - low) / (2**bits - 1)
    return ((weights - low) / scale).round().clamp(0, 2**bits - 1).long(), scale, round(-low / scale)


@honest("quantization-5", replaces="affine_quantize", differs="in NumPy, halves rounded up, codes in uint8")
def halves_up(weights, bits):
    values = np.asarray(weights, np.float64)
    low, high = np.minimum(values.min(), 0), np.maximum(values.max(), 0)
    scale = (high - low) / (2**bits - 1)
    zero_point = np.floor(0.5 - low / scale)
    codes = np.clip(np.floor(values / scale + 0.5) + zero_point, 0, 2**bits - 1)
    return torch.from_numpy(codes.astype(np.uint8)), scale, zero_point


@honest("quantization-5", replaces="affine_quantize", differs="the nearest of all decoded values")
def nearest_value(weights, bits):
    low, high = _ends(weights)
    scale = torch.tensor((high - low) / (2**bits - 1), dtype=torch.float64)
    zero_point = torch.round(-low / scale)
    values = scale * (torch.arange(2**bits) - zero_point)
    return nearest(weights.double(), values).int(), scale, zero_point.long()


# The challenge


def _survivors(parameters):
    return {name: value for name, value in parameters.items() if value.dim() > 1}


def _shared(parameters, k):
    """A codebook of k values and labels for each layer's survivors; label 0 is zero's."""
    books = {}
    for name, value in _survivors(parameters).items():
        alive = value != 0
        centroids, codes = kmeans(value[alive], k)
        labels = torch.zeros(value.shape, dtype=torch.int64)
        labels[alive] = codes + 1
        books[name] = (torch.nn.functional.pad(centroids, (1, 0)), labels)
    return books


def _looked_up(parameters, books):
    found = {name: value.clone() for name, value in parameters.items()}
    return found | {name: book[labels] for name, (book, labels) in books.items()}


def _epochs(images, labels, epochs, step, seed=0):
    """Call a step with batches in a drawn order, and with the part of the training that is done."""
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        for chosen in torch.randperm(len(images), generator=generator).split(128):
            step(images[chosen], labels[chosen], epoch / epochs)


def _passport(parameters):
    from efflab import models  # noqa: PLC0415 - the challenge alone needs it

    network = models.passport()
    network.load_state_dict(parameters)
    return network


def _loss(network, state, images, labels):
    return torch.nn.functional.cross_entropy(torch.func.functional_call(network, state, (images,)), labels)


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="The survivors take less than a quarter of their bits: few different values are left in each layer, after fine-tuning too.",
    named=True,
)
def shares_nothing(parameters, images, labels):
    return {name: value.clone() for name, value in parameters.items()}


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="The survivors take less than a quarter of their bits: few different values are left in each layer, after fine-tuning too.",
    named=True,
)
def eight_bits(parameters, images, labels):
    return _looked_up(parameters, _shared(parameters, 200))


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="The survivors take less than a quarter of their bits: few different values are left in each layer, after fine-tuning too.",
    named=True,
)
def trains_weights_apart(parameters, images, labels):
    state = _looked_up(parameters, _shared(parameters, 4))
    network = _passport(state)

    def step(x, y, _):
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        with torch.no_grad():
            for name, value in network.named_parameters():
                moved = value - 0.01 * value.grad
                value.copy_(torch.where(parameters[name] == 0, 0.0, moved) if value.dim() > 1 else moved)

    _epochs(images, labels, 1, step)
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="What was zero stays zero: removed weights take no part in the sharing.",
    named=True,
)
def zeros_take_part(parameters, images, labels):
    found = {name: value.clone() for name, value in parameters.items()}
    for name, value in _survivors(parameters).items():
        centroids, codes = kmeans(value, 4)
        found[name] = centroids[codes]
    return found


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="What you return are weights: the values themselves, not codes.",
    named=True,
)
def returns_codes(parameters, images, labels):
    codes = {name: codes.float() for name, (_, codes) in _shared(parameters, 4).items()}
    return {name: value.clone() for name, value in parameters.items()} | codes


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="One value a layer: so few that the accuracy is lost.",
)
def one_value(parameters, images, labels):
    return _looked_up(parameters, _shared(parameters, 1))


@mutant(
    "quantization-challenge",
    replaces="fewest_bits",
    misconception="Four bits and no fine-tuning: not yet a twelfth.",
)
def four_bits(parameters, images, labels):
    return _looked_up(parameters, _shared(parameters, 16))


@mutant("quantization-challenge", replaces="fewest_bits", misconception="The biases are left out.")
def no_biases(parameters, images, labels):
    return _survivors(_looked_up(parameters, _shared(parameters, 4)))


@honest(
    "quantization-challenge",
    replaces="fewest_bits",
    differs="codebooks are leaves of autograd, stepped by Adam",
)
def by_adam(parameters, images, labels):
    network, books = _passport(parameters), _shared(parameters, 4)
    leaves = {name: book[1:].clone().requires_grad_() for name, (book, _) in books.items()}
    leaves |= {
        name: value.clone().requires_grad_() for name, value in parameters.items() if name not in books
    }
    optimizer = torch.optim.Adam(leaves.values(), lr=2e-3)

    def state():
        shared = {n: torch.nn.functional.pad(leaves[n], (1, 0))[codes] for n, (_, codes) in books.items()}
        return leaves | shared

    def step(x, y, done):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 + math.cos(math.pi * done)) / 2
        optimizer.zero_grad()
        _loss(network, state(), x, y).backward()
        optimizer.step()

    torch.manual_seed(0)
    _epochs(images, labels, 25, step)
    return {name: value.detach().to(torch.float64) for name, value in state().items()}


@honest(
    "quantization-challenge",
    replaces="fewest_bits",
    differs="trains all survivors and puts each cluster's mean back after every step",
)
def by_projection(parameters, images, labels):
    books = _shared(parameters, 4)
    network = _passport(_looked_up(parameters, books)).train()
    speeds = {name: torch.zeros_like(value) for name, value in network.named_parameters()}

    def step(x, y, done):
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        rate = 0.2 * (1 + math.cos(math.pi * done)) / 2
        with torch.no_grad():
            for name, value in network.named_parameters():
                speeds[name] = 0.9 * speeds[name] + value.grad
                moved = value - rate * speeds[name]
                for code in range(5) if name in books else ():
                    chosen = books[name][1] == code
                    moved[chosen] = moved[chosen].mean() if code and chosen.any() else 0.0
                value.copy_(moved)

    torch.manual_seed(0)
    _epochs(images, labels, 20, step)
    return copy.deepcopy(network.state_dict())
