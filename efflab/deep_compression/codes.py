"""A weight matrix as codes: row by row the gaps between its non-zeros, each with the code of its value; or a code for every weight.

The gaps are the relative index of ICLR 2016, section 2, of eight bits, begun anew in every row; the largest gap is no weight
but spans 255 zeros. Where few weights are zero every weight has its code, and none a gap; up to 16 values then take half
a byte each.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError

FILLER = 255
MOST_VALUES = 2**16
_HALF_BYTE_VALUES = 16


@dataclass(frozen=True, eq=False)
class PackedMatrix:
    """What a packed layer keeps of its weights.

    Args:
        codes: (entries,) or (rows x columns,), uint8 or uint16; two to a byte, the low half first, for dense ones of up to
            16 values.
        gaps: (entries,) uint8; empty where every weight has a code.
        starts: (rows + 1,) int32 or int64, entry at which each row begins; empty where every weight has a code.
        codebook: (k,), the values.
    """

    codes: Tensor
    gaps: Tensor
    starts: Tensor
    codebook: Tensor

    @property
    def halves(self) -> bool:
        """Whether two codes share a byte."""
        return not self.starts.numel() and self.codebook.numel() <= _HALF_BYTE_VALUES

    @property
    def nbytes(self) -> int:
        """Bytes of all four."""
        return sum(part.nbytes for part in (self.codes, self.gaps, self.starts, self.codebook))


def pack_matrix(weight: Tensor) -> PackedMatrix | None:
    """Pack a matrix whose weights have few values.

    Args:
        weight: (rows, columns), finite.

    Returns:
        The smaller of its two forms; None where neither is smaller than the matrix, or it has too many values.
    """
    flat = weight.detach().flatten()
    positions = flat.nonzero().flatten()
    values, labels = torch.unique(flat[positions], return_inverse=True)
    rows, columns = weight.shape
    return pack_codes(positions.cpu().numpy(), labels.cpu().numpy(), values, (rows, columns), weight.nbytes)


def pack_codes(
    positions: NDArray[np.int64],
    labels: NDArray[Any],
    values: Tensor,
    shape: tuple[int, int],
    dense_bytes: int,
) -> PackedMatrix | None:
    """Pack a matrix given by its non-zeros.

    Args:
        positions: of the non-zeros, scanned row by row, rising.
        labels: of their values.
        values: (k,).
        shape: rows and columns.
        dense_bytes: the form must be smaller.

    Returns:
        The smaller form; None where neither is smaller than ``dense_bytes``, or there are more than 65,536 values.
    """
    rows, columns = shape
    gaps, fillers = _gaps(positions, columns)
    zeros = positions.size < rows * columns
    width = 1 if values.numel() <= 2**8 else 2
    all_values = values.numel() + zeros
    dense_width = 0.5 if all_values <= _HALF_BYTE_VALUES else 1 if all_values <= 2**8 else 2
    entries = positions.size + int(fillers.sum())
    start_type = np.int32 if entries < 2**31 else np.int64
    sparse_bytes = entries * (width + 1) + (rows + 1) * np.dtype(start_type).itemsize
    code_bytes = int(rows * columns * dense_width + 0.5)
    if all_values > MOST_VALUES or min(sparse_bytes, code_bytes) + 4 * all_values >= dense_bytes:
        return None
    if code_bytes <= sparse_bytes:
        return _dense_form(positions, labels, values, rows * columns, zeros=zeros)
    return _sparse_form(positions, gaps, fillers, labels, values, shape, start_type)


def regroup(codes: Any) -> PackedMatrix | None:
    """Pack the codes that an ``.efz`` file holds, without a dense matrix or its positions.

    Args:
        codes: ``efflab.efz.Codes`` of a matrix or kernel; its first dimension has the rows.

    Returns:
        The packed matrix; None where it would not be smaller than the dense one.

    Raises:
        EfflabError: the codes reach outside the matrix.
    """
    rows = codes.shape[0]
    columns = math.prod(codes.shape[1:])
    dense_bytes = rows * columns * codes.codebook.element_size()
    if codes.labels.size and int(codes.labels.max()) >= codes.codebook.numel():
        raise EfflabError(f"codes name value {int(codes.labels.max())} of {codes.codebook.numel()}")
    if codes.gaps is None:
        packed = _from_labels(codes.labels, codes.codebook)
        return packed if packed.nbytes < dense_bytes else None
    from efflab.deep_compression import _kernels  # noqa: PLC0415 - numba's cost, where it is needed

    kept = (codes.codebook != 0).numpy()
    counts = np.zeros(rows, np.int64)
    by_columns = codes.order == "columns"
    if not _kernels.count_by_rows(codes.labels, codes.gaps, kept, columns, by_columns, counts):
        raise EfflabError(f"codes reach outside their {rows}x{columns} matrix")
    book = codes.codebook[torch.from_numpy(kept)]
    entries, code_type = int(counts.sum()), np.uint8 if book.numel() <= 2**8 else np.uint16
    starts = np.concatenate([[0], counts.cumsum()]).astype(np.int32 if entries < 2**31 else np.int64)
    relabel = (np.cumsum(kept) - 1).astype(code_type)
    out, gaps = np.zeros(entries, code_type), np.full(entries, FILLER, np.uint8)
    _kernels.write_by_rows(codes.labels, codes.gaps, kept, relabel, columns, by_columns, starts, out, gaps)
    packed = PackedMatrix(torch.from_numpy(out), torch.from_numpy(gaps), torch.from_numpy(starts), book)
    return packed if packed.nbytes < dense_bytes else None


def _from_labels(labels: NDArray[Any], book: Tensor) -> PackedMatrix:
    """A code for every weight, half a byte each where there are few values."""
    codes = labels
    if book.numel() <= _HALF_BYTE_VALUES:
        padded = np.append(labels, np.zeros(labels.size % 2, np.uint8))
        codes = padded[0::2] | (padded[1::2] << 4)
    empty = torch.zeros(0, dtype=torch.uint8)
    return PackedMatrix(torch.from_numpy(codes), empty, torch.zeros(0, dtype=torch.int32), book.cpu())


def _gaps(positions: NDArray[np.int64], columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Zeros before each non-zero in its own row: those that its gap counts, and how many fillers span the others."""
    before = np.diff(positions, prepend=-1) - 1
    column = positions % max(columns, 1)
    zeros = np.minimum(before, column)
    return zeros % FILLER, zeros // FILLER


