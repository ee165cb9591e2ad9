"""The file of lab 03's challenge, as the grader reads it: from bytes of a student, so nothing in them is believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from autograder.checks.huffman_codes import best_cost, canonical_oracle, kraft
from autograder.tasks import Failed, expect

Array = np.ndarray[Any, Any]

HALF, CODED, COLUMNS = 1, 2, 4
MOST_ENTRIES = 20_000
"""More than the network's largest layer can have with gaps of one bit."""


def index_oracle(codes: Array, bits: int) -> tuple[list[int], list[int]]:
    """Gaps and values, by one walk over all places that counts zeros."""
    gaps: list[int] = []
    values: list[int] = []
    run, widest, needed = 0, 2**bits - 1, 0
    for code in np.asarray(codes).tolist():
        if code or run == widest:
            gaps.append(run)
            values.append(code)
            run, needed = 0, len(gaps) if code else needed
        else:
            run += 1
    return gaps[:needed], values[:needed]


class _Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        found = self._content[self._place : self._place + count]
        expect.true(len(found) == count, "The file ends within a tensor.")
        self._place += count
        return found

    def numbers(self, count: int, kind: str) -> Array:
        """The next numbers, finite ones."""
        found = np.frombuffer(self.take(count * np.dtype(kind).itemsize), kind).astype(np.float32)
        expect.true(np.isfinite(found).all(), "All numbers in the file should be finite.")
        return found

    def symbols(self, alphabet: int, count: int) -> Array:
        """The next lengths and the stream behind them."""
        table = self.take((alphabet + 1) // 2)
        lengths = np.array([half for byte in table for half in (byte & 15, byte >> 4)][:alphabet])
        expect.true(kraft(lengths) <= 1, "No prefix code has the lengths that stand in the file.")
        known = {
            format(code, f"0{length}b"): symbol
            for symbol, (code, length) in enumerate(zip(canonical_oracle(lengths), lengths, strict=True))
            if length
        }
        expect.true(known or not count, "A stream in the file has symbols but no code.")
        found: list[int] = []
        text = ""
        while len(found) < count:
            for bit in f"{self.take(1)[0]:08b}":
                text += bit
                if text in known and len(found) < count:
                    found.append(known[text])
                    text = ""
                expect.true(len(text) <= 15, "A stream in the file holds bits that are no code.")
        return np.array(found, dtype=int)


def read(content: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The tensors of a file.

    Args:
        content: of the file.
        shapes: of the tensors, in order.

    Raises:
        Failed: it is no such file; the message is for the student.
    """
    source = _Bytes(content)
    found = {}
    for name, shape in shapes.items():
        try:
            found[name] = torch.from_numpy(_tensor(source, shape))
        except Failed as error:
            raise Failed(f"Your file cannot be read, at {name}: {error}") from None
    return found


def _tensor(source: _Bytes, shape: tuple[int, ...]) -> Array:
    flags, size = source.take(1)[0], int(np.prod(shape))
    expect.true(flags < 8, "The flags are from 0 to 7.")
    kind = "<f2" if flags & HALF else "<f4"
    numbers = _coded(source, size, kind) if flags & CODED else source.numbers(size, kind)
    rows = shape[0]
    matrix = numbers.reshape(size // rows, rows).T if flags & COLUMNS else numbers
    return np.ascontiguousarray(matrix).reshape(shape)


def _coded(source: _Bytes, size: int, kind: str) -> Array:
    width, centroids, low, high = source.take(4)
    entries = low + 256 * high
    expect.true(width <= 8, "A gap has at most 8 bits.")
    expect.true(entries <= MOST_ENTRIES, f"A tensor has at most {MOST_ENTRIES} entries.")
    book = np.concatenate([np.zeros(1, np.float32), source.numbers(centroids, kind)])
    values = source.symbols(centroids + 1, entries)
    if width:
        places = np.cumsum(source.symbols(2**width, entries) + 1) - 1
        expect.true(not entries or places[-1] < size, "The gaps lead beyond the end of the tensor.")
    else:
        expect.true(entries == size, "Without gaps every weight has an entry.")
        places = np.arange(size)
    result = np.zeros(size, np.float32)
    result[places] = book[values]
    return result


def largest_size(tensors: Mapping[str, Array]) -> int:
    """The bytes of the first file: gaps of four bits in every matrix and kernel, all numbers in 32 bits."""
    return sum(1 + 4 * t.size if t.ndim == 1 else _coded_size(t.ravel()) for t in tensors.values())


def _coded_size(weight: Array) -> int:
    values, codes = np.unique(np.append(weight, 0.0), return_inverse=True)
    zero = int(np.flatnonzero(values == 0)[0])
    # Only how often each code occurs matters here, so zero keeps its place but takes the number 0.
    flat = np.where(codes[:-1] == zero, 0, codes[:-1] + 1)
    gaps, entries = index_oracle(flat, 4)
    streams = [-(-best_cost(np.bincount(symbols)) // 8) for symbols in (np.array(gaps), np.array(entries))]
    return 5 + 4 * (len(values) - 1) + (len(values) + 1) // 2 + 8 + sum(streams)
