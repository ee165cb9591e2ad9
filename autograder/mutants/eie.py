"""Mutants and honest variants of lab 08, EIE.

Those of task 5 stand here, the others in `eie_index`, `eie_scan`, `eie_pe`, `eie_queues`, `eie_tallies` and `eie_designs`.
"""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutants.eie_designs import *  # noqa: F403 - the challenge, collected from here
from autograder.mutants.eie_index import *  # noqa: F403 - task 1, the same
from autograder.mutants.eie_pe import *  # noqa: F403 - task 3, the same
from autograder.mutants.eie_queues import *  # noqa: F403 - task 4, the same
from autograder.mutants.eie_scan import *  # noqa: F403 - task 2, the same
from autograder.mutants.eie_tallies import *  # noqa: F403 - task 4, its tally
from autograder.mutating import honest, mutant


def addresses(p, inputs):
    """The addresses of all entries that some inputs need, in order."""
    return [at for j in inputs for at in range(int(p[j]), int(p[j + 1]))]


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="Each entry was read for itself: a read brings a whole row, here of four entries.",
    named=True,
)
def entry_by_entry(p, inputs, width):
    return len(addresses(p, inputs))


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="You divided the number of entries: a column need not begin where a row does.",
    named=True,
)
def packed_entries(p, inputs, width):
    return -(-len(addresses(p, inputs)) * 8 // width)


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="Columns were rounded up one by one: it depends on where in a row each begins.",
    named=True,
)
def columns_begin_rows(p, inputs, width):
    return sum(-(-int(p[j + 1] - p[j]) * 8 // width) for j in inputs)


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="A row that is held was read again: the next column may begin in it.",
    named=True,
)
def forgets_between_columns(p, inputs, width):
    return sum(len({at * 8 // width for at in addresses(p, [j])}) for j in inputs)


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="An entry has 8 bits, 4 of code and 4 of index: a row holds width / 8 of them.",
    named=True,
)
def four_bits_an_entry(p, inputs, width):
    return len({at * 4 // width for at in addresses(p, inputs)})


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="All columns were read; only those of non-zero inputs are.",
    named=True,
)
def reads_everything(p, inputs, width):
    return len({at * 8 // width for at in range(int(p[-1]))})


@mutant(
    "eie-5",
    replaces="row_reads",
    misconception="Everything from the first to the last column was read; what lies between is skipped.",
    named=True,
)
def reads_what_lies_between(p, inputs, width):
    if not len(inputs):
        return 0
    return len({at * 8 // width for at in range(int(p[inputs[0]]), int(p[inputs[-1] + 1]))})


@mutant("eie-5", replaces="row_reads", misconception="A column without an entry reads a row too.")
def empty_columns_read(p, inputs, width):
    empty = sum(int(p[j + 1] == p[j]) for j in inputs)
    return empty + len({at * 8 // width for at in addresses(p, inputs)})


@honest("eie-5", replaces="row_reads", differs="follows each entry and the row that is held")
def follows_entries(p, inputs, width):
    held, reads = None, 0
    for at in addresses(p, inputs):
        row = at // (width // 8)
        reads += row != held
        held = row
    return reads


@honest("eie-5", replaces="row_reads", differs="the number of different rows, in NumPy")
def different_rows(p, inputs, width):
    starts, ends = np.asarray(p)[:-1], np.asarray(p)[1:]
    wanted = np.zeros(int(p[-1]), dtype=bool)
    for j in inputs:
        wanted[int(starts[j]) : int(ends[j])] = True
    per = width // 8
    rows = np.concatenate([wanted, np.zeros(-len(wanted) % per, dtype=bool)]).reshape(-1, per)
    return np.count_nonzero(rows.any(axis=1))


def summed_up(counts, pj, **times):
    """Energy by module, each multiplied by some factor."""
    offered = counts["pes"] * counts["broadcasts"]
    found = {
        "ActQueue": 2 * offered * pj["register"],
        "PtrRead": 2 * offered * pj["pointer"],
        "SpmatRead": counts["rows"] * pj["row"],
        "ArithmUnit": counts["entries"] * (pj["register"] + pj["multiply"] + pj["add"]),
        "ActRW": 2 * counts["entries"] * pj["register"],
        "Clock": counts["pes"] * counts["cycles"] * pj["clock"],
    }
    return {module: energy * times.get(module, 1) for module, energy in found.items()}


@mutant(
    "eie-5",
    replaces="energy",
    misconception="An input is put into a queue and taken from it: two accesses.",
    named=True,
)
def pushes_only(counts, pj):
    return summed_up(counts, pj, ActQueue=0.5)


@mutant(
    "eie-5",
    replaces="energy",
    misconception="Two pointers are read for a column, where it begins and where the next does.",
    named=True,
)
def one_pointer(counts, pj):
    return summed_up(counts, pj, PtrRead=0.5)


@mutant(
    "eie-5",
    replaces="energy",
    misconception="Every element reads its own pointers for every broadcast.",
    named=True,
)
def one_element_reads_pointers(counts, pj):
    return summed_up(counts, pj, PtrRead=1 / counts["pes"])


@mutant(
    "eie-5",
    replaces="energy",
    misconception="The matrix is read by rows: their number times the energy of a row.",
    named=True,
)
def reads_entries(counts, pj):
    return summed_up(counts, pj, SpmatRead=counts["entries"] / counts["rows"])


@mutant(
    "eie-5",
    replaces="energy",
    misconception="The look-up in the codebook is missing: a register read for each entry.",
    named=True,
)
def no_codebook(counts, pj):
    per = pj["register"] + pj["multiply"] + pj["add"]
    return summed_up(counts, pj, ArithmUnit=(per - pj["register"]) / per)


@mutant(
    "eie-5",
    replaces="energy",
    misconception="A sum is read and written for each entry: two accesses.",
    named=True,
)
def sums_are_only_written(counts, pj):
    return summed_up(counts, pj, ActRW=0.5)


@mutant(
    "eie-5",
    replaces="energy",
    misconception="The clock reaches every element in every cycle, busy or not.",
    named=True,
)
def clock_of_busy_cycles(counts, pj):
    return summed_up(counts, pj, Clock=counts["entries"] / (counts["pes"] * counts["cycles"]))


@mutant(
    "eie-5",
    replaces="energy",
    misconception="The clock was counted for one element only.",
    named=True,
)
def clock_of_one_element(counts, pj):
    return summed_up(counts, pj, Clock=1 / counts["pes"])


@mutant(
    "eie-5",
    replaces="energy",
    misconception="Asked for is pJ, the unit of the costs.",
    named=True,
)
def in_nanojoules(counts, pj):
    return {module: value / 1000 for module, value in summed_up(counts, pj).items()}


@mutant("eie-5", replaces="energy", misconception="The sum of all modules stands among them.")
def with_total(counts, pj):
    found = summed_up(counts, pj)
    return found | {"total": sum(found.values())}


@honest("eie-5", replaces="energy", differs="a product of two matrices")
def by_matrix(counts, pj):
    each = counts["pes"] * counts["broadcasts"]
    events = np.array(
        [each, counts["rows"], counts["entries"], counts["pes"] * counts["cycles"]], dtype=float
    )
    cost = {
        "ActQueue": [2 * pj["register"], 0, 0, 0],
        "PtrRead": [2 * pj["pointer"], 0, 0, 0],
        "SpmatRead": [0, pj["row"], 0, 0],
        "ArithmUnit": [0, 0, pj["register"] + pj["multiply"] + pj["add"], 0],
        "ActRW": [0, 0, 2 * pj["register"], 0],
        "Clock": [0, 0, 0, pj["clock"]],
    }
    return {module: float(np.dot(events, per)) for module, per in cost.items()}


@honest("eie-5", replaces="energy", differs="event by event, in torch's numbers")
def event_by_event(counts, pj):
    ledger = dict.fromkeys(
        ("Clock", "ActRW", "ArithmUnit", "SpmatRead", "PtrRead", "ActQueue"), torch.zeros(()).double()
    )
    received = counts["broadcasts"] * counts["pes"]
    for module, times, event in (
        ("ActQueue", received, "register"),
        ("ActQueue", received, "register"),
        ("PtrRead", received, "pointer"),
        ("PtrRead", received, "pointer"),
        ("SpmatRead", counts["rows"], "row"),
        ("ArithmUnit", counts["entries"], "register"),
        ("ArithmUnit", counts["entries"], "multiply"),
        ("ArithmUnit", counts["entries"], "add"),
        ("ActRW", counts["entries"], "register"),
        ("ActRW", counts["entries"], "register"),
        ("Clock", counts["cycles"] * counts["pes"], "clock"),
    ):
        ledger[module] = ledger[module] + times * pj[event]
    return ledger
