"""Lengths of codes: optimal against every code there is, against a heap, and within Shannon's bounds."""

import functools
import heapq
import itertools

import numpy as np
import pytest
from dahuffman import HuffmanCodec
from hypothesis import given, settings
from hypothesis import strategies as st

from efflab import huffman
from efflab.huffman import HuffmanError

counts_of_any_size = st.lists(st.integers(0, 10**6), max_size=80)


@functools.cache
def complete_codes(size: int, limit: int) -> tuple[tuple[int, ...], ...]:
    """Every multiset of lengths up to ``limit`` that a complete prefix code of ``size`` words can have."""
    lengths = range(1, limit + 1)
    found = itertools.combinations_with_replacement(lengths, size)
    return tuple(code for code in found if sum(2 ** (limit - n) for n in code) == 2**limit)


def cheapest(counts: list[int], limit: int) -> int:
    """Bits of the best code, by trying them all; the longest words go to the rarest symbols."""
    rising = sorted(counts)
    return min(
        sum(c * n for c, n in zip(rising, reversed(code), strict=True))
        for code in complete_codes(len(rising), limit)
    )


def heap_cost(counts: list[int]) -> int:
    """Bits of Huffman's code, as the sum of the weights of all inner nodes."""
    heap = [c for c in counts if c]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.integers(0, 3))
def test_no_code_of_all_is_shorter(counts, slack):
    limit = (len(counts) - 1).bit_length() + slack
    lengths = huffman.code_lengths(counts, limit)
    assert int((np.array(counts) * lengths).sum()) == cheapest(counts, limit)
    assert int(lengths.max()) <= limit
    assert int((np.array(counts) * huffman.code_lengths(counts)).sum()) == cheapest(counts, 7)


@settings(max_examples=150, deadline=None)
@given(counts_of_any_size)
def test_lengths_cost_what_a_heap_finds_and_what_the_tree_has(counts):
    lengths = huffman.code_lengths(counts)
    used = np.count_nonzero(counts)
    assert (lengths > 0).tolist() == [c > 0 for c in counts]
    if used > 1:
        assert sum(2.0 ** -int(n) for n in lengths if n) == 1.0
        assert sum(c * int(n) for c, n in zip(counts, lengths, strict=True)) == heap_cost(counts)
        assert huffman.mean_length(counts, huffman.tree(counts).lengths(len(counts))) == pytest.approx(
            huffman.mean_length(counts, lengths)
        )
    if used:
        assert huffman.entropy(counts) <= huffman.mean_length(counts, lengths) + 1e-9
        assert used == 1 or huffman.mean_length(counts, lengths) < huffman.entropy(counts) + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=60), st.integers(0, 6))
def test_limited_lengths_obey_the_limit_and_lose_nothing_where_it_is_wide(counts, slack):
    limit = (len(counts) - 1).bit_length() + slack
    lengths = huffman.code_lengths(counts, limit)
    free = huffman.code_lengths(counts)
    assert int(lengths.max()) <= limit
    assert sum(2.0 ** -int(n) for n in lengths) == 1.0
    cost, least = (int((np.array(counts) * n.astype(np.int64)).sum()) for n in (lengths, free))
    assert cost >= least
    if int(free.max()) <= limit:
        assert cost == least


def test_a_limit_costs_less_the_wider_it_is():
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    costs = [huffman.mean_length(fibonacci, huffman.code_lengths(fibonacci, n)) for n in range(5, 31)]
    assert costs == sorted(costs, reverse=True)
    assert huffman.code_lengths(fibonacci).max() == 29
    assert costs[-1] == pytest.approx(huffman.mean_length(fibonacci, huffman.code_lengths(fibonacci)))


def test_equal_counts_make_the_flattest_code():
    for size in range(2, 70):
        lengths = huffman.code_lengths([7] * size)
        assert int(lengths.max()) - int(lengths.min()) <= 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=300))
