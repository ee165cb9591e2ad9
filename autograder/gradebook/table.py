"""The marks of a lab as a table, one row a student."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autograder.gradebook.course import Course
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from autograder.exports.rows import Row

_STUDENTS = """
SELECT student.id, student.first_name, student.last_name, student.email, submission.id AS submission,
       submission.timestamp, notebook.late_submission_penalty AS penalty
FROM student
LEFT JOIN submitted_assignment AS submission ON submission.student_id = student.id
     AND submission.assignment_id = (SELECT id FROM assignment WHERE name = :lab)
LEFT JOIN submitted_notebook AS notebook ON notebook.assignment_id = submission.id
ORDER BY student.id"""
_GRADES = """
SELECT submission.student_id AS student, cell.name, grade_cells.max_score, grade.auto_score, grade.manual_score,
       grade.extra_credit, grade.needs_manual_grade
FROM grade
JOIN base_cell AS cell ON cell.id = grade.cell_id
JOIN grade_cells ON grade_cells.id = cell.id
JOIN submitted_notebook AS notebook ON notebook.id = grade.notebook_id
JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id
WHERE submission.assignment_id = (SELECT id FROM assignment WHERE name = :lab)"""
_CELLS = """
SELECT cell.name, grade_cells.max_score FROM grade_cells
JOIN base_cell AS cell ON cell.id = grade_cells.id JOIN notebook ON notebook.id = cell.notebook_id
WHERE notebook.assignment_id = (SELECT id FROM assignment WHERE name = :lab) ORDER BY cell.rowid"""
_COMMENTS = """
SELECT cell.name, comment.manual_comment FROM comment
JOIN base_cell AS cell ON cell.id = comment.cell_id
JOIN submitted_notebook AS notebook ON notebook.id = comment.notebook_id
JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id
WHERE submission.student_id = :student AND comment.manual_comment <> ''
  AND submission.assignment_id = (SELECT id FROM assignment WHERE name = :lab)"""

Scores = dict[str, tuple[float | None, float]]


def rows(course: Course, lab: str) -> "list[Row]":
    """The marks of a lab, in the order of the students' ids.

    A student without a submission has no score in any task; nor has a task that waits for a person.

    Args:
        course: the course.
        lab: the lab's name.

    Raises:
        EfflabError: the gradebook has no such lab.
    """
    with reading(course) as database:
        cells = {row["name"]: row["max_score"] for row in database.execute(_CELLS, {"lab": lab})}
        if not cells:
            raise EfflabError(f"lab {lab} is not in the gradebook of {course.root}")
        cells = {name: cells[name] for name in _in_order(course, lab, cells)}
        grades: dict[str, list[sqlite3.Row]] = {}
        for grade in database.execute(_GRADES, {"lab": lab}):
            grades.setdefault(grade["student"], []).append(grade)
        students = database.execute(_STUDENTS, {"lab": lab}).fetchall()
    return [_row(lab, student, grades.get(student["id"], []), cells) for student in students]


@contextlib.contextmanager
def reading(course: Course) -> Iterator[sqlite3.Connection]:
    """The gradebook's database, to be read only.

    Raises:
        EfflabError: there is none yet.
    """
    if not course.gradebook.is_file():
        raise EfflabError(f"{course.root} has no gradebook yet: nothing was graded")
    with contextlib.closing(sqlite3.connect(f"{course.gradebook.as_uri()}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        yield database


def _in_order(course: Course, lab: str, cells: Mapping[str, float]) -> list[str]:
    """The cells as they stand in the released notebook; what is not there comes last."""
    try:
        file = course.release / lab / f"{lab.split('-', 1)[1]}.ipynb"
        content = json.loads(file.read_bytes())["cells"]
        ids = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in content]
    except (OSError, ValueError, LookupError, TypeError):
        ids = []
    return [name for name in ids if name in cells] + [name for name in cells if name not in ids]


def _row(lab: str, student: sqlite3.Row, grades: list[sqlite3.Row], cells: Mapping[str, float]) -> "Row":
    from autograder.exports.rows import Row  # noqa: PLC0415 - the exports know the gradebook's types

    found = {grade["name"]: _score(grade) for grade in grades}
    tasks: Scores = {name: (found.get(name), most) for name, most in cells.items()}
    earned = sum(score for score, _ in tasks.values() if score is not None)
    penalty = student["penalty"] or 0.0
    return Row(
        student=student["id"],
        first_name=student["first_name"] or "",
        last_name=student["last_name"] or "",
        email=student["email"] or "",
        lab=lab,
        tasks=tasks,
        total=max(0.0, earned - penalty),
        max=sum(cells.values()),
        late_penalty=penalty,
        needs_manual=any(grade["needs_manual_grade"] for grade in grades),
        graded=any(score is not None for score in found.values()),
        timestamp=_moment(student["timestamp"]),
    )


def _score(grade: Any) -> float | None:
    """What counts, as nbgrader reckons it; None if nobody gave a score yet."""
    given: float | None = grade["manual_score"] if grade["manual_score"] is not None else grade["auto_score"]
    return None if given is None else given + (grade["extra_credit"] or 0.0)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def comments(course: Course, lab: str, student: str) -> dict[str, str]:
    """What a person wrote beside a student's cells, by the cell's grade id."""
    with reading(course) as database:
        return {row[0]: row[1] for row in database.execute(_COMMENTS, {"lab": lab, "student": student})}
