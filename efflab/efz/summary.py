"""What a file holds, as figures that show themselves."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from efflab.efz.dtypes import name_of
from efflab.efz.layout import Entry, Parts
from efflab.tables import TextTable


@dataclass(frozen=True)
class Summary:
    """What ``save`` wrote.

    Attributes:
        path: the file.
        file_bytes: its size.
        entries: one a tensor.
    """

    path: Path
    file_bytes: int
    entries: tuple[Entry, ...]

    @property
    def dense_bytes(self) -> int:
        """Bytes of the dense tensors, tied ones once."""
        return sum(entry.dense_bytes for entry in self.entries)

    @property
    def rate(self) -> float:
        """How many times smaller the file is than the dense tensors."""
        return self.dense_bytes / self.file_bytes

    @property
    def bytes(self) -> Parts:
        """Bytes by part; the head and the trailer of the file count as header."""
        return total(self.entries, self.file_bytes)

    def table(self) -> TextTable:
        """The tensors and their bytes by part."""
        return table(self.entries, self.file_bytes, self.path.name)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def total(entries: Iterable[Entry], file_bytes: int) -> Parts:
    """Bytes of a whole file by part."""
    parts = reduce(Parts.__add__, (entry.bytes for entry in entries), Parts())
    return parts + Parts(header=file_bytes - parts.total)


def table(entries: tuple[Entry, ...], file_bytes: int, caption: str) -> TextTable:
    """One row a tensor, and the total."""
    columns = (
        "tensor", "shape", "dtype", "coding", "non-zero", "k", "index", "header", "codebook", "codes", "gaps", "raw", "bytes", "rate",
    )  # fmt: skip
    whole = total(entries, file_bytes)
    dense = sum(entry.dense_bytes for entry in entries)
    rows = [_row(entry) for entry in entries]
    rows.append(
        ("total", "", "", "", None, None, "", *_bytes(whole), _rate(dense, file_bytes)),
    )
    return TextTable.of(columns, rows, caption=caption)


Cell = float | str | None


def _row(entry: Entry) -> tuple[Cell, ...]:
    shape = "x".join(map(str, entry.shape)) or "scalar"
    share = None if entry.nonzeros is None else f"{entry.nonzeros / entry.numel:.2%}"
    index = f"{entry.index_bits} bits, {entry.order}" if entry.index_bits else ""
    names = " = ".join(entry.names)
    kind = (names, shape, name_of(entry.dtype), entry.coding, share, entry.k or None, index)
    return (*kind, *_bytes(entry.bytes), _rate(entry.dense_bytes, entry.bytes.total))


def _bytes(parts: Parts) -> tuple[int, ...]:
    return parts.header, parts.codebook, parts.codes, parts.index, parts.raw, parts.total


def _rate(dense: int, stored: int) -> str:
    return f"{dense / stored:.1f}x"
