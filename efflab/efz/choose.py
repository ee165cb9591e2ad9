"""Which way of writing a tensor takes the fewest bytes: every width and order of the index is weighed, exactly."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from efflab import huffman
from efflab.efz.layout import CODEBOOK, COLUMNS, MAX_INDEX_BITS, MAX_K, RAW, ROWS, SPARSE
from efflab.efz.scan import Counts, Gaps, Scan

Lengths = NDArray[np.uint8]

# Words of at most 12 bits are decoded several at a look-up; large alphabets need longer ones.
_WORD = 12
# Numbers in the directory beyond those of a raw tensor.
_RECORD = 12
# Reading down the columns is slower, so that it has to pay.
_COLUMNS_PAY = 1.002


@dataclass(frozen=True)
class Plan:
    """How to write a tensor.

    Attributes:
        coding: raw, codebook or sparse.
        cost: bytes, exact but for some bytes of the directory and of blocks.
        codebook: bit patterns by label, those with the shortest words first.
        labels: lengths of the labels' words; empty where one label needs none.
        gaps: lengths of the gaps' words.
        index_bits: width of a gap.
        order: rows or columns.
        fillers: entries whose value is zero.
        nonzeros: entries whose value is not; None where all values are entries.
    """

    coding: str
    cost: float
    codebook: NDArray[np.uint64]
    labels: Lengths
    gaps: Lengths
    index_bits: int = 0
    order: str = ROWS
    fillers: int = 0
    nonzeros: int | None = None


_NOTHING = np.zeros(0, np.uint8)


def raw(size: int, itemsize: int) -> Plan:
    """The plan to leave a tensor as it is."""
    return Plan(RAW, size * itemsize, np.zeros(0, np.uint64), _NOTHING, _NOTHING)


def limit_for(used: int, limit: int | None) -> int:
    """The longest word for an alphabet of which ``used`` symbols occur."""
    needed = (max(used, 2) - 1).bit_length()
    return max(_WORD, needed + 2) if limit is None else max(limit, needed)


def choose(found: Scan, itemsize: int, *, widths: tuple[int, ...], limit: int | None = None) -> Plan:
    """The cheapest plan.

    Args:
        found: counts of the tensor.
        itemsize: bytes of one value.
        widths: index widths to weigh, in bits.
        limit: longest word in bits.

    Returns:
        The plan with the fewest bytes; among equals the simplest.
    """
    best = raw(found.size, itemsize)
    if found.table is None or found.size == 0:
        return best
    candidates = sorted(_candidates(found, itemsize, widths), key=lambda each: each.bound)
    for candidate in candidates:
        # No Huffman code is below the entropy, so that the rest cannot win either.
        if candidate.bound >= best.cost:
            break
        plan = candidate.plan(itemsize, limit)
        best = plan if plan.cost < best.cost else best
    return best


@dataclass(frozen=True)
class _Candidate:
    """A way of writing, with a bound from entropies that is cheap."""

    patterns: NDArray[np.uint64]
    counts: Counts
    gaps: Counts | None
    bound: float
    index_bits: int = 0
    order: str = ROWS
    fillers: int = 0
    nonzeros: int | None = None

    def plan(self, itemsize: int, limit: int | None) -> Plan:
        """The exact cost."""
        lengths = _lengths(self.counts, limit)
        order = np.argsort(lengths, kind="stable")
        codebook, labels, counts = self.patterns[order], lengths[order], self.counts[order]
        bits = 0.0
        if labels.size == 1:
            labels = _NOTHING
        else:
            bits += _bits(counts, labels)
        cost = _RECORD + codebook.size * itemsize
        cost += len(huffman.pack_lengths(labels)) if labels.size else 0
        words = _NOTHING
        if self.gaps is not None and self.nonzeros:
            words = _lengths(self.gaps, limit)
            bits += _bits(self.gaps, words)
            cost += len(huffman.pack_lengths(words))
        factor = _COLUMNS_PAY if self.order == COLUMNS else 1.0
        coding = CODEBOOK if self.nonzeros is None else SPARSE
        return Plan(
            coding, factor * (cost + math.ceil(bits / 8)), codebook, labels, words,
            self.index_bits, self.order, self.fillers, self.nonzeros,
        )  # fmt: skip


def _lengths(counts: Counts, limit: int | None) -> Lengths:
    lengths: Lengths = huffman.code_lengths(counts, limit_for(int(np.count_nonzero(counts)), limit))
    return lengths


def _bits(counts: Counts, lengths: Lengths) -> float:
    return float(np.dot(counts, lengths.astype(np.int64)))


def entropy_bits(counts: Counts) -> float:
    """Bits that no code of the counted symbols goes below."""
    return huffman.entropy(counts) * float(counts.sum())


def _candidates(found: Scan, itemsize: int, widths: tuple[int, ...]) -> Iterator[_Candidate]:
    dense = _dense(found, itemsize)
    if dense is not None:
        yield dense
    for order, gaps in found.gaps.items():
        for bits, symbols, fillers in folded(gaps):
            # A bit that no gap needs changes nothing, and the narrower index says the same.
            spare = bits - 1 in widths and not fillers and not symbols[symbols.size // 2 :].any()
            if bits in widths and not spare:
                candidate = _sparse(found, itemsize, symbols, fillers, _Index(bits, order))
                if candidate is not None:
                    yield candidate


def _with_zero(found: Scan, zeros: int) -> tuple[NDArray[np.uint64], Counts] | None:
    """Patterns and counts, the zero among them where it is needed; None where no codebook holds them."""
    assert found.table is not None
    patterns, counts = found.table.patterns
    if zeros:
        patterns, counts = np.append(np.uint64(0), patterns), np.append(np.int64(zeros), counts)
    return (patterns, counts) if patterns.size <= MAX_K else None


def _dense(found: Scan, itemsize: int) -> _Candidate | None:
    book = _with_zero(found, found.size - found.nonzeros)
    if book is None:
        return None
    bound = _RECORD + book[0].size * itemsize + entropy_bits(book[1]) / 8
    return _Candidate(*book, None, bound)


@dataclass(frozen=True)
class _Index:
    bits: int
    order: str


def _sparse(found: Scan, itemsize: int, gaps: Counts, fillers: int, index: _Index) -> _Candidate | None:
    book = _with_zero(found, fillers)
    if book is None:
        return None
    bound = _RECORD + book[0].size * itemsize + (entropy_bits(book[1]) + entropy_bits(gaps)) / 8
    bound *= _COLUMNS_PAY if index.order == COLUMNS else 1.0
    bits = index.bits if found.nonzeros else 0
    return _Candidate(*book, gaps, bound, bits, index.order, fillers, found.nonzeros)


def folded(gaps: Gaps) -> Iterator[tuple[int, Counts, int]]:
    """The relative index at every width.

    Args:
        gaps: gaps of any length.

    Yields:
        Bits of the index from 16 down to 1, how often each gap below 2^bits is written (fillers are the largest), and the
        number of fillers: floor(gap / 2^bits) for each gap, whose remainder is written after them.
    """
    listed = gaps.listed
    fillers = int((listed >> MAX_INDEX_BITS).sum())
    remainders = gaps.counts.copy()
    np.add.at(remainders, listed & ((1 << MAX_INDEX_BITS) - 1), 1)
    for bits in range(MAX_INDEX_BITS, 0, -1):
        symbols = remainders.copy()
        symbols[-1] += fillers
        yield bits, symbols, fillers
        half = remainders.size // 2
        fillers = 2 * fillers + int(remainders[half:].sum())
        remainders = remainders[:half] + remainders[half:]
