"""The notebook that the formgrader shows: the student's work, harmless outputs, verdicts, and rubrics for the instructor.

Nothing in it can run: outputs are text and PNG images whose bytes were looked at, and metadata are those of the released
lab. Cells tagged ``rubric`` and ``instructor`` are for the instructor; feedback to students is not made from this file.
"""

import base64
import binascii
import copy
import hashlib
import html
from collections.abc import Iterable, Mapping
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.gradebook.entry import Entry
from autograder.gradebook.labs import LabNotebooks
from autograder.gradebook.verdicts import NO_SANDBOX
from autograder.job import CellOutcome, Outcome
from autograder.tasks import TaskScore

Node = dict[str, Any]
_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_TEXT = 100_000


def autograded(entry: Entry, lab: LabNotebooks) -> NotebookNode:
    """The notebook that the formgrader shows for a submission, the same for equal entries."""
    base = lab.released if entry.rebuilt is None else entry.rebuilt
    ran = {one.id: one for one in entry.outcome.cells}
    scores = {one.task: one for one in entry.outcome.tasks}
    rubrics = lab.rubrics
    cells = _notes(entry.outcome)
    for cell in base.cells:
        cells.append(_shown(cell, ran.get(cell.get("id", "")), scores))
        if nb.is_answer(cell) and nb.grade_id(cell) in rubrics:
            cells.append(
                _private("rubric", nb.grade_id(cell), f"**What to look for**\n\n{rubrics[nb.grade_id(cell)]}")
            )
    metadata = copy.deepcopy(lab.released.metadata)
    notebook: NotebookNode = nbformat.from_dict(  # type: ignore[no-untyped-call]  # nbformat's own gap
        {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    )
    nbformat.validate(notebook)
    return notebook


def _shown(cell: NotebookNode, ran: CellOutcome | None, scores: Mapping[str, TaskScore]) -> Node:
    meta = {key: copy.deepcopy(cell.metadata[key]) for key in ("nbgrader", "tags") if key in cell.metadata}
    shown: Node = {"id": cell["id"], "cell_type": cell.cell_type, "metadata": meta, "source": cell.source}
    if cell.cell_type == "code":
        outputs = harmless(() if ran is None else ran.outputs)
        if ran is not None and ran.message:
            outputs.append(_said(ran.message))
        if nb.is_check(cell):
            outputs.insert(0, _said(verdict(scores.get(nb.grade_id(cell)))))
        shown |= {"execution_count": None, "outputs": outputs}
    return shown


def verdict(score: TaskScore | None) -> str:
    """What the hidden checks of a task say, for a person."""
    if score is None:
        return "Not graded."
    lines = [f"{score.points:g} of {score.max_points:g} points"]
    for result in score.results:
        mark = "passed" if result.passed else "FAILED"
        lines.append(f"{mark} {result.name} ({result.points:g} of {result.max_points:g})")
        if not result.passed:
            lines += [f"    {line}" for line in result.message.splitlines()]
    return "\n".join(lines)


def harmless(outputs: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Outputs reduced to text and PNG images."""
    return [shown for output in outputs if (shown := _output(output)) is not None]


def _output(output: Mapping[str, Any]) -> Node | None:
    kind = output.get("output_type")
    if kind == "stream":
        return _said(_text(output.get("text", "")), "stderr" if output.get("name") == "stderr" else "stdout")
    if kind == "error":
        lines = output.get("traceback")
        return {
            "output_type": "error",
            "ename": _text(output.get("ename", "")),
            "evalue": _text(output.get("evalue", "")),
            "traceback": [_text(line) for line in lines] if isinstance(lines, (list, tuple)) else [],
        }
    data = output.get("data")
    if kind not in {"display_data", "execute_result"} or not isinstance(data, Mapping):
        return None
    kept: dict[str, str] = {}
    if (image := _png(data.get("image/png"))) is not None:
        kept["image/png"] = image
    if "text/plain" in data:
        kept["text/plain"] = _text(data["text/plain"])
    if not kept:
        return None
    return {"output_type": "display_data", "data": kept, "metadata": {}}


def _png(value: object) -> str | None:
    """A PNG's base64, written anew: a page puts it into an attribute."""
    try:
        content = base64.b64decode("".join(_text(value).split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(content).decode() if content.startswith(_PNG) else None


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        value = "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _said(text: str, name: str = "stdout") -> Node:
    shown = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "\n(the rest was left out)\n"
    return {"output_type": "stream", "name": name, "text": shown}


def _notes(outcome: Outcome) -> list[Node]:
    """What a person should know of the submission before reading it."""
    said = [f"Not graded: {outcome.failure}"] if outcome.failure else []
    said += [NO_SANDBOX] if outcome.sandbox == "none" else []
    said += [f"Flag: {flag.sentence}" + (f" ({flag.task})" if flag.task else "") for flag in outcome.flags]
    said += [f"Note: {note}" for note in outcome.notes]
    if not said:
        return []
    lines = [f"- {_plain(line)}" for line in said]
    return [_private("instructor", "notes", "**For the instructor**\n\n" + "\n".join(lines))]


def _plain(text: str) -> str:
    """One line that markdown and HTML leave as it is."""
    line = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{letter}" if letter in "\\`*_[]$!~|" else letter for letter in line)


def _private(tag: str, name: str, text: str) -> Node:
    cell_id = hashlib.sha256(f"{tag}\0{name}".encode()).hexdigest()[:16]
    return {
        "id": f"{tag}-{cell_id}",
        "cell_type": "markdown",
        "metadata": {"tags": [tag]},
        "source": text,
    }
