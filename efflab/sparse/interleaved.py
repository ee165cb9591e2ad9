"""EIE's format: columns with a relative index, rows dealt out to processing elements.

Source: S. Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016, section III.
Element k of N owns the rows i with i mod N = k. It keeps its part of every column as values v with counts z of the zeros
before each (from the column's beginning or the value before), and pointers p to where each column begins. Where more
than 2^bits - 1 zeros stand in a row, a padding zero comes between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError
from efflab.sparse.relative import Gaps, Positions, _check_bits

Pointers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Element:
    """What one processing element keeps of a matrix.

    Attributes:
        v: (entries,) values, column after column; 0 for padding.
        z: (entries,) zeros before each.
        p: (columns + 1,) where each column begins; the last is the number of entries.
    """

    v: NDArray[Any]
    z: Gaps
    p: Pointers


@dataclass(frozen=True, eq=False)
class RelativeCSC:
    """A matrix in columns with a relative index, its rows interleaved over processing elements.

    Attributes:
        elements: what each processing element keeps.
        shape: rows and columns.
        bits: width of z.
    """

    elements: tuple[Element, ...]
    shape: tuple[int, int]
    bits: int = 4

    @classmethod
    def from_dense(cls, matrix: ArrayLike, bits: int = 4, pes: int = 1) -> Self:
        """Distribute a matrix.

        Args:
            matrix: (rows, columns), of any dtype.
            bits: width of z, 1 to 16.
            pes: processing elements.
        """
        _check_bits(bits)
        dense = np.asarray(matrix)
        if dense.ndim != 2:
            raise EfflabError(f"matrix must have two axes, and has shape {dense.shape}")
        if pes < 1:
            raise EfflabError(f"pes is {pes}, and must be at least 1")
        rows, columns = dense.shape
        return cls(tuple(_element(dense[k::pes], bits) for k in range(pes)), (rows, columns), bits)

    @property
    def pes(self) -> int:
        """Processing elements."""
        return len(self.elements)

    @property
    def entries(self) -> NDArray[np.int64]:
        """(pes,) entries of each element, padding included."""
        return np.array([element.v.size for element in self.elements], np.int64)

    @property
    def padding(self) -> int:
        """Padding zeros of all elements."""
        return sum(element.v.size - int(np.count_nonzero(element.v)) for element in self.elements)

    def dense(self) -> NDArray[Any]:
        """Give the matrix back.

        Raises:
            EfflabError: where counts of zeros lead beyond a column.
        """
        dense = np.zeros(self.shape, self.elements[0].v.dtype)
        for element, (column, row) in zip(self.elements, self._places(), strict=True):
            dense[row, column] = element.v
        return dense

    def matvec(self, vector: ArrayLike) -> NDArray[Any]:
        """Multiply by a vector (columns,) as the machine does: a column at a time, wherever the vector is not zero."""
        x = np.asarray(vector)
        if x.shape != (self.shape[1],):
            raise EfflabError(f"vector must have shape ({self.shape[1]},), and has {x.shape}")
        sums = np.zeros(self.shape[0], np.result_type(x, self.elements[0].v))
        for element, (column, row) in zip(self.elements, self._places(), strict=True):
            active = np.flatnonzero(x[column])
            np.add.at(sums, row[active], element.v[active] * x[column[active]])
        return sums

    def _places(self) -> Iterator[tuple[Positions, Positions]]:
        """By element, column and row of each entry."""
        rows, columns = self.shape
        for k, element in enumerate(self.elements):
            column = np.repeat(np.arange(columns), np.diff(element.p))
            steps = np.cumsum(element.z.astype(np.int64) + 1)
            before = np.append(0, steps)[element.p[:-1]]
            local = steps - np.repeat(before, np.diff(element.p)) - 1
            row = local * self.pes + k
            if row.size and int(row.max()) >= rows:
                raise EfflabError(
                    f"counts of zeros lead to row {int(row.max()):,}, and the matrix has {rows:,} rows"
                )
            yield column, row


def _element(matrix: NDArray[Any], bits: int) -> Element:
    """Columns of one element's rows."""
    column, row = np.nonzero(matrix.T)
    starts = np.diff(column, prepend=-1) > 0
    steps = np.where(starts, row, np.diff(row, prepend=0) - 1)
    padding = steps >> bits
    last = np.cumsum(padding + 1) - 1
    entries = int(last[-1]) + 1 if last.size else 0
    v = np.zeros(entries, matrix.dtype)
    v[last] = matrix[row, column]
    z: Gaps = np.full(entries, (1 << bits) - 1, np.uint8 if bits <= 8 else np.uint16)
    z[last] = steps & ((1 << bits) - 1)
    p = np.zeros(matrix.shape[1] + 1, np.int64)
    sizes = np.zeros(matrix.shape[1], np.int64)
    np.add.at(sizes, column, padding + 1)
    np.cumsum(sizes, out=p[1:])
    return Element(v, z, p)
