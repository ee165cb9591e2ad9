"""Hidden checks of lab 03, tasks 1 to 3; `huffman` collects them. Oracles share no code with `efflab.huffman`."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from autograder.tasks import Failed, Student, StudentError, expect, task

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

Tree = list[str]
"""The codes of a prefix code as texts of binary digits; an empty text for a symbol without one."""


def best_cost(counts: Array) -> int:
    """The bits of an optimal code: the weights of all merges together, sorted anew before each."""
    weights = sorted(int(count) for count in counts if count)
    if len(weights) == 1:
        return weights[0]
    total = 0
    while len(weights) > 1:
        union = weights[0] + weights[1]
        total += union
        weights = sorted([*weights[2:], union])
    return total


def exhaustive_cost(counts: Array) -> int:
    """The bits of the best of all codes of a few symbols, each tried."""
    used = [int(count) for count in counts if count]
    tried = itertools.product(range(1, max(len(used), 2)), repeat=len(used))
    fitting = (lengths for lengths in tried if kraft(lengths) <= 1)
    return min(sum(c * length for c, length in zip(used, lengths, strict=True)) for lengths in fitting)


def kraft(lengths: Any) -> Fraction:
    """The Kraft sum, exactly."""
    return sum((Fraction(1, 2 ** int(length)) for length in lengths if length), Fraction(0))


def the_lengths(student: Student, counts: Array) -> list[int]:
    """The student's lengths, held against what any code of these counts must be."""
    got = expect.shape(student.call("code_lengths", counts), counts.shape, "the lengths")
    whole = got.dtype.kind in "iuf" and bool(np.all(got == np.round(got)))
    expect.true(whole, "The lengths should be whole numbers.")
    expect.true(
        np.all((got >= 0) & (got <= max(len(counts), 1))),
        "A length should be from 0 to the number of symbols.",
    )
    lengths = [int(length) for length in got]
    used = [(length > 0) == (count > 0) for length, count in zip(lengths, counts, strict=True)]
    expect.true(all(used), "Just the symbols that occur should have a code of at least one bit.")
    expect.true(kraft(lengths) <= 1, "No prefix code has these lengths: their Kraft sum is above 1.")
    return lengths


def _bits(counts: Array, lengths: list[int]) -> int:
    return sum(int(count) * length for count, length in zip(counts, lengths, strict=True))


@task("huffman-1", points=2)
def costs_the_least(student: Student, rng: Rng) -> None:
    """The lengths belong to a prefix code, and no code takes fewer bits, whether counts are even, steep or many. Hint: always the two lightest groups, merged groups included."""
    drawn = [
        rng.integers(1, 40, size=rng.integers(5, 30)),
        (1.0 + 1000.0 * 0.6 ** np.arange(16)).astype(int)[rng.permutation(16)],
        rng.integers(1, 10**6, size=200),
        rng.permutation([1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]),
    ]
    for counts in drawn:
        lengths = the_lengths(student, counts)
        expect.equal(_bits(counts, lengths), best_cost(counts), f"the bits for {len(counts)} symbols")


@task("huffman-1", points=1)
def best_of_all_small_codes(student: Student, rng: Rng) -> None:
    """For two to five symbols, with many equal counts, the code is as short as the best of all there are. Hint: groups of equal weight are different groups."""
    for size in (2, 3, 4, 5, 5):
        counts = rng.integers(1, 5, size=size)
        lengths = the_lengths(student, counts)
        expect.equal(_bits(counts, lengths), exhaustive_cost(counts), f"the bits for the counts {counts}")


@task("huffman-1", points=1)
def leaves_out_what_does_not_occur(student: Student, rng: Rng) -> None:
    """Symbols that do not occur have length 0, and the others the lengths that they have without them. Hint: they take no part in any merge."""
    for share in (0.3, 0.8):
        counts = np.where(rng.random(40) < share, 0, rng.integers(1, 30, size=40))
        counts[rng.permutation(40)[:3]] = 7, 7, 0
        lengths = the_lengths(student, counts)
        expect.equal(_bits(counts, lengths), best_cost(counts), "the bits for counts with zeros among them")


