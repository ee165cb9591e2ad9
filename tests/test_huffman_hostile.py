"""Whatever the bytes are: decoding gives symbols or one sentence, and touches nothing outside its arrays."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efflab import huffman
from efflab.huffman import HuffmanCode, HuffmanError, _streams
from efflab.huffman.varints import read_varint, varint

CODES = (
    HuffmanCode.from_counts(np.arange(1, 20) ** 3),
    HuffmanCode.from_counts([1]),
    HuffmanCode(np.array([*range(1, 25), 24], np.uint8)),
    HuffmanCode.from_counts(np.arange(1, 400)),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(CODES), st.binary(max_size=700), st.integers(0, 2000), st.integers(1, 9))
def test_any_bytes_give_symbols_or_a_sentence(code, data, count, streams):
    try:
        symbols = code.decode(data, count, streams)
    except HuffmanError:
        return
    # What is accepted is what the encoder writes (a stream's length may be written in one way only).
    assert symbols.size == count
    assert code.encode(symbols, streams) == data


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_self_contained_data_or_not(data):
    try:
        symbols = huffman.decode(data)
    except HuffmanError:
        return
    assert symbols.size <= 8 * len(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 300))
def test_any_bytes_are_a_code_book_or_not(data, size):
    try:
        lengths = huffman.unpack_lengths(data, size)
    except HuffmanError:
        return
    assert lengths.max(initial=0) <= 24
    assert huffman.pack_lengths(lengths).rstrip(b"\0") == data.rstrip(b"\0") or len(data) >= len(
        huffman.pack_lengths(lengths)
    )


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("streams", [1, 4])
def test_every_damage_is_noticed_or_gives_other_symbols(code, streams):
    symbols = np.random.default_rng(0).choice(np.flatnonzero(code.lengths), 900).astype(np.uint16)
    data = code.encode(symbols, streams)
    for end in range(0, len(data), 7):
        with pytest.raises(HuffmanError):
            code.decode(data[:end], symbols.size, streams)
    with pytest.raises(HuffmanError):
        code.decode(data + b"\0", symbols.size, streams)
    for byte in range(0, len(data), 11):
        damaged = bytearray(data)
        damaged[byte] ^= 1 << byte % 8
        try:
            found = code.decode(damaged, symbols.size, streams)
        except HuffmanError:
            continue
        assert not np.array_equal(found, symbols)


def test_decoding_writes_its_part_alone():
    """The wide stores of the quick path end where each part ends, whatever the bits."""
    generator = np.random.default_rng(0)
    code = CODES[0]
    for _ in range(50):
        data = generator.integers(0, 256, 4 * 400).astype(np.uint8)
        bits, stops = np.arange(4) * 3200, np.arange(1, 5) * 3200
        room = generator.integers(1, 900, 4)
        tails = np.cumsum(room + 16)
        heads = tails - room
        bounds = heads.copy()
        out = np.full(int(tails[-1]) + 16, 255, np.uint8)
        _streams.decode_four_several(data, bits, stops, code._several, out, heads, tails)
        assert (bits <= stops).all()
        assert (heads <= tails).all()
        outside = np.ones(out.size, np.bool_)
        for head, tail in zip(bounds, tails, strict=True):
            outside[head:tail] = False
        assert (out[outside] == 255).all()


def test_memory_is_not_taken_for_what_data_merely_claim():
    code = HuffmanCode.from_counts([1, 2, 3])
    claims = [
        lambda: code.decode(bytes(100), 1 << 50),
        lambda: code.decode(bytes(100), 1 << 50, 1),
        lambda: code.decode(bytes(100), 10, 1 << 40),
        lambda: huffman.decode(varint(4) + varint(1 << 60) + varint(1) + bytes(50)),
        lambda: huffman.decode(varint(4) + varint(4) + varint(1 << 60) + bytes(50)),
        lambda: huffman.decode(varint(1 << 60) + varint(4) + varint(4) + bytes(50)),
        lambda: HuffmanCode.from_counts([1]).decode(bytes(100), 1 << 50, 1),
    ]
    for claim in claims:
        tracemalloc.start()
        with pytest.raises(HuffmanError):
            claim()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


@pytest.mark.parametrize(
    ("data", "count", "streams", "words"),
    [
        (b"", 1, 1, "0 bytes are too short to hold 1 symbols"),
        (b"", 1, 2, "too short to hold 2 streams"),
        (b"\x05\x00", 4, 2, "reach to 6"),
        (b"\x81", 4, 2, "within the number"),
        (b"\x81\x00\x00\x00", 4, 2, "more bytes than it needs"),
        (b"\xff", 5, 1, "end within the symbols of stream 0"),
        (b"\x01", 4, 1, "left over after the symbols of stream 0"),
        (b"\x00\x00", 4, 1, "left over after the symbols of stream 0"),
        (b"\x00\x01", 0, 2, "left over in a stream without symbols"),
        (b"\x00", -1, 1, "count is -1"),
        (b"\x00", 1, 0, "streams is 0"),
    ],
)
def test_says_what_is_wrong(data, count, streams, words):
    code = HuffmanCode(np.array([1, 2, 3, 3], np.uint8))
    with pytest.raises(HuffmanError, match=words):
        code.decode(data, count, streams)


@pytest.mark.parametrize(
    ("data", "size", "words"),
    [
        (b"", 1, "too early"),
        (b"\x84", 9, "too early"),
        (b"\x80\x00", 1, "no lengths"),
        (b"\x84\x98\x00", 4, "takes 2 bytes, and 3 came"),
        (b"\x84\x9c", 4, "left over"),
        (b"\x00" * 9, 4, "no lengths"),
        (b"\x84\x90\x00\x00\x00\x00\x00\x00\x00\x00", 4, "no lengths"),
    ],
)
def test_says_what_is_wrong_with_a_code_book(data, size, words):
    with pytest.raises(HuffmanError, match=words):
        huffman.unpack_lengths(data, size)


def test_numbers_of_any_size_come_back():
    for number in (0, 1, 127, 128, 300, 2**32, 2**63 - 1):
        data = b"x" + varint(number)
        assert read_varint(data, 1) == (number, len(data))
    for data in (b"", b"\x80", b"\xff" * 9 + b"\x01"):
        with pytest.raises(HuffmanError):
            read_varint(data, 0)
