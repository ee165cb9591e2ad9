"""What the gradebook holds for a submission now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

_READ = "SELECT cell, answer FROM efflab_answer WHERE student = :student AND lab = :lab"
_FORGET = "DELETE FROM efflab_answer WHERE student = :student AND lab = :lab"
_WRITE = "INSERT INTO efflab_answer VALUES (:student, :lab, :cell, :answer)"


@dataclass(frozen=True)
class Mark:
    """The grade of a cell as nbgrader keeps it."""

    auto: float | None = None
    manual: float | None = None
    extra: float | None = None
    waits: bool = True

    @property
    def score(self) -> float:
        """What counts: the manual score, else the automatic one, and extra credit."""
        found = self.manual if self.manual is not None else self.auto
        return 0.0 if found is None else found + (self.extra or 0.0)


@dataclass(frozen=True)
class Standing:
    """A submission in the gradebook.

    Attributes:
        exists: whether it is there.
        marks: by grade id.
        comments: the automatic comments by solution id.
        answers: digests of the written answers when the grades were last written.
        timestamp: when it was handed in (UTC, naive, as nbgrader keeps it).
        extension: how much later than the others the student may hand in.
        penalty: points lost for being late.
        person: first name, last name and email.
    """

    exists: bool = False
    marks: Mapping[str, Mark] = field(default_factory=dict)
    comments: Mapping[str, str | None] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    timestamp: datetime | None = None
    extension: timedelta | None = None
    penalty: float | None = None
    person: tuple[str | None, str | None, str | None] = (None, None, None)


def read(book: "Gradebook", student: str, lab: str) -> Standing:
    """What the gradebook holds for a student's submission of a lab."""
    from nbgrader.api import MissingEntry  # noqa: PLC0415 - seconds to import
    from sqlalchemy import text  # noqa: PLC0415

    try:
        known = book.find_student(student)
        person = (known.first_name, known.last_name, known.email)
    except MissingEntry:
        return Standing()
    try:
        submission = book.find_submission(lab, student)
    except MissingEntry:
        return Standing(person=person)
    notebook = submission.notebooks[0]
    answers = book.db.execute(text(_READ), {"student": student, "lab": lab})
    return Standing(
        exists=True,
        marks={
            one.name: Mark(one.auto_score, one.manual_score, one.extra_credit, one.needs_manual_grade)
            for one in notebook.grades
        },
        comments={one.name: one.auto_comment for one in notebook.comments},
        answers={row[0]: row[1] for row in answers},
        timestamp=submission.timestamp,
        extension=submission.extension,
        penalty=notebook.late_submission_penalty,
        person=person,
    )


def store_answers(book: "Gradebook", student: str, lab: str, answers: Mapping[str, str]) -> None:
    """Remember what the written answers were."""
    from sqlalchemy import text  # noqa: PLC0415 - slow to import

    place = {"student": student, "lab": lab}
    book.db.execute(text(_FORGET), place)
    for cell, answer in answers.items():
        book.db.execute(text(_WRITE), {**place, "cell": cell, "answer": answer})
