"""What plain nbgrader gives for known submissions, and what this autograder gives: ``python -m autograder.bank.pitfalls``.

The rows are those of the facts that this autograder was designed by, measured anew: the same small lab, once with its
hidden tests in the notebook as nbgrader has them, once with hidden checks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from autograder.bank.pitfalls.answer import Answer
from autograder.bank.pitfalls.rows import ROWS, Row
from efflab import results
from efflab.tables import TextTable

__all__ = ["ROWS", "Answer", "Row", "holds", "records", "series", "table"]

COMMAND = "python -m autograder.bank.pitfalls --write"


def _range(row: Row) -> str:
    low, high = (f"{end:g}" for end in row.expected)
    return low if low == high else f"{low} to {high}"


def holds(row: Row, answer: Answer) -> bool:
    """Whether a row got what it should: its points, no hidden test read, nobody else stopped."""
    low, high = row.expected
    return low <= answer.points <= high and not answer.leaked and not answer.stopped


def _shown(answer: Answer | None) -> str:
    return (
        "" if answer is None else "; ".join([f"{answer.points:g} in {answer.seconds:.1f} s", *answer.remarks])
    )


def series(plain: Mapping[str, Answer], ours: Mapping[str, Answer]) -> dict[str, Any]:
    """The table as columns and rows, for the book."""
    rows = [
        [row.words, _range(row), _shown(plain.get(row.id)), _shown(ours.get(row.id))]
        for row in ROWS
        if row.id in plain or row.id in ours
    ]
    return {"columns": ["submission", "expected", "nbgrader", "efflab"], "rows": rows}


def records(
    rows: Sequence[Row], plain: Mapping[str, Answer], ours: Mapping[str, Answer]
) -> list[results.Result]:
    """The figures to be recorded: points and seconds of each row on both sides, and how many rows hold."""
    found = []
    for row in rows:
        for side, answers in (("nbgrader", plain), ("efflab", ours)):
            answer = answers[row.id]
            bar = {"bar": f"{_range(row)} points", "holds": holds(row, answer)} if side == "efflab" else {}
            found.append(_record(f"pitfalls/{row.id}/{side}", answer.points, "points", **bar))
            found.append(_record(f"pitfalls/{row.id}/{side}_seconds", answer.seconds, "s"))
    for side, answers in (("nbgrader", plain), ("efflab", ours)):
        count = sum(holds(row, answers[row.id]) for row in rows)
        bar = {"bar": f"all {len(rows)}", "holds": count == len(rows)} if side == "efflab" else {}
        found.append(_record(f"pitfalls/held/{side}", count, "rows", **bar))
    return found


def _record(name: str, measured: float, unit: str, **bar: Any) -> results.Result:
    return results.record(
        "grading", name, float(measured), unit, source="autograder/bank/pitfalls", command=COMMAND, packages=("nbgrader",), **bar
    )  # fmt: skip


def table(plain: Mapping[str, Answer], ours: Mapping[str, Answer]) -> TextTable:
    """Both sides next to each other."""
    found = series(plain, ours)
    return TextTable.of(found["columns"], found["rows"], caption="Known submissions")
