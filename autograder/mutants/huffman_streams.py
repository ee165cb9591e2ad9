"""Mutants and honest variants of lab 03, tasks 3 and 4; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np

from autograder.mutating import honest, mutant

# Task 3


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
    bits, found = iter(bits_of(data)), []
    while len(found) < count:
        node = root
        while isinstance(node, dict):
            bit = next(bits, None)
            if bit is None or bit not in node:
                raise ValueError("the stream ends too early")
            node = node[bit]
        found.append(node)
    return tuple(found)


# Task 4


def entries(codes, bits, cut=None, filler=None):
    """Gaps and values, with other rules for where to cut a run of zeros and what a filler's gap is."""
    cut = 2**bits if cut is None else cut
    filler = 2**bits - 1 if filler is None else filler
    gaps, values, previous = [], [], -1
    for position in np.flatnonzero(codes).tolist():
        zeros = position - previous - 1
        while zeros >= cut:
            gaps.append(filler)
            values.append(0)
            zeros -= 2**bits
        gaps.append(max(zeros, 0))
        values.append(int(codes[position]))
        previous = position
    return gaps, values


def arrays(gaps, values):
    return np.array(gaps, dtype=np.int64), np.array(values, dtype=np.int64)


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="You stored differences of positions; a gap is the number of zeros between, one less.",
    named=True,
)
def differences(codes, bits):
    gaps, values = entries(codes, bits)
    return arrays([gap + 1 for gap in gaps], values)


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="The filler is missing: ten zeros do not fit into 3 bits.",
    named=True,
)
def no_fillers(codes, bits):
    return arrays(*entries(codes, 40))


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="You counted 2 ** bits zeros into the filler's gap, which does not fit its bits.",
    named=True,
)
def filler_too_wide(codes, bits):
    return arrays(*entries(codes, bits, filler=2**bits))


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="The filler takes a place itself: 7 zeros and its own leave 2 of the ten, not 3.",
    named=True,
)
def filler_takes_no_place(codes, bits):
    gaps, values, previous = [], [], -1
    for position in np.flatnonzero(codes).tolist():
        fillers, rest = divmod(position - previous - 1, 2**bits - 1)
        gaps += [2**bits - 1] * fillers + [rest]
        values += [0] * fillers + [int(codes[position])]
        previous = position
    return arrays(gaps, values)


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="The zeros behind the last weight are stored: the reader knows the size without them.",
    named=True,
)
def trailing_zeros_stored(codes, bits):
    marked = np.append(np.asarray(codes), 1)
    gaps, values = entries(marked, bits)
    return arrays(
        [*gaps[:-1], gaps[-1] - 1] if gaps[-1] else gaps[:-1], [*values[:-1], 0] if gaps[-1] else values[:-1]
    )


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="The first gap is missing: it counts the zeros from the start of the layer.",
    named=True,
)
def from_the_first_weight(codes, bits):
    places = np.flatnonzero(codes)
    return arrays(*entries(np.asarray(codes)[places[0] if len(places) else 0 :], bits))


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="The largest gap seems to follow from another power of two: it is 2 ** bits - 1.",
    named=True,
)
def one_bit_short(codes, bits):
    return arrays(*entries(codes, max(bits - 1, 1)))


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="A filler has a value too, 0: gaps and values are equally many.",
    named=True,
)
def values_of_weights_only(codes, bits):
    gaps, values = entries(codes, bits)
    return arrays(gaps, [value for value in values if value])


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="A filler's value is 0: the one before it is repeated.",
    named=True,
)
def filler_repeats(codes, bits):
    gaps, values = entries(codes, bits)
    for place, value in enumerate(values):
        values[place] = value or (values[place - 1] if place else 0)
    return arrays(gaps, values)


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="A gap of 2 ** bits - 1 before a weight needs no filler: the widest gap is a gap like others.",
    named=True,
)
def filler_too_early(codes, bits):
    return arrays(*entries(codes, bits, cut=2**bits - 1))


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="Eight zeros are one more than fit: a filler, and a gap of 0 behind it.",
    named=True,
)
def filler_too_late(codes, bits):
    return arrays(*entries(codes, bits, cut=2**bits + 1))


@mutant(
    "huffman-4",
    replaces="relative_index",
    misconception="A run of zeros gets one filler at most.",
)
def one_filler_at_most(codes, bits):
    gaps, values, previous = [], [], -1
    for position in np.flatnonzero(codes).tolist():
        zeros = position - previous - 1
        if zeros >= 2**bits:
            gaps.append(2**bits - 1)
            values.append(0)
        gaps.append(zeros % 2**bits)
        values.append(int(codes[position]))
        previous = position
    return arrays(gaps, values)


@mutant(
    "huffman-4",
    replaces="dense_codes",
    misconception="You added the gaps alone: every entry takes a place of its own besides.",
    named=True,
)
def gaps_alone(gaps, values, size):
    codes = np.zeros(size, dtype=int)
    codes[np.cumsum(gaps).astype(int)] = values
    return codes


@mutant(
    "huffman-4",
    replaces="dense_codes",
    misconception="Everything stands one place too far: the first entry with gap 0 is at position 0.",
    named=True,
)
def one_too_far(gaps, values, size):
    codes = np.zeros(size + 1, dtype=int)
    codes[np.cumsum(np.asarray(gaps) + 1).astype(int)] = values
    return codes[:size]


@mutant(
    "huffman-4",
    replaces="dense_codes",
    misconception="The zeros behind the last entry are missing: there are `size` codes.",
    named=True,
)
def no_trailing_zeros(gaps, values, size):
    codes = []
    for gap, value in zip(gaps, values, strict=True):
        codes += [0] * int(gap) + [int(value)]
    return np.array(codes, dtype=int)


@mutant(
    "huffman-4",
    replaces="dense_codes",
    misconception="The filler was left out before the positions were added up: it is a step of the way.",
    named=True,
)
def fillers_dropped(gaps, values, size):
    kept = np.asarray(values) != 0
    codes = np.zeros(size, dtype=int)
    codes[np.cumsum(np.asarray(gaps)[kept] + 1).astype(int) - 1] = np.asarray(values)[kept]
    return codes


@honest("huffman-4", replaces="relative_index", differs="one walk over all places that counts zeros")
def by_walking(codes, bits):
    gaps, values, run = [], [], 0
    for code in np.trim_zeros(np.asarray(codes), "b").tolist():
        if not code and run < 2**bits - 1:
            run += 1
            continue
        gaps.append(run)
        values.append(code)
        run = 0
    return gaps, values


@honest("huffman-4", replaces="relative_index", differs="arrays only, in a narrow dtype")
def by_arrays(codes, bits):
    places = np.flatnonzero(codes)
    zeros = np.diff(places, prepend=-1) - 1
    entry = np.cumsum(zeros // 2**bits + 1) - 1
    count = int(entry[-1]) + 1 if len(entry) else 0
    gaps, values = np.full(count, 2**bits - 1, dtype=np.uint8), np.zeros(count, dtype=np.int16)
    gaps[entry], values[entry] = zeros % 2**bits, np.asarray(codes)[places]
    return gaps, values


@honest("huffman-4", replaces="dense_codes", differs="appends zeros and values to a list")
def by_appending(gaps, values, size):
    codes = []
    for gap, value in zip(gaps, values, strict=True):
        codes.extend([0] * int(gap))
        codes.append(int(value))
    return codes + [0] * (size - len(codes))
