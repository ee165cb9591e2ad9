"""A layer as the machine keeps it: 4-bit codes of few values, counts of zeros, pointers.

Source: ISCA 2016, section III: interleaved CSC, with the codes of Deep Compression in place of values.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from efflab.eie import _kernels
from efflab.eie._checks import array
from efflab.eie.capacity import check_fits
from efflab.eie.machine import Machine
from efflab.eie.pattern import Counts, Pattern
from efflab.errors import EfflabError
from efflab.sparse import RelativeCSC
from efflab.sparse.interleaved import Element

Codes = NDArray[np.uint8]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """A matrix encoded for a machine.

    Args:
        pattern: where the weights are.
        codes: (nonzeros,) code of each, from 1 on, in the pattern's order.
        codebook: (2^code_bits,) values of the codes; the first is 0, and so are those that no weight uses.
        machine: for which it is encoded.
        bias: (rows,) what the accumulators begin with, or None for zeros.
        relu: whether outputs below 0 are written back as 0.
        name: how reports call it.
    """

    pattern: Pattern
    codes: Codes
    codebook: Values
    machine: Machine
    bias: Values | None = None
    relu: bool = False
    name: str = ""
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (outputs) and columns (inputs)."""
        return self.pattern.shape

    @property
    def counts(self) -> Counts:
        """(columns, pes) entries of each column in each PE, padding zeros included."""
        return self.pattern.counts(self.machine.pes, self.machine.index_bits)

    @property
    def entries(self) -> NDArray[np.int64]:
        """(pes,) entries of each PE."""
        entries: NDArray[np.int64] = self.counts.sum(axis=0, dtype=np.int64)
        return entries

    @property
    def padding(self) -> int:
        """Padding zeros."""
        return int(self.entries.sum()) - self.pattern.nonzeros

    @property
    def csc(self) -> RelativeCSC:
        """What each PE keeps: v holds codes, 0 for padding."""
        if "csc" not in self._kept:
            self._kept["csc"] = self._encoded()
        csc: RelativeCSC = self._kept["csc"]
        return csc

    def _encoded(self) -> RelativeCSC:
        counts, pes = self.counts, self.machine.pes
        pointers = np.zeros((pes, counts.shape[0] + 1), np.int64)
        np.cumsum(counts.T, axis=1, out=pointers[:, 1:])
        bases = np.append(0, np.cumsum(pointers[:, -1]))
        v, z = (np.zeros(int(bases[-1]), np.uint8) for _ in range(2))
        offsets = np.ascontiguousarray((pointers[:, :-1] + bases[:-1, None]).T)
        _kernels.write_entries(
            self.pattern.starts, self.pattern.rows, self.codes, offsets, v, z, self.machine.index_bits
        )
        parts = zip(bases[:-1], bases[1:], pointers, strict=True)
        elements = tuple(Element(v[low:high], z[low:high], p) for low, high, p in parts)
        return RelativeCSC(elements, self.shape, self.machine.index_bits)

    def dense(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """Give the matrix back, (rows, columns)."""
        matrix = np.zeros(self.shape, dtype)
        columns = np.repeat(np.arange(self.shape[1]), self.pattern.real)
        matrix[self.pattern.rows, columns] = self.codebook[self.codes]
        return matrix

    def on(self, machine: Machine) -> Self:
        """Encode the same matrix for another machine.

        Raises:
            EfflabError: it does not fit, or its codes take more bits.
        """
        if machine == self.machine:
            return self
        if (
            self.codebook.size > 1 << machine.code_bits
            and self.codes.max(initial=0) >= 1 << machine.code_bits
        ):
            raise EfflabError(_too_many(int(self.codes.max()), machine))
        check_fits(self.pattern, machine)
        codebook = np.zeros(1 << machine.code_bits)
        kept = min(codebook.size, self.codebook.size)
        codebook[:kept] = self.codebook[:kept]
        return replace(self, machine=machine, codebook=codebook, _kept={})


def encode(
    matrix: ArrayLike,
    machine: Machine | None = None,
    codebook: ArrayLike | None = None,
    *,
    bias: ArrayLike | None = None,
    relu: bool = False,
    name: str = "",
) -> Layer:
    """Encode a matrix for a machine.

    Args:
        matrix: (rows, columns) weights of few different values.
        machine: the published one by default.
        codebook: the values other than 0 in the order of their codes, at most 2^code_bits - 1; by default those that
            occur, rising.
        bias: (rows,) what the accumulators begin with.
        relu: whether outputs below 0 become 0.
        name: how reports call the layer.

    Returns:
        The layer.

    Raises:
        EfflabError: the weights have too many values or ones that the codebook lacks, or they do not fit the machine.

    >>> layer = encode([[0, 1.5], [-2, 0], [0, 1.5]], Machine(pes=2))
    >>> layer.codebook[:3].tolist(), layer.counts.tolist()
    ([0.0, -2.0, 1.5], [[0, 1], [2, 0]])
    """
    machine = machine or Machine()
    dense = array("matrix", matrix)
    if dense.ndim != 2 or 0 in dense.shape:
        raise EfflabError(f"matrix must have two axes and not be empty, and has shape {dense.shape}")
    if dense.dtype.kind not in "buif":
        raise EfflabError(f"matrix must hold numbers, and holds {dense.dtype}")
    pattern = Pattern.of(dense)
    columns = np.repeat(np.arange(dense.shape[1]), pattern.real)
    values = dense[pattern.rows, columns].astype(np.float64)
    if not np.isfinite(values).all():
        raise EfflabError("matrix must hold finite numbers, and some are not")
    book = np.unique(values) if codebook is None else _given(codebook, dense.dtype)
    if book.size >= 1 << machine.code_bits:
        raise EfflabError(_too_many(book.size, machine))
    table = np.zeros(1 << machine.code_bits)
    table[1 : book.size + 1] = book
    check_fits(pattern, machine)
    return Layer(pattern, _codes(values, book), table, machine, _bias(bias, dense.shape[0]), relu, name)


def _given(codebook: ArrayLike, kind: np.dtype[Any]) -> Values:
    """The codebook's values in the weights' precision, without the zero that may stand first."""
    book = (
        array("codebook", codebook)
        .astype(kind if kind.kind == "f" else np.float64)
        .astype(np.float64)
        .ravel()
    )
    book = book[1:] if book.size and book[0] == 0 else book
    if not np.isfinite(book).all() or np.unique(book).size < book.size:
        raise EfflabError("codebook must hold finite values that differ")
    return book


def _codes(values: Values, book: Values) -> Codes:
    """Each value's place in the codebook, from 1 on."""
    order = np.argsort(book)
    places = np.minimum(np.searchsorted(book, values, sorter=order), max(book.size - 1, 0))
    codes = order[places] if book.size else places
    missing = np.flatnonzero(book[codes] != values) if book.size else np.arange(values.size)
    if missing.size:
        raise EfflabError(
            f"matrix has the weight {values[missing[0]]:g}, which codebook lacks; efflab.eie.recluster gives one that fits"
        )
    return (codes + 1).astype(np.uint8)


def _bias(bias: ArrayLike | None, rows: int) -> Values | None:
    if bias is None:
        return None
    values = array("bias", bias).astype(np.float64)
    if values.shape != (rows,) or not np.isfinite(values).all():
        raise EfflabError(f"bias must be {rows:,} finite numbers, and has shape {values.shape}")
    return values


def _too_many(count: int, machine: Machine) -> str:
    return (
        f"the weights have {count:,} different values beside 0, and codes of {machine.code_bits} bits tell "
        f"{(1 << machine.code_bits) - 1} apart; efflab.eie.recluster makes them fewer"
    )