def test_as_many_bits_as_dahuffman_without_its_end_mark(symbols):
    # dahuffman codes an end mark too; given a count of 0 it costs the shortest words one bit at most.
    frequencies = dict(zip(*np.unique(symbols, return_counts=True), strict=True))
    theirs = HuffmanCodec.from_frequencies({int(s): int(n) for s, n in frequencies.items()}).get_code_table()
    bits = sum(int(n) * theirs[int(s)][0] for s, n in frequencies.items())
    counts = np.bincount(symbols)
    ours = int((counts * huffman.code_lengths(counts)).sum())
    assert ours <= bits <= ours + 2 * max(frequencies.values())


def test_floats_are_weights_too():
    assert huffman.code_lengths([0.5, 0.25, 0.125, 0.125]).tolist() == [1, 2, 3, 3]
    assert huffman.entropy([0.5, 0.25, 0.125, 0.125]) == 1.75
    assert huffman.mean_length([0.5, 0.25, 0.125, 0.125], [1, 2, 3, 3]) == 1.75


def test_small_alphabets():
    assert huffman.code_lengths([]).tolist() == []
    assert huffman.code_lengths([0, 0]).tolist() == [0, 0]
    assert huffman.code_lengths([0, 9, 0]).tolist() == [0, 1, 0]
    assert huffman.code_lengths([1, 9]).tolist() == [1, 1]
    assert huffman.entropy([]) == huffman.entropy([0, 0]) == huffman.entropy([3]) == 0
    assert huffman.mean_length([], []) == 0


def test_65536_symbols():
    counts = np.random.default_rng(0).zipf(1.3, 65536).clip(max=10**9)
    for limit in (None, 16, 18, 24):
        lengths = huffman.code_lengths(counts, limit)
        assert sum(np.bincount(lengths)[n] * 2.0**-n for n in range(1, int(lengths.max()) + 1)) == 1
        assert limit is None or int(lengths.max()) <= limit
    assert (huffman.code_lengths(counts, 16) == 16).all()


def test_canonical_codes_follow_the_rule():
    lengths = [2, 0, 3, 1, 3]
    assert huffman.canonical_codes(lengths).tolist() == [0b10, 0, 0b110, 0b0, 0b111]
    assert huffman.HuffmanCode(np.array(lengths)).words == ("10", "", "110", "0", "111")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40))
def test_no_word_begins_another(counts):
    words = [w for w in huffman.HuffmanCode.from_counts(counts).words if w]
    ordered = sorted(words)
    assert all(not b.startswith(a) for a, b in itertools.pairwise(ordered))
    # Canonical: sorted by length and symbol they are sorted as bits, too.
    assert sorted(words, key=len) == ordered


def test_tree_of_the_textbook():
    root = huffman.tree([5, 9, 12, 13, 16, 45])
    assert root.weight == 100
    assert dict(root.leaves()) == {5: "0", 2: "100", 3: "101", 0: "1100", 1: "1101", 4: "111"}
    assert list(huffman.tree([0, 3]).leaves()) == [(1, "")]
    assert huffman.tree([0, 3]).lengths().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: huffman.code_lengths([1, 2, 3], 1), "limit is 1 bits"),
        (lambda: huffman.code_lengths([1, -1]), "at least 0"),
        (lambda: huffman.code_lengths([1.0, float("nan")]), "at least 0"),
        (lambda: huffman.code_lengths([1.0, float("inf")]), "finite"),
        (lambda: huffman.code_lengths([[1, 2]]), "one number for each"),
        (lambda: huffman.code_lengths(np.ones(65537, int)), "65,536"),
        (lambda: huffman.code_lengths([2**62, 2**62]), "2\\^56"),
        (lambda: huffman.canonical_codes([1, 1, 1]), "over-full"),
        (lambda: huffman.canonical_codes([33]), "at most 32"),
        (lambda: huffman.mean_length([1, 2], [1]), "lengths of 1"),
        (lambda: huffman.tree([0, 0]), "all counts are 0"),
        (lambda: huffman.HuffmanCode(np.array([1, 1, 2])), "over-full"),
        (lambda: huffman.HuffmanCode(np.array([1, 2])), "incomplete"),
        (lambda: huffman.HuffmanCode(np.array([2])), "incomplete"),
        (lambda: huffman.HuffmanCode(np.array([25, 1])), "at most 24"),
    ],
)
def test_says_what_is_wrong(call, words):
    with pytest.raises(HuffmanError, match=words):
        call()
