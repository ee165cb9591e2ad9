"""When each entry of the EIE machine's queues is broadcast, taken and done (S. Han et al., "EIE", ISCA 2016, sections 3 and 4).

The figure's own account of the machine: the two times of every non-zero input in every PE, from which the state in any
cycle follows by a binary search. The page's JavaScript computes the same.

>>> import numpy as np
>>> line = Timeline.of(np.array([[2, 1], [3, 0]]), gaps=[0, 0], depth=8)
>>> line.broadcast.tolist(), line.taken.tolist(), line.cycles
([0, 1], [[1, 1], [3, 2]], 6)
>>> line.at(2).states
('busy', 'empty')
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class MachineState:
    """The machine in one cycle, queues and counts as they stand at its end.

    Attributes:
        cycle: from 0; at the last, one more than any in which something happened, all is done.
        broadcast: place of the non-zero input that is broadcast in this cycle; None if there is none.
        stalled: a non-zero input is ready and waits for a queue that is full.
        scanning: a row of zeros is looked at.
        broadcasts: non-zero inputs broadcast so far.
        stalls: cycles so far in which the broadcast waited.
        zero_rows: cycles so far in which a row of zeros was looked at before a broadcast.
        queues: filled places of each PE's queue.
        states: of each PE: ``"busy"`` with an entry, ``"empty"`` slice read, ``"hazard"`` waited for, ``"starved"`` for an
            input that is still to come, or ``"finished"``.
        entries: processed by each PE so far, padding zeros included.
        balance: entries so far for each PE and cycle.
    """

    cycle: int
    broadcast: int | None
    stalled: bool
    scanning: bool
    broadcasts: int
    stalls: int
    zero_rows: int
    queues: tuple[int, ...]
    states: tuple[str, ...]
    entries: tuple[int, ...]
    balance: float


@dataclass(frozen=True)
class Timeline:
    """Times of one run of the machine.

    Attributes:
        entries: (columns, pes) entries of each PE for each non-zero input, padding zeros included.
        extra: (columns, pes) 1 where a cycle goes by until the sum that the first entry needs is written.
        gaps: (columns,) rows of zeros before each non-zero input.
        ready: (columns,) cycle in which the scan has found it.
        broadcast: (columns,) cycle in which it goes to all queues.
        taken: (columns, pes) cycle in which each PE takes it from its queue.
        done: (columns, pes) first cycle in which the PE is free again.
    """

    entries: Numbers
    extra: Numbers
    gaps: Numbers
    ready: Numbers
    broadcast: Numbers
    taken: Numbers
    done: Numbers

    @classmethod
    def of(
        cls,
        entries: ArrayLike,
        gaps: ArrayLike,
        depth: int,
        batches: Sequence[int] | None = None,
        clashes: ArrayLike | None = None,
    ) -> Self:
        """Run the machine by its recurrence.

        Args:
            entries: (columns, pes) entries, padding zeros included.
            gaps: (columns,) rows of zeros before each non-zero input.
            depth: places of a queue; 0 for none: an input is sent when all PEs end the work before.
            batches: non-zero inputs of each batch, which is drained before the next begins; one batch by default.
            clashes: (columns, pes) 1 where a slice's first entry needs the sum that the slice before wrote last, and so
                waits a cycle if it follows at once; none by default.
        """
        counts, rows = np.asarray(entries, np.int64), np.asarray(gaps, np.int64)
        waits = np.zeros_like(counts) if clashes is None else np.asarray(clashes, np.int64)
        times = [rows.copy(), rows.copy(), counts.copy(), counts.copy(), np.zeros_like(counts)]
        start = first = 0
        for size in [len(rows)] if batches is None else batches:
            part = slice(first, first + size)
            _run(
                counts[part], waits[part], rows[part], [one[part] for one in times], depth=depth, start=start
            )
            first += size
            start = int(times[3][:first].max(initial=start))
        ready, broadcast, taken, done, extra = times
        return cls(counts, extra, rows, ready, broadcast, taken, done)

    @property
    def cycles(self) -> int:
        """Cycles until the last PE is done."""
        return int(self.done.max(initial=0))

    def at(self, cycle: int) -> MachineState:
        """The state in a cycle, from 0 to ``cycles``."""
        columns, pes = self.entries.shape
        pushed = int((self.broadcast <= cycle).sum())
        popped = (self.taken <= cycle).sum(axis=0)
        elapsed = min(cycle + 1, self.cycles)
        waited, scanned = (self.broadcast - self.ready)[:pushed].sum(), self.gaps[:pushed].sum()
        stalled = scanning = False
        if pushed < columns:
            ready, rows = self.ready[pushed], self.gaps[pushed]
            stalled, scanning = ready <= cycle, ready - rows <= cycle < ready
            waited += max(0, elapsed - ready)
            scanned += min(rows, max(0, elapsed - (ready - rows)))
        processed = self._processed(cycle)
        return MachineState(
            cycle=cycle,
            broadcast=pushed - 1 if cycle in self.broadcast[:pushed][-1:] else None,
            stalled=bool(stalled),
            scanning=bool(scanning),
            broadcasts=pushed,
            stalls=int(waited),
            zero_rows=int(scanned),
            queues=tuple((pushed - popped).tolist()),
            states=tuple(self._doing(k, cycle) for k in range(pes)),
            entries=tuple(processed.tolist()),
            balance=float(processed.sum() / (pes * elapsed)) if elapsed else 1.0,
        )

    def _processed(self, cycle: int) -> Numbers:
        """Entries that each PE has processed at the end of a cycle."""
        since = cycle + 1 - self.taken - self.extra
        processed: Numbers = np.clip(since, 0, self.entries).sum(axis=0)
        return processed

    def _doing(self, k: int, cycle: int) -> str:
        """What PE k does in a cycle."""
        j = int((self.taken[:, k] <= cycle).sum()) - 1
        if j < 0 or cycle >= self.done[j, k]:
            return "finished" if j == len(self.entries) - 1 else "starved"
        if cycle < self.taken[j, k] + self.extra[j, k]:
            return "hazard"
        return "busy" if self.entries[j, k] else "empty"


def _run(
    counts: Numbers, clashes: Numbers, gaps: Numbers, times: Sequence[Numbers], *, depth: int, start: int
) -> None:
    """One batch: fill in when each input is ready, broadcast, taken and done, and the cycles waited for a sum."""
    ready, broadcast, taken, done, extra = times
    free = np.full(counts.shape[1], start)
    cycle = start - 1
    for j in range(len(counts)):
        ready[j] = cycle = cycle + 1 + gaps[j]
        if depth == 0:
            cycle = max(cycle, free.max() - 1)
        elif j >= depth:
            cycle = max(cycle, taken[j - depth].max())
        broadcast[j], taken[j] = cycle, np.maximum(cycle + 1, free)
        extra[j] = clashes[j] * (taken[j] == free)
        free = done[j] = taken[j] + np.maximum(counts[j], 1) + extra[j]
