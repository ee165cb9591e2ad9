"""Loops over the bits of a tensor, compiled by Numba; each is plain Python under ``.py_func``.

Bits that are not all zero are looked up in an open hash table of ``keys`` and ``counts`` (0: the slot is free).
"""
# ruff: noqa: PLR0917 - compiled loops are called with their arguments in order

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bits = NDArray[Any]
Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]
Index = NDArray[np.int32]
Symbols = NDArray[np.uint16]
Int = int | np.int64

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
# 2^32 over the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4); a product of two numbers
# below 2^32 does not overflow, so that the loops mean the same with Numba off.
MULTIPLIER = np.uint64(0x9E3779B1)


@njit(cache=True, nogil=True)
def compact(bits: Bits, index: Index, keys: Keys) -> Int:
    """Gather the elements that are not all zero bits: where they stand, and their bits; return how many there are."""
    found = 0
    for i in range(bits.size):
        index[found] = i
        found += bits[i] != 0
    # Bits are gathered afterwards, so that each element costs one write, whether it is kept or not.
    for j in range(found):
        keys[j] = bits[index[j]]
    return found


@njit(cache=True, nogil=True)
def slot_of(key: np.uint64, table: Keys, counts: Counts, shift: np.uint64) -> Int:
    """The slot that holds ``key``, or the free one where it belongs; the table has 2^(32 - shift) slots."""
    folded = (key ^ (key >> HALF)) & LOW
    slot: Int = np.int64(((folded * MULTIPLIER) & LOW) >> shift)
    last = counts.size - 1
    while counts[slot] != 0 and table[slot] != key:
        slot = 0 if slot == last else slot + 1
    return slot


@njit(cache=True, nogil=True)
def tally(
    keys: Keys, table: Keys, counts: Counts, shift: np.uint64, distinct: Int, limit: Int
) -> tuple[Int, Int]:
    """Count keys in the table, until one more than ``limit`` would stand there.

    Returns:
        How many keys were counted, and how many distinct ones the table holds.
    """
    for i in range(keys.size):
        slot = slot_of(keys[i], table, counts, shift)
        if counts[slot] == 0:
            if distinct == limit:
                return i, distinct
            table[slot] = keys[i]
            distinct += 1
        counts[slot] += 1
    return keys.size, distinct


@njit(cache=True, nogil=True)
def tally_gaps(
    index: Index, base: Int, previous: Int, counts: Counts, long: Counts, longs: Int
) -> tuple[Int, Int]:
    """Count the zeros before each element found in a chunk that begins at ``base``.

    Args:
        index: places of the elements within the chunk.
        base: place of the chunk's first element.
        previous: place of the last element before the chunk, -1 at the beginning.
        counts: gaps by length, added to.
        long: takes the gaps that are too long for ``counts``.
        longs: how many it holds.

    Returns:
        The new ``previous`` and ``longs``.
    """
    for i in range(index.size):
        place = base + np.int64(index[i])
        gap = place - previous - 1
        previous = place
        if gap < counts.size:
            counts[gap] += 1
        else:
            long[longs] = gap
            longs += 1
    return previous, longs


@njit(cache=True, nogil=True)
def tally_columns(
    index: Index, base: Int, columns: Int, first: Index, last: Index, counts: Counts, long: Counts, longs: Int
) -> Int:
    """Count the zeros between neighbours within each column, reading along the rows.

    Args:
        index: places of the elements within the chunk.
        base: place of the chunk's first element.
        columns: columns of the matrix.
        first: row of each column's first element, written when it is met.
        last: row of each column's last element so far, -1 while there is none.
        counts: gaps by length, added to.
        long: takes the gaps that are too long for ``counts``.
        longs: how many it holds.

    Returns:
        The new ``longs``.
    """
    row = base // columns
    column = base - row * columns
    place: Int = 0
    for i in range(index.size):
        column += np.int64(index[i]) - place
        place = np.int64(index[i])
        if column >= columns:
            down = column // columns
            row += down
            column -= down * columns
        if last[column] < 0:
            first[column] = row
        else:
            gap = row - np.int64(last[column]) - 1
            if gap < counts.size:
                counts[gap] += 1
            else:
                long[longs] = gap
                longs += 1
        last[column] = row
    return longs


