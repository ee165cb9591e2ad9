"""The machine cycle by cycle, as far as time goes: queues that fill and empty, PEs that work and starve.

What a PE has to do comes as entries a column; :mod:`efflab.eie.datapath` moves the entries themselves. Source: ISCA 2016,
section IV.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.eie.counters import Counters
from efflab.eie.machine import FILL
from efflab.sparse._masks import lowest_bit, nonzero_mask, without_lowest_bit

Ints = NDArray[Any]

# PEs are asked in groups of as many whether they take an input.
GROUP = 64
_ALL = np.uint64(0xFF)
_NEVER = np.int32(1 << 30)


@njit(cache=True, nogil=True)
def _take(  # noqa: PLR0917 - compiled functions take their arguments by position
    cycle: int,
    ready: NDArray[np.uint8],
    counts: Ints,
    first: Ints,
    last: Ints,
    left: Ints,
    taken: Ints,
    end: Ints,
    empty: Ints,
    waits: Ints,
) -> None:
    """Let every PE that is ready take the next input from its queue and read how much work it is."""
    for group in range(0, ready.size, GROUP):
        asking = nonzero_mask(ready, np.uint64(group), _ALL)
        while asking:
            k = np.uint64(group) + lowest_bit(asking)
            asking = without_lowest_bit(asking)
            j = taken[k]
            wait = 0
            if first.size > 0 and j > 0 and end[k] == cycle and first[j, k] >= 0:
                wait = int(first[j, k] == last[j - 1, k])
            empty[k] += counts[j, k] == 0
            waits[k] += wait
            left[k] = max(counts[j, k], 1) + wait
            end[k] = cycle + left[k]
            taken[k] += 1


@njit(cache=True, nogil=True)
def _work(  # noqa: PLR0917 - as above
    sent: np.int32, depth: np.int32, left: Ints, taken: Ints, worked: Ints, starved: Ints
) -> tuple[np.int32, np.int32]:
    """Let every PE work for a cycle.

    Returns:
        Whether some queue is full, and whether some PE has work left; 0 for no.
    """
    full, more = np.int32(0), np.int32(0)
    least, direct = max(depth, np.int32(1)), np.int32(depth == 0)
    for k in range(left.size):
        works = np.int32(left[k] > 0)
        worked[k] += works
        starved[k] += np.int32(1) - works
        left[k] -= works
        waiting = max(sent - taken[k], np.int32(0))
        # Without a queue an input goes to PEs that are idle in the next cycle.
        full |= np.int32(waiting + direct * np.int32(left[k] > 0) >= least)
        more |= left[k] | waiting
    return full, more


@njit(cache=True, nogil=True)
def _look(sent: np.int32, left: Ints, taken: Ints, ready: NDArray[np.uint8]) -> None:
    """Mark the PEs that are idle and have an input waiting."""
    for k in range(left.size):
        ready[k] = np.uint8((left[k] == 0) & (taken[k] < sent))


@njit(cache=True, nogil=True)
def run_cycles(  # noqa: PLR0917 - as above
    counts: Ints, gaps: Ints, depth: int, first: Ints, last: Ints, lanes: Ints
) -> tuple[int, int, int]:
    """Run a batch.

    Args:
        counts: (broadcasts, pes) entries of each non-zero input's column.
        gaps: (broadcasts,) rows of zeros that the scan passes before each.
        depth: D, inputs that can wait in a queue.
        first: (broadcasts, pes) accumulator of each column's first entry, or no rows where sums are bypassed.
        last: the same of its last entry.
        lanes: (5, pes) becomes the cycles that each PE worked, those among them on empty columns, those on hazards, those
            without work, and the inputs that it took.

    Returns:
        Cycles, cycles in which a broadcast was blocked, and cycles in which the scan passed or sent.
    """
    broadcasts, pes = counts.shape
    size = (pes + GROUP - 1) // GROUP * GROUP
    # Arrays made here begin where vectors do.
    worked, empty, waits, starved = (
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
    )
    taken, left, end = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    taken[pes:] = _NEVER
    ready = np.zeros(left.size, np.uint8)
    sent, cycle, blocked, scanned = np.int32(0), 0, 0, 0
    rows = gaps[0] if broadcasts > 0 else 0
    more = np.int32(0)
    while sent < broadcasts or more > 0:
        _take(cycle, ready, counts, first, last, left, taken, end, empty, waits)
        full, more = _work(sent, np.int32(depth), left, taken, worked, starved)
        if sent < broadcasts:
            if rows > 0:
                rows -= 1
                scanned += 1
            elif full > 0:
                blocked += 1
            else:
                sent += np.int32(1)
                scanned += 1
                more = np.int32(1)
                rows = gaps[sent] if sent < broadcasts else 0
        _look(sent, left, taken, ready)
        cycle += 1
    lanes[0], lanes[1], lanes[2] = worked[:pes], empty[:pes], waits[:pes]
    lanes[3], lanes[4] = starved[:pes], taken[:pes]
    return cycle, blocked, scanned


_NO_ENDS = np.empty((0, 0), np.int32)


def count_cycles(
    counts: NDArray[Any],
    gaps: NDArray[Any],
    depth: int,
    ends: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> Counters:
    """Run one batch of inputs cycle by cycle; arguments and result are ``run_counts``'s.

    >>> count_cycles(np.array([[2, 1], [0, 3]]), np.array([0, 0]), depth=7).cycles
    5
    """
    pes = counts.shape[1]
    lanes = np.zeros((5, pes), np.int32)
    first, last = ends or (_NO_ENDS, _NO_ENDS)
    cycles, blocked, scanned = run_cycles(np.ascontiguousarray(counts), gaps, depth, first, last, lanes)
    worked, empty, waits, starved, taken = lanes.astype(np.int64)
    busy = worked - empty - waits
    entries = int(busy.sum())
    return Counters(
        pes=pes,
        cycles=cycles,
        broadcasts=len(gaps),
        entries=entries,
        empty=int(empty.sum()),
        hazards=int(waits.sum()),
        starved=int(starved.sum()),
        blocked=blocked,
        scan_cycles=scanned,
        busy=busy,
        pointer_reads=2 * int(taken.sum()),
        codebook_reads=entries,
        act_reads=entries,
        act_writes=entries,
        queue_pushes=len(gaps) * pes,
        queue_pops=int(taken.sum()),
        batches=1,
        fill=FILL,
    )
