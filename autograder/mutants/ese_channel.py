"""Mutants and honest variants of lab 09, task 3; `ese` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import collections

import numpy as np

from autograder.mutating import honest, mutant


def zero_rows(x, pes):
    """The non-zero inputs, and before each the rows of zeros that the scan passes."""
    places = np.flatnonzero(x)
    return places, np.maximum(np.diff(places // pes, prepend=-1) - 1, 0)


def run(
    entries, x, depth, *, places=None, gaps=None, least=1, step=1, delay=1, wait=np.max, held=None, own=False
):
    """The channel with other rules.

    `least`: cycles of an empty column; `step`: between two broadcasts; `delay`: from broadcast to first work; `wait`:
    over the PEs; `held`: added to a start until its place is free; `own`: no queues, all in step.
    """
    pes = entries.shape[1]
    found, rows = zero_rows(x, pes)
    places, gaps = found if places is None else places, rows if gaps is None else gaps
    work = np.maximum(np.asarray(entries)[places], least)
    b, s = np.zeros(len(places), int), np.zeros(work.shape, int)
    for j in range(len(places)):
        b[j] = (b[j - 1] if j else -1) + step + gaps[j]
        if j >= depth:
            free = s[j - depth] + (0 if held is None else held * work[j - depth])
            b[j] = max(b[j], wait(free))
        ready = s[j - 1] + work[j - 1] if j else np.zeros(pes, int)
        s[j] = np.maximum(b[j] + delay, ready.max() if own else ready)
    return b, s, int((s[-1] + work[-1]).max())


@mutant(
    "ese-3",
    replaces="channel",
    misconception="A place in the queue is free as soon as its input is taken, not when the PE is done with it.",
    named=True,
)
def held_until_done(entries, x, depth):
    return run(entries, x, depth, held=1)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="One PE with a free place is not enough: the broadcast waits for all.",
    named=True,
)
def waits_for_the_first(entries, x, depth):
    return run(entries, x, depth, wait=np.min)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="The queues never filled up: with `depth` places, broadcast j waits for the starts of j - depth.",
    named=True,
)
def endless_queues(entries, x, depth):
    return run(entries, x, len(x) + 1)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="Your queues have one place more than `depth`.",
    named=True,
)
def one_place_more(entries, x, depth):
    return run(entries, x, depth + 1)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="The PEs went in step: each begins a column when it is done with its own last one.",
    named=True,
)
def in_step(entries, x, depth):
    return run(entries, x, depth, own=True)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="A column without an entry takes the PE one cycle: its pointers have to be read.",
    named=True,
)
def empty_columns_free(entries, x, depth):
    return run(entries, x, depth, least=0)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="A PE works on an input one cycle after its broadcast at the earliest.",
    named=True,
)
def at_once(entries, x, depth):
    return run(entries, x, depth, delay=0)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="Zeros were broadcast: only non-zero inputs are.",
    named=True,
)
def broadcasts_zeros(entries, x, depth):
    return run(entries, x, depth, places=np.arange(len(x)), gaps=np.zeros(len(x), int))


@mutant(
    "ese-3",
    replaces="channel",
    misconception="The scan passed a row of zeros for nothing: it takes a cycle.",
    named=True,
)
def zero_rows_free(entries, x, depth):
    return run(entries, x, depth, gaps=np.zeros(len(x), int))


@mutant(
    "ese-3",
    replaces="channel",
    misconception="Each zero took a cycle: the scan sees a row of N inputs at a time.",
    named=True,
)
def every_zero_costs(entries, x, depth):
    places = np.flatnonzero(x)
    return run(entries, x, depth, gaps=np.diff(places, prepend=-1) - 1)


@mutant(
    "ese-3",
    replaces="channel",
    misconception="Every new row of inputs took a cycle; only a row in which all are zero does.",
    named=True,
)
def every_row_costs(entries, x, depth):
    return run(entries, x, depth, gaps=np.diff(np.flatnonzero(x) // entries.shape[1], prepend=0))


@mutant(
    "ese-3",
    replaces="channel",
    misconception="The rows of zeros before the first input are missing.",
    named=True,
)
def leading_rows_free(entries, x, depth):
    _, gaps = zero_rows(x, entries.shape[1])
    return run(entries, x, depth, gaps=[0, *gaps[1:]])


@mutant(
    "ese-3",
    replaces="channel",
    misconception="Cycles are counted to the end of the last column's work, not to its start.",
    named=True,
)
def ends_with_the_last_start(entries, x, depth):
    b, s, _ = run(entries, x, depth)
    return b, s, int(s[-1].max())


@mutant(
    "ese-3",
    replaces="channel",
    misconception="The first broadcast is in cycle 0.",
    named=True,
)
def begins_in_cycle_one(entries, x, depth):
    b, s, cycles = run(entries, x, depth)
    return b + 1, s + 1, cycles + 1


@mutant(
    "ese-3",
    replaces="channel",
    misconception="The busiest PE's work is all that counts: waiting is left out of the cycles.",
)
def work_alone(entries, x, depth):
    b, s, _ = run(entries, x, depth)
    return b, s, 1 + int(np.maximum(entries[np.flatnonzero(x)], 1).sum(0).max())


@mutant(
    "ese-3",
    replaces="channel",
    misconception="While the broadcast waits for a queue, the scan stands still and passes rows of zeros only afterwards.",
)
def scan_stands_still(entries, x, depth):
    places, gaps = zero_rows(x, entries.shape[1])
    work = np.maximum(entries[places], 1)
    b, s = np.zeros(len(places), int), np.zeros(work.shape, int)
    for j in range(len(places)):
        free = s[j - depth].max() if j >= depth else 0
        b[j] = max((b[j - 1] if j else -1) + 1, free) + gaps[j]
        s[j] = np.maximum(b[j] + 1, s[j - 1] + work[j - 1] if j else 0)
    return b, s, int((s[-1] + work[-1]).max())


@honest("ese-3", replaces="channel", differs="cycle by cycle, with a queue for each PE")
def cycle_by_cycle(entries, x, depth):
    pes = entries.shape[1]
    places, gaps = zero_rows(x, pes)
    queues = [collections.deque() for _ in range(pes)]
    busy, b, s = [0] * pes, [], [[0] * pes for _ in places]
    cycle, wait, done = 0, int(gaps[0]), 0
    while done < len(places) * pes or any(busy):
        for pe, queue in enumerate(queues):
            if not busy[pe] and queue:
                j = queue.popleft()
                s[j][pe], busy[pe] = cycle, max(1, int(entries[places[j], pe]))
                done += 1
        if wait:
            wait -= 1
        elif len(b) < len(places) and all(len(queue) < depth for queue in queues):
            for queue in queues:
                queue.append(len(b))
            b.append(cycle)
            wait = int(gaps[len(b)]) if len(b) < len(places) else 0
        busy = [max(left - 1, 0) for left in busy]
        cycle += 1
    return b, s, cycle


@honest("ese-3", replaces="channel", differs="PE by PE through lists, floats at the end")
def in_lists(entries, x, depth):
    table = entries.tolist()
    pes = len(table[0])
    active = [column for column, value in enumerate(x.tolist()) if value != 0]
    begins, ends, cast, before = [], [0] * pes, [], -1
    for j, column in enumerate(active):
        skipped = max(column // pes - before - 1, 0)
        before = column // pes
        earliest = (cast[-1] if cast else -1) + 1 + skipped
        if j >= depth:
            earliest = max([earliest, *begins[j - depth]])
        cast.append(earliest)
        begins.append([max(earliest + 1, end) for end in ends])
        ends = [begin + (table[column][pe] or 1) for pe, begin in enumerate(begins[-1])]
    return tuple(cast), np.array(begins, dtype=np.float64), float(max(ends))