@njit(cache=True, nogil=True)
def emit(
    index: Index,
    keys: Keys,
    start: Int,
    base: Int,
    previous: Int,
    table: Keys,
    counts: Counts,
    shift: np.uint64,
    label_of: Symbols,
    filler: Int,
    bits: Int,
    labels: Symbols,
    gaps: Symbols,
    filled: Int,
) -> tuple[Int, Int, Int]:
    """Write labels and gaps of the elements of a chunk, fillers between them, until the buffers are full.

    Args:
        index: places of the elements within the chunk.
        keys: their bits.
        start: the first that is not written yet.
        base: place of the chunk's first element.
        previous: place of the last entry, filler or not.
        table: the hash table's keys.
        counts: its counts.
        shift: its shift.
        label_of: label of each slot.
        filler: label of a filler.
        bits: index bits; a gap is below 2^bits, and a filler's is the largest.
        labels: buffer.
        gaps: buffer.
        filled: entries in the buffers.

    Returns:
        The new ``start``, ``previous`` and ``filled``.
    """
    step = 1 << bits
    while start < index.size:
        place = base + np.int64(index[start])
        gap = place - previous - 1
        while gap >= step:
            if filled == labels.size:
                return start, previous, filled
            labels[filled] = filler
            gaps[filled] = step - 1
            filled += 1
            previous += step
            gap -= step
        if filled == labels.size:
            return start, previous, filled
        labels[filled] = label_of[slot_of(keys[start], table, counts, shift)]
        gaps[filled] = gap
        filled += 1
        previous = place
        start += 1
    return start, previous, filled


@njit(cache=True, nogil=True)
def label(
    keys: Keys, table: Keys, counts: Counts, shift: np.uint64, label_of: Symbols, zero: Int, labels: Symbols
) -> None:
    """Write the label of every element; ``zero`` is that of all zero bits."""
    for i in range(keys.size):
        if keys[i] == 0:
            labels[i] = zero
        else:
            labels[i] = label_of[slot_of(keys[i], table, counts, shift)]


@njit(cache=True, nogil=True)
def gather(codebook: Bits, labels: Symbols, out: Bits) -> None:
    """Write the codebook's value for every label."""
    for i in range(labels.size):
        out[i] = codebook[labels[i]]


@njit(cache=True, nogil=True)
def scatter_rows(codebook: Bits, labels: Symbols, gaps: Symbols, previous: Int, out: Bits) -> None:
    """Write the values of entries where their gaps put them, along the rows; the gaps are known to end within ``out``."""
    for i in range(labels.size):
        previous += np.int64(gaps[i]) + 1
        out[previous] = codebook[labels[i]]


@njit(cache=True, nogil=True)
def scatter_columns(
    codebook: Bits, labels: Symbols, gaps: Symbols, previous: Int, out: Bits, rows: Int, columns: Int
) -> None:
    """Write the values of entries where their gaps put them, down the columns."""
    column = previous // rows
    row = previous - column * rows
    for i in range(labels.size):
        row += np.int64(gaps[i]) + 1
        if row >= rows:
            right = row // rows
            column += right
            row -= right * rows
        out[row * columns + column] = codebook[labels[i]]


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, so that no call has to."""
    index, keys, counts, symbols = "int32[::1]", "uint64[::1]", "int64[::1]", "uint16[::1]"
    table = f"{keys}, {counts}, uint64"
    slot_of.compile(f"(uint64, {table})")
    tally.compile(f"({keys}, {table}, int64, int64)")
    tally_gaps.compile(f"({index}, int64, int64, {counts}, {counts}, int64)")
    tally_columns.compile(f"({index}, int64, int64, {index}, {index}, {counts}, {counts}, int64)")
    emit.compile(
        f"({index}, {keys}, int64, int64, int64, {table}, {symbols}, int64, int64, {symbols}, {symbols}, int64)"
    )
    label.compile(f"({keys}, {table}, {symbols}, int64, {symbols})")
    for width in (8, 16, 32, 64):
        bits = f"uint{width}[::1]"
        compact.compile(f"({bits}, {index}, {keys})")
        gather.compile(f"({bits}, {symbols}, {bits})")
        scatter_rows.compile(f"({bits}, {symbols}, {symbols}, int64, {bits})")
        scatter_columns.compile(f"({bits}, {symbols}, {symbols}, int64, {bits}, int64, int64)")
