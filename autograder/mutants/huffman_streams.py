"""Mutants and honest variants of lab 03, task 3; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np

from autograder.mutating import honest, mutant


def digits(symbols, codes, lengths):
    """The bits of all symbols as text."""
    return "".join(format(int(codes[s]), f"0{int(lengths[s])}b") for s in symbols)


def packed(bits):
    """Whole bytes of text of bits."""
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))


def padded(bits, digit="0"):
    return bits + digit * (-len(bits) % 8)


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="You wrote each code from its lowest bit to its highest.",
    named=True,
)
def codes_reversed(symbols, codes, lengths):
    return packed(padded("".join(digits([symbol], codes, lengths)[::-1] for symbol in symbols)))


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="You filled each byte from its lowest bit: the first bit of the stream is the highest.",
    named=True,
)
def bytes_reversed(symbols, codes, lengths):
    bits = padded(digits(symbols, codes, lengths))
    return bytes(int(bits[start : start + 8][::-1], 2) for start in range(0, len(bits), 8))


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="You dropped leading zeros: every code has its full length.",
    named=True,
)
def no_leading_zeros(symbols, codes, lengths):
    return packed(padded("".join(format(int(codes[symbol]), "b") for symbol in symbols)))


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="The zeros are in front: the last byte is filled up at its end.",
    named=True,
)
def zeros_in_front(symbols, codes, lengths):
    bits = digits(symbols, codes, lengths)
    return int(bits or "0", 2).to_bytes(-(-len(bits) // 8), "big")


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="The zeros are in front: the last byte is filled up at its end",
    named=True,
)
def last_byte_in_front(symbols, codes, lengths):
    return packed(digits(symbols, codes, lengths))


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="The last byte is missing: what does not fill a byte gets zeros behind it.",
    named=True,
)
def last_byte_missing(symbols, codes, lengths):
    bits = digits(symbols, codes, lengths)
    return packed(bits[: len(bits) // 8 * 8])


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="You filled the last byte up with ones; zeros are agreed.",
    named=True,
)
def ones_behind(symbols, codes, lengths):
    return packed(padded(digits(symbols, codes, lengths), "1"))


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="Every symbol got a byte of its own: codes follow each other without a gap.",
    named=True,
)
def a_byte_each(symbols, codes, lengths):
    return b"".join(packed(padded(digits([symbol], codes, lengths))) for symbol in symbols)


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="Every code took the length of the longest.",
    named=True,
)
def longest_for_all(symbols, codes, lengths):
    return packed(padded(digits(symbols, codes, [max(lengths)] * len(lengths))))


@mutant(
    "huffman-3",
    replaces="encode",
    misconception="A whole byte of padding follows, though the bits fill theirs exactly.",
    named=True,
)
def always_padding(symbols, codes, lengths):
    bits = digits(symbols, codes, lengths)
    return packed(bits + "0" * (8 - len(bits) % 8))


@honest("huffman-3", replaces="encode", differs="shifts into one long number")
def one_number(symbols, codes, lengths):
    number, count = 0, 0
    for symbol in symbols:
        number = (number << int(lengths[symbol])) | int(codes[symbol])
        count += int(lengths[symbol])
    return (number << -count % 8).to_bytes((count + 7) // 8, "big")


@honest("huffman-3", replaces="encode", differs="an array of bits and NumPy's packing")
def by_packbits(symbols, codes, lengths):
    bits = [
        int(codes[symbol]) >> place & 1
        for symbol in symbols
        for place in reversed(range(int(lengths[symbol])))
    ]
    return np.packbits(np.array(bits, dtype=np.uint8)).tobytes()


def walk(bits, table, count=None):
    """Symbols of a text of bits, by a table of texts; no more than some."""
    found, text = [], ""
    for bit in bits:
        if count is not None and len(found) >= count:
            break
        text += bit
        if text in table:
            found.append(table[text])
            text = ""
    return found


def table_of(codes, lengths):
    pairs = enumerate(zip(codes, lengths, strict=True))
    return {format(int(code), f"0{length}b"): symbol for symbol, (code, length) in pairs if length}


def bits_of(data):
    return "".join(format(byte, "08b") for byte in data)


def enough(found, count):
    if len(found) < count:
        raise ValueError("too short")
    return found


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="The padding of the last byte came out as symbols: stop after `count` of them.",
    named=True,
)
def reads_padding(data, codes, lengths, count):
    return enough(walk(bits_of(data), table_of(codes, lengths)), count)


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="You read each byte from its lowest bit.",
    named=True,
)
def reads_from_lowest(data, codes, lengths, count):
    bits = "".join(format(byte, "08b")[::-1] for byte in data)
    return enough(walk(bits, table_of(codes, lengths), count), count)


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="You compared values only: 1, 01 and 001 are the same number, but not the same code.",
    named=True,
)
def values_only(data, codes, lengths, count):
    symbol_of = {int(code): symbol for symbol, code in enumerate(codes) if lengths[symbol]}
    found, code = [], 0
    for bit in bits_of(data):
        if len(found) == count:
            break
        code = 2 * code + int(bit)
        if code in symbol_of:
            found.append(symbol_of[code])
            code = 0
    return enough(found, count)


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="The last symbol is missing.",
    named=True,
)
def last_symbol_missing(data, codes, lengths, count):
    found = enough(walk(bits_of(data), table_of(codes, lengths), count), count)
    return found[:-1] if count > 1 else found


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="A symbol of length 0 has no code: the 0 that stands in its place is none.",
    named=True,
)
def unused_have_a_zero(data, codes, lengths, count):
    table = table_of(codes, lengths)
    for symbol in np.flatnonzero(np.asarray(lengths) == 0).tolist():
        table["0"] = symbol
    return enough(walk(bits_of(data), table, count), count)


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="You took zeros at the end for padding; here they are symbols, as `count` tells.",
    named=True,
)
def strips_zeros(data, codes, lengths, count):
    return walk(bits_of(data).rstrip("0") + "0" * 3, table_of(codes, lengths), count)


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="a stream that ends within the fourth symbol should be refused.",
    named=True,
)
def accepts_short_streams(data, codes, lengths, count):
    return walk(bits_of(data), table_of(codes, lengths), count)


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="a stream that ends within the fourth symbol raises another error than expected.",
    named=True,
)
def another_error(data, codes, lengths, count):
    found = walk(bits_of(data), table_of(codes, lengths), count)
    return [found[place] for place in range(count)]


@mutant(
    "huffman-3",
    replaces="decode",
    misconception="Only a stream that is too short by a whole byte or more for the shortest codes is refused.",
)
def refuses_the_shortest_only(data, codes, lengths, count):
    shortest = min(int(length) for length in lengths if length)
    if 8 * len(data) < count * shortest:
        raise ValueError("too short")
    found = walk(bits_of(data) + "0" * 64 * count, table_of(codes, lengths), count)
    return found if len(data) > 1 or count < 4 else enough(found[:3], count)


@honest("huffman-3", replaces="decode", differs="tries lengths one after the other on one long number")
def by_prefixes(data, codes, lengths, count):
    total, number = 8 * len(data), int.from_bytes(data, "big")
    known = sorted((int(length), int(codes[s]), s) for s, length in enumerate(lengths) if length)
    found, place = [], 0
    while len(found) < count:
        for length, code, symbol in known:
            left = total - place - length
            if left >= 0 and number >> left & (2**length - 1) == code:
                found.append(symbol)
                place += length
                break
        else:
            raise ValueError(f"no symbol at bit {place} of {total}")
    return np.array(found, dtype=np.int32)


@honest("huffman-3", replaces="decode", differs="walks down a tree of nested dicts")
def by_tree(data, codes, lengths, count):
    root = {}
    for text, symbol in table_of(codes, lengths).items():
        node = root
        for bit in text[:-1]:
            node = node.setdefault(bit, {})
        node[text[-1]] = symbol
    found, node = [], root
    for bit in bits_of(data):
        if len(found) >= count or bit not in node:
            break
        node = node[bit]
        if not isinstance(node, dict):
            found.append(node)
            node = root
    return tuple(enough(found, count))
