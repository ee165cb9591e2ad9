"""EIE's recurrence and its cycles without a compiler: in NumPy, vectorised over PEs, and in plain Python."""

import numpy as np
from numpy.typing import NDArray

from efflab.eie import event

Counts = NDArray[np.int32]


def event_numpy(counts: Counts, gaps: Counts, depth: int) -> int:
    """The recurrence, vectorised over PEs."""
    sent, done, latest = -1, np.zeros(counts.shape[1], np.int32), []
    work = np.maximum(counts, 1)
    for j in range(len(gaps)):
        sent = max(sent + 1 + gaps[j], latest[j - depth] if j >= depth else 0)
        start = np.maximum(done, sent + 1)
        latest.append(start.max())
        done = start + work[j]
    return int(done.max())


def cycles_numpy(counts: Counts, gaps: Counts, depth: int) -> int:
    """Cycle by cycle, vectorised over PEs."""
    pes = np.arange(counts.shape[1])
    left, taken, work = np.zeros(pes.size, int), np.zeros(pes.size, int), np.maximum(counts, 1)
    sent, now, rows = 0, 0, int(gaps[0])
    while sent < len(gaps) or left.any() or (taken < sent).any():
        take = (left == 0) & (taken < sent)
        left[take] = work[taken[take], pes[take]]
        taken += take
        left -= left > 0
        if sent < len(gaps):
            if rows:
                rows -= 1
            elif (sent - taken).max() < depth:
                sent += 1
                rows = int(gaps[sent]) if sent < len(gaps) else 0
        now += 1
    return now


def cycles_python(counts: Counts, gaps: Counts, depth: int) -> int:
    """Cycle by cycle and PE by PE."""
    work, zeros, pes = np.maximum(counts, 1).tolist(), gaps.tolist(), range(counts.shape[1])
    left, taken = [0] * len(pes), [0] * len(pes)
    sent, now, rows, more = 0, 0, zeros[0], True
    while sent < len(zeros) or more:
        more, full = False, False
        for k in pes:
            if left[k] == 0 and taken[k] < sent:
                left[k] = work[taken[k]][k]
                taken[k] += 1
            if left[k]:
                left[k] -= 1
            full = full or sent - taken[k] >= depth
            more = more or left[k] > 0 or taken[k] < sent
        if sent < len(zeros):
            if rows:
                rows -= 1
            elif not full:
                sent, more = sent + 1, True
                rows = zeros[sent] if sent < len(zeros) else 0
        now += 1
    return now


def event_python(counts: Counts, gaps: Counts, depth: int) -> int:
    """The engine's own loop, not compiled."""
    done = np.zeros(counts.shape[1], np.int64)
    event.queued.py_func(counts, gaps, depth, done)
    return int(done.max())
