"""The loops over codes: imported by the functions that need them, since numba is slow to load."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.deep_compression.codes import FILLER

# Columns of the input that stay in the first-level cache with the row of the output.
_TILE = 512


@njit(cache=True, nogil=True, fastmath={"contract"})
def multiply(  # noqa: PLR0917 - numba takes positions
    codes: NDArray[Any],
    gaps: NDArray[np.uint8],
    starts: NDArray[Any],
    codebook: NDArray[np.float32],
    x: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Add W x to ``out``: x has shape (columns of W, batch), ``out`` (rows of W, batch), both contiguous."""
    batch = x.shape[1]
    for low in range(0, batch, _TILE):
        high = min(low + _TILE, batch)
        for row in range(out.shape[0]):
            column = -1
            total = out[row, low:high]
            for at in range(starts[row], starts[row + 1]):
                gap = gaps[at]
                if gap == FILLER:
                    column += FILLER
                    continue
                column += gap + 1
                weight = codebook[codes[at]]
                part = x[column, low:high]
                for one in range(high - low):
                    total[one] += weight * part[one]


@njit(cache=True, nogil=True, fastmath={"contract"})
def multiply_one(  # noqa: PLR0917 - numba takes positions
    codes: NDArray[Any],
    gaps: NDArray[np.uint8],
    starts: NDArray[Any],
    codebook: NDArray[np.float32],
    x: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Add W x to ``out`` for one input: x has shape (columns of W,), ``out`` (rows of W,)."""
    for row in range(out.shape[0]):
        column = -1
        total = np.float32(0)
        for at in range(starts[row], starts[row + 1]):
            gap = gaps[at]
            if gap == FILLER:
                column += FILLER
                continue
            column += gap + 1
            total += codebook[codes[at]] * x[column]
        out[row] += total


@njit(cache=True, nogil=True)
def decode_sparse(
    codes: NDArray[Any],
    gaps: NDArray[np.uint8],
    starts: NDArray[Any],
    codebook: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Write the weights of some rows into ``out``, (rows, columns) of zeros; ``starts`` are theirs."""
    for row in range(out.shape[0]):
        column = -1
        for at in range(starts[row], starts[row + 1]):
            gap = gaps[at]
            if gap == FILLER:
                column += FILLER
                continue
            column += gap + 1
            out[row, column] = codebook[codes[at]]


@njit(cache=True, nogil=True)
def decode_dense(codes: NDArray[Any], codebook: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write a weight for every code into ``out``, flat."""
    for at in range(out.size):
        out[at] = codebook[codes[at]]


@njit(cache=True, nogil=True)
def decode_halves(
    codes: NDArray[np.uint8], first: int, codebook: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write the weights from number ``first`` on, two to a byte, the low half first, into ``out``, flat."""
    for at in range(out.size):
        pair = np.int64(codes[(first + at) >> 1])
        out[at] = codebook[pair >> 4 if (first + at) & 1 else pair & 15]


@njit(cache=True, nogil=True)
def count_by_rows(  # noqa: PLR0917 - numba takes positions
    labels: NDArray[Any],
    gaps: NDArray[Any],
    kept: NDArray[np.bool_],
    columns: int,
    by_columns: bool,
    counts: NDArray[np.int64],
) -> bool:
    """Count the entries that every row takes once its gaps begin anew; False where one lies outside the matrix."""
    rows = counts.size
    last = np.full(rows, -1, np.int64)
    place = -1
    for at in range(labels.size):
        place += int(gaps[at]) + 1
        if not kept[labels[at]]:
            continue
        if place >= rows * columns:
            return False
        row = place % rows if by_columns else place // columns
        column = place // rows if by_columns else place % columns
        counts[row] += 1 + (column - last[row] - 1) // FILLER
        last[row] = column
    return True


@njit(cache=True, nogil=True)
def write_by_rows(  # noqa: PLR0917 - numba takes positions
    labels: NDArray[Any],
    gaps: NDArray[Any],
    kept: NDArray[np.bool_],
    relabel: NDArray[Any],
    columns: int,
    by_columns: bool,
    starts: NDArray[Any],
    codes_out: NDArray[Any],
    gaps_out: NDArray[np.uint8],
) -> None:
    """Write codes and gaps row by row, where ``count_by_rows`` has made room; ``gaps_out`` holds fillers."""
    rows = starts.size - 1
    last = np.full(rows, -1, np.int64)
    cursor = starts[:-1].astype(np.int64)
    place = -1
    for at in range(labels.size):
        place += int(gaps[at]) + 1
        if not kept[labels[at]]:
            continue
        row = place % rows if by_columns else place // columns
        column = place // rows if by_columns else place % columns
        zeros = column - last[row] - 1
        cursor[row] += zeros // FILLER
        codes_out[cursor[row]] = relabel[labels[at]]
        gaps_out[cursor[row]] = zeros % FILLER
        cursor[row] += 1
        last[row] = column


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, so that no call has to."""
    gaps, starts, floats, kept = "uint8[::1]", "int32[::1]", "float32[::1]", "boolean[::1]"
    for codes in ("uint8[::1]", "uint16[::1]"):
        matrix = f"{codes}, {gaps}, {starts}, {floats}"
        multiply.compile(f"({matrix}, float32[:, ::1], float32[:, ::1])")
        multiply_one.compile(f"({matrix}, {floats}, {floats})")
        decode_sparse.compile(f"({matrix}, float32[:, ::1])")
        decode_dense.compile(f"({codes}, {floats}, {floats})")
        read = f"{codes}, {gaps}, {kept}"
        count_by_rows.compile(f"({read}, int64, boolean, int64[::1])")
        write_by_rows.compile(f"({read}, {codes}, int64, boolean, {starts}, {codes}, {gaps})")
    decode_halves.compile(f"(uint8[::1], int64, {floats}, {floats})")