@task("huffman-1", points=1)
def smallest_alphabets(student: Student, rng: Rng) -> None:
    """A symbol alone gets one bit, two get one each, and where none occurs all lengths are 0. Hint: a symbol alone is never merged."""
    size, place = int(rng.integers(3, 9)), int(rng.integers(3))
    alone = np.zeros(size, int)
    alone[place] = rng.integers(1, 50)
    expect.equal(the_lengths(student, alone), (alone > 0).astype(int), "the lengths of one symbol")
    both = alone.copy()
    both[place - 1] = 1000
    expect.equal(the_lengths(student, both), (both > 0).astype(int), "the lengths of two symbols")
    expect.equal(the_lengths(student, np.zeros(size, int)), np.zeros(size, int), "the lengths of no symbol")


def grow(rng: Rng, leaves: int, *, complete: bool = True) -> Tree:
    """A prefix code by splitting leaves at random, its symbols in any order; some without a code."""
    codes = [""]
    while len(codes) < leaves:
        split = codes.pop(int(rng.integers(len(codes))))
        codes += [split + "0", split + "1"]
    codes = codes if complete else codes[: max(2, leaves - 2)]
    codes += [""] * int(rng.integers(1, 4))
    return [codes[place] for place in rng.permutation(len(codes))]


def numbers(tree: Tree) -> tuple[list[int], list[int]]:
    """The codes as whole numbers, and their lengths."""
    return [int(code or "0", 2) for code in tree], [len(code) for code in tree]


def canonical_oracle(lengths: Sequence[int] | Array) -> list[int]:
    """Each code begins where those before it end on the line from 0 to 1: it is the Kraft sum so far, in its own digits."""
    codes, used = [0] * len(lengths), Fraction(0)
    for length in range(1, int(max(lengths)) + 1):
        for symbol in np.flatnonzero(np.asarray(lengths) == length):
            codes[int(symbol)] = int(used * 2**length)
            used += Fraction(1, 2**length)
    return codes


@task("huffman-2", points=2)
def numbers_in_the_agreed_order(student: Student, rng: Rng) -> None:
    """The codes are numbered by length, then by symbol, with zeros appended where they get longer. Hint: a shift to the left appends zeros."""
    for leaves in (4, 9, 17, 60):
        _, lengths = numbers(grow(rng, leaves))
        got = student.call("canonical_codes", lengths)
        expect.equal(got, canonical_oracle(lengths), f"the codes of the lengths {lengths[:12]}")


@task("huffman-2", points=1)
def no_code_begins_another(student: Student, rng: Rng) -> None:
    """Each code fits its length and none is the beginning of another, even where lengths jump or the code is not complete. Hint: append as many zeros as the length grows."""
    jumps = np.cumsum(rng.integers(1, 5, size=6))
    shuffled = rng.permutation(jumps).tolist()
    for lengths in (numbers(grow(rng, 20, complete=False))[1], shuffled, jumps.tolist()[::-1]):
        got = expect.shape(student.call("canonical_codes", lengths), (len(lengths),), "the codes")
        pairs = [(int(code), int(length)) for code, length in zip(got, lengths, strict=True) if length]
        expect.true(
            all(0 <= code < 2**length for code, length in pairs), "A code should fit into its length."
        )
        texts = sorted(format(code, f"0{length}b") for code, length in pairs)
        begins = any(later.startswith(one) for one, later in itertools.pairwise(texts))
        expect.true(not begins, "No code should be the beginning of another.")
        expect.equal(got, canonical_oracle(lengths), f"the codes of the lengths {lengths[:12]}")


@task("huffman-2", points=1)
def smallest_and_longest_codes(student: Student, rng: Rng) -> None:
    """A symbol alone has the code 0, symbols without a code have 0, and forty bits are not too many. Hint: the first code is zeros only."""
    place = int(rng.integers(4))
    alone = [int(symbol == place) for symbol in range(4)]
    expect.equal(student.call("canonical_codes", alone), [0, 0, 0, 0], "the code of one symbol")
    long = np.array([*range(1, 41), 40, 0])[rng.permutation(42)].tolist()
    expect.equal(student.call("canonical_codes", long), canonical_oracle(long), "codes of up to 40 bits")


