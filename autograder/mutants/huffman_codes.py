"""Mutants and honest variants of lab 03, task 2; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import itertools

import numpy as np

from autograder.mutating import honest, mutant


def numbered(order, lengths):
    """Codes by the rule, in a given order of the symbols."""
    codes, code, before = [0] * len(lengths), 0, None
    for symbol in order:
        length = int(lengths[symbol])
        before = length if before is None else before
        code = code << (length - before) if length >= before else code >> (before - length)
        codes[symbol], before = code, length
        code += 1
    return codes


def in_order(lengths, key):
    return sorted((s for s, length in enumerate(lengths) if length > 0), key=key)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="You numbered the symbols as they come: shorter codes are numbered first.",
    named=True,
)
def as_they_come(lengths):
    return numbered(in_order(lengths, lambda symbol: symbol), lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="Of equally long codes the smaller symbol comes first.",
    named=True,
)
def larger_symbol_first(lengths):
    return numbered(in_order(lengths, lambda symbol: (lengths[symbol], -symbol)), lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="You began with the longest codes.",
    named=True,
)
def longest_first(lengths):
    return numbered(in_order(lengths, lambda symbol: (-lengths[symbol], symbol)), lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="No zeros are appended where the codes get longer: one code is then the beginning of another.",
    named=True,
)
def never_longer(lengths):
    codes = [0] * len(lengths)
    for number, symbol in enumerate(in_order(lengths, lambda symbol: (lengths[symbol], symbol))):
        codes[symbol] = number
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="The first code is 0, not 1.",
    named=True,
)
def begins_at_one(lengths):
    codes, code, before = [0] * len(lengths), 0, 0
    for symbol in in_order(lengths, lambda symbol: (lengths[symbol], symbol)):
        code = (code + 1) << int(lengths[symbol] - before) if before else 1
        codes[symbol], before = code, lengths[symbol]
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="You appended the zeros first and added one afterwards.",
    named=True,
)
def zeros_before_one(lengths):
    codes, code, before = [0] * len(lengths), -1, 0
    for symbol in in_order(lengths, lambda symbol: (lengths[symbol], symbol)):
        grown = int(lengths[symbol] - before) if before else 0
        code = (code << grown) + 1
        codes[symbol], before = code, lengths[symbol]
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="These are the digits read from the last to the first: the first bit of a code is the highest.",
    named=True,
)
def backwards(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    pairs = zip(codes, lengths, strict=True)
    return [int(format(code, f"0{length}b")[::-1], 2) if length else 0 for code, length in pairs]


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="These are the codes as text; asked for are whole numbers.",
    named=True,
)
def as_text(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    return [format(code, f"0{n}b") if n else "" for code, n in zip(codes, lengths, strict=True)]


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="Ones and zeros are exchanged: the first code is zeros only.",
    named=True,
)
def from_the_top(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    pairs = zip(codes, lengths, strict=True)
    return [2 ** int(length) - 1 - code if length else 0 for code, length in pairs]


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="The lengths grow by two here: append as many zeros as the code gets longer.",
    named=True,
)
def one_zero_at_most(lengths):
    codes, code, before = [0] * len(lengths), 0, 0
    for symbol in in_order(lengths, lambda symbol: (lengths[symbol], symbol)):
        code = code << 1 if lengths[symbol] > before else code
        codes[symbol], before = code, lengths[symbol]
        code += 1
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="A symbol of length 0 has no code, but it was counted among those that have one.",
    named=True,
)
def unused_are_numbered(lengths):
    order = sorted(range(len(lengths)), key=lambda symbol: (lengths[symbol], symbol))
    return numbered(order, lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="The codes are kept in numbers of 32 bits, which a long code does not fit.",
)
def too_narrow(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    return [code % 2**32 for code in codes]


@honest("huffman-2", replaces="canonical_codes", differs="first code of each length from a count of lengths")
def by_counting(lengths):
    lengths = np.asarray(lengths)
    following = {0: 0}
    for length in range(1, int(lengths.max()) + 1):
        shorter = int((lengths == length - 1).sum()) if length > 1 else 0
        following[length] = (following[length - 1] + shorter) * 2
    codes = np.zeros(len(lengths), dtype=np.int64)
    for symbol, length in enumerate(lengths.tolist()):
        if length:
            codes[symbol] = following[length]
            following[length] += 1
    return codes


@honest("huffman-2", replaces="canonical_codes", differs="in texts of digits, from one code to the next")
def by_text(lengths):
    order = in_order(lengths, lambda symbol: (lengths[symbol], symbol))
    codes = dict.fromkeys(range(len(lengths)), 0)
    text = "0" * int(lengths[order[0]]) if order else ""
    for symbol, later in itertools.zip_longest(order, order[1:]):
        codes[symbol] = int(text, 2)
        if later is not None:
            text = format(int(text, 2) + 1, f"0{len(text)}b").ljust(int(lengths[later]), "0")
    return list(codes.values())
