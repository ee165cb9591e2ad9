"""Streams: what goes in comes out, and the bits are those that the description says."""

import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from efflab import huffman
from efflab.huffman import HuffmanCode, HuffmanError


def read_bit_by_bit(code: HuffmanCode, data: bytes, count: int, streams: int) -> list[int]:
    """A decoder as slow and plain as the description."""
    symbol_of = {word: symbol for symbol, word in enumerate(code.words) if word}
    at, sizes = 0, []
    for _ in range(streams - 1):
        size = place = 0
        while True:
            byte = data[at]
            at += 1
            size += (byte & 127) << place
            place += 7
            if byte < 128:
                break
        sizes.append(size)
    sizes.append(len(data) - at - sum(sizes))
    found: list[int] = []
    for part, size in enumerate(sizes):
        bits = "".join(f"{byte:08b}" for byte in data[at : at + size])
        at += size
        word = ""
        wanted = (part + 1) * count // streams - part * count // streams
        end = 0
        while wanted:
            word += bits[end]
            end += 1
            if word in symbol_of:
                found.append(symbol_of[word])
                word = ""
                wanted -= 1
        assert len(bits) - end < 8
        assert "1" not in bits[end:]
    return found


arrays = st.one_of(
    hnp.arrays(np.uint8, st.integers(0, 300), elements=st.integers(0, 255)),
    hnp.arrays(np.uint8, st.integers(0, 300), elements=st.integers(0, 5)),
    hnp.arrays(np.uint16, st.integers(0, 300), elements=st.integers(0, 65535)),
    hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=3, max_side=8), elements=st.integers(0, 300)),
)


@settings(max_examples=120, deadline=None)
@given(arrays, st.integers(1, 9), st.sampled_from([None, 16, 24]))
def test_any_array_comes_back(symbols, streams, limit):
    flat = symbols.ravel()
    data = huffman.encode(symbols, limit=limit, streams=streams)
    assert np.array_equal(huffman.decode(data), flat)
    code = HuffmanCode.of(symbols, limit=limit)
    words = code.encode(symbols, streams)
    decoded = code.decode(words, flat.size, streams)
    assert decoded.dtype == (np.uint8 if code.size <= 256 else np.uint16)
    assert np.array_equal(decoded, flat)
    assert read_bit_by_bit(code, words, flat.size, streams) == flat.tolist()


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 8, 9, 12, 16])
@pytest.mark.parametrize("streams", [1, 4, 11, 16])
def test_long_arrays_come_back_by_every_path(bits, streams):
    generator = np.random.default_rng(bits)
    spread = np.abs(generator.normal(size=150_001)) * 2**bits / 4
    symbols = spread.clip(0, 2**bits - 1).astype(np.uint8 if bits <= 8 else np.uint16)
    for limit in (None, 24):
        code = HuffmanCode.of(symbols, 1 << bits, limit)
        data = code.encode(symbols, streams)
        assert np.array_equal(code.decode(data, symbols.size, streams), symbols)
        # The optimum is met to the bit: nothing but words, stream lengths and padding.
        words = int((np.bincount(symbols, minlength=1 << bits) * code.lengths.astype(np.int64)).sum())
        assert code.bits(np.bincount(symbols, minlength=1 << bits)) == words
        assert words <= 8 * len(data) <= words + 8 * streams + 24 * (streams - 1)


def test_words_of_24_bits_come_back():
    lengths = [*range(1, 25), 24]
    code = HuffmanCode(np.array(lengths, np.uint8))
    symbols = np.random.default_rng(0).integers(0, 25, 3001).astype(np.uint8)
    for streams in (1, 4):
        data = code.encode(symbols, streams)
        assert np.array_equal(code.decode(data, symbols.size, streams), symbols)
    assert code.encode([0, 24], 1) == bytes([0b01111111, 0xFF, 0xFF, 0b10000000])


def test_vectors():
    """Bytes that must never change."""
    code = HuffmanCode(np.array([1, 2, 3, 3], np.uint8))
    assert code.encode([0, 1, 2, 3, 0], 1) == bytes([0b01011011, 0b10000000])
    assert code.encode([0, 1, 2, 3, 0], 2) == bytes([1, 0b01000000, 0b11011100])
    assert huffman.encode([0, 1, 2, 3, 0, 0, 1], streams=1).hex() == "040701" + "8498" + "5b90"
    assert huffman.encode([], streams=3).hex() == "000003"
    # 1 (all used) 00001 (length 1) 001 (one more) 001 (one more) 1 (the same), padding.
    assert huffman.pack_lengths([1, 2, 3, 3]) == bytes([0b10000100, 0b10011000])
    # 0 (not all used) 1 (no used one first) 010 (two unused) 1 (one used) 011 (three unused) 00001 (length 1).
    assert huffman.pack_lengths([0, 0, 1, 0, 0, 0]) == bytes([0b01010101, 0b10000100])
    assert huffman.decode(bytes.fromhex("040701" + "8498" + "5b90")).tolist() == [0, 1, 2, 3, 0, 0, 1]


def test_one_symbol_takes_a_bit_each():
    code = HuffmanCode.of(np.full(100, 7))
    data = code.encode(np.full(100, 7), 1)
    assert data == bytes(13)
    assert code.decode(data, 100, 1).tolist() == [7] * 100
    assert HuffmanCode(np.zeros(3, np.uint8)).encode([], 4) == bytes(3)
    assert HuffmanCode(np.zeros(0, np.uint8)).decode(b"", 0, 1).size == 0


def test_bytes_of_every_kind_are_read():
    symbols = np.arange(50) % 7
    code = HuffmanCode.of(symbols)
    data = code.encode(symbols)
    for kind in (bytes, bytearray, memoryview):
        assert np.array_equal(code.decode(kind(data), 50), symbols)
    assert b"".join(code.pieces(symbols)) == data
    assert np.array_equal(huffman.decode(bytearray(huffman.encode(symbols))), symbols)


