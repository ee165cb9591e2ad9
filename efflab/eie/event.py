"""The machine as a recurrence over broadcasts: no cycle is visited in which nothing is sent.

A non-zero input j is broadcast in cycle b_j and taken from PE k's queue in cycle s_jk, where it keeps the PE for w_jk
cycles, one an entry and at least one:

    b_j = max(b_(j-1) + 1 + gap_j, max_k s_(j-D)k)        D, inputs that can wait in a queue
    s_jk = max(b_j + 1, s_(j-1)k + w_(j-1)k)

Source: ISCA 2016, section IV, "Activation Queue and Load Balancing".
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.eie.counters import Counters
from efflab.eie.machine import FILL
from efflab.errors import EfflabError

Ints = NDArray[Any]
"""int32, or int64 for long runs."""


@njit(cache=True, nogil=True)
def queued(counts: Ints, gaps: Ints, depth: int, ends: Ints) -> int:
    """Follow the recurrence for queues of at least one place.

    Args:
        counts: (broadcasts, pes) entries of each broadcast input's column.
        gaps: (broadcasts,) rows of zeros before each.
        depth: D, at least 1.
        ends: (pes,) becomes the cycle in which each PE is done.

    Returns:
        The cycle of the last broadcast.
    """
    # An array made here begins where vectors do, which is worth a factor of three.
    done, latest = np.zeros(ends.size, ends.dtype), np.empty(gaps.size, ends.dtype)
    sent = -1
    for j in range(gaps.size):
        sent += 1 + gaps[j]
        if j >= depth:
            sent = max(sent, latest[j - depth])
        ready, slowest = ends.dtype.type(sent + 1), ends.dtype.type(0)
        for k in range(done.size):
            start = max(ready, done[k])
            slowest = max(slowest, start)
            done[k] = start + max(counts[j, k], 1)
        latest[j] = slowest
    ends[:] = done
    return sent


@njit(cache=True, nogil=True)
def direct(counts: Ints, gaps: Ints, ends: Ints) -> int:
    """Follow the recurrence without queues: an input is sent when all PEs end the work before, and all begin with it."""
    sent = -1
    ends[:] = 0
    for j in range(gaps.size):
        sent = max(sent + 1 + gaps[j], ends.max() - 1)
        for k in range(ends.size):
            ends[k] = sent + 1 + max(counts[j, k], 1)
    return sent


@njit(cache=True, nogil=True)
def with_hazards(  # noqa: PLR0917 - compiled functions take their arguments by position
    counts: Ints, gaps: Ints, depth: int, ends: Ints, first: Ints, last: Ints, waits: Ints
) -> int:
    """Follow the recurrence of a machine without bypass.

    The first entry of a column waits a cycle where it needs the sum that the PE's entry of the cycle before has not
    written yet. An empty column or an idle cycle between the two is time enough.

    Args:
        counts: as in ``queued``.
        gaps: as in ``queued``.
        depth: D, from 0.
        ends: as in ``queued``.
        first: (broadcasts, pes) accumulator of each column's first entry, -1 without one.
        last: (broadcasts, pes) that of its last.
        waits: (pes,) zeros; becomes the cycles that each PE waited.

    Returns:
        The cycle of the last broadcast.
    """
    latest, sent = np.empty(gaps.size, ends.dtype), -1
    ends[:] = 0
    for j in range(gaps.size):
        sent += 1 + gaps[j]
        if depth == 0:
            sent = max(sent, ends.max() - 1)
        elif j >= depth:
            sent = max(sent, latest[j - depth])
        slowest = ends.dtype.type(0)
        for k in range(ends.size):
            start = max(ends.dtype.type(sent + 1), ends[k])
            slowest = max(slowest, start)
            wait = j > 0 and start == ends[k] and first[j, k] >= 0 and first[j, k] == last[j - 1, k]
            waits[k] += wait
            ends[k] = start + max(counts[j, k], 1) + wait
        latest[j] = slowest
    return sent


@njit(cache=True, nogil=True)
def tally(counts: Ints, lanes: Ints) -> None:
    """Add up each PE's entries and its columns without one, and note its longest, in the three rows of ``lanes``.

    Four columns at a time: a sum in memory is slower to come by than an entry.
    """
    pes, whole = counts.shape[1], counts.shape[0] // 4 * 4
    busy, empty, peak = np.zeros(pes, lanes.dtype), np.zeros(pes, lanes.dtype), np.zeros(pes, lanes.dtype)
    for j in range(0, whole, 4):
        for k in range(pes):
            a, b, c, d = counts[j, k], counts[j + 1, k], counts[j + 2, k], counts[j + 3, k]
            busy[k] += a + b + c + d
            empty[k] += np.int32(a == 0) + np.int32(b == 0) + np.int32(c == 0) + np.int32(d == 0)
            peak[k] = max(peak[k], a, b, c, d)
    for j in range(whole, counts.shape[0]):
        for k in range(pes):
            busy[k] += counts[j, k]
            empty[k] += counts[j, k] == 0
            peak[k] = max(peak[k], counts[j, k])
    lanes[0], lanes[1], lanes[2] = busy, empty, peak


def run_counts(
    counts: NDArray[Any],
    gaps: NDArray[Any],
    depth: int,
    ends: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> Counters:
    """Run one batch of inputs through the machine.

    Args:
        counts: (broadcasts, pes) entries, padding included, of each non-zero input's column in each PE; integers.
        gaps: (broadcasts,) rows of zeros that the scan passes before each.
        depth: inputs that can wait in each PE's queue, from 0 (``Machine.depth``).
        ends: of a machine without bypass, the first and the last accumulator of each column and PE, of counts' shape,
            -1 without entry; None with a bypass.

    Returns:
        The counts that follow from these: all but padding, reads of the matrix SRAM, and what activations outside the
        registers and the end of a layer cost.

    Raises:
        EfflabError: shapes that do not match, or a negative depth.

    >>> run_counts(np.array([[2, 1], [0, 3]]), np.array([0, 0]), depth=7).cycles
    5
    """
    work, gaps = _checked(counts, gaps, depth)
    (broadcasts, pes), passed = work.shape, int(gaps.sum(dtype=np.int64))
    lanes = np.zeros((3, pes), np.int32 if work.itemsize <= 4 else np.int64)
    tally(work, lanes)
    # No run is longer than its inputs one after the other.
    longest = (int(lanes[2].max()) + 2) * (broadcasts + 1) + passed
    if longest >= 1 << 31:
        lanes = np.zeros((3, pes), np.int64)
        tally(work, lanes)
    done, waits = np.zeros((2, pes), lanes.dtype)
    if ends is not None:
        sent = with_hazards(work, gaps, depth, done, *ends, waits)
    elif depth:
        sent = queued(work, gaps, depth, done)
    else:
        sent = direct(work, gaps, done)
    cycles, hazards = int(done.max()), int(waits.sum(dtype=np.int64))
    entries, hollow, _ = lanes.sum(axis=1, dtype=np.int64).tolist()
    return Counters(
        pes=pes,
        cycles=cycles,
        broadcasts=broadcasts,
        entries=entries,
        empty=hollow,
        hazards=hazards,
        starved=pes * cycles - entries - hollow - hazards,
        blocked=sent + 1 - broadcasts - passed,
        scan_cycles=broadcasts + passed,
        busy=lanes[0].astype(np.int64),
        pointer_reads=2 * broadcasts * pes,
        codebook_reads=entries,
        act_reads=entries,
        act_writes=entries,
        queue_pushes=broadcasts * pes,
        queue_pops=broadcasts * pes,
        batches=1,
        fill=FILL,
    )


def _checked(counts: NDArray[Any], gaps: NDArray[Any], depth: int) -> tuple[NDArray[Any], NDArray[Any]]:
    if counts.ndim != 2 or counts.shape[1] < 1 or gaps.shape != counts.shape[:1]:
        raise EfflabError(
            "counts must have shape (broadcasts, pes) and gaps (broadcasts,), "
            f"and they have {counts.shape} and {gaps.shape}"
        )
    if depth < 0:
        raise EfflabError(f"depth is {depth}, and must be at least 0: the inputs that can wait in a queue")
    return np.ascontiguousarray(counts), np.ascontiguousarray(gaps)
