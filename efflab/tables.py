"""Plain tables that read the same in a terminal and in a notebook."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def quantity(value: float | str | bool | None, digits: int = 4) -> str:
    """Write one value as a table shows it.

    Args:
        value: a number, a text that stands as it is, a truth value, or None for an empty place.
        digits: significant digits kept of a number that is no integer.

    Returns:
        Whole numbers, and those of more than ``digits`` digits, with thousands separated; others with ``digits`` significant
        digits; a dash for None.

    >>> quantity(61100840), quantity(0.123456), quantity(None), quantity(True)
    ('61,100,840', '0.1235', '–', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _numeric(cells: Iterable[str]) -> bool:
    """Whether a column reads as numbers and so stands flush right."""
    written = [cell for cell in cells if cell not in {"", "–"}]
    return bool(written) and all(cell.lstrip("+-−<~")[:1].isdigit() for cell in written)


@dataclass(frozen=True)
class TextTable:
    """A table of written cells.

    Attributes:
        columns: the headings.
        rows: one tuple of cells a row, as many as there are columns.
        caption: one line above the table, or an empty string.
        note: one line below it, or an empty string.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    note: str = ""

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        rows: Iterable[Sequence[float | str | bool | None]],
        caption: str = "",
        note: str = "",
    ) -> "TextTable":
        """Make a table from values, each written by :func:`quantity`."""
        written = tuple(tuple(quantity(value) for value in row) for row in rows)
        return cls(tuple(columns), written, caption, note)

    def _right(self) -> list[bool]:
        """Which columns stand flush right: those of numbers, the first excepted."""
        cells = [[row[i] for row in self.rows] for i in range(len(self.columns))]
        return [i > 0 and _numeric(column) for i, column in enumerate(cells)]

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        right = self._right()
        written = [
            "  ".join(
                cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
            )
            for line in lines
        ]
        written.insert(1, "  ".join("─" * w for w in widths))
        ends = [[self.caption], written, [self.note]]
        return "\n".join(line.rstrip() for part in ends for line in part if line)

    def _repr_html_(self) -> str:
        """The table as HTML, readable on light and dark pages since it sets no colour."""
        right = self._right()

        def line(tag: str, cells: Sequence[str]) -> str:
            styles = [f'style="text-align:{"right" if r else "left"}"' for r in right]
            inner = "".join(
                f"<{tag} {style}>{html.escape(cell)}</{tag}>"
                for style, cell in zip(styles, cells, strict=True)
            )
            return f"<tr>{inner}</tr>"

        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(line("td", row) for row in self.rows)
        table = f"<table>{caption}<thead>{line('th', self.columns)}</thead><tbody>{body}</tbody></table>"
        return table + (f"<p><small>{html.escape(self.note)}</small></p>" if self.note else "")
