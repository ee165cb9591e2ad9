"""Showing something where the reader is: HTML in a notebook or book, plain text in a terminal or a script."""

import contextlib
import html
import sys
from dataclasses import dataclass


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel, so that its output can be HTML.

    Returns:
        False in scripts, tests and a terminal's IPython. IPython is not imported to find out.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


@dataclass(frozen=True)
class Output:
    """Something to show, in both forms.

    Attributes:
        html: for notebooks and the book.
        text: for everything else, and for a reader of the notebook's file.
    """

    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Both forms for IPython to choose from."""
        del include, exclude
        return {"text/html": self.html, "text/plain": self.text}

    def show(self) -> None:
        """Show it now: in a notebook as rich output, elsewhere as text on standard output."""
        if in_kernel():
            from IPython.display import display  # noqa: PLC0415 - only where there is a notebook

            display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]  # IPython's is untyped
        elif self.text:
            with contextlib.suppress(BrokenPipeError, ValueError):
                sys.stdout.write(_encodable(self.text) + "\n")


def _encodable(text: str) -> str:
    """The text with signs replaced that this terminal's encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def code(value: object) -> str:
    """A value as HTML code, its lines kept."""
    return (
        f'<code style="white-space:pre-wrap;background:none;color:inherit">{html.escape(str(value))}</code>'
    )
