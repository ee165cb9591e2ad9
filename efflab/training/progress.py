"""A progress bar with live loss and error, in terminals and notebooks alone: logs and pipes stay clean."""

import math
import sys
import time
from types import TracebackType
from typing import Any

_REFRESH_SECONDS = 0.2


class Progress:
    """Bar over all steps of a run.

    Args:
        shown: False for no bar at all.
        epochs: of the run.
        steps: of an epoch, None where not known.
    """

    def __init__(self, *, shown: bool, epochs: int, steps: int | None) -> None:
        self._bar: Any = None
        self._epochs = epochs
        self._waiting = 0
        self._next = 0.0
        # A notebook's output is no terminal, but shows the bar as a widget.
        if shown and ("ipykernel" in sys.modules or sys.stderr.isatty()):
            from tqdm.auto import tqdm  # noqa: PLC0415 - in a notebook it imports the widgets

            self._bar = tqdm(total=steps and steps * epochs, unit="step", leave=False)

    def skip(self, steps: int) -> None:
        """Count the steps of the run that is resumed."""
        self._waiting += steps

    def advance(self) -> bool:
        """Count a step; True where it is time to ``show`` how things stand."""
        self._waiting += 1
        return self._bar is not None and time.monotonic() >= self._next

    def show(self, epoch: int, loss: float, error_percent: float) -> None:
        """Show the running epoch's mean loss and error (NaN: not shown)."""
        if self._bar is None:
            return
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}", refresh=False)
        error = "" if math.isnan(error_percent) else f", error {error_percent:.2f} %"
        self._bar.set_postfix_str(f"loss {loss:.4f}{error}", refresh=False)
        self._bar.update(self._waiting)
        self._bar.refresh()
        self._waiting = 0
        self._next = time.monotonic() + _REFRESH_SECONDS

    def __enter__(self) -> "Progress":  # noqa: PYI034 - beartype knows no Self here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