def _sparse_form(  # noqa: PLR0917 - made in one place
    positions: NDArray[np.int64],
    gaps: NDArray[np.int64],
    fillers: NDArray[np.int64],
    labels: NDArray[Any],
    values: Tensor,
    shape: tuple[int, int],
    start_type: Any,
) -> PackedMatrix:
    rows, columns = shape
    ends = np.cumsum(fillers + 1)
    entries = int(ends[-1]) if ends.size else 0
    all_gaps = np.full(entries, FILLER, np.uint8)
    codes = np.zeros(entries, np.uint8 if values.numel() <= 2**8 else np.uint16)
    all_gaps[ends - 1] = gaps
    codes[ends - 1] = labels
    before = np.searchsorted(positions, np.arange(rows + 1) * columns)
    starts = np.concatenate([[0], ends])[before].astype(start_type)
    return PackedMatrix(
        torch.from_numpy(codes), torch.from_numpy(all_gaps), torch.from_numpy(starts), values.cpu()
    )


def _dense_form(
    positions: NDArray[np.int64], labels: NDArray[Any], values: Tensor, weights: int, *, zeros: bool
) -> PackedMatrix:
    book = torch.cat([values.new_zeros(1), values]) if zeros else values
    codes = np.zeros(weights, np.uint8 if book.numel() <= 2**8 else np.uint16)
    codes[positions] = labels.astype(codes.dtype) + codes.dtype.type(zeros)
    return _from_labels(codes, book)


