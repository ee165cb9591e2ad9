"""Loops over counts, words and bits, compiled by Numba; each is plain Python under ``.py_func``.

Bits stand in unsigned 64-bit numbers, the next one on top.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Symbols = NDArray[np.uint8] | NDArray[np.uint16]

# Numba makes floats of signed and unsigned numbers together, so that every constant beside bits is unsigned.
_0, _1, _2, _3, _4, _5, _6, _7, _8 = (np.uint64(n) for n in range(9))
_12, _16, _24, _32, _40, _48, _52, _56, _63, _64 = (
    np.uint64(n) for n in (12, 16, 24, 32, 40, 48, 52, 56, 63, 64)
)
_WORD = np.uint64(0xFFFFFF)
_LENGTH = np.uint64(0x1F)

LOOK_UP = 12
"""Words up to this many bits are decoded by one look-up."""


# Lengths of a code.


@njit(cache=True, nogil=True)
def two_queues(weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - counts are int64 or float64
    """Depths in Huffman's tree of leaves in rising order of weight.

    Merged nodes come out in rising order too, so that the lightest node is the first of one of two queues. Of equal
    weights the leaf goes first, which keeps the tree as flat as an optimal tree can be.

    Args:
        weights: (n,) rising, n >= 2.

    Returns:
        (n,) uint8 depths, falling.
    """
    n = weights.size
    merged = np.zeros(n, weights.dtype)
    parent = np.zeros(2 * n, np.int32)
    leaf, node = 0, 0
    for made in range(n - 1):
        total = weights[0] - weights[0]
        for _ in range(2):
            if leaf < n and (node >= made or weights[leaf] <= merged[node]):
                total += weights[leaf]
                parent[leaf] = made
                leaf += 1
            else:
                total += merged[node]
                parent[n + node] = made
                node += 1
        merged[made] = total
    depth = np.zeros(n, np.uint8)
    for made in range(n - 3, -1, -1):
        depth[made] = depth[parent[n + made]] + 1
    depths = np.zeros(n, np.uint8)
    for leaf in range(n):
        depths[leaf] = depth[parent[leaf]] + 1
    return depths


@njit(cache=True, nogil=True)
def package_merge(weights, limit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - as above
    """Lengths of the best code whose words have at most ``limit`` bits, by package-merge.

    A symbol has one coin of each width 2^-1 to 2^-limit, worth its weight; the cheapest coins of total width n - 1 say how
    long its word is. From the narrowest coins up, neighbours in order of worth become packages, which join the coins of
    twice their width.

    Args:
        weights: (n,) rising, n >= 2.
        limit: at least log2 n.

    Returns:
        (n,) uint8 lengths, falling.
    """
    n = weights.size
    is_coin = np.zeros((limit, 2 * n), np.bool_)
    row = weights.copy()
    is_coin[0, :n] = True
    size = n
    longer = np.zeros(2 * n, weights.dtype)
    for level in range(1, limit):
        coin, package, at = 0, 0, 0
        packages = size // 2
        while coin < n or package < packages:
            if coin < n and (package >= packages or weights[coin] <= row[2 * package] + row[2 * package + 1]):
                longer[at] = weights[coin]
                is_coin[level, at] = True
                coin += 1
            else:
                longer[at] = row[2 * package] + row[2 * package + 1]
                package += 1
            at += 1
        row = longer[:at].copy()
        size = at
    lengths = np.zeros(n, np.uint8)
    taken = 2 * n - 2
    for level in range(limit - 1, -1, -1):
        coins = 0
        for at in range(taken):
            coins += is_coin[level, at]
        for symbol in range(coins):
            lengths[symbol] += 1
        taken = 2 * (taken - coins)
    return lengths


# Code books.


@njit(cache=True, nogil=True)
def _bit(data: Bytes, bit: int) -> int:
    """One bit; -1 beyond the data."""
    if bit >> 3 >= data.size:
        return -1
    return np.int64(data[bit >> 3]) >> (7 - (bit & 7)) & 1


@njit(cache=True, nogil=True)
def _number(data: Bytes, bit: int, width: int) -> int:
    """A number of ``width`` bits; -1 where the data end within it."""
    number = 0
    for at in range(bit, bit + width):
        one = _bit(data, at)
        if one < 0:
            return -1
        number = number << 1 | one
    return number


@njit(cache=True, nogil=True)
def _zeros(data: Bytes, bit: int, most: int) -> int:
    """How many zeros stand before the next one; -1 where they are more than ``most`` or the data end."""
    for zeros in range(most + 1):
        one = _bit(data, bit + zeros)
        if one:
            return -1 if one < 0 else zeros
    return -1


@njit(cache=True, nogil=True)
def read_book(data: Bytes, start: int, lengths: Bytes) -> int:  # noqa: C901, PLR0911, PLR0912 - a grammar, read once
    """Fill ``lengths`` from a code book at byte ``start``.

    Returns:
        Where it ends; -1: too early, -2: no such lengths, -3: padding is not zero.
    """
    bit = 8 * start
    all_used = _bit(data, bit)
    bit += 1
    if all_used < 0:
        return -1
    size = lengths.size
    if all_used:
        lengths[:] = 1
    at, used = 0, True
    while not all_used and at < size:
        zeros = _zeros(data, bit, 16)
        run = -1 if zeros < 0 else _number(data, bit + zeros, zeros + 1)
        if run < 0:
            return -1 if bit + 17 >= 8 * data.size else -2
        bit += 2 * zeros + 1
        run -= at == 0 and used
        if run > size - at:
            return -2
        lengths[at : at + run] = used
        at += run
        used = not used
    length = 0
    for at in range(size):
        if lengths[at]:
            if length == 0:
                length = _number(data, bit, 5)
                bit += 5
                if length < 0:
                    return -1
            else:
                folded = _zeros(data, bit, 47)
                if folded < 0:
                    return -1 if bit + 48 >= 8 * data.size else -2
                bit += folded + 1
                length += -(folded + 1) // 2 if folded & 1 else folded // 2
            if not 1 <= length <= 24:
                return -2
            lengths[at] = length
    end = (bit + 7) >> 3
    if bit < 8 * end and _number(data, bit, 8 * end - bit):
        return -3
    return end


# Streams.


@njit(cache=True, nogil=True)
def _load(data: Bytes, at: np.uint64) -> np.uint64:
    """Eight bytes as bits; the compiler makes one load of it."""
    return (
        np.uint64(data[at]) << _56
        | np.uint64(data[at + _1]) << _48
        | np.uint64(data[at + _2]) << _40
        | np.uint64(data[at + _3]) << _32
        | np.uint64(data[at + _4]) << _24
        | np.uint64(data[at + _5]) << _16
        | np.uint64(data[at + _6]) << _8
        | np.uint64(data[at + _7])
    )


@njit(cache=True, nogil=True)
def _load_near_end(data: Bytes, at: int) -> np.uint64:
    """Eight bytes as bits, zeros beyond the data."""
    bits = _0
    for byte in range(at, min(at + 8, data.size)):
        bits |= np.uint64(data[byte]) << np.uint64(56 - 8 * (byte - at))
    return bits


@njit(cache=True, nogil=True)
def _store(out: Bytes, at: np.uint64, bits: np.uint64) -> None:
    """Eight bytes of bits; the compiler makes one store of it."""
    out[at] = bits >> _56
    out[at + _1] = bits >> _48 & np.uint64(255)
    out[at + _2] = bits >> _40 & np.uint64(255)
    out[at + _3] = bits >> _32 & np.uint64(255)
    out[at + _4] = bits >> _24 & np.uint64(255)
    out[at + _5] = bits >> _16 & np.uint64(255)
    out[at + _6] = bits >> _8 & np.uint64(255)
    out[at + _7] = bits & np.uint64(255)


@njit(cache=True, nogil=True)
def encode_words(symbols: Symbols, words: NDArray[np.uint32], out: Bytes, start: int) -> int:
    """Write the words of symbols, one part of a stream.

    Args:
        symbols: below ``words.size``.
        words: word in the lowest 24 bits, length in the next 5; 0 for a symbol without a word.
        out: with eight bytes more than the words take.
        start: first byte to write.

    Returns:
        The byte after the last one; -1 where a symbol has no word.
    """
    at, have, bits = np.uint64(start), _0, _0
    missing = False
    for i in range(symbols.size):
        entry = np.uint64(words[symbols[i]])
        length = entry >> _24
        missing |= entry == _0
        bits |= (entry & _WORD) << (_63 - have - length) << _1
        have += length
        _store(out, at, bits)
        at += have >> _3
        bits <<= have & np.uint64(56)
        have &= _7
    return -1 if missing else np.int64(at) + (have > _0)


@njit(cache=True, nogil=True)
def decode_part(
    data: Bytes, start: int, stop: int, book: NDArray[np.uint32], limits: Numbers, offsets: Numbers,
    ordered: NDArray[np.uint16], out: Symbols, first: int, last: int,
) -> int:  # fmt: skip
    """Decode words one by one into ``out[first:last]``, whatever their lengths.

    Args:
        data: all bytes.
        start: the bit where the first word begins.
        stop: the bit where the part ends.
        book: by the next 12 bits: the symbol, and from bit 24 its word's length; 0 for a longer word.
        limits: by length, the first 24 bits that are above all words of up to this length.
        offsets: by length, what turns a word into a position in ``ordered``.
        ordered: symbols in order of their words.
        out: receives symbols.
        first: where to begin in ``out``.
        last: where to end in ``out``.

    Returns:
        The bit after the last word; above ``stop`` where the words go on too long.
    """
    bit = start
    for o in range(first, last):
        byte = bit >> 3
        bits = _load(data, np.uint64(byte)) if byte + 8 <= data.size else _load_near_end(data, byte)
        bits <<= np.uint64(bit & 7)
        entry = np.int64(book[bits >> _52])
        length = entry >> 24
        if length:
            out[o] = entry & 0xFFFFFF
        else:
            head = np.int64(bits >> _40)
            length = 13
            while head >= limits[length]:
                length += 1
            out[o] = ordered[(head >> (24 - length)) + offsets[length]]
        bit += length
        if bit > stop:
            return bit
    return bit


@njit(cache=True, nogil=True)
def check_padding(data: Bytes, bit: int, stop: int) -> bool:
    """Whether a part of words that end at ``bit`` goes on to ``stop`` by nothing but padding."""
    if not bit <= stop < bit + 8:
        return False
    return bit == stop or np.int64(data[bit >> 3]) & (0xFF >> (bit & 7)) == 0
