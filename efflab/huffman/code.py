"""A canonical prefix code, and the streams that it writes and reads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.huffman._errors import HuffmanError
from efflab.huffman.lengths import MAX_LENGTH, MAX_SIZE, Lengths, _checked, canonical_codes, code_lengths
from efflab.huffman.varints import read_varint, varint

Symbols = NDArray[Any]
"""uint8 or uint16."""
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Data = bytes | bytearray | memoryview

# Words of up to 12 bits are decoded by one look-up, several at a time.
USUAL_LIMIT = 12

# Below this many symbols a table of pairs costs more than it saves.
MANY = 1 << 18


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
        return cls.from_counts(symbol_counts(symbols, size), limit)

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
        return b"".join(self.pieces(symbols, streams))

    def pieces(self, symbols: ArrayLike, streams: int = 4) -> list[Data]:
        """Like ``encode``, as pieces to be joined or written one after another, which saves a copy."""
        array = _as_symbols(symbols, self.size)
        _check_streams(streams)
        bounds = _bounds(array.size, streams)
        sizes = np.diff(bounds)
        # Words of the longest length, and what an encoder writes ahead.
        places = np.cumsum(np.append(0, (sizes * int(self.lengths.max(initial=0)) + 7) // 8 + 8))
        out = np.empty(int(places[-1]), np.uint8)
        ends = places[:-1].copy()
        done = self._encode_in_twos(array, bounds, out, ends)
        if done < streams:
            from efflab.huffman import _streams  # noqa: PLC0415 - Numba loads only where streams are

            for part in range(done, streams):
                symbols_of_part = array[bounds[part] : bounds[part + 1]]
                ends[part] = _streams.encode_part(symbols_of_part, self._words, out, places[part])
        if (ends < 0).any():
            raise HuffmanError(_without_word(array, self.lengths))
        head: list[Data] = [varint(size) for size in (ends - places[:-1])[:-1].tolist()]
        view = memoryview(out.data)
        return head + [view[start:end] for start, end in zip(places[:-1], ends, strict=True)]

    def _encode_in_twos(self, symbols: Symbols, bounds: Numbers, out: Bytes, ends: Numbers) -> int:
        """Encode two parts at a time where pairs of symbols pay, and say how many parts that were."""
        bits = max((self.size - 1).bit_length(), 1)
        parts = (bounds.size - 1) // 2 * 2
        if not parts or self._longest > USUAL_LIMIT or bits > 8 or symbols.size < max(2 << 2 * bits, 1 << 12):
            return 0
        from efflab.huffman import _streams  # noqa: PLC0415 - as above

        for part in range(0, parts, 2):
            places = ends[part : part + 2]
            if not _streams.encode_two(
                symbols, self._pairs, self._words, bounds[part : part + 3], out, places
            ):
                places[:] = -1
        return parts

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
        # Loops are compiled once, for what cannot be written.
        array = np.frombuffer(memoryview(data).toreadonly(), np.uint8)
        if streams - 1 > array.size:
            raise HuffmanError(f"{array.size:,} bytes are too short to hold {streams:,} streams")
        bounds = _bounds(count, streams)
        starts = self._read_starts(array, bounds)
        dtype = np.uint8 if self.size <= 256 else np.uint16
        if count and self._alone:
            return self._decode_alone(array, starts, bounds, dtype)
        out: Symbols = np.empty(count, dtype)
        if count:
            self._decode_parts(array, 8 * starts, bounds, out)
        return out

    def _read_starts(self, data: Bytes, bounds: Numbers) -> Numbers:
        """Where the coded parts begin, and the end; raises where they cannot hold their symbols."""
        at, sizes = 0, []
        head = memoryview(data.data)
        for _ in range(bounds.size - 2):
            size, at = read_varint(head, at)
            sizes.append(size)
        end = at + sum(sizes)
        if end > data.size:
            raise HuffmanError(f"{data.size:,} bytes came, and the streams before the last reach to {end:,}")
        starts = np.cumsum([at, *sizes, data.size - end])
        shortest = int(self.lengths[self.lengths > 0].min()) if self._longest else MAX_LENGTH
        for symbols, size in zip(np.diff(bounds).tolist(), np.diff(starts).tolist(), strict=True):
            if symbols * shortest > 8 * size:
                raise HuffmanError(f"{size:,} bytes are too short to hold {symbols:,} symbols")
            if symbols == 0 and size:
                raise HuffmanError(f"{size:,} bytes are left over in a stream without symbols")
        return starts

    def _decode_parts(self, data: Bytes, starts: Numbers, bounds: Numbers, out: Symbols) -> None:
        from efflab.huffman import _streams  # noqa: PLC0415 - as above

        bits, stops = starts[:-1].copy(), starts[1:]
        heads, tails = bounds[:-1].copy(), bounds[1:]
        several = out.dtype == np.uint8 and self._longest <= USUAL_LIMIT
        decode: Callable[..., None] = _streams.decode_four_several if several else _streams.decode_four
        table = self._several if several else self._book
        for part in range(0, bits.size - 3, 4):
            four = slice(part, part + 4)
            decode(data, bits[four], stops[four], table, out, heads[four], tails[four])
        for part, stop in enumerate(stops.tolist()):
            symbols = out[heads[part] : tails[part]]
            end = int(_streams.decode_part(data, bits[part], stop, self._book, symbols))
            if end > stop:
                raise HuffmanError(f"the data end within the symbols of stream {part}")
            if not _streams.is_padding(data, end, stop):
                raise HuffmanError(f"bits are left over after the symbols of stream {part}")

    def _decode_alone(self, data: Bytes, starts: Numbers, bounds: Numbers, dtype: type) -> Symbols:
        """Where one symbol is used, its word is a zero bit."""
        if (np.diff(starts) != (np.diff(bounds) + 7) // 8).any() or data[starts[0] :].any():
            raise HuffmanError("bits are left over, or are not zero, in streams of one symbol")
        alone: Symbols = np.full(bounds[-1], np.flatnonzero(self.lengths)[0], dtype)
        return alone

    @property
    def _alone(self) -> bool:
        return int(np.count_nonzero(self.lengths)) == 1

    @property
    def _longest(self) -> int:
        return int(self.lengths.max(initial=0))

    @cached_property
    def _words(self) -> NDArray[np.uint32]:
        """Words and lengths as the encoder's table, with an entry for whatever a symbol's dtype can hold."""
        words = np.zeros(1 << (8 if self.size <= 256 else 16), np.uint32)
        words[: self.size] = self.codes | self.lengths.astype(np.uint32) << 24
        return words

    @cached_property
    def _pairs(self) -> NDArray[np.uint64]:
        from efflab.huffman import _streams  # noqa: PLC0415 - as above

        pairs: NDArray[np.uint64] = _streams.pair_words(self._words, max((self.size - 1).bit_length(), 1))
        return pairs

    @cached_property
    def _several(self) -> NDArray[np.uint64]:
        from efflab.huffman import _streams  # noqa: PLC0415 - as above

        several: NDArray[np.uint64] = _streams.several_symbols(self._book[0])
        return several

    @cached_property
    def _book(self) -> tuple[NDArray[np.uint32], Numbers, Numbers, NDArray[np.uint16]]:
        """Tables of the decoder; see ``_streams.decode_part``."""
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


def symbol_counts(symbols: ArrayLike, size: int | None = None) -> Numbers:
    """Count symbols.

    Args:
        symbols: integers from 0 to 65,535, of any shape.
        size: symbols in the alphabet; by default one more than the largest that occurs.

    Returns:
        (size,) how often each occurs.

    Raises:
        HuffmanError: where symbols are none of the alphabet.
    """
    array = np.asarray(symbols)
    flat = _as_symbols(array, 256 if array.dtype == np.uint8 else MAX_SIZE)
    counts = _count(flat)
    found = int(np.flatnonzero(counts)[-1]) + 1 if flat.size else 0
    if size is not None and found > size:
        raise HuffmanError(f"symbols must be from 0 to {size - 1:,}, and go up to {found - 1:,}")
    wanted = np.zeros(found if size is None else size, np.int64)
    wanted[:found] = counts[:found]
    return wanted


def _count(symbols: Symbols) -> Numbers:
    """How often each number that fits the dtype occurs."""
    from efflab.huffman import _streams  # noqa: PLC0415 - as above

    counts: Numbers
    if symbols.dtype != np.uint8 or symbols.size < MANY or symbols.size >> 32:
        counts = _streams.count_symbols(symbols, 256 if symbols.dtype == np.uint8 else MAX_SIZE)
        return counts
    # Pairs begin at an even address.
    start = symbols.ctypes.data & 1
    end = start + (symbols.size - start) // 2 * 2
    pairs = _streams.count_pairs(symbols[start:end].view(np.uint16)).reshape(256, 256)
    counts = pairs.sum(0, np.int64) + pairs.sum(1, np.int64)
    for rest in (symbols[:start], symbols[end:]):
        counts += _streams.count_symbols(rest, 256)
    return counts


def _bounds(count: int, streams: int) -> Numbers:
    """(streams + 1,) where each stream's symbols begin, and the end."""
    return np.array([part * count // streams for part in range(streams + 1)], np.int64)


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
    # Bytes need no look here: the encoder finds symbols that have no word.
    if array.dtype != np.uint8 or size > 256:
        lowest, highest = int(array.min()), int(array.max())
        if lowest < 0 or highest >= min(size, MAX_SIZE):
            raise HuffmanError(
                f"symbols must be from 0 to {min(size, MAX_SIZE) - 1:,}, and go from {lowest:,} to {highest:,}"
            )
    flat: Symbols = np.ascontiguousarray(array, np.uint8 if size <= 256 else np.uint16).ravel()
    return flat


def _without_word(symbols: Symbols, lengths: Lengths) -> str:
    words = np.zeros(1 << 16, np.bool_)
    words[: lengths.size] = lengths > 0
    return f"symbol {int(symbols[~words[symbols]][0]):,} has no word in this code"
