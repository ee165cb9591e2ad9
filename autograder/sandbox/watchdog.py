"""The watchdog: ends a submission's processes when, taken together, they use more than they may."""

import os
import threading
import time
from collections.abc import Callable, Mapping

from autograder.job import Limits
from autograder.sandbox import proctree, sockets

PERIOD = 0.05
_NEAR = 0.75
_FRESH_SECONDS = 0.02


class Watchdog:
    """A thread that looks at a tree of processes until it is stopped.

    Args:
        root: the process at the top.
        limits: what the tree may use.
        kill: ends the tree.
        scratch: a descriptor of the scratch folder where that lies in memory, else None.

    Attributes:
        reason: why the tree was ended, as the rest of a sentence ("used more than ..."); empty if it was not.
        kind: ``"memory"``, ``"cpu"`` or ``"processes"``; empty as above.
        peak_bytes: the largest memory that was seen.
        cpu_seconds: what was last seen.
        waited_seconds: how long one of the processes at least was kept waiting for a processor, as last seen.
    """

    def __init__(
        self, root: int, limits: Limits, kill: Callable[[], None], scratch: int | None = None
    ) -> None:
        self._root, self._limits, self._kill, self._scratch = root, limits, kill, scratch
        self.reason, self.kind = "", ""
        self.peak_bytes, self.cpu_seconds, self.waited_seconds = 0, 0.0, 0.0
        self._delays: Mapping[int, float] = {}
        self._looked, self._looking = time.monotonic(), threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; figures stay as they were last seen."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def refresh(self) -> None:
        """Measure once, unless that was done just now."""
        if time.monotonic() - self._looked > _FRESH_SECONDS:
            self.look()

    def look(self) -> None:
        """Measure once, and end what is too much."""
        with self._looking:
            now = proctree.use(self._root)
            self._wait(now.delays)
        beside = self._stored() + sockets.held(self._root)
        memory = now.memory + beside
        if memory > _NEAR * self._limits.memory_bytes:
            memory = proctree.proportional(now.pids) + beside
        self.peak_bytes = max(self.peak_bytes, memory)
        self.cpu_seconds = max(self.cpu_seconds, now.cpu)
        if memory > self._limits.memory_bytes:
            self._end("memory", f"used more than {size(self._limits.memory_bytes)} of memory")
        elif now.cpu > self._limits.cpu_seconds:
            self._end("cpu", f"used more than {self._limits.cpu_seconds:g} seconds of processor time")
        elif now.tasks > self._limits.processes:
            self._end("processes", f"had more than {self._limits.processes} processes and threads")

    def _wait(self, delays: Mapping[int, float]) -> None:
        """Count the longest delay of a single process since the last look, never more than the time since then."""
        before, self._looked = self._looked, time.monotonic()
        longest = max((delay - self._delays.get(pid, 0.0) for pid, delay in delays.items()), default=0.0)
        self.waited_seconds += max(0.0, min(longest, self._looked - before))
        self._delays = delays

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            self.look()

    def _end(self, kind: str, reason: str) -> None:
        if not self.reason:
            self.kind, self.reason = kind, reason
        self._kill()

    def _stored(self) -> int:
        """Bytes in the scratch folder."""
        if self._scratch is None:
            return 0
        try:
            state = os.fstatvfs(self._scratch)
        except OSError:
            return 0
        return (state.f_blocks - state.f_bfree) * state.f_frsize


def size(number: int) -> str:
    """Bytes as people say them."""
    for unit, step in (("GiB", 2**30), ("MiB", 2**20)):
        if number >= step:
            return f"{number / step:.3g} {unit}"
    return f"{number} bytes"
