"""Mutants and honest variants of lab 08, task 4; `eie` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import collections

import numpy as np
import torch

from autograder.mutating import honest, mutant


def timed(work, gaps, depth, **rules):
    """Cycles of broadcasts and of their beginnings, with other rules in some places."""
    work = np.asarray(work)
    sent, start = [], []
    for j in range(len(work)):
        before = sent[-1] if sent else rules.get("origin", -1)
        at = before + 1 + (int(gaps[j]) if rules.get("scans", True) else 0)
        waits = rules.get("waits", lambda start, j, depth: max(start[j - depth]) if j >= depth else 0)
        at = max(at, waits(start, j, depth))
        begin = [at + rules.get("latency", 1)] * work.shape[1]
        if start:
            done = [one + int(w) for one, w in zip(start[-1], work[j - 1], strict=True)]
            done = rules.get("done", lambda done: done)(done)
            begin = [max(one, other) for one, other in zip(begin, done, strict=True)]
        sent.append(at)
        start.append(begin)
    return np.array(sent, dtype=np.int64), np.array(start, dtype=np.int64).reshape(work.shape)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="An input was sent while a queue was full: all queues must have room.",
    named=True,
)
def never_waits(work, gaps, depth):
    return timed(work, gaps, depth, waits=lambda *_: 0)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="The broadcast waited until the slowest element was done with the input before: that is what queues are for.",
    named=True,
)
def in_lockstep(work, gaps, depth):
    work = np.asarray(work)

    def waits(start, j, _):
        return max(one + int(w) for one, w in zip(start[-1], work[j - 1], strict=True)) if start else 0

    return timed(work, gaps, depth, waits=waits)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="One full queue is enough to stop the broadcast: you waited for the fastest element.",
    named=True,
)
def waits_for_the_fastest(work, gaps, depth):
    return timed(work, gaps, depth, waits=lambda start, j, d: min(start[j - d]) if j >= d else 0)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="The queue holds one input fewer than `depth` here.",
    named=True,
)
def one_place_fewer(work, gaps, depth):
    fewer = max(depth - 1, 1)
    return timed(
        work, gaps, fewer, waits=lambda start, j, d: max(start[j - d]) + (depth == 1) if j >= d else 0
    )


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="The queue holds one input more than `depth` here.",
    named=True,
)
def one_place_more(work, gaps, depth):
    return timed(work, gaps, depth + 1)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="A place in the queue is free in the cycle in which its input is taken, not one later.",
    named=True,
)
def frees_a_cycle_late(work, gaps, depth):
    return timed(work, gaps, depth, waits=lambda start, j, d: max(start[j - d]) + 1 if j >= d else 0)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="The rows of zeros are missing: the scan needs a cycle for each.",
    named=True,
)
def no_gaps(work, gaps, depth):
    return timed(work, gaps, depth, scans=False)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="Cycles count from 0: the first input is sent in cycle 0 if no row of zeros is before it.",
    named=True,
)
def begins_at_one(work, gaps, depth):
    return timed(work, gaps, depth, origin=0)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="An input that was just sent is in the queue a cycle later, even if the element is idle.",
    named=True,
)
def no_latency(work, gaps, depth):
    return timed(work, gaps, depth, latency=0)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="Each element goes on as soon as it is done itself, not when all are.",
    named=True,
)
def all_begin_together(work, gaps, depth):
    return timed(work, gaps, depth, done=lambda done: [max(done)] * len(done))


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="The scan goes on while a queue is full, so that rows of zeros behind it cost nothing more.",
)
def scan_hides_behind_stalls(work, gaps, depth):
    work = np.asarray(work)
    ready = np.cumsum(np.asarray(gaps, dtype=np.int64) + 1) - 1
    sent, start = [], []
    for j in range(len(work)):
        at = max(int(ready[j]), sent[-1] + 1 if sent else 0, max(start[j - depth]) if j >= depth else 0)
        begin = np.full(work.shape[1], at + 1)
        if start:
            begin = np.maximum(begin, np.array(start[-1]) + work[j - 1])
        sent.append(at)
        start.append(begin.tolist())
    return np.array(sent), np.array(start).reshape(work.shape)


@mutant(
    "eie-4",
    replaces="broadcast_times",
    misconception="A gap is added to the wait for a full queue.",
)
def waits_after_the_scan(work, gaps, depth):
    def waits(start, j, d):
        return max(start[j - d]) + int(gaps[j]) if j >= d else 0

    return timed(work, gaps, depth, waits=waits)


@honest("eie-4", replaces="broadcast_times", differs="moves queues, cycle by cycle")
def cycle_by_cycle(work, gaps, depth):
    work = np.asarray(work).astype(int).tolist()
    pes = len(work[0])
    queues = [collections.deque() for _ in range(pes)]
    busy, sent, start = [0] * pes, [], [[-1] * pes for _ in work]
    cycle, looked = 0, int(gaps[0])
    while len(sent) < len(work) or any(queues):
        for k in range(pes):
            busy[k] -= busy[k] > 0
            if not busy[k] and queues[k]:
                j = queues[k].popleft()
                start[j][k], busy[k] = cycle, work[j][k]
        if looked:
            looked -= 1
        elif len(sent) < len(work) and all(len(queue) < depth for queue in queues):
            for queue in queues:
                queue.append(len(sent))
            sent.append(cycle)
            looked = int(gaps[len(sent)]) if len(sent) < len(work) else 0
        cycle += 1
    return sent, start


@honest("eie-4", replaces="broadcast_times", differs="in torch, by cycles in which elements end")
def in_torch_by_ends(work, gaps, depth):
    work = torch.as_tensor(np.asarray(work).astype(np.int64))
    ends, latest, sent, start = torch.zeros(work.shape[1], dtype=torch.long), [], [], []
    for j, cost in enumerate(work):
        at = int(gaps[j]) + (sent[-1] + 1 if sent else 0)
        if len(latest) >= depth:
            at = max(at, latest[-depth])
        begin = ends.clamp(min=at + 1)
        ends = begin + cost
        latest.append(int(begin.max()))
        sent.append(at)
        start.append(begin)
    return torch.tensor(sent), torch.stack(start)
