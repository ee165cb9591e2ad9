"""The class: who is in it, and by which ids the learning platforms know them.

Read from a table with our columns (``id``, and what is known of ``first_name``, ``last_name``, ``email``, ``canvas_id``,
``sis_user_id``, ``sis_login_id``, ``section``, ``sid``), from Canvas's gradebook export (Student, ID, SIS User ID, SIS
Login ID, Section; see "How do I import grades in the Gradebook?" in the Canvas guides), or from Gradescope's roster
(First Name, Last Name, SID, Email, Role; see "Downloading a roster" in Gradescope's help).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder import tabular
from efflab.errors import EfflabError

_ID = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9._@+-]{0,63}")
_TEST_STUDENTS = frozenset({"student, test", "test student"})
KINDS = ("id", "email", "sis_login_id", "sis_user_id", "sid", "canvas_id", "mailbox", "name")


@dataclass(frozen=True)
class Student:
    """A student of the class.

    Attributes:
        id: what the course calls the student: the name of the folder, the gradebook's key.
        first_name: empty if it is not known, as is everything below.
        last_name: see above.
        email: see above.
        canvas_id: Canvas's number (its column ID).
        sis_user_id: Canvas's SIS User ID.
        sis_login_id: Canvas's SIS Login ID.
        section: Canvas's Section.
        sid: Gradescope's SID.
        canvas_name: the name as Canvas exported it.
    """

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    canvas_id: str = ""
    sis_user_id: str = ""
    sis_login_id: str = ""
    section: str = ""
    sid: str = ""
    canvas_name: str = ""


@dataclass(frozen=True)
class Roster:
    """The students of a course, found by any id that a platform gives them."""

    students: tuple[Student, ...]

    def match(self, *names: str, kinds: Sequence[str] = KINDS) -> Student | None:
        """The one student whom a name means.

        Args:
            names: ids, addresses or names, the surest first.
            kinds: where to look, in this order: see `KINDS`.

        Returns:
            The student, or None if nobody or more than one is called so.
        """
        for name in names:
            for kind in kinds:
                found = self._known.get(
                    (kind, _plain(name) if kind == "name" else name.strip().casefold()), []
                )
                if len(found) == 1:
                    return found[0]
        return None

    @cached_property
    def _known(self) -> dict[tuple[str, str], list[Student]]:
        index: dict[tuple[str, str], list[Student]] = {}
        for student in self.students:
            for key in dict.fromkeys(_keys(student)):
                index.setdefault(key, []).append(student)
        return index


def _keys(student: Student) -> Iterable[tuple[str, str]]:
    for kind in KINDS[:6]:
        if value := getattr(student, kind):
            yield kind, value.casefold()
    if "@" in student.email:
        yield "mailbox", student.email.split("@")[0].casefold()
    for name in (
        student.last_name + student.first_name,
        student.first_name + student.last_name,
        student.canvas_name,
    ):
        if plain := _plain(name):
            yield "name", plain


def _plain(name: str) -> str:
    """A name as Canvas writes it into file names: letters and digits in lower case; accents do not count."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(one for one in letters if one.isalnum()).casefold()


def is_id(name: str) -> bool:
    """Whether a name can be a student's id: letters, digits and ``._@+-``, at most 64, no dot or dash in front."""
    return _ID.fullmatch(name) is not None


def read(path: Path) -> Roster:
    """Read the class from a table; which kind it is shows in its columns.

    Args:
        path: the CSV file.

    Raises:
        EfflabError: it is no such table, a student has no usable id, or two have the same.
    """
    table = tabular.read(Path(path))
    table.once("id", "student", "sid", "email", "sis user id", "sis login id")
    names = set(table.names)
    if {"student", "id"} <= names or {"lastname", "firstname", "id"} <= names:
        students = [_canvas(table, line) for line in table.lines if not _is_no_student(line)]
    elif "id" in names:
        students = [_own(table, line) for line in table.lines]
    elif {"sid", "email"} <= names:
        students = [_gradescope(table, line) for line in table.lines if _takes_part(line)]
    else:
        raise EfflabError(
            f"{path} has the columns {', '.join(table.names)[:200]}; expected an 'id', or Canvas's 'Student' and "
            "'ID', or Gradescope's 'SID' and 'Email'"
        )
    _refuse_twice(table.path, [(line, student) for line, student in students])
    return Roster(tuple(student for _, student in students))


def _own(table: tabular.Table, line: tabular.Line) -> tuple[int, Student]:
    return line.number, Student(
        id=_id(table, line, line.get("id")),
        first_name=line.get("first_name", "first name"),
        last_name=line.get("last_name", "last name"),
        email=line.get("email"),
        canvas_id=line.get("canvas_id", "lms_user_id"),
        sis_user_id=line.get("sis_user_id"),
        sis_login_id=line.get("sis_login_id"),
        section=line.get("section"),
        sid=line.get("sid"),
    )


def _is_no_student(line: tabular.Line) -> bool:
    """Canvas puts the points and the posting policy of assignments, and a test student, among the students."""
    name = line.get("student").lower()
    ids = line.get("id", "sis user id", "sis login id")
    return "points possible" in name or name in _TEST_STUDENTS or not (name or ids or line.get("lastname"))


def _canvas(table: tabular.Table, line: tabular.Line) -> tuple[int, Student]:
    last, _, first = line.get("student").partition(", ")
    if line.get("student") and not first:
        first, _, last = line.get("student").rpartition(" ")
    login = line.get("sis login id")
    return line.number, Student(
        id=_id(table, line, login, line.get("sis user id"), line.get("id")),
        first_name=first or line.get("firstname"),
        last_name=last or line.get("lastname"),
        email=login if "@" in login else "",
        canvas_id=line.get("id"),
        sis_user_id=line.get("sis user id"),
        sis_login_id=login,
        section=line.get("section"),
        canvas_name=line.get("student"),
    )


def _takes_part(line: tabular.Line) -> bool:
    return line.get("role").lower() in {"", "student"}


def _gradescope(table: tabular.Table, line: tabular.Line) -> tuple[int, Student]:
    first, _, last = line.get("name").rpartition(" ")
    return line.number, Student(
        id=_id(table, line, line.get("sid"), line.get("email")),
        first_name=line.get("first name", "first_name") or first,
        last_name=line.get("last name", "last_name") or last,
        email=line.get("email"),
        sid=line.get("sid"),
        section=line.get("section", "sections"),
    )


def _id(table: tabular.Table, line: tabular.Line, *candidates: str) -> str:
    """The first id that can name a folder."""
    usable = next(filter(is_id, candidates), None)
    if usable is not None:
        return usable
    came = ", ".join(repr(name[:80]) for name in candidates if name) or "nothing"
    raise EfflabError(
        f"{table.path}, line {line.number}: the student's id is {came}; expected 1 to 64 letters, digits or "
        "._@+- that begin with neither dot nor dash"
    )


def _refuse_twice(path: Path, students: Sequence[tuple[int, Student]]) -> None:
    """No two students with one id; file systems may take upper and lower case for the same."""
    for kind in ("id", *KINDS[2:6]):
        seen: dict[str, int] = {}
        for number, student in students:
            value = getattr(student, kind).casefold()
            if value and value in seen:
                raise EfflabError(
                    f"{path}, line {number}: {kind} {getattr(student, kind)!r} stands in line {seen[value]} already"
                )
            seen[value] = number
