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
def queued(counts: Ints, gaps: Ints, depth: int, done: Ints, latest: Ints) -> int:
    """Follow the recurrence for queues of at least one place.

    Args:
        counts: (broadcasts, pes) entries of each broadcast input's column.
        gaps: (broadcasts,) rows of zeros before each.
        depth: D, at least 1.
        done: (pes,) zeros; becomes the cycle in which each PE is done.
        latest: (broadcasts,) room for the cycle in which the last PE takes each input.

    Returns:
        The cycle of the last broadcast.
    """
    pes = done.size
    sent = -1
    for j in range(gaps.size):
        sent += 1 + gaps[j]
        if j >= depth:
            sent = max(sent, latest[j - depth])
        ready = done.dtype.type(sent + 1)
        slowest = done.dtype.type(0)
        for k in range(pes):
            start = max(ready, done[k])
            slowest = max(slowest, start)
            done[k] = start + max(counts[j, k], 1)
        latest[j] = slowest
    return sent


@njit(cache=True, nogil=True)
def direct(counts: Ints, gaps: Ints, done: Ints) -> int:
    """Follow the recurrence without queues: an input is sent when all PEs end the work before, and all begin with it."""
    sent = -1
    for j in range(gaps.size):
        sent = max(sent + 1 + gaps[j], done.max() - 1)
        for k in range(done.size):
            done[k] = sent + 1 + max(counts[j, k], 1)
    return sent


@njit(cache=True, nogil=True)
def with_hazards(  # noqa: PLR0917 - compiled functions take their arguments by position
    counts: Ints, gaps: Ints, depth: int, done: Ints, latest: Ints, first: Ints, last: Ints, waits: Ints
) -> int:
    """Follow the recurrence of a machine without bypass.

    The first entry of a column waits a cycle where it needs the sum that the PE's entry of the cycle before has not
    written yet. An empty column or an idle cycle between the two is time enough.

    Args:
        counts: as above, as are ``gaps``, ``depth`` (from 0), ``done`` and ``latest``.
        gaps: see above.
        depth: see above.
        done: see above.
        latest: see above.
        first: (broadcasts, pes) accumulator of each column's first entry, -1 without one.
        last: (broadcasts, pes) that of its last.
        waits: (pes,) zeros; becomes the cycles that each PE waited.

    Returns:
        The cycle of the last broadcast.
    """
    sent = -1
    for j in range(gaps.size):
        sent += 1 + gaps[j]
        if depth == 0:
            sent = max(sent, done.max() - 1)
        elif j >= depth:
            sent = max(sent, latest[j - depth])
        slowest = done.dtype.type(0)
        for k in range(done.size):
            start = max(done.dtype.type(sent + 1), done[k])
            slowest = max(slowest, start)
            wait = j > 0 and start == done[k] and first[j, k] >= 0 and first[j, k] == last[j - 1, k]
            waits[k] += wait
            done[k] = start + max(counts[j, k], 1) + wait
        latest[j] = slowest
    return sent


@njit(cache=True, nogil=True)
def tally(counts: Ints, busy: Ints, empty: Ints) -> None:
    """Add up each PE's entries, and its columns without one."""
    for j in range(counts.shape[0]):
        for k in range(busy.size):
            busy[k] += counts[j, k]
            empty[k] += counts[j, k] == 0


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
    broadcasts, pes = work.shape
    # No run is longer than its inputs one after the other.
    bound = int(work.max(initial=1) + 2) * (broadcasts + 1) + int(gaps.sum(dtype=np.int64))
    kind = np.int32 if bound < 1 << 31 else np.int64
    done, busy, empty, waits = (np.zeros(pes, kind) for _ in range(4))
    latest = np.empty(broadcasts, kind)
    if ends is not None:
        sent = with_hazards(work, gaps, depth, done, latest, ends[0], ends[1], waits)
    elif depth:
        sent = queued(work, gaps, depth, done, latest)
    else:
        sent = direct(work, gaps, done)
    tally(work, busy, empty)
    cycles, scanned = int(done.max()), broadcasts + int(gaps.sum(dtype=np.int64))
    entries, hollow, hazards = (int(part.sum(dtype=np.int64)) for part in (busy, empty, waits))
    return Counters(
        pes=pes,
        cycles=cycles,
        broadcasts=broadcasts,
        entries=entries,
        empty=hollow,
        hazards=hazards,
        starved=pes * cycles - entries - hollow - hazards,
        blocked=sent + 1 - scanned,
        scan_cycles=scanned,
        busy=busy.astype(np.int64),
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
