"""Where a matrix has weights: all that the machine's timing depends on.

Source: ISCA 2016, section III (interleaved CSC) and table III (the densities of the benchmark layers).
"""

import copy
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.eie import _checks, _kernels
from efflab.errors import EfflabError

Starts = NDArray[np.int64]
Rows = NDArray[np.int32]
Counts = NDArray[np.int32]

# Flat positions that are drawn at a time.
_DRAWN = 1 << 20


@dataclass(frozen=True, eq=False)
class Pattern:
    """Positions of the non-zero weights of a matrix, column after column.

    What is counted of it takes a number for every PE and every column that has weights: memory is linear in the columns and
    the weights, and never more than columns x PEs.

    Args:
        starts: (columns + 1,) where each column begins in ``rows``.
        rows: (nonzeros,) rows, rising in each column.
        shape: rows and columns of the matrix.
    """

    starts: Starts
    rows: Rows
    shape: tuple[int, int]
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        rows, columns = self.shape
        if self.starts.shape != (columns + 1,) or self.rows.ndim != 1:
            raise EfflabError(
                f"starts must have shape ({columns + 1},) and rows one axis, "
                f"and they have {self.starts.shape} and {self.rows.shape}"
            )
        if self.starts[0] != 0 or self.starts[-1] != self.rows.size or (np.diff(self.starts) < 0).any():
            raise EfflabError(f"starts must rise from 0 to the {self.rows.size:,} weights")
        if self.rows.size and not 0 <= int(self.rows.min()) <= int(self.rows.max()) < rows:
            raise EfflabError(f"rows must be from 0 to {rows - 1:,}")
        falls = np.flatnonzero(np.diff(self.rows) <= 0) + 1
        if not np.isin(falls, self.starts).all():
            raise EfflabError("rows must rise in each column")

    @classmethod
    def of(cls, matrix: ArrayLike) -> Self:
        """Take the positions of what is not zero in a matrix (rows, columns)."""
        dense = _matrix(matrix)
        column, row = np.nonzero(dense.T)
        starts = np.zeros(dense.shape[1] + 1, np.int64)
        np.cumsum(np.bincount(column, minlength=dense.shape[1]), out=starts[1:])
        return cls(starts, row.astype(np.int32), (dense.shape[0], dense.shape[1]))

    def fresh(self) -> Self:
        """The same positions, with nothing counted yet."""
        one = copy.copy(self)
        object.__setattr__(one, "_kept", {})
        return one

    @property
    def nonzeros(self) -> int:
        """Non-zero weights."""
        return self.rows.size

    @property
    def density(self) -> float:
        """Non-zero weights per weight, from 0 to 1."""
        size = self.shape[0] * self.shape[1]
        return self.nonzeros / size if size else 0.0

    @property
    def real(self) -> Starts:
        """(columns,) non-zero weights of each column."""
        return np.diff(self.starts)

    @property
    def filled(self) -> Starts:
        """Columns with at least one weight."""
        return np.flatnonzero(self.real)

    def counts(self, pes: int = 64, index_bits: int = 4) -> Counts:
        """Count the entries of each column in each PE, padding zeros included.

        Args:
            pes: N; PE k has the rows i with i mod N = k.
            index_bits: width of the count of zeros before an entry; a longer run takes padding zeros.

        Returns:
            (columns, pes) entries, not to be written to.

        >>> column = np.zeros((32, 1))
        >>> column[[2, 3, 22], 0] = 1, 2, 3
        >>> Pattern.of(column).counts(pes=1).tolist()
        [[4]]
        """
        kept = self._counts(pes, index_bits)
        if len(kept) > self.shape[1]:
            return kept[:-1]
        counts = kept[self._places]
        counts.setflags(write=False)
        return counts

    def counts_of(self, columns: Starts, pes: int, index_bits: int) -> Counts:
        """Count the entries of some columns, (columns, pes)."""
        counts: Counts = self._counts(pes, index_bits)[self._places[columns]]
        return counts

    def entries(self, pes: int, index_bits: int) -> Starts:
        """Count the entries of each PE, (pes,)."""
        entries: Starts = self._counts(pes, index_bits).sum(axis=0, dtype=np.int64)
        return entries

    def addresses(self, columns: Starts, pes: int, index_bits: int) -> tuple[Starts, Starts, Counts]:
        """Say where the entries of some columns stand in each PE's matrix SRAM.

        Returns:
            (n,) places of those columns among the filled ones, empty ones left out; and for every filled column and PE the
            address of the first entry, and the number of entries.
        """
        key, counts = (int(pes), int(index_bits), "offsets"), self._counts(pes, index_bits)
        if key not in self._kept:
            self._kept[key] = np.cumsum(counts, axis=0, dtype=np.int32) - counts
        places = self._places[columns]
        return places[places >= 0], self._kept[key], counts

    def ends(self, pes: int, index_bits: int) -> tuple[Counts, Counts]:
        """Give ``ends_of`` all columns."""
        return self.ends_of(np.arange(self.shape[1]), pes, index_bits)

    def ends_of(self, columns: Starts, pes: int, index_bits: int) -> tuple[Counts, Counts]:
        """Say which of a PE's accumulators the first and the last entry of some columns use.

        Returns:
            Two arrays (columns, pes), -1 where a PE has no entry.
        """
        key = (int(pes), int(index_bits), "ends")
        if key not in self._kept:
            first, last = (np.full((self.filled.size + 1, pes), -1, np.int32) for _ in range(2))
            _kernels.column_ends(self._begins, self.rows, first[:-1], last[:-1], index_bits)
            self._kept[key] = first, last
        places, ends = self._places[columns], self._kept[key]
        return ends[0][places], ends[1][places]

    def _counts(self, pes: int, index_bits: int) -> Counts:
        """Entries of the filled columns, and a last row of zeros for all others: (filled + 1, pes)."""
        key = (int(pes), int(index_bits))
        if key not in self._kept:
            counts = np.zeros((self.filled.size + 1, pes), np.int32)
            _kernels.count_entries(self._begins, self.rows, counts[:-1], index_bits)
            counts.setflags(write=False)
            self._kept[key] = counts
        kept: Counts = self._kept[key]
        return kept

    @property
    def _begins(self) -> Starts:
        """(filled + 1,) where each filled column begins; empty ones take no room between."""
        return np.append(self.starts[self.filled], self.rows.size)

    @property
    def _places(self) -> Starts:
        """(columns,) place of each column among the filled ones, -1 without weights."""
        if "places" not in self._kept:
            places = np.full(self.shape[1], -1, np.int64)
            filled = self.filled
            places[filled] = np.arange(filled.size)
            self._kept["places"] = places
        found: Starts = self._kept["places"]
        return found

    def forget(self) -> None:
        """Drop what was counted."""
        self._kept.clear()


