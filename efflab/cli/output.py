"""What commands print: JSON for a program, a table for a person."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def print_json(value: Any) -> None:
    """Print a value as JSON; what it cannot hold is an error of the program, NaN included."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[float | str | bool | None]],
    caption: str = "",
    note: str = "",
) -> None:
    """Print a table."""
    from efflab.tables import TextTable

    typer.echo(str(TextTable.of(columns, rows, caption, note)))


def note(text: str) -> None:
    """Tell the person something beside the answer, on stderr."""
    typer.echo(text, err=True)


def size(count: float) -> str:
    """Bytes as a person reads them.

    >>> size(0), size(1500), size(54.9e6)
    ('0 B', '1.5 kB', '54.9 MB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count:.0f} B"
