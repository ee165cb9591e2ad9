"""Compressed sparse rows and columns: values, the index of each within its row or column, and where each begins."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError

Pointers = NDArray[np.int64]
Indices = NDArray[Any]
"""int32, or int64 where that is too small."""


@dataclass(frozen=True, eq=False)
class _Compressed:
    """Lines of a matrix one after another: rows (CSR) or columns (CSC).

    Attributes:
        values: (nonzeros,) the values, line after line.
        indices: (nonzeros,) position of each within its line, rising.
        pointers: (lines + 1,) where each line begins in the other two; the last is the number of values.
        shape: rows and columns.
    """

    values: NDArray[Any]
    indices: Indices
    pointers: Pointers
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        lines, width = self._lines(self.shape)
        if (
            self.pointers.shape != (lines + 1,)
            or self.values.shape != self.indices.shape
            or self.values.ndim != 1
        ):
            raise EfflabError(f"values, indices and pointers do not make a matrix of shape {self.shape}")
        if (
            (np.diff(self.pointers) < 0).any()
            or self.pointers[0] != 0
            or self.pointers[-1] != self.values.size
        ):
            raise EfflabError(f"pointers must rise from 0 to the {self.values.size:,} values")
        if self.indices.size and not (self.indices.min() >= 0 and self.indices.max() < width):
            raise EfflabError(f"indices must be from 0 to {width - 1:,}")

    @staticmethod
    def _lines(shape: tuple[int, int]) -> tuple[int, int]:
        """Lines, and elements in each."""
        raise NotImplementedError

    @staticmethod
    def _by_lines(matrix: NDArray[Any]) -> NDArray[Any]:
        """The matrix with its lines as rows, or back."""
        raise NotImplementedError

    @classmethod
    def from_dense(cls, matrix: ArrayLike) -> Self:
        """Keep what is not zero of a matrix (rows, columns)."""
        dense = np.asarray(matrix)
        if dense.ndim != 2:
            raise EfflabError(f"matrix must have two axes, and has shape {dense.shape}")
        lines = cls._by_lines(dense)
        line, index = np.nonzero(lines)
        pointers = np.zeros(lines.shape[0] + 1, np.int64)
        np.cumsum(np.bincount(line, minlength=lines.shape[0]), out=pointers[1:])
        rows, columns = dense.shape
        return cls(lines[line, index], index.astype(np.int32 if lines.shape[1] < 1 << 31 else np.int64), pointers, (rows, columns))  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return self.values.nbytes + self.indices.nbytes + self.pointers.nbytes

    def dense(self) -> NDArray[Any]:
        """Give the matrix back."""
        lines, width = self._lines(self.shape)
        dense = np.zeros((lines, width), self.values.dtype)
        dense[self._line(), self.indices] = self.values
        return np.ascontiguousarray(self._by_lines(dense))

    def _line(self) -> Pointers:
        """(nonzeros,) the line of each value."""
        return np.repeat(np.arange(self.pointers.size - 1), np.diff(self.pointers))

    def _checked_vector(self, vector: ArrayLike) -> NDArray[Any]:
        x = np.asarray(vector)
        if x.shape != (self.shape[1],):
            raise EfflabError(f"vector must have shape ({self.shape[1]},), and has {x.shape}")
        return x


@dataclass(frozen=True, eq=False)
class CSR(_Compressed):
    """Compressed sparse rows."""

    @staticmethod
    def _lines(shape: tuple[int, int]) -> tuple[int, int]:
        return shape

    @staticmethod
    def _by_lines(matrix: NDArray[Any]) -> NDArray[Any]:
        return matrix

    def matvec(self, vector: ArrayLike) -> NDArray[Any]:
        """Multiply by a vector (columns,): each row sums its products."""
        x = self._checked_vector(vector)
        products = self.values * x[self.indices]
        sums = np.zeros(self.shape[0], products.dtype)
        np.add.at(sums, self._line(), products)
        return sums


@dataclass(frozen=True, eq=False)
class CSC(_Compressed):
    """Compressed sparse columns."""

    @staticmethod
    def _lines(shape: tuple[int, int]) -> tuple[int, int]:
        return shape[1], shape[0]

    @staticmethod
    def _by_lines(matrix: NDArray[Any]) -> NDArray[Any]:
        return matrix.T

    def matvec(self, vector: ArrayLike) -> NDArray[Any]:
        """Multiply by a vector (columns,): each column's values, times one number, are added to where they belong."""
        x = self._checked_vector(vector)
        products = self.values * x[self._line()]
        sums = np.zeros(self.shape[0], products.dtype)
        np.add.at(sums, self.indices, products)
        return sums
