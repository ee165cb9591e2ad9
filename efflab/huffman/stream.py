"""Symbols as bytes that say everything themselves; the layout stands in the package's docstring."""

import numpy as np
from numpy.typing import ArrayLike

from efflab.huffman._errors import HuffmanError
from efflab.huffman.books import pack_lengths, read_lengths
from efflab.huffman.code import HuffmanCode, Symbols
from efflab.huffman.lengths import MAX_SIZE
from efflab.huffman.varints import read_varint, varint


def encode(
    symbols: ArrayLike, size: int | None = None, *, limit: int | None = None, streams: int = 4
) -> bytes:
    """Code symbols with the best code for them, code book included.

    Args:
        symbols: integers from 0 to 65,535, of any shape.
        size: symbols in the alphabet; by default one more than the largest.
        limit: longest word in bits; see ``HuffmanCode.of``.
        streams: parts that can be decoded independently.

    Returns:
        The bytes; ``decode`` gives the symbols back, flat.
    """
    array = np.asarray(symbols).ravel()
    code = HuffmanCode.of(array, size, limit)
    head = varint(code.size) + varint(array.size) + varint(streams)
    if array.size == 0:
        return head
    return b"".join([head, pack_lengths(code.lengths), *code.pieces(array, streams)])


def decode(data: bytes) -> Symbols:
    """Give back what ``encode`` coded.

    Args:
        data: bytes of ``encode``.

    Returns:
        (n,) symbols, uint8 for alphabets up to 256, else uint16.

    Raises:
        HuffmanError: where the data are damaged.
    """
    size, at = read_varint(data, 0)
    count, at = read_varint(data, at)
    streams, at = read_varint(data, at)
    if size > MAX_SIZE:
        raise HuffmanError(
            f"the data claim an alphabet of {size:,}, and the largest has {MAX_SIZE:,} symbols"
        )
    if count == 0:
        if at != len(data):
            raise HuffmanError(f"{len(data) - at:,} bytes are left over after data without symbols")
        return np.zeros(0, np.uint8 if size <= 256 else np.uint16)
    lengths, at = read_lengths(data, size, at)
    return HuffmanCode(lengths).decode(memoryview(data)[at:], count, streams)
