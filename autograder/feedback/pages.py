"""Pages of feedback in a course folder, each searched for leaks before it is written."""

import copy
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder import leaks
from autograder import notebook as nb
from autograder.build import LeakError
from autograder.feedback.render import Graded, render
from autograder.gradebook import Course, labs, table
from autograder.gradebook.labs import LabNotebooks
from autograder.gradebook.names import checked
from autograder.job import Outcome
from efflab.errors import EfflabError
from efflab.files import write_atomic

_LEFT_OUT = "What it said cannot be shown here; ask your instructor."


def write(course: Course, lab: nb.Lab | str, students: str | Iterable[str] | None = None) -> list[Path]:
    """Write ``feedback/student/lab/topic.html``.

    Args:
        course: the course.
        lab: the lab or its name.
        students: one student, or several; all that were graded if None.

    Returns:
        The files.

    Raises:
        EfflabError: a student was not graded.
        LeakError: a page would give away what students must not see; it is not written.
    """
    found = labs.find(lab if isinstance(lab, str) else lab.name)
    name = found.lab.name
    if students is None:
        students = sorted(path.stem for path in (course.outcomes / name).glob("*.json"))
    chosen = [students] if isinstance(students, str) else list(students)
    return [
        write_atomic(
            course.feedback / checked(student) / name / f"{found.lab.topic}.html", page(course, name, student)
        )
        for student in chosen
    ]


def page(course: Course, lab: str, student: str) -> str:
    """The page of a student's submission.

    Raises:
        EfflabError: it was not graded.
        LeakError: it would give away what students must not see.
    """
    found = labs.find(lab)
    graded = _graded(course, found, checked(student))
    if _leaks(found, graded):
        # What a student's own code raised may repeat what must not be shown; that costs this page alone its messages.
        graded = dataclasses.replace(graded, outcome=_silent(graded.outcome))
        if leaking := _leaks(found, graded):
            raise LeakError("\n".join(map(str, leaking)))
    return render(found, graded)


def _graded(course: Course, lab: LabNotebooks, student: str) -> Graded:
    name = lab.lab.name
    file = course.outcomes / name / f"{student}.json"
    row = next((row for row in table.rows(course, name) if row.student == student), None)
    if row is None or not file.is_file():
        raise EfflabError(f"lab {name} of {student} was not graded yet in {course.root}")
    try:
        outcome = Outcome.from_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EfflabError(f"{file} is damaged ({error}): grade {student} again") from error
    notebook = _notebook(course.autograded / student / name / f"{lab.lab.topic}.ipynb")
    return Graded(row, outcome, notebook, table.comments(course, name, student))


def _notebook(path: Path) -> NotebookNode | None:
    """The notebook of the formgrader without the cells that are for the instructor."""
    try:
        notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]  # nbformat's own gap
    except (OSError, ValueError):
        return None
    notebook.cells = [cell for cell in notebook.cells if not nb.tags(cell) & nb.PRIVATE_TAGS]
    return notebook


def _leaks(lab: LabNotebooks, graded: Graded) -> list[leaks.Leak]:
    """What the page gives away, the student's own text and the instructor's comments left out."""
    ours = dataclasses.replace(graded, notebook=_blank(graded.notebook), comments={})
    return leaks.scan_html(
        f"feedback for {graded.row.student} on {lab.lab.name}", render(lab, ours), leaks.book_index()
    )


def _blank(notebook: NotebookNode | None) -> NotebookNode | None:
    blank = copy.deepcopy(notebook)
    for cell in [] if blank is None else blank.cells:
        cell.source = ""
    return blank


def _silent(outcome: Outcome) -> Outcome:
    """An outcome without anything that a student's code may have said."""
    tasks = tuple(
        dataclasses.replace(
            score,
            results=tuple(
                one if one.passed else dataclasses.replace(one, message=_LEFT_OUT) for one in score.results
            ),
        )
        for score in outcome.tasks
    )
    cells = tuple(
        dataclasses.replace(cell, message=_LEFT_OUT if cell.message else "") for cell in outcome.cells
    )
    return dataclasses.replace(outcome, tasks=tasks, cells=cells)
