"""Another reader of .efz files, written from the book's chapter on the format: plain Python, nothing of efflab, no NumPy.

It trusts the file (it raises AssertionError where something is off) and is slow; it shows that the chapter suffices.
"""

import math
import struct
import zlib
from dataclasses import dataclass, field
from itertools import groupby

ITEMSIZE = {
    "float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4,
    "uint32": 4, "int64": 8, "uint64": 8, "bool": 1, "complex32": 4, "complex64": 8, "complex128": 16,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
}  # fmt: skip
DTYPES = list(ITEMSIZE)
BLOCK = 262_144
SINGLE = 65_536


@dataclass
class Tensor:
    """A dense tensor: its bytes are little-endian, row by row."""

    names: list[str]
    dtype: str
    shape: list[int]
    content: bytes


@dataclass
class File:
    """What a file holds."""

    metadata: dict[str, str] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)


class Bytes:
    """Bytes read from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        assert self.at + size <= len(self.data), "the data end early"
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def string(self) -> str:
        return self.take(self.number()).decode("utf-8")


class Bits:
    """Bits, the most significant of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def take(self, size: int) -> str:
        self.at += size
        return self.text[self.at - size : self.at]

    def zeros(self) -> int:
        """Zeros up to the next one, which is read too."""
        start, self.at = self.at, self.text.index("1", self.at) + 1
        return self.at - 1 - start

    def gamma(self) -> int:
        return int("1" + self.take(more), 2) if (more := self.zeros()) else 1


def read(data: bytes) -> File:
    """Read a whole file."""
    magic, version = struct.unpack("<8sH", data[:10])
    assert magic == b"\x89EFZ\r\n\x1a\n" and version == 1
    size, checksum, end = struct.unpack("<II4s", data[-12:])
    assert end == b"EFZ."
    directory = data[-12 - size : -12]
    assert zlib.crc32(data[:10] + directory + data[-12:-8]) == checksum
    entries = Bytes(directory)
    file = File({entries.string(): entries.string() for _ in range(entries.number())})
    sections = Bytes(data[: -12 - size])
    sections.take(10)
    for _ in range(entries.number()):
        file.tensors.append(read_tensor(entries, sections))
    assert entries.at == len(directory) and sections.at == len(sections.data)
    return file


def read_tensor(entries: Bytes, sections: Bytes) -> Tensor:
    """Read one record of the directory and the section that belongs to it."""
    names = [entries.string() for _ in range(entries.number())]
    dtype, coding = DTYPES[entries.take(1)[0]], entries.take(1)[0]
    shape = [entries.number() for _ in range(entries.number())]
    size = ITEMSIZE[dtype]
    start = sections.at
    if coding == 0:
        content = sections.take(math.prod(shape) * size)
    else:
        content = (read_codebook, read_sparse)[coding - 1](entries, sections, shape, size)
    (checksum,) = struct.unpack("<I", entries.take(4))
    assert zlib.crc32(sections.data[start : sections.at]) == checksum
    return Tensor(names, dtype, shape, content)


def read_codebook(entries: Bytes, sections: Bytes, shape: list[int], size: int) -> bytes:
    k, label_book, codes = (entries.number() for _ in range(3))
    values = [sections.take(size) for _ in range(k)]
    labels = symbols(sections, label_book, codes, k, math.prod(shape))
    return b"".join(values[label] for label in labels)


def read_sparse(entries: Bytes, sections: Bytes, shape: list[int], size: int) -> bytes:
    k, nonzeros, fillers, bits, order, label_book, codes, gap_book, gaps = (
        entries.number() for _ in range(9)
    )
    values = [sections.take(size) for _ in range(k)]
    labels = symbols(sections, label_book, codes, k, nonzeros + fillers)
    apart = symbols(sections, gap_book, gaps, 2**bits, nonzeros + fillers)
    dense = [bytes(size)] * math.prod(shape)
    rows, columns = shape[0] if shape else 1, math.prod(shape[1:])
    place = -1
    for label, gap in zip(labels, apart, strict=True):
        place += gap + 1
        dense[place if order == 0 else place % rows * columns + place // rows] = values[label]
    assert sum(values[label] == bytes(size) for label in labels) == fillers
    return b"".join(dense)


def symbols(sections: Bytes, book: int, coded: int, alphabet: int, count: int) -> list[int]:
    """A code book and the blocks after it."""
    if book == 0:
        assert coded == 0
        return [0] * count
    words = code_words(read_lengths(Bits(sections.take(book)), alphabet))
    region = Bytes(sections.take(coded))
    decoded: list[int] = []
    while len(decoded) < count:
        some = min(BLOCK, count - len(decoded))
        last = len(decoded) + some == count
        size = coded - region.at if last else region.number()
        decoded += block(region.take(size), words, some)
    assert region.at == coded
    return decoded


def read_lengths(bits: Bits, alphabet: int) -> list[int]:
    """The lengths of the words of an alphabet."""
    used = [True] * alphabet
    if bits.take(1) == "0":
        used, kind = [], True
        run = bits.gamma() - 1
        while True:
            used += [kind] * run
            if len(used) >= alphabet:
                break
            kind, run = not kind, bits.gamma()
    lengths, previous = [], None
    for each in used:
        if not each:
            lengths.append(0)
            continue
        if previous is None:
            previous = int(bits.take(5), 2)
        else:
            folded = bits.zeros()
            previous += folded // 2 if folded % 2 == 0 else -(folded + 1) // 2
        lengths.append(previous)
    return lengths


def code_words(lengths: list[int]) -> dict[str, int]:
    """Canonical words: in order of (length, symbol), each is the previous one plus 1, with zeros appended."""
    words, word, before = {}, -1, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        word = (word + 1) << (length - before)
        before = length
        words[f"{word:0{length}b}"] = symbol
    return words


def block(data: bytes, words: dict[str, int], count: int) -> list[int]:
    """One block: a stream where it is short, else four."""
    streams = 1 if count < SINGLE else 4
    content = Bytes(data)
    sizes = [content.number() for _ in range(streams - 1)]
    sizes.append(len(data) - content.at - sum(sizes))
    decoded: list[int] = []
    for j, size in enumerate(sizes):
        wanted = (j + 1) * count // streams - j * count // streams
        decoded += stream(Bits(content.take(size)), words, wanted)
    return decoded


def stream(bits: Bits, words: dict[str, int], count: int) -> list[int]:
    decoded: list[int] = []
    start = bits.at
    while len(decoded) < count:
        bits.at += 1
        word = bits.text[start : bits.at]
        if word in words:
            decoded.append(words[word])
            start = bits.at
    rest = bits.text[start:]
    assert len(rest) < 8 and not any(kind == "1" for kind, _ in groupby(rest))
    return decoded
