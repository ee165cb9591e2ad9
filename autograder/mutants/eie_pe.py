"""Mutants and honest variants of lab 08, task 3; `eie` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import math
from fractions import Fraction

import numpy as np
import torch

from autograder.mutating import honest, mutant

LOW, HIGH = -(2**15), 2**15 - 1


def held(number):
    return min(max(number, LOW), HIGH)


@mutant(
    "eie-3",
    replaces="multiply_add",
    misconception="The product was cut off, not rounded: add half of the last place before you shift.",
    named=True,
)
def cuts_off(total, weight, activation, shift):
    return held(int(total) + (int(weight) * int(activation) >> shift))


@mutant(
    "eie-3",
    replaces="multiply_add",
    misconception="The product still has all its places: it loses `shift` of them.",
    named=True,
)
def no_shift(total, weight, activation, shift):
    return held(int(total) + int(weight) * int(activation))


@mutant(
    "eie-3",
    replaces="multiply_add",
    misconception="Halves are rounded upwards, those below zero too.",
    named=True,
)
def halves_away_from_zero(total, weight, activation, shift):
    product = int(weight) * int(activation)
    size = abs(product) + (1 << shift >> 1) >> shift
    return held(int(total) + (size if product >= 0 else -size))


@mutant(
    "eie-3",
    replaces="multiply_add",
    misconception="The sum ran over: it stays at the end of its range.",
    named=True,
)
def never_stops(total, weight, activation, shift):
    return int(total) + (int(weight) * int(activation) + (1 << shift >> 1) >> shift)


@mutant(
    "eie-3",
    replaces="multiply_add",
    misconception="The sum came round at the other end, as 16 bits do by themselves; here it stays at its end.",
    named=True,
)
def wraps_round(total, weight, activation, shift):
    found = int(total) + (int(weight) * int(activation) + (1 << shift >> 1) >> shift)
    return (found - LOW) % 2**16 + LOW


@mutant(
    "eie-3",
    replaces="multiply_add",
    misconception="The lowest number of 16 bits is -32768.",
    named=True,
)
def symmetric_range(total, weight, activation, shift):
    found = int(total) + (int(weight) * int(activation) + (1 << shift >> 1) >> shift)
    return min(max(found, -HIGH), HIGH)


@mutant("eie-3", replaces="multiply_add", misconception="The product is held in range, the sum is not.")
def holds_the_product(total, weight, activation, shift):
    return int(total) + held(int(weight) * int(activation) + (1 << shift >> 1) >> shift)


@mutant("eie-3", replaces="multiply_add", misconception="The sum is shifted with the product.")
def shifts_the_sum(total, weight, activation, shift):
    return held((int(total) << shift) + int(weight) * int(activation) >> shift)


@mutant("eie-3", replaces="multiply_add", misconception="Halves go to the even neighbour.")
def halves_to_even(total, weight, activation, shift):
    return held(int(total) + round(Fraction(int(weight) * int(activation), 2**shift)))


@honest("eie-3", replaces="multiply_add", differs="exact fractions and floor")
def by_fractions(total, weight, activation, shift):
    product = Fraction(int(weight) * int(activation), 2**shift)
    return (
        sorted((LOW, int(total) + math.floor(product + Fraction(1, 2)), HIGH))[1]
        if shift
        else held(int(total) + int(product))
    )


@honest("eie-3", replaces="multiply_add", differs="NumPy's 64 bits, a remainder instead of a shift")
def by_remainder(total, weight, activation, shift):
    place = np.int64(2) ** np.int64(shift)
    product = np.int64(weight) * np.int64(activation) + place // 2
    return np.clip(np.int64(total) + (product - product % place) // place, LOW, HIGH)


def summed(total, weight, activation, shift):
    place = 2**shift
    return held(int(total) + (int(weight) * int(activation) + place // 2) // place)


def worked(element, codebook, inputs, activations, sums, shift, **rules):
    """What an element makes of its broadcasts, with other rules in some places."""
    v, z, p = element
    restart = rules.get("restart", True)
    weight_of = rules.get("weight", lambda code: codebook[code])
    step = rules.get("step", 1)
    found, cycles, row = [int(one) for one in sums], [], -1
    for number, (j, activation) in enumerate(zip(inputs, activations, strict=True)):
        at = number if rules.get("counted") else j
        row = -1 if restart else row
        entries = 0
        for entry in range(int(p[at]), int(p[at + 1])):
            if rules.get("weights_only") and not v[entry]:
                continue
            entries += 1
            row += int(z[entry]) + step
            place = (row + rules.get("first", 0)) % len(found)
            before = 0 if rules.get("overwrites") else found[place]
            found[place] = summed(before, weight_of(int(v[entry])), activation, shift)
        real = int(np.count_nonzero(v[int(p[at]) : int(p[at + 1])]))
        cycles.append(rules["cycles"](entries, real) if "cycles" in rules else max(1, entries))
    return np.array(found, dtype=np.int64), np.array(cycles, dtype=np.int64)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="The row went on from the column before: each column begins at the element's first row.",
    named=True,
)
def never_starts_anew(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, restart=False)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="You added z alone: every entry takes a row of its own besides.",
    named=True,
)
def zeros_alone(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, step=0, first=1)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="The padding zero was left out: its z is a part of the way, and it takes a cycle.",
    named=True,
)
def skips_padding(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, weights_only=True)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="You multiplied by the code; the weight is what the codebook holds at that place.",
    named=True,
)
def codes_for_weights(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, weight=lambda code: code)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="You took the columns one after the other; the broadcast tells which column it is.",
    named=True,
)
def counts_broadcasts(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, counted=True)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="The sums were replaced; products are added to what is there.",
    named=True,
)
def replaces_sums(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, overwrites=True)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="The sums began at zero; they begin with what was given, the biases.",
    named=True,
)
def begins_at_zero(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, np.zeros(len(sums), int), shift)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="A column without an entry takes a cycle: its two pointers had to be read to know it.",
    named=True,
)
def empty_is_free(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, cycles=lambda entries, _: entries)


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="A padding zero takes a cycle like any entry: the machine does not know before it has read it.",
    named=True,
)
def padding_is_free(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, cycles=lambda _, real: max(1, real))


@mutant(
    "eie-3",
    replaces="run_pe",
    misconception="Reading the pointers is no cycle of its own where there are entries: it happens beside the work before.",
    named=True,
)
def pointers_cost_a_cycle(element, codebook, inputs, activations, sums, shift):
    return worked(element, codebook, inputs, activations, sums, shift, cycles=lambda entries, _: 1 + entries)


@mutant("eie-3", replaces="run_pe", misconception="The sums that were given are changed in place.")
def changes_its_argument(element, codebook, inputs, activations, sums, shift):
    found, cycles = worked(element, codebook, inputs, activations, sums, shift)
    sums[:] = found
    return sums, cycles


@mutant("eie-3", replaces="run_pe", misconception="Products are summed first, and the sum is rounded once.")
def rounds_at_the_end(element, codebook, inputs, activations, sums, shift):
    v, z, p = element
    exact = [int(one) << shift for one in sums]
    for j, activation in zip(inputs, activations, strict=True):
        row = -1
        for entry in range(int(p[j]), int(p[j + 1])):
            row += int(z[entry]) + 1
            exact[row] += int(codebook[v[entry]]) * int(activation)
    found = [held(one + (1 << shift >> 1) >> shift) for one in exact]
    return np.array(found), np.maximum(np.diff(p)[np.asarray(inputs, dtype=int)], 1)


@honest("eie-3", replaces="run_pe", differs="a column at a time, in arrays")
def by_columns(element, codebook, inputs, activations, sums, shift):
    v, z, p = (np.asarray(part).astype(np.int64) for part in element)
    found, cycles = np.array(sums, dtype=np.int64), []
    for j, activation in zip(inputs, activations, strict=True):
        entries = slice(p[j], p[j + 1])
        rows = np.cumsum(z[entries] + 1) - 1
        product = np.asarray(codebook, dtype=np.int64)[v[entries]] * int(activation)
        found[rows] = np.clip(found[rows] + np.floor_divide(product + 2**shift // 2, 2**shift), LOW, HIGH)
        cycles.append(len(rows) or 1)
    return found, cycles


@honest("eie-3", replaces="run_pe", differs="rows of all entries known beforehand, in torch")
def in_torch_by_entries(element, codebook, inputs, activations, sums, shift):
    v, z, p = (torch.as_tensor(np.asarray(part).astype(np.int64)) for part in element)
    rows = torch.zeros(len(v), dtype=torch.long)
    for start, end in zip(p[:-1].tolist(), p[1:].tolist(), strict=True):
        rows[start:end] = (z[start:end] + 1).cumsum(0) - 1
    result = [int(one) for one in sums]
    cycles = torch.ones(len(inputs), dtype=torch.long)
    for place, (j, activation) in enumerate(zip(inputs, activations, strict=True)):
        for entry in range(int(p[j]), int(p[j + 1])):
            row = int(rows[entry])
            result[row] = summed(result[row], codebook[int(v[entry])], activation, shift)
        cycles[place] = max(1, int(p[j + 1] - p[j]))
    return torch.tensor(result), cycles