def test_strided_and_signed_symbols_are_taken_in_order():
    symbols = np.arange(24, dtype=np.int32).reshape(4, 6)[:, ::2].T
    assert huffman.decode(huffman.encode(symbols)).tolist() == symbols.ravel().tolist()
    assert huffman.decode(huffman.encode([True, False, True])).tolist() == [1, 0, 1]


def test_codes_are_equal_where_their_lengths_are():
    one, other = HuffmanCode.from_counts([1, 2, 3]), HuffmanCode.from_counts([10, 20, 30])
    assert one == other
    assert hash(one) == hash(other)
    assert one != HuffmanCode.from_counts([3, 2, 1])
    assert one != 3
    with pytest.raises(ValueError, match="read-only"):
        one.lengths[0] = 3


@settings(max_examples=100, deadline=None)
@given(arrays, st.integers(0, 4))
def test_counts_are_those_of_numpy(symbols, more):
    expected = np.bincount(symbols.ravel())
    assert huffman.symbol_counts(symbols).tolist() == expected.tolist()
    size = expected.size + more
    assert huffman.symbol_counts(symbols, size).tolist() == expected.tolist() + [0] * more


def test_many_counts_are_those_of_numpy():
    for high in (2, 32, 256):
        symbols = np.random.default_rng(0).integers(0, high, 300_003).astype(np.uint8)
        for part in (symbols, symbols[1:], symbols[:-1]):
            assert huffman.symbol_counts(part).tolist() == np.bincount(part).tolist()


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.uint8, st.integers(0, 200), elements=st.integers(0, 24)))
def test_any_lengths_come_back(lengths):
    data = huffman.pack_lengths(lengths)
    assert np.array_equal(huffman.unpack_lengths(data, lengths.size), lengths)
    got, end = huffman.read_lengths(b"xyz" + data + b"after", lengths.size, 3)
    assert np.array_equal(got, lengths)
    assert end == 3 + len(data)


def test_code_books_are_small():
    normal = np.exp(-(np.linspace(-3, 3, 32) ** 2) / 2) * 10_000
    assert len(huffman.pack_lengths(huffman.code_lengths(normal.astype(int) + 1))) <= 10
    sparse = np.zeros(65536, np.uint8)
    sparse[[9, 60_000]] = 1
    assert len(huffman.pack_lengths(sparse)) <= 11
    assert huffman.pack_lengths([]) == b""
    assert np.array_equal(huffman.unpack_lengths(huffman.pack_lengths(sparse), 65536), sparse)
    assert np.array_equal(
        huffman.unpack_lengths(huffman.pack_lengths(np.full(65536, 16)), 65536), np.full(65536, 16)
    )


UNCOMPILED = """
import hashlib
import numpy as np
from efflab import huffman
digest = hashlib.sha256()
for size, top, streams in ((5, 5, 1), (30, 5000, 4), (300, 700, 5), (1, 50, 2), (2, 6000, 4)):
    symbols = (np.arange(top) ** 2 // 7 % size).astype(np.uint16 if size > 256 else np.uint8)
    for limit in (None, 13):
        data = huffman.encode(symbols, limit=limit, streams=streams)
        assert np.array_equal(huffman.decode(data), symbols)
        digest.update(data)
for damaged in (data[:-1], data + b"0", data[:40] + b"z" * 300):
    try:
        huffman.decode(damaged)
    except huffman.HuffmanError as error:
        digest.update(str(error).encode())
print(digest.hexdigest())
"""


def test_uncompiled_loops_do_the_same():
    """Who switches the compiler off, to step through the loops or to fuzz them, gets the same bytes and no warning."""
    environment = dict(os.environ, NUMBA_DISABLE_JIT="1")
    command = [sys.executable, "-W", "error", "-c", UNCOMPILED]
    python = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert python.returncode == 0, python.stderr
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(UNCOMPILED, {})
    assert python.stdout == output.getvalue()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: HuffmanCode.from_counts([1, 0, 1]).encode([1]), "symbol 1 has no word"),
        (lambda: HuffmanCode.from_counts([1, 0, 1]).encode([3]), "from 0 to 2"),
        (lambda: HuffmanCode.from_counts([1, 0, 1]).encode(np.array([3], np.uint8)), "symbol 3 has no word"),
        (
            lambda: HuffmanCode.from_counts([1, 1, 1]).encode(np.array([9] * 5000, np.uint8)),
            "symbol 9 has no word",
        ),
        (
            lambda: HuffmanCode.from_counts([1, 0, 1]).encode(np.array([1] * 5000, np.uint8)),
            "symbol 1 has no word",
        ),
        (lambda: HuffmanCode.from_counts([1, 1]).encode([-1]), "from 0 to 1"),
        (lambda: HuffmanCode.from_counts([1, 1]).encode([0.5]), "integers"),
        (lambda: HuffmanCode.from_counts([1, 1]).encode([0], 0), "streams is 0"),
        (lambda: huffman.encode([65536]), "65,535"),
        (lambda: huffman.encode([5], size=5), "from 0 to 4"),
        (lambda: huffman.encode(np.array([5], np.uint8), size=5), "from 0 to 4"),
        (lambda: huffman.pack_lengths([25]), "at most 24"),
        (lambda: huffman.unpack_lengths(b"", 65537), "65,536"),
        (lambda: HuffmanCode.of(np.arange(300), limit=8), "limit is 8 bits"),
    ],
)
def test_says_what_is_wrong(call, words):
    with pytest.raises(HuffmanError, match=words):
        call()
