"""Loops over positions, entries and products, compiled by Numba; each is plain Python under ``.py_func``."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[Any]
"""int32 or int64."""
Codes = NDArray[np.uint8]
Numbers = NDArray[Any]


@njit(cache=True, nogil=True)
def count_entries(starts: Ints, rows: Ints, counts: Ints, bits: int) -> None:
    """Add up entries, padding zeros included, by column and PE.

    Args:
        starts: (columns + 1,) where each column begins in ``rows``.
        rows: (nonzeros,) rows of the weights, rising in each column.
        counts: (columns, pes) zeros, to be filled.
        bits: width of the count of zeros.
    """
    columns, pes = counts.shape
    last = np.empty(pes, np.int32)
    for j in range(columns):
        last[:] = -1
        for i in range(starts[j], starts[j + 1]):
            place, k = divmod(rows[i], pes)
            counts[j, k] += 1 + ((place - last[k] - 1) >> bits)
            last[k] = place


@njit(cache=True, nogil=True)
def column_ends(starts: Ints, rows: Ints, first: Ints, last: Ints, bits: int) -> None:
    """Write the accumulators that the first and the last entry of each column use, by column and PE; -1 without entry.

    The first entry may be padding; the last is always a weight.
    """
    columns, pes = first.shape
    reach = (1 << bits) - 1
    for j in range(columns):
        for i in range(starts[j], starts[j + 1]):
            place, k = divmod(rows[i], pes)
            if first[j, k] < 0:
                first[j, k] = min(place, reach)
            last[j, k] = place


@njit(cache=True, nogil=True)
def write_entries(  # noqa: PLR0917 - compiled functions take their arguments by position
    starts: Ints, rows: Ints, codes: Codes, offsets: Ints, v: Codes, z: Codes, bits: int
) -> None:
    """Write code and count of zeros of every entry where its PE and column have their room.

    Args:
        starts: (columns + 1,) where each column begins in ``rows``.
        rows: (nonzeros,) rows of the weights.
        codes: (nonzeros,) their codes.
        offsets: (columns, pes) where the entries of a column and PE begin in ``v`` and ``z``.
        v: (entries,) zeros, to be filled with codes.
        z: (entries,) to be filled with counts of zeros.
        bits: width of the count of zeros.
    """
    columns, pes = offsets.shape
    reach = (1 << bits) - 1
    last = np.empty(pes, np.int32)
    at = np.empty(pes, np.int64)
    for j in range(columns):
        last[:] = -1
        at[:] = offsets[j]
        for i in range(starts[j], starts[j + 1]):
            place, k = divmod(rows[i], pes)
            zeros = place - last[k] - 1
            while zeros > reach:
                z[at[k]] = reach
                at[k] += 1
                zeros -= reach + 1
            v[at[k]] = codes[i]
            z[at[k]] = zeros
            at[k] += 1
            last[k] = place


@njit(cache=True, nogil=True)
def matrix_reads(active: Ints, offsets: Ints, counts: Ints, per_row: int, reads: Ints) -> None:
    """Count the rows of the matrix SRAM that are read; a row that a PE holds is not read again.

    Args:
        active: (broadcasts,) columns in order.
        offsets: (columns, pes) address of each column's first entry.
        counts: (columns, pes) its entries.
        per_row: entries in a row.
        reads: (pes,) zeros, to be filled.
    """
    held, found = np.full(reads.size, -1, np.int32), np.zeros(reads.size, np.int32)
    shift = np.int32(0)
    while 1 << shift < per_row:
        shift += np.int32(1)
    if 1 << shift == per_row:
        for j in active:
            for k in range(reads.size):
                low, high = offsets[j, k] >> shift, (offsets[j, k] + counts[j, k] - 1) >> shift
                some = counts[j, k] > 0
                found[k] += high - low + (low != held[k]) if some else 0
                held[k] = high if some else held[k]
    else:
        for j in active:
            for k in range(reads.size):
                if counts[j, k] > 0:
                    low, high = offsets[j, k] // per_row, (offsets[j, k] + counts[j, k] - 1) // per_row
                    found[k] += high - low + (low != held[k])
                    held[k] = high
    reads[:] = found


@njit(cache=True, nogil=True)
def accumulate(  # noqa: PLR0917 - compiled functions take their arguments by position
    starts: Ints,
    rows: Ints,
    codes: Codes,
    table: Ints,
    act: Ints,
    sums: Ints,
    shift: int,
    low: int,
    high: int,
) -> None:
    """Add up a matrix's products with a vector in fixed point, a column at a time: round, add, saturate.

    Args:
        starts: (columns + 1,) where each column begins.
        rows: (nonzeros,) rows of the weights.
        codes: (nonzeros,) their codes.
        table: integers of the codes.
        act: (columns,) integers of the inputs.
        sums: (rows,) the accumulators.
        shift: places that a product loses.
        low: least sum.
        high: greatest sum.
    """
    half = (np.int64(1) << shift) >> 1
    for j in range(act.size):
        if act[j] != 0:
            for i in range(starts[j], starts[j + 1]):
                product = (table[codes[i]] * act[j] + half) >> shift
                sums[rows[i]] = min(max(sums[rows[i]] + product, low), high)


@njit(cache=True, nogil=True)
def accumulate_float(  # noqa: PLR0917 - as above
    starts: Ints, rows: Ints, codes: Codes, table: Numbers, act: Numbers, sums: Numbers
) -> float:
    """Add up the products in floating point.

    Returns:
        The largest magnitude that a sum had on the way.
    """
    largest = 0.0
    for j in range(act.size):
        if act[j] != 0:
            for i in range(starts[j], starts[j + 1]):
                sums[rows[i]] += table[codes[i]] * act[j]
                largest = max(largest, abs(sums[rows[i]]))
    return largest


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, so that no call has to."""
    from efflab import eie  # noqa: PLC0415 - the package imports this module

    matrix, inputs = np.eye(8), np.arange(8.0)
    for precision in ("int16", "float32"):
        for bypass in (True, False):
            machine = eie.Machine(pes=2, fifo=2, precision=precision, bypass=bypass)
            layer = eie.encode(matrix, machine)
            for engine in ("event", "cycle"):
                eie.simulate(layer, inputs, engine=engine)
                eie.simulate(layer.pattern, inputs > 0, machine, engine)
            eie.trace(layer, inputs)
            assert layer.csc.shape == layer.shape
