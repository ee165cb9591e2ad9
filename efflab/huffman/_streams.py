"""Loops over symbols and bits of streams, compiled by Numba; each is plain Python under ``.py_func``.

Bits stand in unsigned 64-bit numbers, since Numba makes floats of signed and unsigned numbers together. A decoder keeps
the next bit on top; an encoder keeps the last bit lowest, and lets what is above the bits it has still to write be
anything. Four parts are decoded side by side, since each waits most of the time for its own last look-up, and two are
encoded.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.huffman._words import load_bits, load_symbols, store_bits, store_symbols

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Symbols = NDArray[Any]
"""uint8 or uint16."""
Book = tuple[NDArray[np.uint32], Numbers, Numbers, NDArray[np.uint16]]
State = tuple[np.uint64, np.uint64, np.uint64]

_0, _3, _7, _8, _16, _24, _32, _40, _48, _52, _63, _64 = (
    np.uint64(n) for n in (0, 3, 7, 8, 16, 24, 32, 40, 48, 52, 63, 64)
)
_WORD = np.uint64(0xFFFFFF)
_EVEN = np.uint64(0x00FF00FF00FF00FF)
_ODD = np.uint64(0xFF00FF00FF00FF00)
_BYTE = np.uint64(0xFF)

# A pair's entry: both words in the lowest 24 bits, a flag where one is missing, their length in the top six.
_MISSING = np.uint64(1 << 57)
_LENGTH = np.uint64(58)
# Bits that fit below the flag beside the seven that may wait for their byte.
_ROOM = np.uint64(50)

LOOK_UP = 12
"""Words up to this many bits are decoded by one look-up."""

SEVERAL = 5
"""Symbols that one look-up gives at most."""


@njit(cache=True, nogil=True)
def count_symbols(symbols: Symbols, size: int) -> Numbers:
    """How often each of ``size`` symbols occurs; symbols must be below it."""
    counts = np.zeros((4, size), np.int64)
    whole = symbols.size // 4 * 4
    for i in range(0, whole, 4):
        counts[0, symbols[i]] += 1
        counts[1, symbols[i + 1]] += 1
        counts[2, symbols[i + 2]] += 1
        counts[3, symbols[i + 3]] += 1
    for i in range(whole, symbols.size):
        counts[0, symbols[i]] += 1
    total: Numbers = counts[0] + counts[1] + counts[2] + counts[3]
    return total


@njit(cache=True, nogil=True)
def count_pairs(pairs: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """How often each pair of symbols occurs, (65,536,), of symbols seen two by two.

    A pair costs one addition where its symbols cost two. Pairs go to two tables in turn, since adding to what was just
    added to must wait; the second stands off by some lines of the cache, whose places the first one's rows take.
    """
    tables = np.zeros((2 << 16) + 64, np.uint32)
    even, odd = tables[: 1 << 16], tables[(1 << 16) + 64 :]
    for i in range(0, pairs.size - 1, 2):
        even[pairs[i]] += np.uint32(1)
        odd[pairs[i + 1]] += np.uint32(1)
    if pairs.size % 2:
        even[pairs[-1]] += np.uint32(1)
    return even + odd


# Encoding.


@njit(cache=True, nogil=True)
def pair_words(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint64]:
    """The encoder's table of pairs of symbols below ``2^bits``; the first symbol is the lower part of the index."""
    size = 1 << bits
    pairs = np.full(size * size, _MISSING)
    for second in range(size):
        last = np.uint64(words[second])
        for first in range(size if last else 0):
            entry = np.uint64(words[first])
            if entry:
                length = (entry >> _24) + (last >> _24)
                word = (entry & _WORD) << (last >> _24) | (last & _WORD)
                pairs[first | second << bits] = word | length << _LENGTH
    return pairs


