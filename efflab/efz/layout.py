"""The layout of an .efz file in numbers, and what it says of each tensor; the book's chapter describes it byte by byte."""

import math
import struct
from dataclasses import dataclass

import torch

from efflab.efz.dtypes import dense_bytes

MAGIC = b"\x89EFZ\r\n\x1a\n"
VERSION = 1
HEAD = struct.Struct("<8sH")
TRAILER = struct.Struct("<II4s")
END = b"EFZ."
CHECKSUM = struct.Struct("<I")

BLOCK = 1 << 18
"""Entries in a block, the last one excepted: what a reader or writer holds at a time."""
SINGLE = 1 << 16
MAX_K = 1 << 16
MAX_INDEX_BITS = 16
MAX_NAME = 1 << 16
MAX_TENSORS = 1 << 20
MAX_DIMENSIONS = 64
MAX_BYTES = 1 << 62

RAW, CODEBOOK, SPARSE = "raw", "codebook", "sparse"
CODINGS = (RAW, CODEBOOK, SPARSE)
ROWS, COLUMNS = "rows", "columns"
ORDERS = (ROWS, COLUMNS)


def streams_for(count: int) -> int:
    """Streams in a block of so many symbols."""
    return 1 if count < SINGLE else 4


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes of one tensor in a file, by what they are for.

    Attributes:
        header: its record in the directory: names, shape, sizes, checksum.
        codebook: the centroids, and the lengths of the codes' Huffman words.
        codes: the Huffman-coded labels.
        index: the Huffman-coded gaps, and the lengths of their words.
        raw: the values themselves, where they are stored as they are (most biases).
    """

    header: int = 0
    codebook: int = 0
    codes: int = 0
    index: int = 0
    raw: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.header + self.codebook + self.codes + self.index + self.raw

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(
            self.header + other.header,
            self.codebook + other.codebook,
            self.codes + other.codes,
            self.index + other.index,
            self.raw + other.raw,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor in a file.

    Attributes:
        names: its name, and further ones where it is tied.
        shape: as in torch.
        dtype: as in torch.
        coding: ``"raw"``, ``"codebook"`` (codes of all values) or ``"sparse"`` (codes and relative index of the non-zeros).
        codebook_size: values in its codebook, the zero of the fillers included.
        nonzeros: values that are not all zero bits; None where it is not sparse.
        fillers: zeros put where a gap is too long for the index.
        index_bits: width of a gap before Huffman coding; 0 where it is not sparse.
        order: the way the index runs through the tensor seen as a matrix of shape[0] rows: ``"rows"`` or ``"columns"``.
        label_book: bytes of the lengths of the codes' words.
        codes: bytes of the codes.
        gap_book: bytes of the lengths of the gaps' words.
        gaps: bytes of the gaps.
        offset: where its section begins in the file.
        checksum: CRC-32 of its section.
        header: bytes of its record in the directory.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    coding: str = RAW
    codebook_size: int = 0
    nonzeros: int | None = None
    fillers: int = 0
    index_bits: int = 0
    order: str = ROWS
    label_book: int = 0
    codes: int = 0
    gap_book: int = 0
    gaps: int = 0
    offset: int = 0
    checksum: int = 0
    header: int = 0

    @property
    def name(self) -> str:
        """Its first name."""
        return self.names[0]

    @property
    def numel(self) -> int:
        """Values in the dense tensor."""
        return math.prod(self.shape)

    @property
    def dense_bytes(self) -> int:
        """Bytes of the dense tensor."""
        return dense_bytes(self.shape, self.dtype)

    @property
    def entries(self) -> int:
        """Codes stored: all values, or the non-zeros and the fillers; none where it is raw."""
        if self.coding == RAW:
            return 0
        return self.numel if self.nonzeros is None else self.nonzeros + self.fillers

    @property
    def k(self) -> int:
        """Shared values: the codebook without the zero of the fillers."""
        return self.codebook_size - (self.fillers > 0)

    @property
    def rows(self) -> int:
        """Rows of the matrix that the index runs through."""
        return self.shape[0] if self.shape else 1

    @property
    def columns(self) -> int:
        """Columns of that matrix."""
        return math.prod(self.shape[1:])

    @property
    def section(self) -> int:
        """Bytes of its section."""
        if self.coding == RAW:
            return self.dense_bytes
        book = self.codebook_size * self.dtype.itemsize + self.label_book
        return book + self.codes + self.gap_book + self.gaps

    @property
    def bytes(self) -> Parts:
        """Its bytes in the file, by part."""
        if self.coding == RAW:
            return Parts(header=self.header, raw=self.section)
        book = self.codebook_size * self.dtype.itemsize + self.label_book
        return Parts(self.header, book, self.codes, self.gap_book + self.gaps)
