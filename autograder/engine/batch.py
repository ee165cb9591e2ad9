"""From the submitted files to entries of the gradebook: every submission on its own, none stops another."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbformat import NotebookNode

from autograder import deadlines, engine, rebuild, roster
from autograder import notebook as nb
from autograder.engine import run
from autograder.engine.cache import Cache
from autograder.gradebook import Course, Entry
from autograder.job import Flag, Job, Outcome


@dataclass(frozen=True)
class Submission:
    """A file of ``submitted/``.

    Attributes:
        student: whose.
        lab: of which lab.
        path: the notebook.
        timestamp: when it was handed in, if that is known.
    """

    student: str
    lab: nb.Lab
    path: Path
    timestamp: datetime | None


@dataclass(frozen=True)
class Work:
    """A submission on its way: a job, or the reason why there is none."""

    submission: Submission
    rebuilt: NotebookNode | None = None
    job: Job | None = None
    notes: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Settings:
    """How to grade; see `autograder.engine.run.grade_all`."""

    workers: int | None = None
    scheduler: str | None = None
    sandbox: str | None = None
    trusted: bool = False
    force: bool = False


def submitted(course: Course, labs: Sequence[nb.Lab], student: str | None = None) -> list[Submission]:
    """What lies in ``submitted/``, by lab and student.

    Args:
        course: the course.
        labs: of these labs.
        student: of this student alone.
    """
    folders = sorted(course.submitted.iterdir()) if course.submitted.is_dir() else []
    return [
        Submission(folder.name, lab, path, _timestamp(path.with_name("timestamp.txt")))
        for lab in labs
        for folder in folders
        if folder.is_dir() and not folder.name.startswith(".") and student in {None, folder.name}
        if (path := folder / lab.name / f"{lab.topic}.ipynb").is_file() and not path.is_symlink()
    ]


def _timestamp(path: Path) -> datetime | None:
    """Nbgrader's file; None where it is missing or says nothing that can be read."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        moment = datetime.fromisoformat(text.removesuffix("UTC").strip())
    except (OSError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def prepare(submission: Submission, secret: str) -> Work:
    """Read and rebuild a submission, and make its job; whatever is wrong with it is its own failure."""
    lab = engine.released(submission.lab.name)
    try:
        with submission.path.open("rb") as stream:
            raw = stream.read(rebuild.MAX_BYTES + 1)
        found = rebuild.rebuild(raw, lab.notebook)
        job = engine.job(lab, found.notebook, secret=secret, student=submission.student)
    except rebuild.Unreadable as error:
        return Work(submission, failure=str(error))
    except Exception as error:  # noqa: BLE001 - a submission that breaks the grader must not stop the class
        reason = " ".join(str(error).split())
        return Work(submission, failure=f"It could not be read: {type(error).__name__}: {reason}.")
    return Work(submission, found.notebook, job, tuple(found.notes), tuple(found.flags))


def graded(
    works: Sequence[Work], cache: Cache, settings: Settings, say: Callable[[str], None]
) -> Iterator[tuple[Work, Outcome]]:
    """The works with their outcomes, as they complete; remarks and flags of the rebuilding are part of them."""
    for work in works:
        if work.job is None:
            yield work, Outcome("", work.submission.lab.name, (), failure=work.failure)
    ready = [work for work in works if work.job is not None]
    jobs = [work.job for work in ready if work.job is not None]
    if not jobs:
        return
    for index, outcome in run.grade_all(
        jobs,
        cache=cache,
        workers=settings.workers,
        scheduler=settings.scheduler,
        sandbox=settings.sandbox,
        trusted=settings.trusted,
        force=settings.force,
        progress=say,
    ):
        work = ready[index]
        notes, flags = (*work.notes, *outcome.notes), (*work.flags, *outcome.flags)
        yield work, dataclasses.replace(outcome, notes=notes, flags=flags)


def entry(work: Work, outcome: Outcome, people: "People") -> Entry:
    """What is written into the gradebook."""
    one = work.submission
    first, last, email = people.person(one.student)
    return Entry(
        student=one.student,
        lab=one.lab.name,
        outcome=outcome,
        rebuilt=work.rebuilt,
        timestamp=one.timestamp,
        due=people.due(one.lab.name, one.student),
        first_name=first,
        last_name=last,
        email=email,
    )


class People:
    """Names and due dates, from the course's two tables where they are filled in."""

    def __init__(self, course: Course) -> None:
        self.roster = roster.read(course.roster) if _filled(course.roster) else None
        self.deadlines = deadlines.read(course.deadlines) if _filled(course.deadlines) else None
        students = self.roster.students if self.roster else ()
        self._students = {student.id: student for student in students}

    def person(self, student: str) -> tuple[str | None, str | None, str | None]:
        """First name, last name and address, None where they are not known."""
        found = self._students.get(student)
        return (
            (found.first_name or None, found.last_name or None, found.email or None) if found else (None,) * 3
        )

    def due(self, lab: str, student: str) -> datetime | None:
        """When a student's work is due, an extension included."""
        return self.deadlines.due(lab, student) if self.deadlines else None


def _filled(path: Path) -> bool:
    """Whether a table has more than its first line."""
    try:
        return len([line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]) > 1
    except OSError:
        return False