@njit(inline="always")
def _flush(out: Bytes, at: np.uint64, have: np.uint64, bits: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Write the lowest ``have`` bits; what is no whole byte is written again with the next ones."""
    store_bits(out, at, bits << ((_64 - have) & _63))
    return at + (have >> _3), have & _7


@njit(inline="always")
def _encode_eight(
    pairs: NDArray[np.uint64], mask: np.uint64, symbols: np.uint64, out: Bytes, state: State
) -> tuple[State, np.uint64]:
    """Write eight symbols, given as four indices of pairs; also returns the entries' bits or-ed together."""
    at, have, bits = state
    one, two = pairs[symbols & mask], pairs[symbols >> _16 & mask]
    three, four = pairs[symbols >> _32 & mask], pairs[symbols >> _48 & mask]
    first, second = (one >> _LENGTH) + (two >> _LENGTH), (three >> _LENGTH) + (four >> _LENGTH)
    bits = (bits << (one >> _LENGTH) | one) << (two >> _LENGTH) | two
    have += first
    # Eight symbols that are long together, which is rare, are written in two halves.
    if first + second > _ROOM:
        at, have = _flush(out, at, have, bits)
    bits = (bits << (three >> _LENGTH) | three) << (four >> _LENGTH) | four
    at, have = _flush(out, at, have + second, bits)
    return (at, have, bits), one | two | three | four


@njit(cache=True, nogil=True)
def encode_two(  # noqa: PLR0917 - compiled functions take their arguments by position
    symbols: Bytes, pairs: NDArray[np.uint64], words: NDArray[np.uint32], bounds: Numbers, out: Bytes, places: Numbers
) -> bool:  # fmt: skip
    """Write two parts, two symbols a look-up; words have at most 12 bits.

    Args:
        symbols: all symbols.
        pairs: table of ``pair_words``.
        words: as for ``encode_part``.
        bounds: (3,) where the parts begin, and the second one's end.
        out: room for each part's words and eight bytes more.
        places: (2,) where in ``out`` each part begins; receives where it ends.

    Returns:
        Whether every symbol has a word.
    """
    width = 0
    while 1 << 2 * width < pairs.size:
        width += 1
    shift, mask = np.uint64(8 - width), np.uint64(pairs.size - 1)
    i, j = np.uint64(bounds[0]), np.uint64(bounds[1])
    one, other = (np.uint64(places[0]), _0, _0), (np.uint64(places[1]), _0, _0)
    seen, met = _0, _0
    for _ in range(min(bounds[1] - bounds[0], bounds[2] - bounds[1]) // 8):
        eight = load_symbols(symbols, i)
        met |= eight
        # From a byte to ``width`` bits a symbol, within each pair.
        one, entries = _encode_eight(pairs, mask, eight & _EVEN | (eight & _ODD) >> shift, out, one)
        seen |= entries
        eight = load_symbols(symbols, j)
        met |= eight
        other, entries = _encode_eight(pairs, mask, eight & _EVEN | (eight & _ODD) >> shift, out, other)
        seen |= entries
        i += _8
        j += _8
    places[0] = _encode_rest(symbols[np.int64(i) : bounds[1]], words, out, one)
    places[1] = _encode_rest(symbols[np.int64(j) : bounds[2]], words, out, other)
    for byte in range(8):
        if np.int64(met >> np.uint64(8 * byte) & _BYTE) >> width:
            return False
    return bool(seen & _MISSING == _0 and places.min() >= 0)


@njit(cache=True, nogil=True)
def _encode_rest(symbols: Symbols, words: NDArray[np.uint32], out: Bytes, state: State) -> np.int64:
    """Write the words of symbols one by one; returns the byte after the last, -1 where a symbol has no word."""
    at, have, bits = state
    missing = False
    for i in range(symbols.size):
        entry = np.uint64(words[symbols[i]])
        missing |= entry == _0
        bits = bits << (entry >> _24) | (entry & _WORD)
        at, have = _flush(out, at, have + (entry >> _24), bits)
    return np.int64(-1) if missing else np.int64(at) + np.int64(have > _0)


@njit(cache=True, nogil=True)
def encode_part(symbols: Symbols, words: NDArray[np.uint32], out: Bytes, start: int) -> np.int64:
    """Write the words of symbols, one part of a stream.

    Args:
        symbols: any; those from ``words.size`` on must not occur.
        words: word in the lowest 24 bits, length in the next five; 0 for a symbol without a word.
        out: with eight bytes more than the words take.
        start: first byte to write.

    Returns:
        The byte after the last one; -1 where a symbol has no word.
    """
    return _encode_rest(symbols, words, out, (np.uint64(start), _0, _0))


# Decoding.


@njit(cache=True, nogil=True)
def several_symbols(book: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The decoder's table of several symbols: what the next 12 bits hold whole words of.

    Args:
        book: by 12 bits, the first symbol, and from bit 24 its word's length; 0 for a longer word.

    Returns:
        By 12 bits: in the lowest byte the bits of the whole words, in the next one how many they are, above those the
        symbols, a byte each, at most five (so that four entries can be added without overflow).
    """
    table = np.zeros(book.size, np.uint64)
    for head in range(book.size):
        used, count, symbols = np.int64(0), 0, _0
        while count < SEVERAL:
            entry = np.int64(book[(head << used) & (book.size - 1)])
            length = entry >> 24
            if length == 0 or used + length > LOOK_UP:
                break
            symbols |= np.uint64(entry & 0xFF) << np.uint64(8 * count)
            used += length
            count += 1
        table[head] = symbols << _16 | np.uint64(count << 8 | used)
    return table


@njit(inline="always")
def _decode_four_times(
    data: Bytes, table: NDArray[np.uint64], bit: np.uint64, out: Bytes, o: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """Four look-ups of one part: at most 48 bits and 20 symbols, and up to five places more are written."""
    bits = load_bits(data, bit >> _3) << (bit & _7)
    one = table[bits >> _52]
    store_symbols(out, o, one >> _16)
    o += one >> _8 & _7
    bits <<= one & _63
    two = table[bits >> _52]
    store_symbols(out, o, two >> _16)
    o += two >> _8 & _7
    bits <<= two & _63
    three = table[bits >> _52]
    store_symbols(out, o, three >> _16)
    o += three >> _8 & _7
    bits <<= three & _63
    four = table[bits >> _52]
    store_symbols(out, o, four >> _16)
    o += four >> _8 & _7
    return bit + (one + two + three + four & _BYTE), o


@njit(cache=True, nogil=True)
def decode_four_several(  # noqa: PLR0917 - as above
    data: Bytes, bits: Numbers, stops: Numbers, table: NDArray[np.uint64], out: Bytes, heads: Numbers, tails: Numbers
) -> None:  # fmt: skip
    """Decode most of four parts, several symbols a look-up.

    As many rounds are made at once as cannot leave any part, however the bits fall; then they are counted again, until
    none is left that is safe. ``decode_part`` does the rest.

    Args:
        data: all bytes.
        bits: (4,) the bit where each part begins; receives where its next word does.
        stops: (4,) the bit where each part ends, within the data.
        table: of ``several_symbols``, of a complete code.
        out: receives symbols.
        heads: (4,) where each part begins in ``out``; receives where its next symbol belongs.
        tails: (4,) where each part ends in ``out``.
    """
    b0, b1, b2, b3 = np.uint64(bits[0]), np.uint64(bits[1]), np.uint64(bits[2]), np.uint64(bits[3])
    o0, o1, o2, o3 = np.uint64(heads[0]), np.uint64(heads[1]), np.uint64(heads[2]), np.uint64(heads[3])
    rounds = _safe_rounds(bits, stops, heads, tails, 48, 20)
    while rounds > 0:
        for _ in range(rounds):
            b0, o0 = _decode_four_times(data, table, b0, out, o0)
            b1, o1 = _decode_four_times(data, table, b1, out, o1)
            b2, o2 = _decode_four_times(data, table, b2, out, o2)
            b3, o3 = _decode_four_times(data, table, b3, out, o3)
        bits[0], bits[1], bits[2], bits[3] = b0, b1, b2, b3
        heads[0], heads[1], heads[2], heads[3] = o0, o1, o2, o3
        rounds = _safe_rounds(bits, stops, heads, tails, 48, 20)


@njit(cache=True, nogil=True)
def _safe_rounds(  # noqa: PLR0917 - as above
    bits: Numbers, stops: Numbers, heads: Numbers, tails: Numbers, most_bits: int, most_symbols: int
) -> np.int64:
    """Rounds that neither read nor write beyond any part, with a load and a store of eight bytes each to spare."""
    rounds = np.int64(1 << 62)
    for part in range(4):
        rounds = min(rounds, (stops[part] - bits[part] - 64) // most_bits)
        rounds = min(rounds, (tails[part] - heads[part] - 8) // most_symbols)
    return rounds


@njit(inline="always")
def _word(
    bits: np.uint64, look_up: NDArray[np.uint32], limits: Numbers, offsets: Numbers, ordered: NDArray[np.uint16]
) -> tuple[np.int64, np.int64]:  # fmt: skip
    """The symbol whose word stands on top, and its length."""
    entry = np.int64(look_up[bits >> _52])
    length = entry >> 24
    if length:
        return entry & 0xFFFFFF, length
    head = np.int64(bits >> _40)
    length = np.int64(LOOK_UP + 1)
    while head >= limits[length]:
        length += 1
    return np.int64(ordered[(head >> (24 - length)) + offsets[length]]), length


@njit(cache=True, nogil=True)
def decode_four(  # noqa: PLR0917 - as above
    data: Bytes, starts: Numbers, stops: Numbers, book: Book, out: Symbols, heads: Numbers, tails: Numbers
) -> None:
    """Decode most of four parts, whatever the lengths of the words; otherwise as ``decode_four_several``."""
    look_up, limits, offsets, ordered = book
    b0, b1, b2, b3 = np.uint64(starts[0]), np.uint64(starts[1]), np.uint64(starts[2]), np.uint64(starts[3])
    o0, o1, o2, o3 = heads[0], heads[1], heads[2], heads[3]
    rounds = _safe_rounds(starts, stops, heads, tails, 48, 2)
    while rounds > 0:
        for _ in range(rounds):
            bits = load_bits(data, b0 >> _3) << (b0 & _7)
            out[o0], one = _word(bits, look_up, limits, offsets, ordered)
            out[o0 + 1], two = _word(bits << np.uint64(one), look_up, limits, offsets, ordered)
            b0 += np.uint64(one + two)
            bits = load_bits(data, b1 >> _3) << (b1 & _7)
            out[o1], one = _word(bits, look_up, limits, offsets, ordered)
            out[o1 + 1], two = _word(bits << np.uint64(one), look_up, limits, offsets, ordered)
            b1 += np.uint64(one + two)
            bits = load_bits(data, b2 >> _3) << (b2 & _7)
            out[o2], one = _word(bits, look_up, limits, offsets, ordered)
            out[o2 + 1], two = _word(bits << np.uint64(one), look_up, limits, offsets, ordered)
            b2 += np.uint64(one + two)
            bits = load_bits(data, b3 >> _3) << (b3 & _7)
            out[o3], one = _word(bits, look_up, limits, offsets, ordered)
            out[o3 + 1], two = _word(bits << np.uint64(one), look_up, limits, offsets, ordered)
            b3 += np.uint64(one + two)
            o0, o1, o2, o3 = o0 + 2, o1 + 2, o2 + 2, o3 + 2
        starts[0], starts[1], starts[2], starts[3] = b0, b1, b2, b3
        heads[0], heads[1], heads[2], heads[3] = o0, o1, o2, o3
        rounds = _safe_rounds(starts, stops, heads, tails, 48, 2)


@njit(cache=True, nogil=True)
def decode_part(data: Bytes, start: np.int64, stop: np.int64, book: Book, out: Symbols) -> np.int64:
    """Decode words one by one until ``out`` is full, checking each.

    Args:
        data: all bytes.
        start: the bit where the first word begins.
        stop: the bit where the part ends.
        book: look-up by the next 12 bits (see ``several_symbols``); by length, the first 24 bits that are above all
            words of up to this length; by length, what turns a word into a place in the last; symbols in order of words.
        out: receives symbols.

    Returns:
        The bit after the last word; above ``stop`` where the words go on too long.
    """
    look_up, limits, offsets, ordered = book
    bit = start
    for o in range(out.size):
        byte = bit >> 3
        near_end = byte + 8 > data.size
        bits = _load_near_end(data, byte) if near_end else load_bits(data, np.uint64(byte))
        symbol, length = _word(bits << np.uint64(bit & 7), look_up, limits, offsets, ordered)
        out[o] = symbol
        bit += length
        if bit > stop:
            return bit
    return bit


@njit(cache=True, nogil=True)
def _load_near_end(data: Bytes, at: np.int64) -> np.uint64:
    """Eight bytes as bits, zeros beyond the data."""
    bits = _0
    for byte in range(at, min(at + 8, np.int64(data.size))):
        bits |= np.uint64(data[byte]) << np.uint64(56 - 8 * (byte - at))
    return bits


@njit(cache=True, nogil=True)
def is_padding(data: Bytes, bit: int, stop: int) -> bool:
    """Whether words that end at ``bit`` are followed by nothing but zeros up to the next whole byte, ``stop``."""
    if not bit <= stop < bit + 8:
        return False
    return bit == stop or np.int64(data[bit >> 3]) & (0xFF >> (bit & 7)) == 0