def stream_oracle(symbols: Any, tree: Tree) -> bytes:
    """The stream by arithmetic on one long number."""
    number, length = 0, 0
    for symbol in symbols:
        for digit in tree[int(symbol)]:
            number, length = 2 * number + int(digit), length + 1
    padding = -length % 8
    return (number << padding).to_bytes((length + padding) // 8, "big")


def draw_symbols(rng: Rng, tree: Tree, count: int) -> Array:
    """Symbols that have a code."""
    used = np.array([symbol for symbol, code in enumerate(tree) if code])
    return used[rng.integers(len(used), size=count)]


def a_stream(got: Any, right: bytes, what: str) -> None:
    """Expect these bytes."""
    expect.true(type(got) is bytes, f"{what} should be bytes, but is a {type(got).__name__}.")
    expect.equal(len(got), len(right), f"the number of bytes of {what}")
    expect.equal(list(got), list(right), what)


@task("huffman-3", points=2)
def writes_bits_in_order(student: Student, rng: Rng) -> None:
    """The codes follow each other from their highest bit to their lowest, whatever prefix code they are of. Hint: write each code with all its digits, leading zeros too."""
    for leaves, count in ((3, 7), (6, 100), (40, 500)):
        tree = grow(rng, leaves)
        symbols = draw_symbols(rng, tree, count)
        got = student.call("encode", symbols, *numbers(tree))
        a_stream(got, stream_oracle(symbols, tree), f"the stream of {count} symbols")


@task("huffman-3", points=1)
def pads_with_zeros(student: Student, rng: Rng) -> None:
    """The last byte is filled up with zero bits, a full one is not followed by another, and no symbols give no bytes. Hint: -bits % 8 are missing."""
    tree = ["1", "011", "0101", "", "00"]
    for bits in (0, 1, *rng.integers(2, 40, size=4), 8, 16):
        symbols = np.zeros(int(bits), int)
        got = student.call("encode", symbols, *numbers(tree))
        a_stream(got, stream_oracle(symbols, tree), f"the stream of {bits} bits")


@task("huffman-3", points=2)
def reads_what_was_written(student: Student, rng: Rng) -> None:
    """Symbols come back from the stream of any prefix code. Hint: a code is found when both its value and its length fit."""
    for leaves, count in ((3, 9), (6, 100), (40, 500)):
        tree = grow(rng, leaves, complete=leaves != 6)
        symbols = draw_symbols(rng, tree, count)
        got = student.call("decode", stream_oracle(symbols, tree), *numbers(tree), count)
        expect.equal(got, symbols, f"the {count} symbols of a stream")


@task("huffman-3", points=1)
def stops_in_time(student: Student, rng: Rng) -> None:
    """Just as many symbols are read as asked for: padding is none, zeros at the end may be some, and none asked for give none. Hint: `count` decides, not the bits that are left."""
    tree = ["000", "1", "01", "", "001"]
    for count in rng.integers(1, 60, size=4):
        symbols = draw_symbols(rng, tree, int(count))
        symbols[int(count) // 2 :] = 0
        stream = stream_oracle(symbols, tree) + bytes(int(rng.integers(3)))
        got = student.call("decode", stream, *numbers(tree), int(count))
        expect.equal(got, symbols, f"the {count} symbols of a stream that ends in zeros")
    expect.equal(list(student.call("decode", b"\x00", *numbers(tree), 0)), [], "no symbols from a zero byte")


@task("huffman-3", points=1)
def refuses_short_streams(student: Student, rng: Rng) -> None:
    """A stream that ends before the last symbol is refused with a ValueError. Hint: after the loop, count what you have."""
    tree = grow(rng, 12)
    symbols = draw_symbols(rng, tree, 50)
    stream = stream_oracle(symbols, tree)
    whole = student.call("decode", stream, *numbers(tree), 50)
    expect.equal(whole, symbols, "the 50 symbols of a whole stream")
    for kept in (0, 1, len(stream) // 2, len(stream) - 2):
        try:
            student.call("decode", stream[:kept], *numbers(tree), 50)
        except StudentError as error:
            expect.true("ValueError" in str(error), f"A ValueError was expected, but {error}")
        else:
            raise Failed(f"{kept} of {len(stream)} bytes do not hold 50 symbols, but were accepted.")
