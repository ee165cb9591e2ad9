"""The student's IPython: cells are run as in a notebook, and what they show is kept within bounds."""

import base64
import contextlib
import io
import sys
import traceback
from types import ModuleType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from autograder.sandbox.inside.guest import describe

KINDS = ("text/plain", "image/png")
DROPPED = "\n(there was more; the rest is not kept)\n"


class Kept:
    """What a cell has shown so far, within a number of bytes."""

    def __init__(self) -> None:
        self.start(0)

    def start(self, size: int) -> None:
        """Forget everything; from now on keep so many bytes."""
        self.outputs: list[dict[str, Any]] = []
        self.left, self.full = size, False

    def stream(self, name: str, text: str) -> None:
        """Keep a piece of what was printed, beside the pieces before it."""
        text = self._fitting(text)
        if not text:
            return
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["pieces"].append(text)
        else:
            self.outputs.append({"output_type": "stream", "name": name, "pieces": [text]})

    def bundle(self, kind: str, data: Any, **more: Any) -> None:
        """Keep what was displayed: its text and its PNG image, nothing else."""
        kept = {}
        if isinstance(data, dict):
            if isinstance(data.get("text/plain"), str):
                kept["text/plain"] = self._fitting(data["text/plain"])
            image = data.get("image/png")
            image = base64.b64encode(image).decode() if isinstance(image, bytes) else image
            if isinstance(image, str) and len(image) <= self.left:
                self.left -= len(image)
                kept["image/png"] = image
        if kept:
            self.outputs.append({"output_type": kind, "data": kept, "metadata": {}} | more)

    def error(self, name: str, value: str, lines: list[str]) -> None:
        """Keep what was raised; there is always room for a little of it."""
        self.left = max(self.left, 20_000)
        self.outputs.append(
            {
                "output_type": "error",
                "ename": name[:200],
                "evalue": self._fitting(value[:5000]),
                "traceback": [self._fitting(line) for line in lines[:200]],
            }
        )

    def finished(self) -> list[dict[str, Any]]:
        """The outputs, as nbformat has them."""
        return [
            {**{k: v for k, v in one.items() if k != "pieces"}, "text": "".join(one["pieces"])}
            if "pieces" in one
            else one
            for one in self.outputs
        ]

    def _fitting(self, text: str) -> str:
        if self.full:
            return ""
        # A character takes one byte at least, so that no more than the bound is ever encoded.
        data = text[: self.left + 1].encode("utf-8", "replace")
        if len(data) <= self.left:
            self.left -= len(data)
            return data.decode()
        self.full, rest = True, self.left
        self.left = 0
        return data[:rest].decode("utf-8", "ignore") + DROPPED


class Printed(io.TextIOBase):
    """Standard output or standard error of the cells."""

    def __init__(self, kept: Kept, name: str) -> None:
        self._kept, self._name = kept, name

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Keep a piece."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._kept.stream(self._name, text)
        return len(text)

    def writable(self) -> bool:
        """As files say it."""
        return True

    def isatty(self) -> bool:
        """No terminal."""
        return False


class _Hook(DisplayHook):
    """Shows a cell's last expression."""

    def write_output_prompt(self) -> None:
        """No prompt."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:  # noqa: ARG002 - IPython's signature
        self.shell.kept.bundle(  # type: ignore[union-attr]  # it has one
            "execute_result", format_dict, execution_count=self.prompt_count
        )

    def finish_displayhook(self) -> None:
        """Nothing to end a line of."""
        self._is_active = False


class _Publisher(DisplayPublisher):
    """Takes what `display` is given."""

    def publish(self, data: Any, *_rest: Any, **_more: Any) -> None:
        self.shell.kept.bundle("display_data", data)

    def clear_output(self, wait: bool = False) -> None:
        """Keep everything."""


class Shell(InteractiveShell):
    """IPython without a terminal, a history or a file."""

    displayhook_class = Type(_Hook)
    display_pub_class = Type(_Publisher)

    def __init__(self, **traits: Any) -> None:
        self.kept = Kept()
        super().__init__(**traits)  # type: ignore[no-untyped-call]  # IPython's own gap

    def _tee(self, channel: str) -> Any:  # noqa: ARG002 - IPython's signature
        """No second copy of what is printed."""
        return contextlib.nullcontext()

    def ask_exit(self) -> None:
        """``exit`` ends nothing here."""

    def enable_gui(self, gui: Any = None) -> None:
        """There is no window."""

    def init_virtualenv(self) -> None:
        """The interpreter is the right one."""

    def showtraceback(self, exc_tuple: Any = None, *_rest: Any, **_more: Any) -> None:
        """Keep a plain traceback of the student's own frames."""
        kind, error, trace = exc_tuple or sys.exc_info()
        self.kept.error(getattr(kind, "__name__", "Error"), _text(error), _lines(kind, error, trace))

    def showsyntaxerror(self, *_rest: Any, **_more: Any) -> None:
        """Keep a syntax error."""
        self.showtraceback()

    def run(self, source: str, size: int) -> tuple[str, str, list[dict[str, Any]]]:
        """Run a cell.

        Returns:
            ``"ok"`` or ``"error"``, one sentence on what was raised, and the outputs.
        """
        self.kept.start(size)
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = Printed(self.kept, "stdout"), Printed(self.kept, "stderr")
        try:
            result = self.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]  # as above
            error = result.error_before_exec or result.error_in_exec
        except (Exception, SystemExit, KeyboardInterrupt) as raised:  # noqa: BLE001 - a cell may raise anything
            error = raised
            self.kept.error(type(raised).__name__, _text(raised), [])
        finally:
            sys.stdout, sys.stderr = before
        sentence = "" if error is None else describe("This cell", error)
        return ("ok" if error is None else "error"), sentence, self.kept.finished()


def create() -> Shell:
    """The shell, with a ``__main__`` of its own."""
    module = ModuleType("__main__", "Your notebook.")
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 1000
    shell = Shell.instance(config=config, user_module=module, user_ns=vars(module))
    sys.modules["__main__"] = module
    return shell


def _text(error: Any) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - a student's own __str__
        return ""


def _lines(kind: Any, error: Any, trace: Any) -> list[str]:
    """A traceback as text, beginning with the student's own frames."""
    try:
        render = getattr(error, "_render_traceback_", None)
        if render is not None:
            return [str(line) for line in render()]
        while trace is not None and "IPython" in trace.tb_frame.f_code.co_filename:
            trace = trace.tb_next
        text = "".join(traceback.format_exception(kind, error, trace, limit=-30))
        return text.splitlines()
    except BaseException as other:  # noqa: BLE001 - whatever a student's exception does when it is shown
        return [f"{getattr(kind, '__name__', 'Error')} (it could not be shown: {type(other).__name__})"]
