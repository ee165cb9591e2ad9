"""The directory of a file: a record for every tensor, written, and read without trusting it."""

import math
import struct
import zlib
from collections.abc import Iterator

from efflab.efz.dtypes import DTYPES, LARGEST_CODED, NUMBERS, name_of
from efflab.efz.errors import EfzError
from efflab.efz.layout import (
    CHECKSUM,
    CODEBOOK,
    CODINGS,
    END,
    HEAD,
    MAGIC,
    MAX_BYTES,
    MAX_DIMENSIONS,
    MAX_INDEX_BITS,
    MAX_K,
    MAX_NAME,
    MAX_TENSORS,
    ORDERS,
    RAW,
    SPARSE,
    TRAILER,
    VERSION,
    Entry,
)
from efflab.errors import EfflabError


def varint(number: int) -> bytes:
    """A number that is at least 0, seven bits a byte, the least significant first."""
    pieces = bytearray()
    while number >= 128:
        pieces.append(number & 127 | 128)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


def text(string: str) -> bytes:
    """A string as its length and UTF-8 bytes."""
    try:
        encoded = string.encode()
    except UnicodeEncodeError as error:
        raise EfflabError(f"{string!r} cannot be written as UTF-8") from error
    if len(encoded) >= MAX_NAME:
        raise EfflabError(
            f"{string[:40]!r}... takes {len(encoded):,} bytes, and names and metadata have fewer than {MAX_NAME:,}"
        )
    return varint(len(encoded)) + encoded


def record(entry: Entry) -> bytes:
    """One tensor's record in the directory."""
    head = [varint(len(entry.names)), *map(text, entry.names)]
    head.append(bytes([NUMBERS[entry.dtype], CODINGS.index(entry.coding)]))
    numbers = [len(entry.shape), *entry.shape]
    if entry.coding == CODEBOOK:
        numbers += [entry.codebook_size, entry.label_book, entry.codes]
    if entry.coding == SPARSE:
        numbers += [entry.codebook_size, entry.nonzeros or 0, entry.fillers]
        numbers += [entry.index_bits, ORDERS.index(entry.order)]
        numbers += [entry.label_book, entry.codes, entry.gap_book, entry.gaps]
    return b"".join([*head, *map(varint, numbers), CHECKSUM.pack(entry.checksum)])


def directory(entries: tuple[Entry, ...], metadata: dict[str, str]) -> bytes:
    """The directory: metadata, then a record a tensor."""
    pairs = [text(key) + text(value) for key, value in metadata.items()]
    records = [record(entry) for entry in entries]
    return b"".join([varint(len(pairs)), *pairs, varint(len(records)), *records])


def head() -> bytes:
    """The first bytes of a file."""
    return HEAD.pack(MAGIC, VERSION)


def trailer(content: bytes) -> bytes:
    """The last bytes of a file whose directory is ``content``."""
    return TRAILER.pack(len(content), directory_checksum(head(), content), END)


def directory_checksum(start: bytes, content: bytes) -> int:
    """CRC-32 over head, directory and the directory's length."""
    return zlib.crc32(struct.pack("<I", len(content)), zlib.crc32(content, zlib.crc32(start)))


class Cursor:
    """Reads numbers and strings from bytes, and never beyond their end."""

    def __init__(self, data: bytes, path: object) -> None:
        self.data = data
        self.path = path
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self.data) - self.at

    def refuse(self, sentence: str) -> EfzError:
        """The error that says what is wrong with the directory."""
        return EfzError(f"{self.path} is damaged: {sentence}")

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if size > self.left:
            raise self.refuse("its directory ends within a record")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, below: int = 1 << 63, what: str = "a number") -> int:
        """The next varint."""
        value = 0
        for place in range(9):
            (byte,) = self.take(1)
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                if byte == 0 and place:
                    raise self.refuse(f"{what} is written with more bytes than it needs")
                break
        else:
            raise self.refuse(f"{what} is larger than any")
        if value >= below:
            raise self.refuse(f"{what} is {value:,}, and must be below {below:,}")
        return value

    def string(self, what: str) -> str:
        """The next string."""
        size = self.number(MAX_NAME, f"the length of {what}")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise self.refuse(f"{what} is no UTF-8") from error


def parse(data: bytes, path: object, space: int) -> tuple[dict[str, str], tuple[Entry, ...]]:
    """Read a directory.

    Args:
        data: its bytes.
        path: the file, for messages.
        space: bytes between head and directory, which the sections must fill exactly.

    Returns:
        Metadata and entries.

    Raises:
        EfzError: anything in it is not as a writer writes it.
    """
    cursor = Cursor(data, path)
    metadata: dict[str, str] = {}
    for _ in range(cursor.number(MAX_TENSORS + 1, "the number of metadata")):
        key = cursor.string("a key of the metadata")
        if key in metadata:
            raise cursor.refuse(f"its metadata name {key!r} twice")
        metadata[key] = cursor.string("a value of the metadata")
    entries = tuple(_records(cursor, space))
    if cursor.left:
        raise cursor.refuse(f"{cursor.left:,} bytes are left over after its directory")
    return metadata, entries


