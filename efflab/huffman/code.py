"""A canonical prefix code, and the streams that it writes and reads."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.huffman._errors import HuffmanError
from efflab.huffman.lengths import MAX_LENGTH, MAX_SIZE, Lengths, _checked, canonical_codes, code_lengths
from efflab.huffman.varints import read_varint, varint

Symbols = NDArray[np.uint8] | NDArray[np.uint16]
Data = bytes | bytearray | memoryview

# Words of up to 12 bits are decoded by one look-up, several at a time.
USUAL_LIMIT = 12


@dataclass(frozen=True, eq=False)
class HuffmanCode:
    """A prefix code, told by the lengths of its words.

    Args:
        lengths: (size,) bits of each symbol's word, 0 for a symbol without one, at most 24; size is at most 65,536.

    Raises:
        HuffmanError: where the lengths are not those of a complete prefix code (or of a code for one symbol, which has
            length 1).
    """

    lengths: Lengths

    def __post_init__(self) -> None:
        bits = _checked(self.lengths, "lengths")
        if bits.size and int(bits.max()) > MAX_LENGTH:
            raise HuffmanError(
                f"a word has {int(bits.max())} bits, and streams hold words of at most {MAX_LENGTH}"
            )
        used = bits[bits > 0].astype(np.int64)
        total = int((np.int64(1) << (MAX_LENGTH - used)).sum())
        alone = used.size == 1 and int(used[0]) == 1
        if total > 1 << MAX_LENGTH:
            raise HuffmanError("the lengths are over-full: no prefix code has them")
        if used.size and total < 1 << MAX_LENGTH and not alone:
            raise HuffmanError("the lengths are incomplete: some bits would begin no word")
        lengths = bits.astype(np.uint8)
        lengths.flags.writeable = False
        object.__setattr__(self, "lengths", lengths)

    @classmethod
    def from_counts(cls, counts: ArrayLike, limit: int | None = None) -> Self:
        """Make the best code for counted symbols.

        Args:
            counts: (size,) how often each symbol occurs.
            limit: longest word in bits, at most 24; by default 12, or where more than 1,024 symbols occur two more than
                the bits that tell them apart.

        Raises:
            HuffmanError: as ``code_lengths``.
        """
        if limit is None:
            used = int(np.count_nonzero(np.asarray(counts)))
            limit = max(USUAL_LIMIT, (max(used, 1) - 1).bit_length() + 2)
        return cls(code_lengths(counts, min(limit, MAX_LENGTH)))

    @classmethod
    def of(cls, symbols: ArrayLike, size: int | None = None, limit: int | None = None) -> Self:
        """Make the best code for symbols as they occur.

        Args:
            symbols: integers from 0, of any shape.
            size: symbols in the alphabet; by default one more than the largest.
            limit: as in ``from_counts``.
        """
        array = _as_symbols(symbols, MAX_SIZE if size is None else size)
        counts = np.bincount(array, minlength=size or 0)
        return cls.from_counts(counts, limit)

    @property
    def size(self) -> int:
        """Symbols in the alphabet."""
        return self.lengths.size

    @cached_property
    def codes(self) -> NDArray[np.uint32]:
        """(size,) words as numbers; see ``canonical_codes``."""
        return canonical_codes(self.lengths)

    @property
    def words(self) -> tuple[str, ...]:
        """The words in zeros and ones, empty for a symbol without one."""
        pairs = zip(self.codes.tolist(), self.lengths.tolist(), strict=True)
        return tuple(f"{code:0{length}b}" if length else "" for code, length in pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HuffmanCode) and np.array_equal(self.lengths, other.lengths)

    def __hash__(self) -> int:
        return hash(self.lengths.tobytes())

    def bits(self, counts: ArrayLike) -> int:
        """Bits that counted symbols take, padding and stream lengths aside."""
        return int((_checked(counts).astype(np.int64) * self.lengths).sum())

    def encode(self, symbols: ArrayLike, streams: int = 4) -> bytes:
        """Write symbols as words.

        Args:
            symbols: integers below ``size``, of any shape, taken in C order.
            streams: parts that can be decoded independently, and side by side.

        Returns:
            The bytes, laid out as the package's docstring says.

        Raises:
            HuffmanError: where a symbol has no word.
        """
        array = _as_symbols(symbols, self.size)
        _check_streams(streams)
        if array.size == 0:
            return bytes(streams - 1)
        from efflab.huffman import _kernels  # noqa: PLC0415 - Numba loads only where streams are

        out = np.empty((array.size * int(self.lengths.max()) + 7) // 8 + streams + 8, np.uint8)
        ends = [0]
        for first, last in _parts(array.size, streams):
            end = int(_kernels.encode_words(array[first:last], self._words, out, ends[-1]))
            if end < 0:
                raise HuffmanError(_without_word(array, self.lengths))
            ends.append(end)
        head = b"".join(varint(end - start) for start, end in itertools.pairwise(ends[:-1]))
        return b"".join([head, memoryview(out)[: ends[-1]]])

    def decode(self, data: Data, count: int, streams: int = 4) -> Symbols:
        """Read symbols back.

        Args:
            data: what ``encode`` wrote, and nothing else.
            count: how many symbols.
            streams: as in ``encode``.

        Returns:
            (count,) uint8 where the alphabet has up to 256 symbols, else uint16.

        Raises:
            HuffmanError: where the data are too short for so many symbols (found before memory is taken for them), hold
                other bits than words, or more of them.
        """
        _check_streams(streams)
        if count < 0:
            raise HuffmanError(f"count is {count:,}, and must be at least 0")
        array = np.frombuffer(data, np.uint8)
        starts = self._read_starts(array, count, streams)
        dtype = np.uint8 if self.size <= 256 else np.uint16
        parts = list(_parts(count, streams))
        if count and self._alone:
            return self._decode_alone(array, starts, parts, dtype)
        out: Symbols = np.empty(count, dtype)
        for (first, last), start, stop in zip(parts, starts[:-1], starts[1:], strict=True):
            self._decode_part(array, 8 * start, 8 * stop, out, first, last)
        return out

    def _read_starts(self, data: NDArray[np.uint8], count: int, streams: int) -> list[int]:
        """Where the coded parts begin, and the end; raises where they cannot hold their symbols."""
        if streams - 1 > data.size:
            raise HuffmanError(f"{data.size:,} bytes are too short to hold {streams:,} streams")
        at, sizes = 0, []
        head = memoryview(data)
        for _ in range(streams - 1):
            size, at = read_varint(head, at)
            sizes.append(size)
        starts = [at]
        for size in sizes:
            starts.append(starts[-1] + size)
        if starts[-1] > data.size:
            raise HuffmanError(
                f"{data.size:,} bytes came, and the streams before the last reach to {starts[-1]:,}"
            )
        starts.append(data.size)
        shortest = int(self.lengths[self.lengths > 0].min()) if self.lengths.any() else MAX_LENGTH
        for (first, last), start, stop in zip(_parts(count, streams), starts[:-1], starts[1:], strict=True):
            if (last - first) * shortest > 8 * (stop - start):
                raise HuffmanError(f"{stop - start:,} bytes are too short to hold {last - first:,} symbols")
            if first == last and start != stop:
                raise HuffmanError(f"{stop - start:,} bytes are left over in a stream without symbols")
        return starts

    def _decode_part(
        self, data: NDArray[np.uint8], start: int, stop: int, out: Symbols, first: int, last: int
    ) -> None:
        from efflab.huffman import _kernels  # noqa: PLC0415 - as above

        end = int(_kernels.decode_part(data, start, stop, *self._tables, out, first, last))
        if end > stop:
            raise HuffmanError(f"the data end before the last of {last - first:,} symbols")
        if not _kernels.check_padding(data, end, stop):
            raise HuffmanError(f"bits are left over after {last - first:,} symbols")

    def _decode_alone(
        self, data: NDArray[np.uint8], starts: list[int], parts: list[tuple[int, int]], dtype: type
    ) -> Symbols:
        """Where one symbol is used, its word is a zero bit."""
        sizes = [(last - first + 7) // 8 for first, last in parts]
        if sizes != np.diff(starts).tolist() or data[starts[0] :].any():
            raise HuffmanError("bits are left over, or are not zero, in streams of one symbol")
        alone: Symbols = np.full(parts[-1][1], int(np.flatnonzero(self.lengths)[0]), dtype)
        return alone

    @property
    def _alone(self) -> bool:
        return int(np.count_nonzero(self.lengths)) == 1

    @cached_property
    def _words(self) -> NDArray[np.uint32]:
        """Words and lengths as the encoder's table."""
        return self.codes | self.lengths.astype(np.uint32) << 24

    @cached_property
    def _tables(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]:
        """Tables of the decoder; see ``_kernels.decode_part``."""
        lengths = self.lengths.astype(np.int64)
        ordered = np.argsort(lengths, kind="stable")
        ordered = ordered[lengths[ordered] > 0]
        short = ordered[lengths[ordered] <= USUAL_LIMIT]
        entries = (short | lengths[short] << 24).astype(np.uint32)
        book = np.zeros(1 << USUAL_LIMIT, np.uint32)
        filled = np.repeat(entries, 1 << (USUAL_LIMIT - lengths[short]))
        book[: filled.size] = filled
        counts = np.bincount(lengths[ordered], minlength=MAX_LENGTH + 1)
        spans = counts << (MAX_LENGTH - np.arange(MAX_LENGTH + 1))
        limits = np.cumsum(spans)
        first_codes = (limits - spans) >> (MAX_LENGTH - np.arange(MAX_LENGTH + 1))
        offsets = np.cumsum(counts) - counts - first_codes
        return book, limits, offsets, ordered.astype(np.uint16)


