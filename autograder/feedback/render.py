"""From what grading gave to a page for the student."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.exports.rows import Row
from autograder.feedback.style import frame
from autograder.gradebook.labs import LabNotebooks
from autograder.job import Outcome
from autograder.tasks import CheckResult, TaskScore

_HINT = re.compile(r"\bHint:\s*")
_HEADING = re.compile(r"^## +(.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Graded:
    """All that a page is made of.

    Attributes:
        row: the marks, those given by hand among them.
        outcome: what grading gave.
        notebook: the rebuilt submission; None if it could not be read.
        comments: what a person wrote, by the cell's grade id.
    """

    row: Row
    outcome: Outcome
    notebook: NotebookNode | None = None
    comments: Mapping[str, str] = field(default_factory=dict)


def render(lab: LabNotebooks, graded: Graded) -> str:
    """A page for the student, complete in itself."""
    title = str(lab.released.metadata.get("efflab", {}).get("title", lab.lab.topic))
    heads = _titles(lab)
    parts = [f"<h1>{escape(title)}</h1>", _head(lab, graded), _notes(graded)]
    if not graded.outcome.failure:
        parts += [_summary(graded.row, heads), *_cells(graded)]
        scores = {one.task: one for one in graded.outcome.tasks}
        for name in graded.row.tasks:
            if name in lab.answers:
                parts.append(_answer(name, heads.get(name, name), graded))
            else:
                parts.append(_task(name, heads.get(name, name), graded, scores.get(name), lab))
    return frame(f"Feedback on {title} for {graded.row.student}", "\n".join(filter(None, parts)))


def _titles(lab: LabNotebooks) -> dict[str, str]:
    """The heading under which each graded cell stands."""
    found, title = {}, ""
    for cell in lab.released.cells:
        if cell.cell_type == "markdown" and not nb.nbgrader(cell):
            title = ([title, *_HEADING.findall(cell.source)])[-1]
        elif nb.nbgrader(cell).get("grade"):
            found[nb.grade_id(cell)] = title or nb.grade_id(cell)
    return found


def _head(lab: LabNotebooks, graded: Graded) -> str:
    row = graded.row
    name = f"{row.first_name} {row.last_name}".strip() or row.student
    lines = [f"<p>{escape(name)}, lab {escape(lab.lab.name)}"]
    if row.timestamp is not None:
        lines.append(f", handed in {row.timestamp:%Y-%m-%d %H:%M} UTC")
    lines.append(".</p>")
    if graded.outcome.failure:
        reason = escape(graded.outcome.failure.strip())
        lines.append(
            f'<section><h2 class="bad">Not graded</h2><p>{reason}</p><p>This is no zero: your instructor knows of it. '
            "Open your notebook, save it, check that it opens again, and ask whether you may hand it in anew.</p></section>"
        )
    return "".join(lines)


def _notes(graded: Graded) -> str:
    if not graded.outcome.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in graded.outcome.notes)
    return f"<section><h2>About your notebook</h2><ul>{items}</ul></section>"


def _summary(row: Row, heads: Mapping[str, str]) -> str:
    lines = [
        f"<tr><td>{escape(heads.get(name, name))}{' (written)' if name.endswith('-explain') else ''}</td>"
        f'<td class="points">{_points(score, most)}</td></tr>'
        for name, (score, most) in row.tasks.items()
    ]
    if row.late_penalty:
        lines.append(
            f'<tr><th scope="row">Handed in late</th><td class="points">&minus;{row.late_penalty:g}</td></tr>'
        )
    waits = (
        '<p class="wait">Some of it waits to be read by a person; the total is not final.</p>'
        if row.needs_manual
        else ""
    )
    return (
        f"<p><strong>{row.total:g} of {row.max:g} points</strong></p>{waits}"
        '<table><thead><tr><th scope="col">Task</th><th scope="col" class="points">Points</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _points(score: float | None, most: float) -> str:
    return f"not yet, of {most:g}" if score is None else f"{score:g} of {most:g}"


def _cells(graded: Graded) -> Iterator[str]:
    """The cells that did not run to their end."""
    cells = [] if graded.notebook is None else graded.notebook.cells
    first = {cell.get("id", ""): cell for cell in cells}
    items = []
    for one in graded.outcome.cells:
        if one.message:
            cell = first.get(one.id)
            items.append(f"<li>{_where(cell)}{escape(one.message)}</li>")
    if items:
        yield f"<section><h2>Cells that did not run to their end</h2><ul>{''.join(items)}</ul></section>"


def _where(cell: NotebookNode | None) -> str:
    if cell is None:
        return ""
    lines = [line for line in cell.source.splitlines() if line.strip()]
    name = nb.grade_id(cell)
    what = f"Cell {escape(name)}" if name else "A cell"
    return f"{what}, <code>{escape(lines[0].strip()[:80])}</code>: " if lines else f"{what}: "


def _task(name: str, title: str, graded: Graded, score: TaskScore | None, lab: LabNotebooks) -> str:
    earned, most = graded.row.tasks[name]
    results = () if score is None else score.results
    failed = [result for result in results if not result.passed]
    passed = [result for result in results if result.passed]
    parts = [_title(title, earned, most)]
    if score is not None and earned is not None and abs(earned - score.points) > 1e-9:
        parts.append(
            f'<p class="soft">The checks gave {score.points:g}; your instructor changed the points.</p>'
        )
    if failed:
        parts.append(f"<h3>What to look at</h3><ul>{''.join(map(_failed, failed))}</ul>")
    if passed:
        items = "".join(f"<li>{_words(_expected(one))}</li>" for one in passed)
        parts.append(f"<h3>What holds</h3><ul>{items}</ul>")
    solutions = nb.solution_cells(lab.released).get(name, [])
    parts += [_comment(graded, nb.grade_id(cell)) for cell in solutions]
    return f"<section>{''.join(parts)}</section>"


def _title(title: str, earned: float | None, most: float) -> str:
    kind, verdict = ("wait", "Waits for your instructor")
    if earned is not None:
        kind, verdict = (
            ("good", "Complete")
            if earned >= most
            else ("wait", "In part")
            if earned > 0
            else ("bad", "Not yet")
        )
    return (
        f"<h2>{escape(title)}</h2>"
        f'<p><span class="verdict {kind}">{verdict}</span>: {_points(earned, most)} points</p>'
    )


def _failed(result: CheckResult) -> str:
    hint = _HINT.split(result.words, maxsplit=1)[1:]
    hints = f"<p><strong>Hint:</strong> {_words(hint[0])}</p>" if hint else ""
    return (
        f"<li><p>{_words(_expected(result))} "
        f'<span class="soft">({result.points:g} of {result.max_points:g})</span></p>'
        f"<blockquote>{escape(result.message.strip())}</blockquote>{hints}</li>"
    )


def _expected(result: CheckResult) -> str:
    return _HINT.split(result.words, maxsplit=1)[0]


def _words(text: str) -> str:
    """A check's words, with code between backquotes."""
    return _CODE.sub(r"<code>\1</code>", escape(" ".join(text.split())))


def _answer(name: str, title: str, graded: Graded) -> str:
    earned, most = graded.row.tasks[name]
    cells = [] if graded.notebook is None else graded.notebook.cells
    text = next((cell.source for cell in cells if nb.grade_id(cell) == name), "").strip()
    own = f"<h3>What you wrote</h3><pre>{escape(text)}</pre>" if text and text != nb.PROMPT else ""
    empty = "" if own else "<p>There is no answer here.</p>"
    return (
        f"<section>{_title(f'{title}: in words', earned, most)}{empty}{own}{_comment(graded, name)}</section>"
    )


def _comment(graded: Graded, cell: str) -> str:
    text = graded.comments.get(cell, "").strip()
    return f"<h3>Your instructor wrote</h3><blockquote>{escape(text)}</blockquote>" if text else ""
