"""Mutants and honest variants of lab 08, task 2; `eie` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import itertools

import numpy as np
import torch

from autograder.mutating import honest, mutant


def scanned(activations, pes, active=None):
    """Indices and the rows of zeros before them, row by row."""
    values = np.asarray(activations)
    active = values != 0 if active is None else active
    found, passed, waited = [], [], 0
    for start in range(0, len(values), pes):
        row = [place for place in range(start, min(start + pes, len(values))) if active[place]]
        if not row:
            waited += 1
        for place in row:
            found.append(place)
            passed.append(waited)
            waited = 0
    return np.array(found, dtype=np.int64), np.array(passed, dtype=np.int64)


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="You counted zero inputs; the scan sees a whole row of N in a cycle.",
    named=True,
)
def zeros_one_by_one(activations, pes):
    found, _ = scanned(activations, pes)
    return found, np.diff(found, prepend=-1) - 1


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="Between two inputs of one row there are no rows, not minus one.",
    named=True,
)
def minus_one(activations, pes):
    found, _ = scanned(activations, pes)
    return found, np.diff(found // pes, prepend=-1) - 1


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="The row of the input itself was counted; only rows of zeros cost a cycle more.",
    named=True,
)
def own_row_too(activations, pes):
    found, _ = scanned(activations, pes)
    return found, np.diff(found // pes, prepend=-1)


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="The rows of zeros before the first non-zero input cost cycles too.",
    named=True,
)
def starts_at_the_first(activations, pes):
    found, passed = scanned(activations, pes)
    passed[:1] = 0
    return found, passed


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="The gap of the last input counts the rows behind it: those are scanned while the elements still work.",
    named=True,
)
def rows_behind(activations, pes):
    found, passed = scanned(activations, pes)
    rows = -(-len(activations) // pes)
    if len(found):
        passed = np.concatenate([passed[1:], [rows - 1 - found[-1] // pes]])
    return found, passed


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="You dealt out blocks of inputs; input j belongs to element j mod N, so that a row is N inputs in order.",
    named=True,
)
def blocks_of_inputs(activations, pes):
    values = np.asarray(activations)
    size = -(-len(values) // pes)
    order = [place for row in range(size) for place in range(row, len(values), size)]
    found = [place for place in order if values[place]]
    rows = np.array([place % size for place in found], dtype=np.int64)
    return np.array(found, dtype=np.int64), np.maximum(np.diff(rows, prepend=-1) - 1, 0)


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="A negative input is not zero: only ReLU's outputs are never negative.",
    named=True,
)
def positive_only(activations, pes):
    return scanned(activations, pes, np.asarray(activations) > 0)


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="These are the values; asked for is where they stand.",
    named=True,
)
def values_instead(activations, pes):
    found, passed = scanned(activations, pes)
    return np.asarray(activations)[found], passed


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="These are the places within each element; the broadcast tells the index in the whole vector.",
    named=True,
)
def local_index(activations, pes):
    found, passed = scanned(activations, pes)
    return found // pes, passed


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="The gaps add up; each counts from the non-zero input before.",
    named=True,
)
def running_total(activations, pes):
    found, passed = scanned(activations, pes)
    return found, np.cumsum(passed)


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="Only the first non-zero input of a row was found; all are handed over, one a cycle.",
    named=True,
)
def one_a_row(activations, pes):
    values = np.asarray(activations)
    active = np.zeros(len(values), dtype=bool)
    for start in range(0, len(values), pes):
        places = np.flatnonzero(values[start : start + pes])
        if len(places):
            active[start + places[0]] = True
    return scanned(values, pes, active)


@mutant(
    "eie-2",
    replaces="nonzero_scan",
    misconception="Only whole rows are looked at; the last may have fewer inputs.",
)
def whole_rows_only(activations, pes):
    whole = len(activations) // pes * pes
    return scanned(np.asarray(activations)[:whole], pes)


@mutant("eie-2", replaces="nonzero_scan", misconception="Small inputs are taken for zero.")
def small_is_zero(activations, pes):
    values = np.asarray(activations)
    return scanned(values, pes, np.abs(values) > 0.01 * np.abs(values).max(initial=0))


@mutant("eie-2", replaces="nonzero_scan", misconception="At most one row of zeros is counted.")
def one_row_at_most(activations, pes):
    found, passed = scanned(activations, pes)
    return found, np.minimum(passed, 1)


@honest("eie-2", replaces="nonzero_scan", differs="counts cycles of a walk over all inputs")
def by_rows(activations, pes):
    found, passed = [], []
    rows = [activations[start : start + pes] for start in range(0, len(activations), pes)]
    empty = 0
    for number, row in enumerate(rows):
        places = [number * pes + i for i, value in enumerate(row) if value != 0]
        found.extend(places)
        if places:
            passed.extend([empty] + [0] * (len(places) - 1))
            empty = 0
        else:
            empty += 1
    return found, passed


@honest(
    "eie-2",
    replaces="nonzero_scan",
    differs="in torch, from the running number of rows with a non-zero input",
)
def in_torch_scan(activations, pes):
    values = torch.as_tensor(np.asarray(activations))
    found = values.nonzero().flatten()
    hit = torch.zeros(-(-len(values) // pes), dtype=torch.long)
    hit[found // pes] = 1
    zero_rows_before = (1 - hit).cumsum(0)[found // pes]
    return found, zero_rows_before - torch.cat([torch.zeros(1, dtype=torch.long), zero_rows_before[:-1]])[
        : len(found)
    ]


@honest("eie-2", replaces="nonzero_scan", differs="groups of one row at a time")
def by_groups(activations, pes):
    places = [j for j, value in enumerate(np.asarray(activations).tolist()) if value]
    gaps, before = [], -1
    for row, group in itertools.groupby(places, lambda j: j // pes):
        gaps.append(row - before - 1)
        gaps += [0] * (len(list(group)) - 1)
        before = row
    return np.array(places, dtype=np.uint16), np.array(gaps, dtype=float)