def _parts(count: int, streams: int) -> Iterator[tuple[int, int]]:
    """Where each stream's symbols begin and end."""
    for part in range(streams):
        yield part * count // streams, (part + 1) * count // streams


def _check_streams(streams: int) -> None:
    if streams < 1:
        raise HuffmanError(f"streams is {streams:,}, and must be at least 1")


def _as_symbols(symbols: ArrayLike, size: int) -> Symbols:
    """Flat symbols below ``size``, as bytes or pairs of bytes."""
    array = np.asarray(symbols)
    if array.size == 0:
        return np.zeros(0, np.uint8)
    if array.dtype.kind not in "biu":
        raise HuffmanError(f"symbols must be integers, and came as {array.dtype}")
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest >= min(size, MAX_SIZE):
        raise HuffmanError(
            f"symbols must be from 0 to {min(size, MAX_SIZE) - 1:,}, and go from {lowest:,} to {highest:,}"
        )
    flat: Symbols = (
        np.ascontiguousarray(array).ravel().astype(np.uint8 if size <= 256 else np.uint16, copy=False)
    )
    return flat


def _without_word(symbols: Symbols, lengths: Lengths) -> str:
    missing = int(symbols[lengths[symbols] == 0][0])
    return f"symbol {missing:,} has no word in this code"
