"""Ctrl-C that waits for the end of a training step, so that what is saved is whole."""

import signal
import threading
from types import FrameType, TracebackType


class Interrupt:
    """Inside the block the first Ctrl-C only sets ``pending``; a second one interrupts at once, as always.

    Only Python's own handler in the main thread is replaced; elsewhere, and where ``enabled`` is False, nothing changes.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.pending = False
        self._enabled = (
            enabled
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def __enter__(self) -> "Interrupt":  # noqa: PYI034 - beartype knows no Self here
        if self._enabled:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._enabled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.pending and kind is None:
            raise KeyboardInterrupt
