"""Mutants and honest variants of lab 03, Huffman coding.

Those of task 5 and the challenge stand here, the others in `huffman_codes` and `huffman_streams`.
"""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import collections

import numpy as np
import torch

from autograder.mutants.huffman_codes import *  # noqa: F403 - tasks 1 and 2, collected from here
from autograder.mutants.huffman_codes import by_counting, merged
from autograder.mutants.huffman_streams import *  # noqa: F403 - tasks 3 and 4, the same
from autograder.mutants.huffman_streams import arrays, digits, entries, packed, padded
from autograder.mutating import Variant, honest, mutant

# Task 5


def mean(symbols, coder):
    """Mean length over all symbols."""
    counts = np.bincount(symbols)
    return float(np.dot(counts, coder(counts))) / len(symbols)


def filled(size, gaps, values, bits, index_bits, coder, **changed):
    """The row, of which some parts are something else."""
    part = {
        "left": np.count_nonzero(values),
        "entries": len(gaps),
        "book": 32 * 2**bits,
        "book_huffman": changed.get("book", 32 * 2**bits),
        "code": mean(values, coder),
        "gap": mean(gaps, coder),
        "dense": 32 * size,
        "whole": 100,
        "index": index_bits,
    } | changed
    fixed = part["entries"] * (bits + part["index"]) + part["book"]
    coded = part["entries"] * (part["code"] + part["gap"]) + part["book_huffman"]
    return {
        "weights_pct": part["whole"] * part["left"] / size,
        "weight_bits": bits,
        "index_bits": index_bits,
        "rate_pct": part["whole"] * fixed / part["dense"],
        "weight_bits_huffman": part["code"],
        "index_bits_huffman": part["gap"],
        "rate_pct_huffman": part["whole"] * coded / part["dense"],
    }


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="A filler is an entry, but not a weight that is left.",
    named=True,
)
def fillers_are_weights(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, left=len(values))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="This is a fraction; asked for is percent.",
    named=True,
)
def fractions(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, whole=1)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="This is the part that was removed.",
    named=True,
)
def part_removed(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, left=size - np.count_nonzero(values))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="You left out the filler: it takes a code and a gap like any entry.",
    named=True,
)
def fillers_are_free(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, entries=np.count_nonzero(values))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The codebook is missing: 2 ** bits numbers of 32 bits.",
    named=True,
)
def no_codebook(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, book=0)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The codebook is missing: Huffman coding does not touch it.",
    named=True,
)
def no_codebook_at_the_end(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, book_huffman=0)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="A number in the codebook takes 32 bits, as a dense weight.",
    named=True,
)
def narrow_codebook(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, book=bits * 2**bits)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The gaps are missing: an entry is a code and a gap.",
    named=True,
)
def gaps_are_free(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, index=0)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The widths of gaps are bits, and so is everything else: you counted bytes among them.",
    named=True,
)
def bytes_for_bits(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, index=8 * index_bits)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The rate is upside down: compressed bits by dense bits.",
    named=True,
)
def upside_down(size, gaps, values, bits, index_bits, coder=merged):
    row = filled(size, gaps, values, bits, index_bits, coder)
    return row | {name: 1e4 / row[name] for name in ("rate_pct", "rate_pct_huffman")}


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="This is the mean over the codes; a code that occurs often counts as often.",
    named=True,
)
def plain_mean(size, gaps, values, bits, index_bits, coder=merged):
    def of(symbols):
        found = [length for length in coder(np.bincount(symbols)) if length]
        return sum(found) / len(found)

    return filled(size, gaps, values, bits, index_bits, coder, code=of(values), gap=of(gaps))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="Fillers have a code too: they are part of the counts and of the mean.",
    named=True,
)
def fillers_without_code(size, gaps, values, bits, index_bits, coder=merged):
    weights = np.asarray(values)[np.asarray(values) != 0]
    return filled(size, gaps, values, bits, index_bits, coder, code=mean(weights, coder))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="These are all bits; asked for is the mean over the entries.",
    named=True,
)
def sums_of_bits(size, gaps, values, bits, index_bits, coder=merged):
    row = filled(size, gaps, values, bits, index_bits, coder)
    names = ("weight_bits_huffman", "index_bits_huffman")
    return row | {name: row[name] * len(gaps) for name in names}


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The two columns are exchanged.",
    named=True,
)
def columns_exchanged(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, values, gaps, bits, index_bits, coder, left=np.count_nonzero(values))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The gaps are Huffman-coded too, with a code of their own.",
    named=True,
)
def gaps_not_coded(size, gaps, values, bits, index_bits, coder=merged):
    row = filled(size, gaps, values, bits, index_bits, coder)
    mixed = filled(size, gaps, values, bits, index_bits, coder, gap=index_bits)
    return row | {"rate_pct_huffman": mixed["rate_pct_huffman"]}


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The lengths did not come from `coder`: call the function that you were given.",
    named=True,
)
def own_coder(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, merged)


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The codebook is counted with the values that occur, not with all that the bits can name.",
)
def occurring_values(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, book=32 * len(np.unique(values)))


@mutant(
    "huffman-5",
    replaces="table_row",
    misconception="The rate is a part of the pruned layer, not of the dense one.",
)
def of_the_pruned(size, gaps, values, bits, index_bits, coder=merged):
    return filled(size, gaps, values, bits, index_bits, coder, dense=32 * np.count_nonzero(values))


@honest("huffman-5", replaces="table_row", differs="counts in a dict, lengths asked for once a stream")
def by_counter(size, gaps, values, bits, index_bits, coder=merged):
    total = {}
    for name, symbols in (("weight", values), ("index", gaps)):
        counts = collections.Counter(int(symbol) for symbol in symbols)
        found = coder(np.array(list(counts.values())))
        total[name] = sum(count * int(length) for count, length in zip(counts.values(), found, strict=True))
    entry, book = len(values), 2**bits
    return {
        "rate_pct": 100 / size * (entry * (bits + index_bits) / 32 + book),
        "rate_pct_huffman": 100 / size * (sum(total.values()) / 32 + book),
        "weights_pct": np.float64((np.asarray(values) > 0).sum() / size * 100),
        "weight_bits": float(bits),
        "index_bits": float(index_bits),
        **{f"{name}_bits_huffman": bits_of_all / entry for name, bits_of_all in total.items()},
    }


@honest("huffman-5", replaces="table_row", differs="in torch, of all lengths at each entry")
def in_torch(size, gaps, values, bits, index_bits, coder=merged):
    gaps, values = torch.as_tensor(gaps).long(), torch.as_tensor(values).long()

    def lengths(symbols):
        return torch.as_tensor(np.asarray(coder(symbols.bincount().numpy())))[symbols].double()

    code, gap = lengths(values), lengths(gaps)
    book = 32.0 * 2**bits
    return {
        "weights_pct": float(100 * (values != 0).sum() / size),
        "weight_bits": bits,
        "index_bits": index_bits,
        "rate_pct": 100 * (len(gaps) * (bits + index_bits) + book) / (32 * size),
        "weight_bits_huffman": code.mean().item(),
        "index_bits_huffman": gap.mean().item(),
        "rate_pct_huffman": 100 * (float((code + gap).sum()) + book) / (32 * size),
    }


# The challenge


def plain(variant):
    """A variant of another task as the function it is."""
    return variant.function if isinstance(variant, Variant) else variant


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
