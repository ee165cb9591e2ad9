"""The gradebook of a course: labs and submissions are written by one writer, each submission as a whole."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import notebook as nb
from autograder.gradebook import connect, labs, prepare, remnants, standing
from autograder.gradebook.autograded import autograded
from autograder.gradebook.course import Course
from autograder.gradebook.entry import Change, Entry
from autograder.gradebook.late import Penalties
from autograder.gradebook.names import checked
from autograder.gradebook.standing import Standing
from autograder.gradebook.verdicts import verdicts
from autograder.gradebook.wanted import change, wanted
from autograder.job import Outcome
from efflab.errors import EfflabError
from efflab.files import write_atomic

if TYPE_CHECKING:
    from nbgrader.api import Gradebook


class Book:
    """A course's gradebook, open for its one writer."""

    def __init__(self, course: Course) -> None:
        """Open the gradebook; see `open_book`."""
        self.course = course
        self._connection = connect.Connection(course.gradebook)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def backup(self) -> Path:
        """Copy the gradebook into ``backups/``, where the newest 20 copies are kept.

        Returns:
            The copy.
        """
        return connect.backup(self.course.gradebook, self.course.backups)

    def prepare(
        self,
        chosen: Iterable[nb.Lab],
        *,
        due: dict[str, datetime] | None = None,
        discard_manual: bool = False,
    ) -> None:
        """Bring labs into the gradebook, or up to date there, with ``source/`` and ``release/``.

        Args:
            chosen: the labs.
            due: due dates for everybody (aware), by the lab's name; a lab that is not named keeps the one it has.
            discard_manual: give up what a person gave for cells that a lab no longer has.

        Raises:
            EfflabError: a cell that the lab no longer has holds what a person gave.
        """
        for lab in chosen:
            notebooks = labs.read(lab)
            prepare.files(self.course, notebooks)
            prepare.remove_strays(self.course, notebooks)
            moment = (due or {}).get(lab.name)
            with self._connection.transaction() as book:
                prepare.rows(book, notebooks, moment, discard_manual=discard_manual)

    def enrol(self, student: str, first_name: str = "", last_name: str = "", email: str = "") -> None:
        """Write a student of the roster; what is empty stays as it is."""
        given = {"first_name": first_name, "last_name": last_name, "email": email}
        with self._connection.transaction() as book:
            book.update_or_create_student(
                checked(student), **{key: value for key, value in given.items() if value}
            )

    @contextlib.contextmanager
    def rehearsal(
        self, chosen: Iterable[nb.Lab] = (), *, due: dict[str, datetime] | None = None
    ) -> Iterator[Callable[[Entry], Change]]:
        """Give what says of an entry what `write` would change, once `prepare` were done; nothing is written.

        Args:
            chosen: the labs to prepare; others are as the gradebook has them.
            due: as for `prepare`.

        Raises:
            EfflabError: the labs cannot be prepared.
        """
        with self._connection.transaction(keep=False) as book:
            for lab in chosen:
                prepare.rows(book, labs.read(lab), (due or {}).get(lab.name))

            def compare(entry: Entry) -> Change:
                now, then = self._standings(book, entry)
                return change(entry, now, then, self._before(entry), files=bool(self._stale(entry)))

            yield compare

    def compare(self, entry: Entry) -> Change:
        """What `write` would change; nothing is written."""
        with self.rehearsal() as compare:
            return compare(entry)

    def write(self, entry: Entry) -> Change:
        """Write a submission: its notebook and outcome first, then its grades in one transaction.

        If the process dies between the two, the same call later completes it. What is there already is not touched.

        Raises:
            EfflabError: the lab is not in the gradebook, or the student's id cannot be a name of a folder.
        """
        before, stale = self._before(entry), self._stale(entry)
        with self._connection.transaction() as book:
            now, then = self._standings(book, entry)
            found = change(entry, now, then, before, files=bool(stale))
            for path, content in stale.items():
                write_atomic(path, content)
            if found.kind == "new" or found.tasks or found.other:
                _apply(book, entry, then)
        return found

    def _standings(self, book: "Gradebook", entry: Entry) -> tuple[Standing, Standing]:
        from nbgrader.api import MissingEntry  # noqa: PLC0415 - seconds to import

        try:
            due = book.find_assignment(entry.lab).duedate
        except MissingEntry:
            raise EfflabError(f"lab {entry.lab} is not in the gradebook yet: prepare it first") from None
        now = standing.read(book, checked(entry.student), entry.lab)
        says = verdicts(entry, labs.find(entry.lab))
        return now, wanted(entry, says, now, due, self._penalties.penalty)

    @functools.cached_property
    def _penalties(self) -> Penalties:
        return Penalties(self.course)

    def _before(self, entry: Entry) -> Outcome | None:
        """The outcome that the gradebook's scores come from, if it can be read."""
        try:
            return Outcome.from_json(self.outcome_path(entry.student, entry.lab).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def outcome_path(self, student: str, lab: str) -> Path:
        """Where the outcome of a submission lies."""
        return self.course.outcomes / lab / f"{checked(student)}.json"

    def _stale(self, entry: Entry) -> dict[Path, bytes]:
        """The files beside the gradebook that are not what they should be, with what they should be."""
        lab = labs.find(entry.lab)
        folder = self.course.autograded / checked(entry.student) / entry.lab
        files = {folder / f"{lab.lab.topic}.ipynb": nb.to_bytes(autograded(entry, lab))}
        if entry.timestamp is not None:
            files[folder / "timestamp.txt"] = (
                f"{entry.timestamp.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f UTC}".encode()
            )
        before = self._before(entry)
        if before is None or _essence(before) != _essence(entry.outcome):
            files[self.outcome_path(entry.student, entry.lab)] = entry.outcome.to_json().encode()
        return {
            path: content
            for path, content in files.items()
            if not path.is_file() or path.read_bytes() != content
        }


def _essence(outcome: Outcome) -> Outcome:
    """An outcome without what differs from run to run though nothing changed."""
    cells = tuple(dataclasses.replace(cell, seconds=0.0) for cell in outcome.cells)
    return dataclasses.replace(outcome, key="", cells=cells, seconds=0.0, peak_bytes=0, processes=0)


def _apply(book: "Gradebook", entry: Entry, then: Standing) -> None:
    """Write a submission through nbgrader's API."""
    names = dict(zip(("first_name", "last_name", "email"), then.person, strict=True))
    book.update_or_create_student(entry.student, **names)
    book.update_or_create_submission(
        entry.lab, entry.student, timestamp=then.timestamp, extension=then.extension
    )
    topic = labs.find(entry.lab).lab.topic
    notebook = book.find_submission_notebook(topic, entry.lab, entry.student)
    with book.db.no_autoflush:
        grades = {one.name: one for one in notebook.grades}
        comments = {one.name: one for one in notebook.comments}
    if missing := (then.marks.keys() - grades) | (then.comments.keys() - comments):
        raise EfflabError(
            f"the gradebook does not know {', '.join(sorted(missing))} of {entry.lab}: prepare the lab again"
        )
    for name, mark in then.marks.items():
        grades[name].auto_score, grades[name].needs_manual_grade = mark.auto, mark.waits
    for name, comment in then.comments.items():
        comments[name].auto_comment = comment
    notebook.late_submission_penalty = then.penalty
    standing.store_answers(book, entry.student, entry.lab, then.answers)
    book.db.commit()


@contextlib.contextmanager
def open_book(course: Course) -> Iterator[Book]:
    """The course's gradebook, for its one writer.

    Raises:
        EfflabError: another process writes to the course.
    """
    with course.lock():
        remnants.sweep(course)
        book = Book(course)
        try:
            yield book
        finally:
            book.close()
