"""One pass over a tensor's bits: how many are zero, which others there are, and how far they stand apart."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from efflab.efz.dtypes import Bits
from efflab.efz.layout import COLUMNS, MAX_K, ROWS

CHUNK = 1 << 16
"""Elements looked at together, so that what is kept of them stays in the processor's second-level cache."""

_SMALL_SLOTS = 12
_LARGE_SLOTS = 18
_GAPS = 1 << 16
_PANEL = 8

Counts = NDArray[np.int64]
Int = int | np.int64


class Table:
    """Distinct bit patterns and how often each occurs, in a hash table that grows once."""

    def __init__(self) -> None:
        self._resize(_SMALL_SLOTS)

    def _resize(self, slots: int) -> None:
        self.keys = np.zeros(1 << slots, np.uint64)
        self.counts = np.zeros(1 << slots, np.int64)
        self.shift = np.uint64(32 - slots)
        self.limit = min(1 << (slots - 2), MAX_K)
        self.distinct: Int = 0

    def add(self, keys: NDArray[np.uint64]) -> bool:
        """Count keys; False where there are more distinct ones than a codebook may hold."""
        from efflab.efz import _kernels  # noqa: PLC0415 - Numba loads only where a file is written

        done, self.distinct = _kernels.tally(
            keys, self.keys, self.counts, self.shift, self.distinct, self.limit
        )
        if done == keys.size:
            return True
        if self.limit == MAX_K:
            return False
        used = self.counts > 0
        old, counts = self.keys[used], self.counts[used]
        self._resize(_LARGE_SLOTS)
        _, self.distinct = _kernels.tally(old, self.keys, self.counts, self.shift, 0, self.limit)
        slots = np.array([_kernels.slot_of(key, self.keys, self.counts, self.shift) for key in old])
        self.counts[slots] = counts
        return self.add(keys[done:])

    @property
    def patterns(self) -> tuple[NDArray[np.uint64], Counts]:
        """The distinct patterns in increasing order, and their counts."""
        used = self.counts > 0
        order = np.argsort(self.keys[used])
        return self.keys[used][order], self.counts[used][order]


@dataclass
class Gaps:
    """Lengths of the runs of zeros before each non-zero: counted below 65,536, listed above."""

    counts: Counts = field(default_factory=lambda: np.zeros(_GAPS, np.int64))
    long: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    longs: Int = 0

    def room(self, size: int) -> None:
        """Make room for the long gaps of a tensor of ``size`` elements."""
        self.long = np.zeros(size // _GAPS + 2, np.int64)

    def add(self, gaps: Counts) -> None:
        """Count some more."""
        short = gaps[gaps < _GAPS]
        np.add.at(self.counts, short, 1)
        more = gaps[gaps >= _GAPS]
        self.long[self.longs : self.longs + more.size] = more
        self.longs += more.size

    @property
    def listed(self) -> Counts:
        """The long ones."""
        return self.long[: self.longs]


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    Attributes:
        size: elements.
        nonzeros: those whose bits are not all zero.
        table: their patterns; None where there are more than a codebook may hold.
        gaps: the gaps by order.
    """

    size: int
    nonzeros: int
    table: Table | None
    gaps: dict[str, Gaps]


def scan(bits: Bits, rows: int, orders: tuple[str, ...]) -> Scan:
    """Look at a tensor once.

    Args:
        bits: flat unsigned integers.
        rows: rows of the matrix that they are, row by row.
        orders: ways through it whose gaps are counted.

    Returns:
        Counts of everything that the coding is chosen by.
    """
    from efflab.efz import _kernels  # noqa: PLC0415 - as above

    table = Table()
    gaps = {order: Gaps() for order in orders}
    for each in gaps.values():
        each.room(bits.size)
    columns = bits.size // rows if rows else 0
    first, last = (np.full(columns if COLUMNS in orders else 0, -1, np.int32) for _ in range(2))
    nonzeros = 0
    previous: Int = -1
    for base, index, keys in nonzeros_of(chunks(bits)):
        nonzeros += index.size
        if not table.add(keys):
            return Scan(bits.size, nonzeros, None, {})
        if ROWS in gaps:
            along = gaps[ROWS]
            previous, along.longs = _kernels.tally_gaps(
                index, base, previous, along.counts, along.long, along.longs
            )
        if COLUMNS in gaps:
            down = gaps[COLUMNS]
            down.longs = _kernels.tally_columns(
                index, base, columns, first, last, down.counts, down.long, down.longs
            )
    if COLUMNS in gaps:
        gaps[COLUMNS].add(_between(first, last, rows))
    return Scan(bits.size, nonzeros, table, gaps)


def _between(first: NDArray[np.int32], last: NDArray[np.int32], rows: int) -> Counts:
    """The gaps that reach from one column's last element to the next column's first."""
    used = np.flatnonzero(last >= 0)
    starts = used * rows + first[used]
    ends = used * rows + last[used]
    return (starts - np.append(-1, ends[:-1]) - 1).astype(np.int64) if used.size else starts.astype(np.int64)


def chunks(bits: Bits) -> Iterator[tuple[int, Bits]]:
    """Pieces of a flat array, with the place where each begins."""
    for start in range(0, bits.size, CHUNK):
        yield start, bits[start : start + CHUNK]


def chunks_down(bits: Bits, rows: int) -> Iterator[tuple[int, Bits]]:
    """Pieces of a matrix read column by column, with the place where each begins in that order."""
    matrix = bits.reshape(rows, -1)
    width = max(_PANEL, CHUNK // rows)
    for left in range(0, matrix.shape[1], width):
        panel = np.ascontiguousarray(matrix[:, left : left + width].T).reshape(-1)
        for start, piece in chunks(panel):
            yield left * rows + start, piece


def nonzeros_of(
    pieces: Iterator[tuple[int, Bits]],
) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.uint64]]]:
    """Of each piece: where it begins, where in it its non-zeros stand, and their bits (buffers that are used again)."""
    from efflab.efz import _kernels  # noqa: PLC0415 - as above

    index, keys = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.uint64)
    for base, piece in pieces:
        found = _kernels.compact(piece, index, keys)
        yield base, index[:found], keys[:found]