def decode_rows(packed: PackedMatrix, low: int, high: int, columns: int) -> Tensor:
    """Decode some rows of a matrix, on the device where it is.

    Args:
        packed: the matrix.
        low: first row.
        high: row after the last.
        columns: of the matrix.

    Returns:
        (high - low, columns), dtype of the codebook.
    """
    book = packed.codebook
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None  # noqa: SLF001 - a trace does not see the loop
    if book.device.type == "cpu" and book.dtype == torch.float32 and not traced:
        return _decode_by_loop(packed, low, high, columns)
    if packed.starts.numel():
        (row, column), labels = _columns(packed, low, high)
        out = torch.zeros((high - low) * columns, dtype=book.dtype, device=book.device)
        out[row * columns + column] = book[labels]
        return out.view(high - low, columns)
    first, last = low * columns, high * columns
    codes = packed.codes
    if packed.halves:
        pairs = codes[first // 2 : (last + 1) // 2]
        codes = torch.stack([pairs & 15, pairs >> 4], 1).flatten()
        first, last = first % 2, first % 2 + last - first
    return book[codes[first:last].long()].view(high - low, columns)


def _decode_by_loop(packed: PackedMatrix, low: int, high: int, columns: int) -> Tensor:
    from efflab.deep_compression import _kernels  # noqa: PLC0415 - numba's cost, where it is needed

    codes, book = packed.codes.numpy(), packed.codebook.numpy()
    out = torch.zeros(high - low, columns)
    if packed.starts.numel():
        starts = packed.starts[low : high + 1].numpy()
        _kernels.decode_sparse(codes, packed.gaps.numpy(), starts, book, out.numpy())
    elif packed.halves:
        _kernels.decode_halves(codes, low * columns, book, out.view(-1).numpy())
    else:
        _kernels.decode_dense(codes[low * columns : high * columns], book, out.view(-1).numpy())
    return out


def _columns(packed: PackedMatrix, low: int, high: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Rows (from 0) and columns of the non-zeros of some rows, and their codes."""
    starts = packed.starts[low : high + 1].long()
    first, last = int(starts[0]), int(starts[-1])
    gaps = packed.gaps[first:last].long()
    filler = gaps == FILLER
    reached = torch.cumsum(torch.where(filler, gaps, gaps + 1), 0)
    row = torch.repeat_interleave(torch.arange(high - low, device=gaps.device), starts.diff())
    base = torch.cat([reached.new_zeros(1), reached])[starts[:-1] - first]
    column = reached - base[row] - 1
    return (row[~filler], column[~filler]), packed.codes[first:last].long()[~filler]


def check(packed: PackedMatrix, rows: int, columns: int) -> None:
    """Refuse codes that would read outside the codebook, or the input.

    Raises:
        EfflabError: they are no packed matrix of this shape.
    """
    codes, gaps, starts, book = packed.codes, packed.gaps, packed.starts, packed.codebook
    kinds = (
        codes.dtype in {torch.uint8, torch.uint16}
        and gaps.dtype == torch.uint8
        and starts.dtype in {torch.int32, torch.int64}
        and book.is_floating_point()
        and all(part.dim() == 1 for part in (codes, gaps, starts, book))
    )
    if not kinds:
        raise EfflabError("packed weights have codes or gaps of another kind")
    expected = (rows * columns + 1) // 2 if packed.halves else rows * columns
    if starts.numel():
        _check_rows(packed, rows, columns)
    elif gaps.numel() or codes.numel() != expected:
        raise EfflabError(
            f"packed weights have {codes.numel()} codes, expected {expected} for {rows}x{columns}"
        )
    if codes.numel():
        largest = codes.max() if codes.dtype == torch.uint8 else codes.int().max()
        if packed.halves:
            largest = torch.maximum((codes & 15).max(), (codes >> 4).max())
        if int(largest) >= book.numel():
            raise EfflabError(f"packed weights have code {int(largest)}, but {book.numel()} values")


def _check_rows(packed: PackedMatrix, rows: int, columns: int) -> None:
    starts = packed.starts.long()
    whole = (
        starts.numel() == rows + 1
        and packed.gaps.numel() == packed.codes.numel()
        and int(starts[0]) == 0
        and int(starts[-1]) == packed.codes.numel()
        and bool((starts.diff() >= 0).all())
    )
    if not whole:
        raise EfflabError(f"packed weights have rows that do not fit {rows}x{columns}")
    (_, column), _ = _columns(packed, 0, rows)
    if column.numel() and int(column.max()) >= columns:
        raise EfflabError(f"packed weights reach column {int(column.max())}, expected fewer than {columns}")
