"""Mutants and honest variants of lab 03, the challenge; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutants.huffman_codes import by_counting
from autograder.mutants.huffman_index import arrays, entries
from autograder.mutants.huffman_lengths import merged
from autograder.mutants.huffman_streams import digits, packed, padded
from autograder.mutating import honest, mutant


def plain(variant):
    """A variant of another task as the function it is."""
    return getattr(variant, "function", variant)


def stream(symbols, size):
    """Lengths and stream, as the file has them."""
    found = merged(np.bincount(np.asarray(symbols, dtype=int), minlength=size))
    halves = [*found, 0][: size + size % 2]
    table = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    codes = plain(by_counting)(found).tolist()
    return table + packed(padded(digits(symbols, codes, found)))


def one_tensor(value, kind="<f4", width=None, columns=False):
    """A tensor as the file has it."""
    matrix = value.detach().numpy().reshape(len(value), -1).astype(kind)
    flat = (matrix.T if columns else matrix).ravel()
    flags = (kind == "<f2") + 2 * (width is not None) + 4 * columns
    if width is None:
        return bytes([flags]) + flat.tobytes()
    book = np.unique(flat[flat != 0])
    codes = np.where(flat == 0, 0, np.searchsorted(book, flat) + 1)
    gaps, found = arrays(*entries(codes, width)) if width else (None, codes)
    head = bytes([flags, width, len(book), len(found) & 255, len(found) >> 8]) + book.astype(kind).tobytes()
    return head + stream(found, len(book) + 1) + (stream(gaps, 2**width) if width else b"")


def the_file(tensors, kind="<f4", width=4):
    """All tensors in the same way."""
    parts = [one_tensor(value, kind, width if value.dim() > 1 else None) for value in tensors.values()]
    return b"".join(parts)


def shortest(tensors):
    """All tensors in 16 bits, each matrix with the index that makes it smallest."""
    parts = []
    for value in tensors.values():
        ways = [one_tensor(value, "<f2")]
        if value.dim() > 1:
            ways += [one_tensor(value, "<f2", width) for width in range(8)]
        parts.append(min(ways, key=len))
    return b"".join(parts)


def fewer(value, most):
    """At most so many non-zero values, means of equal parts of the sorted weights; each weight goes to the nearest."""
    if value.dim() < 2:
        return value
    left = value[value != 0]
    centres = torch.stack([part.mean() for part in left.sort().values.tensor_split(most)])
    for _ in range(20):
        near = (left[:, None] - centres).abs().argmin(1)
        sums = torch.zeros(most).index_add(0, near, left)
        sizes = near.bincount(minlength=most)
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    result = value.clone()
    result[value != 0] = centres[(left[:, None] - centres).abs().argmin(1)]
    return result


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="The file is smaller than the first file",
    named=True,
)
def the_first_file(parameters, images, labels):
    return the_file(parameters)


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="The file is smaller than the first file",
    named=True,
)
def not_coded(parameters, images, labels):
    return the_file(parameters, "<f2", None)


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="What you return are bytes.",
    named=True,
)
def the_tensors(parameters, images, labels):
    return {name: fewer(value, 8) for name, value in parameters.items()}


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="The file holds all tensors in the agreed format, so that `read_file` reads it.",
    named=True,
)
def no_biases(parameters, images, labels):
    return shortest({name: fewer(value, 8) for name, value in parameters.items() if value.dim() > 1})


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="the parameters that you were given, after the call",
    named=True,
)
def in_place(parameters, images, labels):
    for value in parameters.values():
        value.copy_(fewer(value, 2))
    return shortest(parameters)


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="The matrices are scanned column by column, and the flag that says so is not set.",
)
def columns_without_a_flag(parameters, images, labels):
    tensors = {name: fewer(value, 8) for name, value in parameters.items()}
    parts = []
    for value in tensors.values():
        part = one_tensor(value, "<f2", 4 if value.dim() > 1 else None, columns=value.dim() > 1)
        parts.append(bytes([part[0] & 3]) + part[1:])
    return b"".join(parts)


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="Two values a layer: the file is small and the accuracy is lost.",
)
def two_values(parameters, images, labels):
    return shortest({name: fewer(value, 2) for name, value in parameters.items()})


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="Half of the weights that were left are removed, and nothing is retrained.",
)
def pruned_again(parameters, images, labels):
    tensors = {}
    for name, value in parameters.items():
        limit = value[value != 0].abs().quantile(0.6) if value.dim() > 1 else 0.0
        tensors[name] = torch.where(value.abs() >= limit, value, 0.0)
    return shortest(tensors)


@mutant(
    "huffman-challenge",
    replaces="smallest_file",
    misconception="Numbers of 16 bits in the codebooks alone: a part of what there is to save.",
)
def half_numbers_only(parameters, images, labels):
    return the_file(parameters, "<f2")


@honest(
    "huffman-challenge",
    replaces="smallest_file",
    differs="fewest values by layer that the training images bear",
)
def by_accuracy(parameters, images, labels):
    from efflab import models  # noqa: PLC0415 - the challenge alone looks at accuracy

    network = models.passport().eval()

    def right(tensors):
        network.load_state_dict(tensors)
        with torch.no_grad():
            return float((network(images).argmax(1) == labels).double().mean())

    tensors, least = dict(parameters), right(parameters) - 0.004
    for name, value in parameters.items():
        for most in (5, 6, 7, 8, 10, 12) if value.dim() > 1 else ():
            trial = tensors | {name: fewer(value, most)}
            if right(trial) >= least:
                tensors = trial
                break
    return shortest(tensors)


@honest("huffman-challenge", replaces="smallest_file", differs="prunes a tenth more and retrains the rest")
def pruned_and_retrained(parameters, images, labels):
    from efflab import models, training  # noqa: PLC0415 - the challenge alone trains
    from efflab.data import Split  # noqa: PLC0415 - the same

    network = models.passport()
    network.load_state_dict(parameters)
    masks = {}
    for name, value in parameters.items():
        if value.dim() > 1:
            size = value.abs()
            masks[name] = size > size[value != 0].quantile(0.1)

    def erase():
        with torch.no_grad():
            for name, mask in masks.items():
                network.get_parameter(name).mul_(mask)

    erase()
    training.fit(network, Split(images, labels), epochs=8, lr=0.05, weight_decay=1e-3, after_step=erase, progress=False)  # fmt: skip
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return shortest({name: fewer(value, 9) for name, value in state.items()})
