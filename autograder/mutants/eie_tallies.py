"""Mutants and honest variants of lab 08, task 4, the tally; `eie` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

from types import SimpleNamespace

import numpy as np
import torch

from autograder.mutants.eie_queues import cycle_by_cycle, in_torch_by_ends, timed
from autograder.mutating import honest, mutant


def told(entries, gaps, depth, least=1, **rules):
    """The three figures, of which some follow another rule."""
    entries = np.asarray(entries)
    work = np.maximum(entries, least)
    sent, begun = timed(work, gaps, depth)
    run = SimpleNamespace(entries=entries, work=work, sent=sent, begun=begun)
    run.cycles = int((begun[-1] + work[-1]).max())
    run.waits = [int(sent[j] - (sent[j - 1] if j else -1) - 1 - gaps[j]) for j in range(len(sent))]
    part = {"cycles": run.cycles, "blocked": sum(run.waits), "balance": share(run.entries, run.cycles)}
    return part | {name: rule(run) for name, rule in rules.items()}


def plain(variant):
    """A variant of another function as the function it is."""
    return getattr(variant, "function", variant)


def share(entries, cycles):
    return float(entries.sum()) / (entries.shape[1] * cycles)


@mutant(
    "eie-4",
    replaces="tally",
    misconception="This is the cycle of the last broadcast; the elements still work after it.",
    named=True,
)
def ends_with_the_broadcast(entries, gaps, depth):
    return told(entries, gaps, depth, cycles=lambda run: int(run.sent[-1]) + 1)


@mutant(
    "eie-4",
    replaces="tally",
    misconception="This is the cycle in which the last input is begun; its entries take cycles too.",
    named=True,
)
def ends_with_the_last_start(entries, gaps, depth):
    return told(entries, gaps, depth, cycles=lambda run: int(run.begun[-1].max()))


@mutant(
    "eie-4",
    replaces="tally",
    misconception="An empty column takes a cycle, behind the last entry too: the work is the number of entries, but at least 1.",
    named=True,
)
def empty_columns_are_free(entries, gaps, depth):
    return told(entries, gaps, depth, least=0)


@mutant(
    "eie-4",
    replaces="tally",
    misconception="Rows of zeros are no stall: only cycles count in which a full queue kept an input back.",
    named=True,
)
def gaps_are_stalls(entries, gaps, depth):
    return told(entries, gaps, depth, blocked=lambda run: int(run.sent[-1]) + 1 - len(run.sent))


@mutant(
    "eie-4",
    replaces="tally",
    misconception="These are the inputs that had to wait; asked for are the cycles that they waited.",
    named=True,
)
def counts_inputs(entries, gaps, depth):
    return told(entries, gaps, depth, blocked=lambda run: sum(one > 0 for one in run.waits))


@mutant(
    "eie-4",
    replaces="tally",
    misconception="The cycle of an empty column is a bubble: it processes no entry.",
    named=True,
)
def empty_columns_count(entries, gaps, depth):
    return told(entries, gaps, depth, balance=lambda run: share(run.work, run.cycles))


@mutant(
    "eie-4",
    replaces="tally",
    misconception="Balance is over all elements: the entries divided by N times the cycles.",
    named=True,
)
def of_one_element(entries, gaps, depth):
    return told(entries, gaps, depth, balance=lambda run: float(run.entries.sum()) / run.cycles)


@mutant(
    "eie-4",
    replaces="tally",
    misconception="This compares mean and largest element; balance compares the entries with all cycles that passed.",
    named=True,
)
def mean_by_most(entries, gaps, depth):
    by_element = np.asarray(entries).sum(axis=0)
    return told(entries, gaps, depth, balance=lambda _: float(by_element.mean() / by_element.max()))


@mutant(
    "eie-4", replaces="tally", misconception="Only the element that ends the last input last is looked at."
)
def of_the_first_element(entries, gaps, depth):
    return told(entries, gaps, depth, cycles=lambda run: int((run.begun[-1] + run.work[-1])[0]))


@honest("eie-4", replaces="tally", differs="adds up bubbles, and stalls one by one")
def by_bubbles(entries, gaps, depth):
    entries = np.asarray(entries).astype(int)
    work = [[max(1, int(one)) for one in row] for row in entries]
    sent, start = (np.asarray(part).tolist() for part in plain(cycle_by_cycle)(work, gaps, depth))
    cycles = max(begin + cost for begin, cost in zip(start[-1], work[-1], strict=True))
    bubbles = sum(cycles - int(column.sum()) for column in entries.T)
    stalls, before = 0, -1
    for at, gap in zip(sent, gaps, strict=True):
        stalls += at - before - 1 - int(gap)
        before = at
    return {
        "balance": 1 - bubbles / (cycles * entries.shape[1]),
        "blocked": stalls,
        "cycles": np.int64(cycles),
    }


@honest("eie-4", replaces="tally", differs="in torch, in numbers with a point")
def in_torch_tally(entries, gaps, depth):
    counts = torch.as_tensor(np.asarray(entries).astype(np.int64))
    sent, start = plain(in_torch_by_ends)(counts.clamp(min=1).numpy(), gaps, depth)
    cycles = (start + counts.clamp(min=1)).max().item()
    scanned = len(sent) + int(np.sum(np.asarray(gaps)))
    return {
        "cycles": float(cycles),
        "blocked": float(sent.max().item() + 1 - scanned),
        "balance": torch.mean(counts.sum(0).double() / cycles).item(),
    }
