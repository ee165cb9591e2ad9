"""Mutants and honest variants of lab 08, task 1; `eie` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutating import honest, mutant


def coded(column, bits, cut=None, filler=None, place=0):
    """Values and zeros of one column, with other rules for where a run is cut and what its padding says."""
    cut = 2**bits if cut is None else cut
    filler = 2**bits - 1 if filler is None else filler
    values, zeros, run = [], [], place
    for code in np.asarray(column).tolist():
        if code:
            while run >= cut:
                values.append(0)
                zeros.append(filler)
                run -= 2**bits
            values.append(code)
            zeros.append(max(run, 0))
            run = 0
        else:
            run += 1
    return values, zeros


def assembled(columns):
    """One element of the parts of its columns."""
    v, z, p = [], [], [0]
    for values, zeros in columns:
        v += values
        z += zeros
        p.append(len(v))
    return tuple(np.array(part, dtype=np.int64) for part in (v, z, p))


def dealt(codes, pes, bits, rows=None, **rules):
    """All elements, with other rules for who owns which row."""
    rows = rows or (lambda k: slice(k, None, pes))
    return [assembled(coded(column, bits, **rules) for column in codes[rows(k)].T) for k in range(pes)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="You dealt out blocks of rows; row i belongs to element i mod N.",
    named=True,
)
def blocks_of_rows(codes, pes, index_bits=4):
    size = -(-len(codes) // pes)
    return dealt(codes, pes, index_bits, lambda k: slice(k * size, (k + 1) * size))


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="You counted zeros of the whole column; an element counts its own rows only.",
    named=True,
)
def zeros_of_all_rows(codes, pes, index_bits=4):
    parts = []
    for k in range(pes):
        own = np.where((np.arange(len(codes)) % pes == k)[:, None], codes, 0)
        parts.append(assembled(coded(column, index_bits) for column in own.T))
    return parts


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="The padding is missing: more zeros than the index can count need an entry of value 0.",
    named=True,
)
def no_padding(codes, pes, index_bits=4):
    return dealt(codes, pes, index_bits, cut=10**9)


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="A padding zero stands on a row itself: with its z it uses up 2 ** bits rows.",
    named=True,
)
def padding_takes_no_row(codes, pes, index_bits=4):
    def one(column):
        values, zeros, run = [], [], 0
        for code in np.asarray(column).tolist():
            if not code:
                run += 1
                continue
            most = 2**index_bits - 1
            count = max(0, -(-run // most) - 1) if run > most else 0
            values += [0] * count + [code]
            zeros += [most] * count + [run - most * count]
            run = 0
        return values, zeros

    return [assembled(one(column) for column in codes[k::pes].T) for k in range(pes)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="The count ran on from the column before: each column begins anew.",
    named=True,
)
def runs_into_the_next_column(codes, pes, index_bits=4):
    parts = []
    for k in range(pes):
        found, run = [], 0
        for column in codes[k::pes].T:
            found.append(coded(column, index_bits, place=run))
            places = np.flatnonzero(column)
            run = len(column) - 1 - int(places[-1]) if len(places) else run + len(column)
        parts.append(assembled(found))
    return parts


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="The zeros behind a column's last weight are stored: nobody needs them.",
    named=True,
)
def trailing_zeros(codes, pes, index_bits=4):
    def one(column):
        values, zeros = coded(column, index_bits)
        rest = len(column) - sum(count + 1 for count in zeros)
        while rest > 0:
            values.append(0)
            zeros.append(min(rest, 2**index_bits) - 1)
            rest -= 2**index_bits
        return values, zeros

    return [assembled(one(column) for column in codes[k::pes].T) for k in range(pes)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="The last pointer is missing: p has one number more than there are columns.",
    named=True,
)
def no_last_pointer(codes, pes, index_bits=4):
    return [(v, z, p[:-1]) for v, z, p in dealt(codes, pes, index_bits)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="These are the entries of each column; p says where a column begins.",
    named=True,
)
def counts_for_pointers(codes, pes, index_bits=4):
    return [(v, z, np.diff(p)) for v, z, p in dealt(codes, pes, index_bits)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="You went row by row; the machine needs a column at a time.",
    named=True,
)
def row_by_row(codes, pes, index_bits=4):
    return [assembled(coded(row, index_bits) for row in codes[k::pes]) for k in range(pes)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="z is the number of zeros before an entry, one less than the step from the entry before.",
    named=True,
)
def steps(codes, pes, index_bits=4):
    return [(v, z + 1, p) for v, z, p in dealt(codes, pes, index_bits)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="These are rows; z is how many zeros stand before an entry.",
    named=True,
)
def absolute_rows(codes, pes, index_bits=4):
    def one(column):
        places = np.flatnonzero(column)
        return column[places].tolist(), places.tolist()

    return [assembled(one(column) for column in codes[k::pes].T) for k in range(pes)]


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="A run of 2 ** bits - 1 zeros still fits into z and needs no padding.",
    named=True,
)
def padding_too_early(codes, pes, index_bits=4):
    return dealt(codes, pes, index_bits, cut=2**index_bits - 1)


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="Where one run needs several padding zeros there is only one.",
)
def one_padding_at_most(codes, pes, index_bits=4):
    def one(column):
        values, zeros = [], []
        for value, count in zip(*coded(column, 20), strict=True):
            if count >= 2**index_bits:
                values.append(0)
                zeros.append(2**index_bits - 1)
            values.append(value)
            zeros.append(count % 2**index_bits)
        return values, zeros

    return [assembled(one(column) for column in codes[k::pes].T) for k in range(pes)]


@mutant("eie-1", replaces="interleave", misconception="The index has four bits whatever was asked for.")
def always_four_bits(codes, pes, index_bits=4):
    return dealt(codes, pes, 4 if index_bits > 1 else 1)


@mutant(
    "eie-1",
    replaces="interleave",
    misconception="An element without a row is left out.",
)
def no_idle_elements(codes, pes, index_bits=4):
    return dealt(codes, pes, index_bits)[: len(codes)]


@mutant("eie-1", replaces="interleave", misconception="All elements are put into three long arrays.")
def one_for_all(codes, pes, index_bits=4):
    parts = dealt(codes, pes, index_bits)
    return tuple(np.concatenate([part[place] for part in parts]) for place in range(3))


@honest("eie-1", replaces="interleave", differs="array arithmetic on all weights of an element at once")
def by_arrays(codes, pes, index_bits=4):
    parts = []
    for k in range(pes):
        own = np.asarray(codes)[k::pes]
        columns, rows = np.nonzero(own.T)
        first = np.ones(len(rows), dtype=bool)
        first[1:] = columns[1:] != columns[:-1]
        before = np.where(first, -1, np.concatenate([[0], rows])[:-1] if len(rows) else rows)
        run = rows - before - 1
        extra = run // 2**index_bits
        at = np.cumsum(extra + 1) - 1
        size = int(at[-1]) + 1 if len(at) else 0
        v, z = np.zeros(size, np.uint8), np.full(size, 2**index_bits - 1, np.uint8)
        v[at], z[at] = own[rows, columns], run % 2**index_bits
        sizes = np.bincount(columns, extra + 1, minlength=own.shape[1])
        parts.append((v, z, np.concatenate([[0.0], sizes]).cumsum().astype(np.int32)))
    return tuple(parts)


@honest("eie-1", replaces="interleave", differs="counts zeros over all places, in lists")
def by_walking(codes, pes, index_bits=4):
    parts = [([], [], [0]) for _ in range(pes)]
    for column in np.asarray(codes).T.tolist():
        runs = [0] * pes
        for row, code in enumerate(column):
            v, z, _ = parts[row % pes]
            if not code:
                runs[row % pes] += 1
                continue
            while runs[row % pes] >= 2**index_bits:
                v.append(0)
                z.append(2**index_bits - 1)
                runs[row % pes] -= 2**index_bits
            v.append(code)
            z.append(runs[row % pes])
            runs[row % pes] = 0
        for v, _, p in parts:
            p.append(len(v))
    return parts


@honest("eie-1", replaces="interleave", differs="in torch, dense columns cut into pieces of 2 ** bits rows")
def in_torch(codes, pes, index_bits=4):
    whole = torch.as_tensor(np.asarray(codes).astype(np.int64))
    parts = []
    for k in range(pes):
        v, z, p = [], [], [0]
        for column in whole[k::pes].T:
            place = 0
            for row in column.nonzero().flatten().tolist():
                while row - place >= 2**index_bits:
                    v.append(0)
                    z.append(2**index_bits - 1)
                    place += 2**index_bits
                v.append(int(column[row]))
                z.append(row - place)
                place = row + 1
            p.append(len(v))
        parts.append([torch.tensor(part, dtype=torch.int64) for part in (v, z, p)])
    return parts
