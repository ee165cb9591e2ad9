"""Marks as a table for any spreadsheet."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path

from autograder.exports.rows import Row
from efflab.files import write_atomic

COLUMNS = (
    *("student", "first_name", "last_name", "email", "lab", "timestamp", "graded", "needs_manual"),
    *("late_penalty", "total", "max"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")  # full-width forms too


def write_csv(rows: Sequence[Row], path: Path) -> Path:
    """One line for each student and lab, with a column for each task of each lab.

    A mark that is not there yet is an empty cell, never a zero.

    Args:
        rows: what to write, in this order.
        path: the file.

    Returns:
        The path.
    """
    tasks = list(dict.fromkeys(task for row in rows for task in row.tasks))
    lines = [[*COLUMNS, *tasks]]
    for row in rows:
        scores = [row.tasks[task][0] if task in row.tasks else None for task in tasks]
        lines.append([*_about(row), *map(number, scores)])
    return write_atomic(path, text(lines))


def _about(row: Row) -> list[str]:
    time = row.timestamp.astimezone(UTC).isoformat() if row.timestamp else ""
    names = map(safe, (row.student, row.first_name, row.last_name, row.email, row.lab))
    states = ("yes" if state else "no" for state in (row.graded, row.needs_manual))
    marks = (row.late_penalty, row.total) if row.graded else (None, None)
    return [*names, time, *states, *map(number, (*marks, row.max))]


def number(value: float | None) -> str:
    """A mark as it is written: at most four decimals, empty where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if value else "0"


def safe(value: str) -> str:
    """A text that no spreadsheet takes for a formula: one that could be is led by an apostrophe."""
    plain = "".join(one if one.isprintable() else " " for one in value).strip()
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def text(lines: Iterable[Sequence[str]]) -> str:
    """Lines as CSV."""
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\r\n").writerows(lines)
    return stream.getvalue()
