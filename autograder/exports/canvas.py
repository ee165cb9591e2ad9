"""Marks as Canvas's gradebook imports them.

"How do I import grades in the Gradebook?" in Canvas's guides for instructors: a CSV whose first columns are Student, ID, SIS
User ID, SIS Login ID and Section, then one column for each assignment, named by its title and, if it exists, its number in
parentheses; the line ``Points Possible`` comes first. A student is found by ID, then by the SIS ids, then by name. An
assignment of a title that is not there is offered as a new one. An empty cell leaves no mark.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.exports.rows import Row
from autograder.exports.table import number, safe, text
from autograder.roster import Roster, Student
from efflab.errors import EfflabError
from efflab.files import write_atomic

COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


def write_canvas(
    rows: Sequence[Row], roster: Roster, path: Path, *, assignments: Mapping[str, int] | None = None
) -> Path:
    """One line for each student of the roster, one column for each lab.

    Args:
        rows: the marks; of students who are not in the roster none can be written.
        roster: the class with Canvas's ids.
        path: the file.
        assignments: Canvas's number of a lab's assignment, where it exists.

    Returns:
        The path.

    Raises:
        EfflabError: a row's student is not in the roster, or the roster has none of Canvas's ids.
    """
    labs = list(dict.fromkeys(row.lab for row in rows))
    unknown = sorted({row.student for row in rows} - {student.id for student in roster.students})
    if unknown:
        names = ", ".join(unknown[:5]) + (" and others" if len(unknown) > 5 else "")
        raise EfflabError(f"the roster does not have {names}; Canvas could not tell whose marks they are")
    if not any(one.canvas_id or one.sis_user_id or one.sis_login_id for one in roster.students):
        raise EfflabError(
            "the roster has none of Canvas's ids; export the gradebook from Canvas and take it as roster"
        )
    marks = {(row.student, row.lab): row for row in rows}
    points = [number(max(row.max for row in rows if row.lab == lab)) for lab in labs]
    lines = [
        [*COLUMNS, *(_title(lab, assignments or {}) for lab in labs)],
        ["    Points Possible", "", "", "", "", *points],
    ]
    lines += [[*_who(one), *(_mark(marks.get((one.id, lab))) for lab in labs)] for one in roster.students]
    return write_atomic(path, text(lines))


def _title(lab: str, assignments: Mapping[str, int]) -> str:
    # Canvas takes digits in parentheses at the end for its own number, so that none may come from a name.
    title = f"Lab {re.sub(r'[()]', ' ', lab)}"
    return f"{title} ({assignments[lab]})" if lab in assignments else title


def _who(student: Student) -> list[str]:
    name = (
        student.canvas_name or ", ".join(filter(None, (student.last_name, student.first_name))) or student.id
    )
    ids = (student.canvas_id, student.sis_user_id, student.sis_login_id, student.section)
    return [safe(name), *map(safe, ids)]


def _mark(row: Row | None) -> str:
    return number(row.total) if row and row.graded else ""
