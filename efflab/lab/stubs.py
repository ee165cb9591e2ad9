"""How a notebook shows a function that is not written yet: a short box in place of twenty lines of traceback."""

import sys
from types import TracebackType
from typing import Any

from efflab.lab.cards import card
from efflab.viz.output import in_kernel

STARTS = ("Task ", "Challenge: ")
"""How the message of a stub begins; any other NotImplementedError is shown in full."""
ADVICE = "This function is still empty. Write it under the heading Build of its task, run its cell, then run this cell again."


def is_stub(error: object) -> bool:
    """Whether an exception is a stub's.

    >>> is_stub(NotImplementedError("Task 1.2: write conv_macs.")), is_stub(NotImplementedError("no such dtype"))
    (True, False)
    """
    return isinstance(error, NotImplementedError) and str(error).startswith(STARTS)


def shorten() -> None:
    """From now on show a stub's error in a Jupyter kernel as a box and one line; elsewhere change nothing.

    The error itself stays as it is: its name and its message stand in the notebook's file.
    """
    if in_kernel():
        shell = sys.modules["IPython"].get_ipython()
        shell.set_custom_exc((NotImplementedError,), show)


def show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    """Show an error as IPython asks for it: a stub's in short, any other as it always is.

    Args:
        shell: IPython's shell.
        kind: the error's class.
        error: the error.
        trace: its traceback.
        tb_offset: how many of its frames to leave out.
    """
    if is_stub(error):
        card("note", str(error), (), [ADVICE]).show()
        # IPython asks an exception for this before it formats a traceback.
        error._render_traceback_ = lambda: [f"{kind.__name__}: {error}"]  # type: ignore[attr-defined]  # IPython's hook
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
