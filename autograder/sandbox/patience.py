"""An end for checks that compute too long by themselves, as a comparison may that an odd answer has made endless."""

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator
from typing import Self

_PERIOD = 0.05


class OutOfPatience(BaseException):
    """Raised in the thread that grades; no check catches it by mistake."""


class Patience:
    """A context in which checks have so many seconds each, not counting those that they wait for the student's code.

    Args:
        seconds: for one check.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._grading = threading.get_ident()
        self._since: float | None = None
        self._spent, self._fired = 0.0, False
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
        self._clock(running=True, spent=0.0)
        try:
            yield
        finally:
            self._clock(running=False, spent=0.0)

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

    def _clock(self, *, running: bool, spent: float | None = None) -> None:
        with self._lock:
            now = time.monotonic()
            if self._since is not None:
                self._spent += now - self._since
            if spent is not None:
                self._spent = spent
                if self._fired:
                    # Fired in the last moment, and not raised yet: the next check must not get it.
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._grading), None)
                self._fired = False
            self._since = now if running else None

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD):
            with self._lock:
                if self._since is None or self._fired:
                    continue
                if self._spent + time.monotonic() - self._since > self._seconds:
                    self._fired = True
                    kind = ctypes.py_object(OutOfPatience)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._grading), kind)