def _records(cursor: Cursor, space: int) -> Iterator[Entry]:
    offset, seen = HEAD.size, set[str]()
    for _ in range(cursor.number(MAX_TENSORS + 1, "the number of tensors")):
        entry = _read_record(cursor, offset)
        twice = seen.intersection(entry.names) or len(set(entry.names)) < len(entry.names)
        if twice:
            raise cursor.refuse(f"it names {entry.name!r} or a tied tensor twice")
        seen.update(entry.names)
        offset += entry.section
        if offset > HEAD.size + space:
            raise cursor.refuse(f"{entry.name} claims {entry.section:,} bytes, more than the file has")
        yield entry
    if offset != HEAD.size + space:
        raise cursor.refuse(f"its tensors take {offset - HEAD.size:,} bytes, and the file holds {space:,}")


def _read_record(cursor: Cursor, offset: int) -> Entry:
    start = cursor.at
    count = cursor.number(MAX_TENSORS + 1, "the number of names")
    names = tuple(cursor.string("a name") for _ in range(count))
    if not names:
        raise cursor.refuse("a tensor has no name")
    number, coding = cursor.take(2)
    if number not in DTYPES or coding >= len(CODINGS):
        raise cursor.refuse(f"{names[0]} is of an unknown dtype ({number}) or coding ({coding})")
    shape = tuple(
        cursor.number(MAX_BYTES, f"a dimension of {names[0]}")
        for _ in range(cursor.number(MAX_DIMENSIONS + 1, f"the number of dimensions of {names[0]}"))
    )
    fields = _READERS[coding](cursor, names[0])
    (checksum,) = CHECKSUM.unpack(cursor.take(4))
    entry = Entry(
        names, shape, DTYPES[number], CODINGS[coding], offset=offset, checksum=checksum, header=cursor.at - start, **fields
    )  # fmt: skip
    _refuse_impossible(cursor, entry)
    return entry


def _no_fields(_cursor: Cursor, _name: str) -> dict[str, int]:
    return {}


def _codebook_fields(cursor: Cursor, name: str) -> dict[str, int]:
    size = cursor.number(MAX_K + 1, f"the size of the codebook of {name}")
    return {"codebook_size": size, "label_book": cursor.number(), "codes": cursor.number()}


def _sparse_fields(cursor: Cursor, name: str) -> dict[str, int | str]:
    size = cursor.number(MAX_K + 1, f"the size of the codebook of {name}")
    nonzeros, fillers = cursor.number(), cursor.number()
    bits = cursor.number(MAX_INDEX_BITS + 1, f"the index bits of {name}")
    order = cursor.number(len(ORDERS), f"the order of {name}")
    label_book, codes, gap_book, gaps = (cursor.number() for _ in range(4))
    return {
        "codebook_size": size, "nonzeros": nonzeros, "fillers": fillers, "index_bits": bits, "order": ORDERS[order],
        "label_book": label_book, "codes": codes, "gap_book": gap_book, "gaps": gaps,
    }  # fmt: skip


_READERS = (_no_fields, _codebook_fields, _sparse_fields)


def _refuse_impossible(cursor: Cursor, entry: Entry) -> None:
    """Compare the claims of a record with each other."""
    extent = math.prod(max(size, 1) for size in entry.shape) * entry.dtype.itemsize
    if extent >= MAX_BYTES:
        raise cursor.refuse(f"{entry.name} claims {entry.dense_bytes:,} bytes, more than any tensor has")
    if entry.coding == RAW:
        return
    if entry.dtype.itemsize > LARGEST_CODED or entry.numel == 0:
        raise cursor.refuse(
            f"{entry.name}, {entry.numel:,} values of {name_of(entry.dtype)}, cannot be coded"
        )
    # A word has at least one bit, so that bytes bound what they can stand for.
    words = entry.entries if entry.codebook_size > 1 else 0
    if (
        words > 8 * entry.codes
        or (words == 0) != (entry.codes == 0)
        or (words == 0) != (entry.label_book == 0)
    ):
        raise cursor.refuse(f"{entry.name} claims {entry.entries:,} codes in {entry.codes:,} bytes")
    if (entry.codebook_size == 0) != (entry.entries == 0):
        raise cursor.refuse(
            f"{entry.name} has {entry.entries:,} codes for a codebook of {entry.codebook_size:,}"
        )
    if entry.coding == SPARSE:
        _refuse_impossible_index(cursor, entry)


def _refuse_impossible_index(cursor: Cursor, entry: Entry) -> None:
    if entry.entries > min(8 * entry.gaps, entry.numel):
        raise cursor.refuse(f"{entry.name} claims {entry.entries:,} gaps in {entry.gaps:,} bytes")
    empty = entry.entries == 0
    if empty != (entry.gaps == 0) or empty != (entry.gap_book == 0) or empty != (entry.index_bits == 0):
        raise cursor.refuse(f"the index of {entry.name} is half missing")
