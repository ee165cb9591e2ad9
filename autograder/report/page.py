"""The report as one HTML file: opens offline, and runs nothing of anybody's."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from autograder.report import similarity
from autograder.report.overview import Overview
from autograder.report.similarity import Pair
from autograder.report.statistics import TaskStatistics
from efflab.files import write_atomic

PAIRS = 100
"""Pairs that are listed; groups name everybody."""
SIDE_BY_SIDE = 30
"""Pairs whose code is shown."""
_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write(found: Sequence[Overview], path: Path) -> Path:
    """Write the report.

    Args:
        found: a report a lab.
        path: the file.

    Returns:
        The file.
    """
    return write_atomic(path, render(found))


def render(found: Sequence[Overview]) -> str:
    """The page."""
    body = "".join(map(_lab, found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Report</title><style>{_STYLE}</style></head><body><main><h1>Report</h1>"
        "<p>For the instructor. Similarity is a reason to look, not a finding; nothing here changed a score.</p>"
        f"{body}</main></body></html>\n"
    )


def _lab(one: Overview) -> str:
    parts = [
        f"<h2>{escape(one.lab)}</h2><p>{one.submissions} submissions, {one.graded} graded.</p>",
        _statistics(one.tasks),
        _failed(one.tasks),
        _alike(one),
        _section("Alike to the solution or to efflab's source", _pairs(one.copied), "None."),
        _side_by_side(one),
        _section("Flagged in grading", _table(("student", "task", "what"), one.flags), "Nothing."),
    ]
    if one.unreadable:
        parts.append(f"<p>Could not be read: {escape(', '.join(one.unreadable))}.</p>")
    return "".join(parts)


def _section(title: str, content: str, otherwise: str) -> str:
    return f"<h3>{escape(title)}</h3>{content or f'<p>{escape(otherwise)}</p>'}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> str:
    lines = ["".join(f"<td>{escape(value)}</td>" for value in row) for row in rows]
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _statistics(tasks: Sequence[TaskStatistics]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(one.task)}</th><td>{one.mean:.2f}</td><td>{one.median:g}</td>'
        f"<td>{one.max_points:g}</td><td>{_bars(one.bins)}</td></tr>"
        for one in tasks
    )
    head = "<th>task</th><th>mean</th><th>median</th><th>of</th><th>students by share of the points</th>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return _section("Points", table, "Nothing is graded yet.")


def _bars(bins: Sequence[int]) -> str:
    """A histogram; its numbers are read out where it cannot be seen."""
    most = max(*bins, 1)
    bars = "".join(
        f'<rect x="{12 * place}" y="{30 - 30 * count / most:.1f}" width="10" height="{30 * count / most:.1f}">'
        f"<title>{10 * place} to {10 * (place + 1)} %: {count}</title></rect>"
        for place, count in enumerate(bins)
    )
    words = ", ".join(
        f"{10 * place} to {10 * (place + 1)} %: {count}" for place, count in enumerate(bins) if count
    )
    return f'<svg role="img" viewBox="0 0 118 30" width="118" height="30" aria-label="{words}">{bars}</svg>'


def _failed(tasks: Sequence[TaskStatistics]) -> str:
    rows = [
        (one.task, check.name, f"{check.share:.0%}", check.words.splitlines()[0])
        for one in tasks
        for check in one.failed
    ]
    return _section(
        "Checks that were failed", _table(("task", "check", "of the class", "what it checks"), rows), "None."
    )


def _alike(one: Overview) -> str:
    groups = [(str(len(group)), ", ".join(group)) for group in similarity.groups(one.alike)]
    content = _table(("students", "linked by alike code"), groups) + _pairs(one.alike)
    return _section("Alike among themselves", content, "None.")


def _pairs(pairs: Sequence[Pair]) -> str:
    rows = [
        (pair.task or "all", pair.first, pair.second, f"{pair.share:.0%}", str(pair.size))
        for pair in pairs[:PAIRS]
    ]
    more = f"<p>and {len(pairs) - PAIRS} more pairs.</p>" if len(pairs) > PAIRS else ""
    return _table(("task", "student", "alike to", "share", "features"), rows) + more


def _side_by_side(one: Overview) -> str:
    """The code of the most alike pairs of a task."""
    shown = [pair for pair in one.alike if pair.task][:SIDE_BY_SIDE]
    return "".join(
        f"<details><summary>{escape(pair.task)}: {escape(pair.first)} and {escape(pair.second)}, {pair.share:.0%}</summary>"
        f'<div class="pair">{_code(one, pair.first, pair.task)}{_code(one, pair.second, pair.task)}</div></details>'
        for pair in shown
    )


def _code(one: Overview, student: str, task: str) -> str:
    return f"<figure><figcaption>{escape(student)}</figcaption><pre>{escape(one.code.get((student, task), ''))}</pre></figure>"
