"""The bar over the stages of a run, in terminals and notebooks alone; trainings show their epochs below it."""

import sys
from types import TracebackType
from typing import Any


def visible() -> bool:
    """Tell whether a bar has somewhere to be drawn: a notebook's output is no terminal, but shows it as a widget."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


class StageBar:
    """Counts stages.

    Args:
        count: of stages.
        shown: False for no bar at all.
    """

    def __init__(self, count: int, *, shown: bool) -> None:
        self._bar: Any = None
        self._begun = 0
        if shown and visible():
            from tqdm.auto import tqdm  # noqa: PLC0415 - in a notebook it imports the widgets

            self._bar = tqdm(total=count, unit="stage", desc="compress", leave=False)

    def stage(self, name: str, iteration: int = 1) -> None:
        """Say which stage begins; the one before it has ended."""
        if self._bar is not None:
            self._bar.update(1 if self._begun else 0)
            self._bar.set_description(name if iteration == 1 else f"{name}, iteration {iteration}")
        self._begun += 1

    def __enter__(self) -> "StageBar":  # noqa: PYI034 - beartype knows no Self here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
