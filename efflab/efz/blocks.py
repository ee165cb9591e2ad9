"""A tensor's labels and gaps in blocks, and their words."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from efflab import huffman
from efflab.efz.choose import Plan
from efflab.efz.directory import varint
from efflab.efz.dtypes import Bits
from efflab.efz.layout import BLOCK, CODEBOOK, COLUMNS, Entry, streams_for
from efflab.efz.scan import CHUNK, Int, Scan, chunks, chunks_down, nonzeros_of

assert BLOCK % CHUNK == 0, "a block of all values is made of whole chunks"

Symbols = NDArray[np.uint16]
Block = tuple[Symbols, Symbols, bool]


class BlockWriter:
    """Huffman-codes symbols block by block; every block but the last says how long it is."""

    def __init__(self, lengths: NDArray[np.uint8]) -> None:
        self.code = huffman.HuffmanCode(lengths) if lengths.size else None

    def block(self, symbols: Symbols, *, last: bool) -> bytes:
        """One block's bytes; none where there is nothing to tell."""
        if self.code is None or symbols.size == 0:
            return b""
        data = self.code.encode(symbols, streams_for(symbols.size))
        return data if last else varint(len(data)) + data


def blocks(bits: Bits, entry: Entry, found: Scan, plan: Plan) -> Iterator[Block]:
    """Labels and gaps in blocks, and whether each is the last."""
    assert found.table is not None
    total = bits.size if plan.nonzeros is None else plan.nonzeros + plan.fillers
    dense = plan.coding == CODEBOOK
    pieces = _all_values(bits, found, plan) if dense else _nonzeros(bits, entry, found, plan)
    done = 0
    for labels, gaps in pieces:
        done += labels.size
        yield labels, gaps, done == total


def _labels_by_slot(found: Scan, plan: Plan) -> tuple[Symbols, int]:
    """The label of each slot of the hash table, and that of zero."""
    assert found.table is not None
    order = np.argsort(plan.codebook)
    label_of = np.zeros(found.table.counts.size, np.uint16)
    used = found.table.counts > 0
    label_of[used] = order[np.searchsorted(plan.codebook[order], found.table.keys[used])]
    zero = np.flatnonzero(plan.codebook == 0)
    return label_of, int(zero[0]) if zero.size else 0


def _all_values(bits: Bits, found: Scan, plan: Plan) -> Iterator[tuple[Symbols, Symbols]]:
    from efflab.efz import _kernels  # noqa: PLC0415 - Numba loads only where a file is written

    table = found.table
    assert table is not None
    label_of, zero = _labels_by_slot(found, plan)
    labels, nothing = np.empty(BLOCK, np.uint16), np.zeros(0, np.uint16)
    filled = 0
    for _, piece in chunks(bits):
        keys = piece.astype(np.uint64)
        into = labels[filled : filled + piece.size]
        _kernels.label(keys, table.keys, table.counts, table.shift, label_of, zero, into)
        filled += piece.size
        if filled == BLOCK:
            yield labels, nothing
            filled = 0
    if filled:
        yield labels[:filled], nothing


def _nonzeros(bits: Bits, entry: Entry, found: Scan, plan: Plan) -> Iterator[tuple[Symbols, Symbols]]:
    from efflab.efz import _kernels  # noqa: PLC0415 - as above

    table = found.table
    assert table is not None
    label_of, filler = _labels_by_slot(found, plan)
    labels, gaps = np.empty(BLOCK, np.uint16), np.empty(BLOCK, np.uint16)
    previous: Int = -1
    filled: Int = 0
    pieces = chunks_down(bits, entry.rows) if plan.order == COLUMNS else chunks(bits)
    for base, index, keys in nonzeros_of(pieces):
        start: Int = 0
        while start < index.size:
            start, previous, filled = _kernels.emit(
                index, keys, start, base, previous, table.keys, table.counts, table.shift, label_of, filler,
                plan.index_bits, labels, gaps, filled,
            )  # fmt: skip
            if filled == BLOCK:
                yield labels, gaps
                filled = 0
    if filled:
        yield labels[:filled], gaps[:filled]
