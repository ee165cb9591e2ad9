"""Marks as Gradescope's autograders report them.

"Autograder Specifications", section "Output format", at gradescope-autograders.readthedocs.io/en/latest/specs: an object
``results.json`` with ``score``, ``output``, ``visibility``, ``stdout_visibility``, ``extra_data`` and ``tests``, each with ``name``,
``score``, ``max_score``, ``status``, ``output``, ``output_format``, ``visibility`` and ``number``. All output is plain text, so that
nothing a student wrote is shown as anything else.
"""

import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autograder.exports.rows import Row
from autograder.job import Outcome
from autograder.roster import is_id
from autograder.tasks import TaskScore
from efflab.errors import EfflabError
from efflab.files import atomic_path, write_atomic

MAX_OUTPUT = 10_000
VISIBILITIES = ("hidden", "after_due_date", "after_published", "visible")
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def gradescope_results(
    outcome: Outcome | None, row: Row, *, visibility: str = "after_published"
) -> dict[str, Any]:
    """What Gradescope shows of one student's work in a lab.

    Args:
        outcome: what grading gave, for the words; None leaves scores alone.
        row: the marks, those given by hand and the late penalty included.
        visibility: when students see the tests, one of `VISIBILITIES`.

    Returns:
        The object of ``results.json``. Tasks that nobody graded yet are told in ``output`` and are no tests, so that no
        zero is reported; nor is a score if there is none at all.

    Raises:
        EfflabError: there is no such visibility.
    """
    if visibility not in VISIBILITIES:
        raise EfflabError(f"there is no visibility {visibility!r}; expected one of {', '.join(VISIBILITIES)}")
    found = {one.task: one for one in outcome.tasks} if outcome else {}
    tests = [
        _test(number, name, score, most, found.get(name)) | {"visibility": visibility}
        for number, (name, (score, most)) in enumerate(row.tasks.items(), start=1)
        if score is not None
    ]
    results: dict[str, Any] = {
        "output": _short("\n".join(_remarks(outcome, row))),
        "output_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"lab": row.lab, "student": row.student},
    }
    if row.graded:
        results["score"] = _number(row.total)
    return results


def _test(number: int, name: str, score: float, most: float, task: TaskScore | None) -> dict[str, Any]:
    words = [
        f"{one.words.strip()}\n{one.message}".strip() if one.message else f"{one.words.strip()}\nRight."
        for one in (task.results if task else ())
    ]
    return {
        "name": name,
        "number": str(number),
        "score": _number(score),
        "max_score": _number(most),
        "status": "passed" if score >= most else "failed",
        "output": _short("\n\n".join(words)),
        "output_format": "text",
    }


def _remarks(outcome: Outcome | None, row: Row) -> list[str]:
    waiting = [name for name, (score, _) in row.tasks.items() if score is None]
    said = [outcome.failure, *outcome.notes] if outcome else []
    if row.late_penalty:
        said.append(f"{_number(row.late_penalty):g} points were subtracted since it came late.")
    if waiting:
        said.append(f"Not graded yet: {', '.join(waiting)}.")
    elif row.needs_manual:
        said.append("A written answer waits to be graded by hand.")
    return [one for one in said if one]


def _short(text: str) -> str:
    printable = "".join(one for one in text if one.isprintable() or one in "\n\t")
    return printable if len(printable) <= MAX_OUTPUT else printable[: MAX_OUTPUT - 4] + "\n..."


def _number(value: float) -> float:
    return round(value, 4) if math.isfinite(value) else 0.0


def write_gradescope(
    rows: Sequence[Row],
    path: Path,
    *,
    outcomes: Mapping[tuple[str, str], Outcome] | None = None,
    visibility: str = "after_published",
) -> Path:
    """Write ``LAB/STUDENT/results.json`` for every row that has a mark, below a folder or in a zip.

    Gradescope takes results without any score for a failure, so that there is no file for who has none yet.

    Args:
        rows: the marks.
        path: a folder; a zip if it ends so.
        outcomes: by (lab, student) what grading gave.
        visibility: see `gradescope_results`.

    Returns:
        The path.

    Raises:
        EfflabError: a student or lab cannot name a folder, or a file stands where the folder should.
    """
    path = Path(path)
    files = {
        _place(row): json.dumps(
            gradescope_results((outcomes or {}).get((row.lab, row.student)), row, visibility=visibility),
            indent=1,
            ensure_ascii=False,
            allow_nan=False,
        )
        for row in rows
        if row.graded
    }
    if path.suffix.lower() == ".zip":
        return _write_zip(path, files)
    if path.is_file():
        raise EfflabError(f"{path} is a file; Gradescope's results need a folder or a name that ends in .zip")
    for name, content in files.items():
        write_atomic(path / name, content + "\n")
    return path


def _place(row: Row) -> str:
    if not is_id(row.lab) or not is_id(row.student):
        raise EfflabError(f"the lab {row.lab[:80]!r} or student {row.student[:80]!r} cannot name a folder")
    return f"{row.lab}/{row.student}/results.json"


def _write_zip(path: Path, files: Mapping[str, str]) -> Path:
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), content + "\n", zipfile.ZIP_DEFLATED)
    return path
