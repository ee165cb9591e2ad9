"""Mutants and honest variants of lab 03, task 4; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np

from autograder.mutating import honest, mutant


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
