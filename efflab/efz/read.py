"""Opening a file: its directory first, then any tensor alone."""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.efz import directory
from efflab.efz.dtypes import refuse_big_endian
from efflab.efz.errors import EfzError
from efflab.efz.layout import END, HEAD, MAGIC, RAW, ROWS, SPARSE, TRAILER, VERSION, Entry
from efflab.efz.sections import Section
from efflab.efz.summary import table
from efflab.errors import EfflabError
from efflab.tables import TextTable

GIBIBYTE = 1 << 30
LARGEST_RATE = 256


@dataclass(frozen=True, eq=False)
class Codes:
    """A coded tensor before it is dense: what a layer that runs from codes keeps.

    Attributes:
        labels: (entries,) uint8 or uint16, which value of the codebook each entry has.
        gaps: (entries,) zeros before each entry, in the convention of the paper's released files: entry i stands at
            cumsum(gaps + 1)[i] - 1, and a filler is an entry of value zero with the largest gap; None where every value
            is an entry.
        codebook: (k,) the shared values, or (k + 1,) with a zero where there are fillers.
        shape: of the dense tensor.
        order: whether places count along the ``"rows"`` of the matrix of shape[0] rows, or down its ``"columns"``.
        index_bits: gaps are below 2^index_bits; 0 without gaps.
        fillers: entries that are fillers.
    """

    labels: NDArray[np.uint8] | NDArray[np.uint16]
    gaps: NDArray[np.uint8] | NDArray[np.uint16] | None
    codebook: Tensor
    shape: tuple[int, ...]
    order: str
    index_bits: int
    fillers: int

    @property
    def positions(self) -> NDArray[np.int64]:
        """(entries,) where each entry stands in the flat tensor, row by row."""
        if self.gaps is None:
            return np.arange(self.labels.size)
        places = np.cumsum(self.gaps.astype(np.int64) + 1) - 1
        if self.order == ROWS:
            return places
        columns, rows = np.divmod(places, self.shape[0])
        return rows * math.prod(self.shape[1:]) + columns

    def dense(self) -> Tensor:
        """The tensor."""
        size = self.codebook.dtype.itemsize
        values = self.codebook.view(torch.uint8).numpy().reshape(-1, size)
        flat = torch.zeros(math.prod(self.shape) * size, dtype=torch.uint8)
        flat.numpy().reshape(-1, size)[self.positions] = values[self.labels]
        return flat.view(self.codebook.dtype).reshape(self.shape)


