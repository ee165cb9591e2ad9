"""Huffman coding: short words for frequent symbols, exact, canonical, and fast.

Source: D. A. Huffman, "A Method for the Construction of Minimum-Redundancy Codes", Proceedings of the IRE, 1952; as the
third stage of S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, section 4. Limited lengths: L. Larmore and
D. Hirschberg, "A Fast Algorithm for Optimal Length-Limited Huffman Codes", Journal of the ACM, 1990.

>>> import numpy as np
>>> from efflab import huffman
>>> labels = np.array([0, 1, 0, 0, 2, 0, 1, 0])
>>> code = huffman.HuffmanCode.of(labels)
>>> code.words
('0', '10', '11')
>>> data = code.encode(labels, streams=1)
>>> len(data), code.decode(data, count=8, streams=1).tolist()
(2, [0, 1, 0, 0, 2, 0, 1, 0])

**The streams, bit by bit.** Everything is a sequence of bits that fills bytes from the most significant bit down, so
that a code word of n bits, read as a number, appears in reading order; there is no byte order beyond that.

*Code words* are canonical: with the symbols in order of (length, symbol), the first word is all zeros, and each next
one is (previous + 1) shifted left by the growth in length. So the lengths alone are the code. A code is complete
(the sum of 2^-length is 1), except that an alphabet in which one symbol is used gives it length 1 and the word 0.
Words have at most 24 bits.

*Streams* (``HuffmanCode.encode``): the symbols are cut into S contiguous parts, part j holding the symbols from
floor(j n / S) up to floor((j + 1) n / S). Each part is coded alone: its words one after another, then zero bits up to
the next whole byte. First come the lengths in bytes of the first S - 1 coded parts, each as a varint (seven bits a
byte, the least significant seven first, the top bit set in all bytes but the last); then the S coded parts, the last
one reaching to the end of the data. Neither n nor S is stored.

*Code book* (``pack_lengths``), for an alphabet of known size: one bit, 1 if every symbol is used; if not, which ones
are: runs of used and unused symbols in turn, beginning with used ones, each run's length as an Elias gamma number (the
first, which may be 0, is stored plus 1), until the alphabet is full. Then the length of the first used symbol as five
bits, and for each further used symbol the difference d from the previous one's length, in unary: d is folded to
f = 2d for d >= 0 and f = -2d - 1 for d < 0, and written as f zeros and a one. Zero bits up to the next whole byte. An
alphabet without any symbol takes no bytes.

*Self-contained* (``encode``): the varints of the alphabet's size, of the count n, and of the number of streams S; the
code book; the streams. Where n is 0, nothing follows the three numbers.
"""

from efflab.huffman._errors import HuffmanError
from efflab.huffman.books import pack_lengths, read_lengths, unpack_lengths
from efflab.huffman.code import HuffmanCode, symbol_counts
from efflab.huffman.lengths import canonical_codes, code_lengths, entropy, mean_length
from efflab.huffman.stream import decode, encode
from efflab.huffman.trees import Node, tree

__all__ = [
    "HuffmanCode",
    "HuffmanError",
    "Node",
    "canonical_codes",
    "code_lengths",
    "decode",
    "encode",
    "entropy",
    "mean_length",
    "pack_lengths",
    "read_lengths",
    "symbol_counts",
    "tree",
    "unpack_lengths",
]
