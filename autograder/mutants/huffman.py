"""Mutants and honest variants of lab 03, Huffman coding.

Those of task 5 stand here, the others in `huffman_lengths`, `huffman_codes`, `huffman_streams`, `huffman_index` and
`huffman_files`.
"""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import collections

import numpy as np
import torch

from autograder.mutants.huffman_codes import *  # noqa: F403 - task 2, collected from here
from autograder.mutants.huffman_files import *  # noqa: F403 - the challenge, the same
from autograder.mutants.huffman_index import *  # noqa: F403 - task 4, the same
from autograder.mutants.huffman_lengths import *  # noqa: F403 - task 1, the same
from autograder.mutants.huffman_lengths import merged
from autograder.mutants.huffman_streams import *  # noqa: F403 - task 3, the same
from autograder.mutating import honest, mutant


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
