"""Removing a student from a course."""

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from autograder.gradebook.course import Course
from autograder.gradebook.names import checked
from autograder.job import Outcome

_SUBMISSIONS = "SELECT id FROM submitted_assignment WHERE student_id = :student"
_NOTEBOOKS = f"SELECT id FROM submitted_notebook WHERE assignment_id IN ({_SUBMISSIONS})"  # noqa: S608 - constants
_DELETE = (
    f"DELETE FROM grade WHERE notebook_id IN ({_NOTEBOOKS})",  # noqa: S608
    f"DELETE FROM comment WHERE notebook_id IN ({_NOTEBOOKS})",  # noqa: S608
    f"DELETE FROM submitted_notebook WHERE assignment_id IN ({_SUBMISSIONS})",  # noqa: S608
    "DELETE FROM submitted_assignment WHERE student_id = :student",
    "DELETE FROM efflab_answer WHERE student = :student",
    "DELETE FROM student WHERE id = :student",
)


@dataclass(frozen=True)
class Forgotten:
    """What `forget` did.

    Attributes:
        removed: files, folders and databases that held something of the student, below the course folder.
        remains: files that name the student still, for a person to look at.
    """

    removed: tuple[str, ...]
    remains: tuple[str, ...]


def forget(course: Course, student: str) -> Forgotten:
    """Remove everything that is stored of a student, from the gradebook and all of its backups too.

    Removed are the student's rows in the gradebook and in every backup (whose files are then written anew, so that no
    freed page keeps them), what was handed in, autograded notebooks, feedback, outcomes, and cached outcomes that no
    other student's work shares. Not touched, but named in the result where they hold the student's id: the roster, the
    deadlines, tables in ``exports`` and downloads in ``inbox``, since they are the instructor's own files; an archive
    (zip) is named whether or not it holds something of the student. Cached outcomes of earlier attempts stay: nothing in
    them or in their names says whose they are. Copies elsewhere are not known here.

    Args:
        course: the course.
        student: the student's id.

    Raises:
        EfflabError: another process writes to the course, or the id cannot be a student's.
    """
    checked(student)
    with course.lock():
        removed = [*_databases(course, student), *_cached(course, student), *_files(course, student)]
    return Forgotten(
        tuple(str(path.relative_to(course.root)) for path in removed),
        tuple(str(path.relative_to(course.root)) for path in _remains(course, student)),
    )


def _databases(course: Course, student: str) -> list[Path]:
    files = [course.gradebook, *sorted(course.backups.glob("*.db"))]
    return [file for file in files if file.is_file() and _purge(file, student)]


def _purge(file: Path, student: str) -> bool:
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "student" not in tables:
            return False
        with database:
            steps = [step for step in _DELETE if step.split()[2] in tables]
            count = sum(database.execute(step, {"student": student}).rowcount for step in steps)
        if count:
            database.execute("VACUUM")
    return count > 0


def _cached(course: Course, student: str) -> list[Path]:
    """Remove the cached outcomes that this student's outcomes alone come from."""
    mine = {key for path in course.outcomes.glob(f"*/{student}.json") if (key := _key(path))}
    others = (
        {_key(path) for path in course.outcomes.glob("*/*.json") if path.stem != student} if mine else set()
    )
    files = [course.cache / key[:2] / f"{key}.json" for key in sorted(mine - others)]
    found = [file for file in files if file.is_file()]
    for file in found:
        file.unlink()
    return found


def _key(path: Path) -> str:
    try:
        key = Outcome.from_json(path.read_text(encoding="utf-8")).key
    except (OSError, ValueError):
        return ""
    return key if key.isalnum() else ""


def _files(course: Course, student: str) -> list[Path]:
    folders = [course.submitted, course.autograded, course.feedback]
    paths = [folder / student for folder in folders] + sorted(course.outcomes.glob(f"*/{student}.json"))
    found = [path for path in paths if path.exists() or path.is_symlink()]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return found


def _remains(course: Course, student: str) -> list[Path]:
    own = [course.roster, course.deadlines]
    own += [path for folder in (course.exports, course.inbox) for path in sorted(folder.rglob("*"))]
    return [path for path in own if path.is_file() and _names(path, student)]


def _names(path: Path, student: str) -> bool:
    return path.suffix == ".zip" or student in path.name or student.encode() in path.read_bytes()