class File:
    """An open .efz file; only its directory is in memory.

    Args:
        path: the file.
        limit_bytes: the most that decoded tensors may take; by default 1 GiB, or 256 times the file where that is more.

    Attributes:
        path: the file.
        file_bytes: its size.
        limit_bytes: as given.
        metadata: the strings kept in it.
        entries: one a tensor.

    Raises:
        EfzError: there is no such file, or it is no whole .efz file of a version that this reader knows.
    """

    def __init__(self, path: str | os.PathLike[str], limit_bytes: int | None = None) -> None:
        refuse_big_endian()
        self.path = Path(path)
        if not self.path.is_file():
            what = "a folder" if self.path.is_dir() else "no file"
            raise EfzError(f"there is {what} at {path}, where an .efz file was expected")
        self._stream = self.path.open("rb")
        try:
            self.metadata, self.entries = self._read_directory()
        except BaseException:
            self._stream.close()
            raise
        self.limit_bytes = (
            max(GIBIBYTE, LARGEST_RATE * self.file_bytes) if limit_bytes is None else limit_bytes
        )

    def _read_directory(self) -> tuple[dict[str, str], tuple[Entry, ...]]:
        self.file_bytes = self._stream.seek(0, os.SEEK_END)
        self._stream.seek(0)
        start = self._stream.read(HEAD.size)
        self._refuse_head(start)
        if self.file_bytes < HEAD.size + TRAILER.size:
            raise EfzError(f"{self.path} is cut short: {self.file_bytes:,} bytes are no whole .efz file")
        self._stream.seek(self.file_bytes - TRAILER.size)
        size, checksum, end = TRAILER.unpack(self._stream.read(TRAILER.size))
        space = self.file_bytes - HEAD.size - TRAILER.size - size
        if end != END or space < 0:
            raise EfzError(
                f"{self.path} is cut short, or something was added to it: its end is not that of an .efz file"
            )
        self._stream.seek(HEAD.size + space)
        content = self._stream.read(size)
        if directory.directory_checksum(start, content) != checksum:
            raise EfzError(f"{self.path} is damaged: its directory does not match its checksum")
        return directory.parse(content, self.path, space)

    def _refuse_head(self, start: bytes) -> None:
        if start[: len(MAGIC)] != MAGIC[: len(start)] or not start:
            raise EfzError(f"{self.path} is no .efz file: it begins with other bytes")
        if len(start) < HEAD.size:
            raise EfzError(f"{self.path} is cut short: {len(start)} bytes are no whole .efz file")
        version = HEAD.unpack(start)[1]
        if version != VERSION:
            raise EfzError(
                f"{self.path} is of version {version} of the .efz format, and this efflab reads version {VERSION}: update efflab"
                if version > VERSION
                else f"{self.path} is damaged: there is no version {version} of the .efz format"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was read stays."""
        self._stream.close()

    @cached_property
    def _by_name(self) -> dict[str, Entry]:
        return {name: entry for entry in self.entries for name in entry.names}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tensors, tied ones beside each other."""
        return tuple(self._by_name)

    @property
    def dense_bytes(self) -> int:
        """Bytes of the dense tensors, tied ones once."""
        return sum(entry.dense_bytes for entry in self.entries)

    def entry(self, name: str) -> Entry:
        """What the directory says of a tensor.

        Raises:
            EfflabError: there is none of that name.
        """
        if name not in self._by_name:
            some = ", ".join(self.names[:5]) + (", ..." if len(self.names) > 5 else "")
            raise EfflabError(f"{self.path} holds no tensor {name!r}; it holds {some or 'none'}")
        return self._by_name[name]

    def section(self, entry: Entry) -> Section:
        """The bytes of a tensor."""
        return Section(self._stream, entry, self.path)

    def refuse_large(self, size: int, what: str) -> None:
        """Raise an EfzError where ``size`` bytes are more than ``limit_bytes``."""
        if size > self.limit_bytes:
            raise EfzError(
                f"{what} of {self.path} would take {size:,} bytes in memory, more than limit_bytes={self.limit_bytes:,}; "
                f"give a larger limit_bytes if the file is to be trusted"
            )

    def read(self, name: str) -> Tensor:
        """Read one tensor, and no other; its checksum is compared first.

        Args:
            name: any of its names.

        Returns:
            The tensor on the CPU, bit for bit as it was saved.

        Raises:
            EfflabError: there is none of that name.
            EfzError: it is damaged, or larger than ``limit_bytes``.
        """
        entry = self.entry(name)
        self.refuse_large(entry.dense_bytes, name)
        section = self.section(entry)
        section.check()
        return fresh(section)

    def codes(self, name: str) -> Codes:
        """Read one tensor's labels, gaps and codebook, without making it dense.

        Raises:
            EfflabError: there is none of that name, or it is stored as it is.
            EfzError: as ``read``.
        """
        entry = self.entry(name)
        if entry.coding == RAW:
            raise EfflabError(f"{name} in {self.path} is stored as it is, without codes")
        self.refuse_large(4 * entry.entries, f"the codes of {name}")
        section = self.section(entry)
        section.verify()
        blocks = list(section.blocks())
        wide = np.uint8 if entry.codebook_size <= 256 else np.uint16
        labels = np.concatenate([np.zeros(0, wide), *(block[0] for block in blocks)])
        gaps = None
        if entry.coding == SPARSE:
            narrow = np.uint8 if entry.index_bits <= 8 else np.uint16
            gaps = np.concatenate(
                [np.zeros(0, narrow), *(block[1] for block in blocks if block[1] is not None)]
            )
        values = torch.empty(entry.codebook_size * entry.dtype.itemsize, dtype=torch.uint8)
        values.numpy()[:] = section.codebook().view(np.uint8)
        return Codes(
            labels, gaps, values.view(entry.dtype), entry.shape, entry.order, entry.index_bits, entry.fillers
        )

    def verify(self) -> None:
        """Read the whole file, and keep nothing.

        Raises:
            EfzError: naming the first tensor that is damaged.
        """
        for entry in self.entries:
            self.section(entry).verify()

    def table(self) -> TextTable:
        """The tensors and their bytes by part."""
        return table(self.entries, self.file_bytes, self.path.name)


def fresh(section: Section) -> Tensor:
    """A section as a new tensor; its checksum has been compared."""
    entry = section.entry
    flat = (torch.zeros if entry.coding == SPARSE else torch.empty)(entry.dense_bytes, dtype=torch.uint8)
    section.decode(flat.numpy())
    return flat.view(entry.dtype).reshape(entry.shape)


def open(path: str | os.PathLike[str], *, limit_bytes: int | None = None) -> File:  # noqa: A001 - efz.open, as gzip.open
    """Open a file and read its directory; use it in a ``with`` statement.

    Args:
        path: the file.
        limit_bytes: the most that decoded tensors may take; by default 1 GiB, or 256 times the file where that is more.

    Returns:
        The open file.

    Raises:
        EfzError: there is no such file, or it is no whole .efz file of a version that this reader knows.
    """
    return File(path, limit_bytes)
