"""``autograder grade``: from what students handed in to the gradebook."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from autograder import notebook as nb
    from autograder.engine import batch
    from autograder.gradebook import Book, Change, Course, Entry


def grade(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER_OR_ZIP]...",
            help="nbgrader folders, Canvas or Gradescope zips, notebooks, zips of efflab submit "
            "\\[default: what was taken in before].",
        ),
    ] = None,
    *,
    lab: options.Lab = None,
    student: options.Student = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    sandbox: options.SandboxName = None,
    trust: options.Trust = False,
    force: options.Force = False,
    roster: Annotated[
        Path | None, typer.Option(help="The class as CSV; kept as the course's roster.csv.")
    ] = None,
    deadlines: Annotated[
        Path | None, typer.Option(help="Due dates as CSV (lab, student, due); kept as deadlines.csv.")
    ] = None,
    course: options.CourseFolder = options.DEFAULT,
    as_json: Json = False,
) -> None:
    """Take submissions in, grade them in a sandbox and write the gradebook; what did not change is not graded again."""
    from autograder.engine import batch
    from autograder.gradebook import open_book

    chosen = options.labs(lab)
    # Without anything to take in there must be a course already: a wrong folder is a mistake, not a new course.
    opened = options.open_course(course, create=bool(sources))
    settings = batch.Settings(workers, scheduler, sandbox, trust, force)
    with open_book(opened) as book:
        _keep_tables(opened, roster, deadlines)
        people = batch.People(opened)
        problems, remarks = _take_in(opened, sources or [], chosen, people, student)
        found = batch.submitted(opened, chosen, student)
        if not found and not problems:
            raise EfflabError(f"there is nothing to grade in {opened.submitted}")
        tally = show.Tally(problems=tuple(problems), attention=remarks)
        _write(book, found, people, settings, tally)
        tally.waiting = _waiting(opened, found)
    if as_json:
        show.print_json(tally.as_json())
    else:
        show.summary(tally)
    if tally.failed:
        raise typer.Exit(1)


def _keep_tables(course: "Course", roster: Path | None, deadlines: Path | None) -> None:
    """Make the given tables the course's own, once they can be read."""
    from autograder import deadlines as due_dates
    from autograder import roster as rosters
    from efflab.files import write_atomic

    if roster is not None:
        rosters.read(roster)
        write_atomic(course.roster, roster.read_bytes())
    if deadlines is not None:
        due_dates.read(deadlines)
        write_atomic(course.deadlines, deadlines.read_bytes())


def _take_in(
    course: "Course",
    sources: Iterable[Path],
    labs: "Sequence[nb.Lab]",
    people: "batch.People",
    student: str | None,
) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Collect into ``submitted/``; the last attempt of each student counts.

    Returns:
        What could not be taken in, a sentence each; and what a person may want to know of what was.
    """
    from autograder import collecting

    attempts: list[collecting.Attempt] = []
    problems: list[str] = []
    for source in sources:
        name = labs[0].name if len(labs) == 1 else None
        found = collecting.collect(source, labs=labs, roster=people.roster, lab=name)
        attempts += found.attempts
        problems += found.problems
    wanted = [one for one in collecting.last(attempts) if student in {None, one.student}]
    collecting.store(wanted, course.submitted)
    remarks = [(one.student, one.lab, remark) for one in wanted for remark in one.notes]
    return problems, remarks


def _write(
    book: "Book",
    found: "Sequence[batch.Submission]",
    people: "batch.People",
    settings: "batch.Settings",
    tally: show.Tally,
) -> None:
    """Grade and write one after the other, so that an interruption keeps what is done."""
    from autograder.engine import batch
    from autograder.engine.cache import Cache

    book.backup()
    prepare(book, {one.lab.name: one.lab for one in found}.values(), people)
    secret = book.course.secret_key()
    works = read(found, secret)
    with show.bar("grading", len(works)) as step:
        for work, outcome in batch.graded(works, Cache(book.course.cache), settings, show.note):
            entry = batch.entry(work, outcome, people)
            late = bool(entry.due and entry.timestamp and entry.timestamp > entry.due)
            tally.add(careful(book.write, book, work, entry), outcome, late=late)
            step()


def _waiting(course: "Course", found: "Sequence[batch.Submission]") -> int:
    """How many of the submissions hold something that a person has to grade."""
    from autograder import gradebook

    chosen = {(one.student, one.lab.name) for one in found}
    rows = [row for lab in {name for _, name in chosen} for row in gradebook.rows(course, lab)]
    return sum(row.needs_manual for row in rows if (row.student, row.lab) in chosen)


def read(found: "Sequence[batch.Submission]", secret: str) -> "list[batch.Work]":
    """Read and rebuild the submissions."""
    from autograder.engine import batch

    works = []
    with show.bar("reading", len(found)) as step:
        for one in found:
            works.append(batch.prepare(one, secret))
            step()
    return works


def careful(step: "Callable[[Entry], Change]", book: "Book", work: "batch.Work", entry: "Entry") -> "Change":
    """Compare or write an entry; trouble of this machine never takes the place of an earlier grade, nor stops the others."""
    from autograder.gradebook import Change

    trouble = entry.outcome.failure if work.job is not None else ""
    try:
        if not trouble or not book.outcome_path(entry.student, entry.lab).is_file():
            return step(entry)
    except Exception as error:  # noqa: BLE001 - whatever the gradebook says of one submission, the others go on
        trouble = f"the gradebook did not take it: {' '.join(str(error).split()) or type(error).__name__}"
    return Change(entry.student, entry.lab, "failed", failure=trouble)


def prepare(book: "Book", labs: "Iterable[nb.Lab]", people: "batch.People") -> None:
    """Bring labs, due dates and the class into the gradebook."""
    chosen = list(labs)
    book.prepare(chosen, due=due_dates(chosen, people))
    enrol(book, people)


def enrol(book: "Book", people: "batch.People") -> None:
    """Bring the class into the gradebook, where there is a roster."""
    for student in people.roster.students if people.roster else ():
        book.enrol(student.id, student.first_name or "", student.last_name or "", student.email or "")


def due_dates(labs: "Iterable[nb.Lab]", people: "batch.People") -> "dict[str, datetime]":
    """When labs are due for everybody, where that is known."""
    return {lab.name: due for lab in labs if (due := people.due(lab.name, "")) is not None}
