"""A notebook's cells run in this process, so that hidden checks and mutants can be tried quickly.

Only for code of the repository's own: there is no protection here.
"""

import contextlib
import html
import io
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, Self

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.inprocess import InProcess
from autograder.mutating import Variant

DEADLINE = 60.0
"""Seconds that the checks of one variant may take; a mutant that hangs has lost."""


class Namespace:
    """What the code cells of a notebook define; a cell that raises does not stop those after it.

    A context: inside it the working directory is a private folder with the lab's data.

    Args:
        notebook: its code cells are run in order.
        data: files for the folder, by their path in it.
    """

    def __init__(self, notebook: NotebookNode, data: Mapping[str, Path]) -> None:
        self._notebook, self._data = notebook, data
        self._stack = contextlib.ExitStack()
        self._module = ModuleType("__main__")
        self.errors: dict[str, BaseException] = {}

    @property
    def names(self) -> dict[str, Any]:
        """The namespace itself."""
        return vars(self._module)

    def __enter__(self) -> Self:
        """Run the cells."""
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        for path, file in self._data.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, Path(folder) / path)
        self._stack.enter_context(contextlib.chdir(folder))
        os.environ.setdefault("MPLBACKEND", "Agg")
        for index, cell in enumerate(self._notebook.cells):
            if cell.cell_type == "code":
                error, _ = self.execute(cell.source)
                if error is not None:
                    self.errors[nb.grade_id(cell) or f"{index} ({cell.source[:50]!r})"] = error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the folder."""
        self._stack.close()

    def execute(self, source: str) -> tuple[Exception | None, str]:
        """Run code in the namespace.

        Returns:
            What it raised (None if nothing), and what it printed.
        """
        printed = io.StringIO()
        with _as_main(self._module), warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("ignore")
            try:
                exec(compile(source, "<cell>", "exec"), self.names)  # noqa: S102 - the repository's own code
            except Exception as error:  # noqa: BLE001 - whatever a cell raises is its result
                return error, printed.getvalue()
        return None, printed.getvalue()

    @contextlib.contextmanager
    def replaced(self, variant: Variant) -> Iterator[None]:
        """With a variant in place of the student's function; a hang in the block raises TimeoutError."""
        before = dict(self.names)
        self.names[variant.replaces] = variant.function
        try:
            yield
        finally:
            self.names.clear()
            self.names.update(before)

    def student(self) -> InProcess:
        """The namespace as a student, for hidden checks; a call that hangs fails."""
        return _Timed(self.names)


class _Timed(InProcess):
    """A student whose every call has a deadline."""

    def _run(self, name: str, function: Any, data: tuple[Any, ...], named: dict[str, Any]) -> Any:
        with deadline(DEADLINE):
            return super()._run(name, function, data, named)


def visible_failure(namespace: Namespace, source: NotebookNode, task: str) -> str | None:
    """What the visible check of a task says to the functions in a namespace.

    Returns:
        Its message and whatever it printed, as plain words; None if it passes.
    """
    cell = next(cell for cell in source.cells if nb.is_check(cell) and nb.grade_id(cell) == task)
    with deadline(DEADLINE):
        error, printed = namespace.execute(cell.source)
    if error is None:
        return None
    text = html.unescape(re.sub(r"<[^<>]*>", " ", f"{type(error).__name__}: {error}\n{printed}"))
    return " ".join(text.split())


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after some seconds, where the platform has such a clock."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it took more than {seconds:g} seconds")

    handler = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        # Whoever else waits for this clock (a test runner's own deadline) gets back what was left.
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, handler)


@contextlib.contextmanager
def _as_main(module: ModuleType) -> Iterator[None]:
    """With a module in the place where classes of a notebook look for theirs."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"] = before
