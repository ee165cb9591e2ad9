"""The small boxes in which a lab speaks to its student: a coloured edge and a sign, text in the page's own colour."""

import html
import sys
from collections.abc import Iterable, Sequence

from efflab.viz.colours import BAD, GOOD, NOTE
from efflab.viz.output import Output, code

KINDS = {"good": (GOOD, "✓"), "bad": (BAD, "✗"), "note": (NOTE, "i")}
_BOX = (
    "border-left:4px solid {colour};background:rgba(127,127,127,0.10);color:inherit;padding:0.5em 0.9em;"
    "margin:0.4em 0;border-radius:3px;overflow-x:auto"
)
_SIGN = "color:{colour};font-weight:bold"
_CELL = (
    "text-align:left;vertical-align:top;padding:0.1em 1em 0.1em 0;background:none;color:inherit;border:none"
)

_said: set[str] = set()


def card(
    kind: str, headline: str, rows: Sequence[tuple[str, str]] = (), paragraphs: Iterable[str] = ()
) -> Output:
    """A box with a headline, labelled values and sentences.

    Args:
        kind: ``"good"``, ``"bad"`` or ``"note"``.
        headline: one line.
        rows: (label, value) pairs; values keep their lines and stand in a fixed-width face.
        paragraphs: sentences below.

    Returns:
        The box as HTML and as text.
    """
    colour, sign = KINDS[kind]
    lines = list(paragraphs)
    parts = [
        f'<div role="note" style="{_BOX.format(colour=colour)}">',
        _headline(headline, colour, sign),
        _table(rows),
        *(f'<div style="margin-top:0.3em">{html.escape(line)}</div>' for line in lines),
        "</div>",
    ]
    return Output("".join(parts), plain(f"{sign} {headline}", rows, lines))


def _headline(headline: str, colour: str, sign: str) -> str:
    mark = f'<span aria-hidden="true" style="{_SIGN.format(colour=colour)}">{sign}</span>'
    return f"<div>{mark} <strong>{html.escape(headline)}</strong></div>"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f'<tr style="background:none"><th scope="row" style="{_CELL}">{html.escape(label)}</th>'
        f'<td style="{_CELL}">{code(value)}</td></tr>'
        for label, value in rows
    )
    return (
        f'<table style="border-collapse:collapse;margin:0.3em 0;border:none"><tbody>{cells}</tbody></table>'
    )


def plain(headline: str, rows: Sequence[tuple[str, str]], paragraphs: Sequence[str]) -> str:
    """The same as lines of text, values of several lines indented below one another."""
    width = max((len(label) for label, _ in rows), default=0)
    pad = "\n" + " " * (width + 4)
    values = [f"  {label.ljust(width)}  {value.replace(chr(10), pad)}" for label, value in rows]
    return "\n".join([headline, *values, *(f"  {line}" for line in paragraphs)])


def notice(sentence: str, *, once: bool = True) -> None:
    """Tell the student something in one line.

    Args:
        sentence: what to tell.
        once: say it only the first time in this session.
    """
    if once and sentence in _said:
        return
    _said.add(sentence)
    card("note", sentence).show()


def loaded(module: str) -> object | None:
    """A module if the session has imported it already, so that asking for its types costs nothing."""
    return sys.modules.get(module)
