"""Mutants and honest variants of lab 08, the challenge; `eie` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np

from autograder.mutating import honest, mutant


def used_rows(codes):
    return np.flatnonzero((codes != 0).any(axis=1))


def used_inputs(codes):
    return np.flatnonzero((codes != 0).any(axis=0))


def by_activity(codes, samples):
    inputs = used_inputs(codes)
    return inputs[np.argsort(-(samples != 0).sum(axis=0)[inputs], kind="stable")]


def spread(codes, samples, pes, inputs):
    """Rows dealt out one by one, each to the element where it adds least to the longest columns."""
    often = (samples != 0).mean(axis=0)[inputs]
    has = (codes != 0)[:, inputs]
    rows = used_rows(codes)
    room = [len(range(k, len(rows), pes)) for k in range(pes)]
    load, mine = np.zeros((pes, len(inputs))), [[] for _ in range(pes)]
    for row in sorted(rows.tolist(), key=lambda row: -float(has[row] @ often)):

        def cost(k, row=row):
            longest = np.maximum(np.delete(load, k, axis=0).max(axis=0, initial=1), load[k] + has[row])
            return float(longest @ often), float((load[k] + has[row]) @ often)

        best = min((k for k in range(pes) if len(mine[k]) < room[k]), key=cost)
        mine[best].append(row)
        load[best] += has[row]
    return [mine[place % pes][place // pes] for place in range(len(rows))]


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="`rows` leaves out rows that have weights.",
    named=True,
)
def drops_small_rows(codes, samples):
    inputs = by_activity(codes, samples)
    sizes = (codes != 0).sum(axis=1)
    rows = [row for row in range(len(codes)) if sizes[row] > 2]
    return {"pes": 2, "width": 64, "rows": rows, "inputs": inputs}


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="`inputs` leaves out inputs that have weights: a sample in which they are zero proves nothing.",
    named=True,
)
def drops_rare_inputs(codes, samples):
    inputs = by_activity(codes, samples)
    return {"pes": 2, "width": 64, "rows": used_rows(codes), "inputs": inputs[: 2 * len(inputs) // 3]}


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="`rows` names a row twice.",
    named=True,
)
def names_rows_twice(codes, samples):
    rows = used_rows(codes)
    return {"pes": 2, "width": 64, "rows": np.append(rows, rows[0]), "inputs": by_activity(codes, samples)}


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="These are truth values; asked for are the numbers of rows and inputs, in order.",
    named=True,
)
def masks(codes, samples):
    return {"pes": 2, "width": 64, "rows": (codes != 0).any(axis=1), "inputs": (codes != 0).any(axis=0)}


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="A machine has 1 to 64 elements, and rows of 32, 64, 128, 256 or 512 bits.",
    named=True,
)
def odd_width(codes, samples):
    return {"pes": 2, "width": 48, "rows": used_rows(codes), "inputs": by_activity(codes, samples)}


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="The design is not better than the first machine: four elements, 64 bits, everything as it comes.",
    named=True,
)
def most_elements(codes, samples):
    return {"pes": 64, "width": 64, "rows": used_rows(codes), "inputs": by_activity(codes, samples)}


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="What you return is a dict of pes, width, rows and inputs.",
    named=True,
)
def a_tuple(codes, samples):
    return 2, 64, used_rows(codes), by_activity(codes, samples)


@mutant(
    "eie-challenge",
    replaces="design",
    misconception="Only the machine is chosen, nothing is left out or moved.",
)
def machine_alone(codes, samples):
    return {"pes": 3, "width": 64, "rows": np.arange(len(codes)), "inputs": np.arange(codes.shape[1])}


@mutant("eie-challenge", replaces="design", misconception="The fastest machine, whatever it takes.")
def fastest(codes, samples):
    inputs = by_activity(codes, samples)
    return {"pes": 16, "width": 64, "rows": spread(codes, samples, 16, inputs), "inputs": inputs}


@mutant("eie-challenge", replaces="design", misconception="The machine of least energy, whatever the time.")
def leanest(codes, samples):
    return {"pes": 1, "width": 64, "rows": used_rows(codes), "inputs": by_activity(codes, samples)}


@honest("eie-challenge", replaces="design", differs="rows dealt out by a greedy rule, four elements")
def greedy_rows(codes, samples):
    inputs = by_activity(codes, samples)
    return {"pes": 4, "width": 64, "rows": spread(codes, samples, 4, inputs), "inputs": inputs}


@honest(
    "eie-challenge",
    replaces="design",
    differs="rows exchanged until nothing gets shorter",
)
def by_exchange(codes, samples):
    inputs = by_activity(codes, samples)
    often = (samples != 0).mean(axis=0)[inputs]
    rows = used_rows(codes)
    has = (codes != 0)[rows][:, inputs].astype(int)
    order, pes = list(range(len(rows))), 4

    def longest(order):
        parts = np.array([has[order[k::pes]].sum(axis=0) for k in range(pes)])
        return float(np.maximum(parts.max(axis=0), 1) @ often) + 0.3 * float((parts @ often).max())

    best, moved = longest(order), True
    while moved:
        moved = False
        for one in range(len(order)):
            for other in range(one):
                order[one], order[other] = order[other], order[one]
                found = longest(order)
                if found < best - 1e-9:
                    best, moved = found, True
                else:
                    order[one], order[other] = order[other], order[one]
    return {"pes": pes, "width": 64, "rows": rows[order].tolist(), "inputs": inputs.tolist()}