def draw(rows: int, columns: int, density: float, seed: int | np.random.Generator = 0) -> Pattern:
    """Draw positions at random, each of the matrix's on its own with probability ``density``.

    Args:
        rows: outputs.
        columns: inputs.
        density: share of weights that are not zero, from 0 to 1.
        seed: of NumPy's generator, or a generator.

    Returns:
        The positions. Time and memory are linear in their number.

    Raises:
        EfflabError: sizes that are no whole numbers from 1, a density outside 0 to 1, or a seed that is none.

    >>> pattern = draw(4096, 4096, 0.09, seed=1)
    >>> round(pattern.density, 3)
    0.09
    """
    rows, columns = (_checks.whole(name, value, 1) for name, value in (("rows", rows), ("columns", columns)))
    if not 0 <= density <= 1:
        raise EfflabError(f"density must be from 0 to 1, got {density}")
    places = _drawn(rows * columns, density, _checks.generator(seed))
    column = places // rows
    starts = np.zeros(columns + 1, np.int64)
    np.cumsum(np.bincount(column, minlength=columns), out=starts[1:])
    places -= column * rows
    return Pattern(starts, places.astype(np.int32), (rows, columns))


def draw_active(inputs: int, density: float, seed: int | np.random.Generator = 0) -> NDArray[np.bool_]:
    """Draw which inputs are not zero, each on its own with probability ``density``.

    >>> draw_active(9216, 0.351, seed=0).shape
    (9216,)
    """
    inputs = _checks.whole("inputs", inputs, 1)
    if not 0 <= density <= 1:
        raise EfflabError(f"density must be from 0 to 1, got {density}")
    return _checks.generator(seed).random(inputs) < density


def _drawn(size: int, density: float, generator: np.random.Generator) -> Starts:
    """Places of independent successes among ``size`` trials: the distances between them are geometric."""
    if density in {0, 1}:
        return np.arange(size if density else 0)
    parts, last = [], -1
    while last < size:
        expected = (size - last) * density
        count = int(min(_DRAWN, expected + 5 * expected**0.5 + 10))
        steps = np.minimum(generator.geometric(density, count), size + 1)  # farther ends it as well
        part = last + np.cumsum(steps)
        last = int(part[-1])
        parts.append(part)
    places = np.concatenate(parts)
    return places[: np.searchsorted(places, size)]


def _matrix(matrix: ArrayLike) -> NDArray[Any]:
    dense = _checks.array("matrix", matrix)
    if dense.ndim != 2 or 0 in dense.shape:
        raise EfflabError(f"matrix must have two axes and not be empty, and has shape {dense.shape}")
    return dense
