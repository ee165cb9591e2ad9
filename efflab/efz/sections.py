"""Reading one tensor's section: checksum first, then block by block, every claim compared with what is there."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from efflab import huffman
from efflab.efz.dtypes import Bits, unsigned
from efflab.efz.errors import EfzError
from efflab.efz.layout import BLOCK, COLUMNS, RAW, SPARSE, Entry, streams_for

_PIECE = 1 << 20
# The longest word has 24 bits, and the lengths of the streams stand before them.
_WORD_BYTES = 3
_BLOCK_HEAD = 64

T = TypeVar("T")
Symbols = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass
class Section:
    """One tensor's bytes in an open file."""

    stream: BinaryIO
    entry: Entry
    path: object

    def refuse(self, sentence: str) -> EfzError:
        """The error that says what is wrong with this tensor."""
        return EfzError(f"{self.path} is damaged: {self.entry.name} {sentence}")

    def take(self, start: int, size: int) -> bytes:
        """Bytes of the section from ``start`` on."""
        self.stream.seek(self.entry.offset + start)
        data = self.stream.read(size)
        if len(data) != size:
            raise self.refuse("ends too early")
        return data

    def check(self) -> None:
        """Compare the section with its checksum; and a raw tensor of truth values with what these can be."""
        checksum, left = 0, self.entry.section
        truth = self.entry.coding == RAW and self.entry.dtype == torch.bool
        while left:
            data = self.take(self.entry.section - left, min(left, _PIECE))
            checksum = zlib.crc32(data, checksum)
            left -= len(data)
            if truth:
                self.refuse_untruth(np.frombuffer(data, np.uint8))
        if checksum != self.entry.checksum:
            raise self.refuse("does not match its checksum")

    def refuse_untruth(self, values: Bits) -> None:
        """Raise where a truth value is neither 0 nor 1."""
        if values.size and int(values.max()) > 1:
            raise self.refuse("holds a truth value that is neither true nor false")

    def codebook(self) -> Bits:
        """Bit patterns by label.

        Raises:
            EfzError: where one stands twice, or the zero of the fillers is missing or has no use.
        """
        entry = self.entry
        kind = unsigned(entry.dtype.itemsize)
        # Writable, since loops are compiled once more for memory that is not.
        values = np.frombuffer(self.take(0, entry.codebook_size * kind.itemsize), kind).copy()
        if np.unique(values).size != values.size:
            raise self.refuse("has a codebook that holds a value twice")
        if entry.coding == SPARSE and bool((values == 0).any()) != (entry.fillers > 0):
            raise self.refuse("has fillers without a zero in the codebook, or a zero without fillers")
        if entry.dtype == torch.bool:
            self.refuse_untruth(values)
        return values

    def blocks(self) -> Iterator[tuple[Symbols, Symbols | None, int]]:
        """Labels, gaps (None where all values have one) and the place before the first, block by block.

        Raises:
            EfzError: where the streams are no streams, or the gaps lead beyond the tensor.
        """
        entry = self.entry
        books = entry.codebook_size * entry.dtype.itemsize
        labels = self._symbols(books, entry.label_book, entry.codes, entry.codebook_size)
        if entry.coding != SPARSE:
            yield from ((block, None, BLOCK * i - 1) for i, block in enumerate(labels))
            return
        start = books + entry.label_book + entry.codes
        gaps = self._symbols(start, entry.gap_book, entry.gaps, 1 << entry.index_bits)
        previous = -1
        for some, apart in zip(labels, gaps, strict=True):
            reached = previous + int(apart.sum(dtype=np.int64)) + apart.size
            if reached >= entry.numel:
                raise self.refuse("has an index that leads beyond its end")
            yield some, apart, previous
            previous = reached

    def _symbols(self, start: int, book: int, size: int, alphabet: int) -> Iterator[Symbols]:
        """The symbols of one stream, whose code book begins at ``start``, block by block."""
        entries = self.entry.entries
        if book == 0:
            counts = (min(BLOCK, entries - done) for done in range(0, entries, BLOCK))
            yield from (np.zeros(count, np.uint8) for count in counts)
            return
        code = self._guarded(
            lambda: huffman.HuffmanCode(huffman.unpack_lengths(self.take(start, book), alphabet))
        )
        at, stop = start + book, start + book + size
        for done in range(0, entries, BLOCK):
            count = min(BLOCK, entries - done)
            if done + count < entries:
                at, length = self._block_length(at, stop)
            else:
                length = stop - at
            if length > min(stop - at, _WORD_BYTES * count + _BLOCK_HEAD):
                raise self.refuse(f"has a block of {length:,} bytes for {count:,} symbols")
            data = self.take(at, length)
            at += length
            yield self._decoded(code, data, count)

    def _block_length(self, at: int, stop: int) -> tuple[int, int]:
        """Where a block begins and how many bytes it has."""
        number = 0
        for place, byte in enumerate(self.take(at, min(9, stop - at))):
            number |= (byte & 127) << (7 * place)
            if byte < 128 and (byte or not place):
                return at + place + 1, number
            if byte == 0:
                break
        raise self.refuse("has a block without a length")

    def _decoded(self, code: huffman.HuffmanCode, data: bytes, count: int) -> Symbols:
        return self._guarded(lambda: code.decode(data, count, streams_for(count)))

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except huffman.HuffmanError as error:
            raise self.refuse(f"cannot be decoded: {error}") from error

    def verify(self) -> None:
        """Read all of it, and keep nothing.

        Raises:
            EfzError: as the other methods.
        """
        self.check()
        if self.entry.coding == RAW:
            return
        codebook = self.codebook()
        if self.entry.coding != SPARSE and self.entry.label_book == 0:
            # One value everywhere: no byte stands behind how often.
            return
        fillers = sum(self._count_zeros(codebook, labels) for labels, _, _ in self.blocks())
        self._refuse_fillers(fillers)

    def _count_zeros(self, codebook: Bits, labels: Symbols) -> int:
        if self.entry.fillers == 0:
            return 0
        return int(np.count_nonzero(labels == int(np.flatnonzero(codebook == 0)[0])))

    def _refuse_fillers(self, fillers: int) -> None:
        if self.entry.coding == SPARSE and fillers != self.entry.fillers:
            raise self.refuse(f"claims {self.entry.fillers:,} fillers and has {fillers:,}")

    def decode(self, out: NDArray[np.uint8]) -> None:
        """Write the dense tensor's bytes.

        Args:
            out: (dense_bytes,) bytes; for a sparse tensor they must be zero beforehand.

        Raises:
            EfzError: as ``verify``, checksum aside.
        """
        entry = self.entry
        if entry.coding == RAW:
            self._read_raw(out)
            return
        from efflab.efz import _kernels  # noqa: PLC0415 - Numba loads only where there are codes

        codebook = self.codebook()
        bits = out.view(unsigned(entry.dtype.itemsize))
        fillers = 0
        for labels, gaps, previous in self.blocks():
            fillers += self._count_zeros(codebook, labels)
            wide = labels.astype(np.uint16, copy=False)
            if gaps is None:
                _kernels.gather(codebook, wide, bits[previous + 1 :])
            elif entry.order == COLUMNS:
                apart = gaps.astype(np.uint16, copy=False)
                _kernels.scatter_columns(codebook, wide, apart, previous, bits, entry.rows, entry.columns)
            else:
                _kernels.scatter_rows(codebook, wide, gaps.astype(np.uint16, copy=False), previous, bits)
        self._refuse_fillers(fillers)

    def _read_raw(self, out: NDArray[np.uint8]) -> None:
        self.stream.seek(self.entry.offset)
        view = out.data
        done = 0
        while done < out.size:
            count = self.stream.readinto(view[done : done + (_PIECE << 4)])  # type: ignore[attr-defined]  # files have it
            if not count:
                raise self.refuse("ends too early")
            done += count
