"""The EIE machine moved cycle by cycle, for the tests of what computes it otherwise: no recurrence, only queues and work."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Element:
    """A PE: inputs that wait, the one at work, and the cycles that it still takes."""

    waiting: deque[int] = field(default_factory=deque)
    now: int = -1
    left: int = 0
    hazard: bool = False
    ended: int = -1
    entries: int = 0

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.left


@dataclass
class Stepped:
    """What the machine runs on: entries and clashing sums (columns, pes), rows of zeros, places of a queue, sizes of batches."""

    entries: np.ndarray
    clashes: np.ndarray
    gaps: np.ndarray
    depth: int
    batches: list[int]

    def __post_init__(self) -> None:
        self.columns, pes = self.entries.shape
        self.elements = [Element() for _ in range(pes)]
        self.cycle, self.sent = 0, 0
        self.ends = np.cumsum(self.batches).tolist()
        self.rows: int | None = None

    def run(self) -> list[dict[str, Any]]:
        """What happens in each cycle, queues and entries as they stand at its end."""
        found = []
        while self.sent < self.columns or not all(one.idle for one in self.elements):
            self.take()
            event = self.scan()
            states = [self.work(k) for k in range(len(self.elements))]
            queues = [len(one.waiting) for one in self.elements]
            entries = [one.entries for one in self.elements]
            found.append({"event": event, "queues": queues, "states": states, "entries": entries})
            self.cycle += 1
        return found

    def take(self) -> None:
        """Begin the next batch if all are idle; let each PE without work take an input that arrived before this cycle."""
        if self.rows is None and self.sent < self.columns:
            begun = self.sent not in self.ends[:-1] or all(one.idle for one in self.elements)
            self.rows = int(self.gaps[self.sent]) if begun else None
        for k, one in enumerate(self.elements):
            if not one.left and one.waiting:
                one.now = one.waiting.popleft()
                one.hazard = bool(self.clashes[one.now, k]) and one.ended == self.cycle
                one.left = max(1, int(self.entries[one.now, k])) + one.hazard

    def scan(self) -> str:
        """Pass a row of zeros, or send an input, or wait."""
        if self.rows is None:
            return ""
        if self.rows:
            self.rows -= 1
            return "scanning"
        if not all(len(one.waiting) < self.depth if self.depth else one.left <= 1 for one in self.elements):
            return "stalled"
        for one in self.elements:
            one.waiting.append(self.sent)
        self.sent += 1
        self.rows = None
        return "sent"

    def work(self, k: int) -> str:
        """A cycle of a PE."""
        one = self.elements[k]
        if not one.left:
            return "finished" if one.now == self.columns - 1 else "starved"
        one.left -= 1
        one.ended = self.cycle + 1
        if one.hazard:
            one.hazard = False
            return "hazard"
        busy = bool(self.entries[one.now, k])
        one.entries += busy
        return "busy" if busy else "empty"
