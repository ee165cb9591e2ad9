"""Loops over counts, lengths and code books, compiled by Numba; each is plain Python under ``.py_func``."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Counts = NDArray[Any]
"""int64 or float64."""

# Lengths of a code.


@njit(cache=True, nogil=True)
def two_queues(weights: Counts) -> Bytes:
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
def package_merge(weights: Counts, limit: int) -> Bytes:
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
def _bit(data: Bytes, bit: int) -> np.int64:
    """One bit; -1 beyond the data."""
    if bit >> 3 >= data.size:
        return np.int64(-1)
    return np.int64(data[bit >> 3]) >> (7 - (bit & 7)) & 1


@njit(cache=True, nogil=True)
def _number(data: Bytes, bit: int, width: int) -> np.int64:
    """A number of ``width`` bits; -1 where the data end within it."""
    number = np.int64(0)
    for at in range(bit, bit + width):
        one = _bit(data, at)
        if one < 0:
            return np.int64(-1)
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
    at, used = np.int64(0), True
    while not all_used and at < size:
        zeros = _zeros(data, bit, 16)
        run = np.int64(-1) if zeros < 0 else _number(data, bit + zeros, zeros + 1)
        if run < 0:
            return -1 if bit + 17 >= 8 * data.size else -2
        bit += 2 * zeros + 1
        run -= at == 0 and used
        if run > size - at:
            return -2
        lengths[at : at + run] = used
        at += run
        used = not used
    length = np.int64(0)
    for symbol in range(size):
        if lengths[symbol]:
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
                length = length + (-(folded + 1) // 2 if folded & 1 else folded // 2)
            if not 1 <= length <= 24:
                return -2
            lengths[symbol] = length
    end = (bit + 7) >> 3
    if bit < 8 * end and _number(data, bit, 8 * end - bit):
        return -3
    return end


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, those over streams too, so that no call has to."""
    from efflab import huffman  # noqa: PLC0415 - the package loads its loops where it needs them

    many = np.arange(1 << 18)
    for symbols in (many.astype(np.uint8), (many % 300).astype(np.uint16)):
        counts = huffman.symbol_counts(symbols)
        # A code that is flat, and one with words that are too long for the quick tables.
        for lengths in (
            huffman.code_lengths(counts),
            huffman.code_lengths(1.3 ** np.arange(counts.size), 20),
        ):
            code = huffman.HuffmanCode(lengths)
            code.decode(code.encode(symbols), symbols.size)
    skewed = np.arange(1, 5) ** 4
    for weights in (skewed, skewed.astype(np.float64)):
        huffman.unpack_lengths(huffman.pack_lengths(huffman.code_lengths(weights, 2)), weights.size)
