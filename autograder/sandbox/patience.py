"""An end for checks that compute too long by themselves, as a comparison may that an odd answer has made endless.

What counts is the processor's time: a busy machine takes no points away.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator
from typing import Self

from autograder.sandbox.deadline import LONGEST

_PERIOD = 0.05


class OutOfPatience(BaseException):
    """Raised in the thread that grades; no check catches it by mistake."""


class Patience:
    """A context in which checks have so many seconds each, not counting those that they wait for the student's code.

    Args:
        seconds: of the processor for one check, which may last five times as long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._grading = threading.get_ident()
        self._since: tuple[float, float] | None = None
        self._spent, self._fired = (0.0, 0.0), False
        self._thread = threading.Thread(target=self._watch, name="patience", daemon=True)

    def __enter__(self) -> Self:
        self._grading = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @contextlib.contextmanager
    def check(self) -> Iterator[None]:
        """The time in this block is limited."""
        self._clock(running=True, anew=True)
        try:
            yield
        finally:
            self._clock(running=False, anew=True)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The time in this block is the student's."""
        self._clock(running=False)
        try:
            yield
        finally:
            self._clock(running=True)

    @contextlib.contextmanager
    def back(self) -> Iterator[None]:
        """The time in this block, within `away`, is the check's again."""
        self._clock(running=True)
        try:
            yield
        finally:
            self._clock(running=False)

    def _clock(self, *, running: bool, anew: bool = False) -> None:
        with self._lock:
            self._spent = (0.0, 0.0) if anew else self._now()
            if anew:
                if self._fired:
                    # Fired in the last moment, and not raised yet: the next check must not get it.
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._grading), None)
                self._fired = False
            self._since = self._read() if running else None

    def _now(self) -> tuple[float, float]:
        """What the check has spent: processor time and wall time."""
        if self._since is None:
            return self._spent
        computed, passed = self._read()
        return self._spent[0] + computed - self._since[0], self._spent[1] + passed - self._since[1]

    def _read(self) -> tuple[float, float]:
        wall = time.monotonic()
        if not hasattr(time, "pthread_getcpuclockid"):
            return wall, wall
        return time.clock_gettime(time.pthread_getcpuclockid(self._grading)), wall

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD):
            with self._lock:
                if self._since is None or self._fired:
                    continue
                computed, passed = self._now()
                if computed > self._seconds or passed > LONGEST * self._seconds:
                    self._fired = True
                    kind = ctypes.py_object(OutOfPatience)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._grading), kind)
