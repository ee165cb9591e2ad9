"""``autograder regrade``: what the checks as they are now would change, shown before anything is written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from autograder import notebook as nb
    from autograder.engine import batch
    from autograder.gradebook import Book, Change, Entry

    Graded = list[tuple[batch.Work, Entry]]


def regrade(
    *,
    lab: options.Lab = None,
    student: options.Student = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes, write nothing.")] = False,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    sandbox: options.SandboxName = None,
    trust: options.Trust = False,
    force: options.Force = False,
    course: options.CourseFolder = options.DEFAULT,
    as_json: Json = False,
) -> None:
    """Grade again with the checks as they are now; whose points change and why is shown before anything is written."""
    from autograder.engine import batch
    from autograder.gradebook import open_book

    opened = options.open_course(course)
    if as_json and not yes:
        dry_run = True  # a program cannot be asked
    with open_book(opened) as book:
        people = batch.People(opened)
        found = batch.submitted(opened, options.labs(lab), student)
        if not found:
            raise EfflabError(f"there is nothing to grade in {opened.submitted}")
        labs = list({one.lab.name: one.lab for one in found}.values())
        settings = batch.Settings(workers, scheduler, sandbox, trust, force)
        graded = _grade(book, found, people, settings)
        changes = _compare(book, labs, people, graded)
        _show(changes, as_json=as_json)
        moved = [
            one
            for one, change in zip(graded, changes, strict=True)
            if change.tasks or change.other or change.kind == "new"
        ]
        agreed = bool(moved) and not dry_run and (yes or typer.confirm(f"Write these {len(moved)}?"))
        if agreed:
            _write(book, labs, people, moved)
        if not as_json:
            _summary(changes, len(moved) if agreed else 0)
        if agreed:
            show.note(f"The gradebook as it was is in {opened.backups}.")
        elif moved:
            show.note("Nothing was written.")
    if any(change.kind == "failed" for change in changes):
        raise typer.Exit(1)


def _grade(
    book: "Book", found: "Sequence[batch.Submission]", people: "batch.People", settings: "batch.Settings"
) -> "Graded":
    from autograder.cli.grade import read
    from autograder.engine import batch
    from autograder.engine.cache import Cache

    works = read(found, book.course.secret_key())
    graded = []
    with show.bar("grading", len(works)) as step:
        for work, outcome in batch.graded(works, Cache(book.course.cache), settings, show.note):
            graded.append((work, batch.entry(work, outcome, people)))
            step()
    return sorted(graded, key=lambda pair: (pair[1].lab, pair[1].student))


def _compare(
    book: "Book", labs: "Sequence[nb.Lab]", people: "batch.People", graded: "Graded"
) -> "list[Change]":
    """What writing would change, in the labs as they are now; the gradebook stays as it is."""
    from autograder.cli.grade import careful, due_dates

    with (
        book.rehearsal(labs, due=due_dates(labs, people)) as compare,
        show.bar("comparing", len(graded)) as step,
    ):
        changes = []
        for work, entry in graded:
            changes.append(careful(compare, book, work, entry))
            step()
    return changes


def _write(book: "Book", labs: "Sequence[nb.Lab]", people: "batch.People", moved: "Graded") -> None:
    from autograder.cli.grade import prepare

    book.backup()
    prepare(book, labs, people)
    with show.bar("writing", len(moved)) as step:
        for _, entry in moved:
            book.write(entry)
            step()


def _show(changes: "Sequence[Change]", *, as_json: bool) -> None:
    rows = [
        (change.student, change.lab, task.task, _points(task.old), _points(task.new), task.why)
        for change in changes
        for task in change.tasks
    ]
    rows += [(one.student, one.lab, "", "", "", ", ".join(one.other)) for one in changes if one.other]
    rows += [(one.student, one.lab, "", "", "", one.failure) for one in changes if one.failure]
    columns = ("student", "lab", "task", "before", "now", "why")
    if as_json:
        lines = [dict(zip(columns, row, strict=True)) for row in rows]
        same = sum(change.kind == "same" for change in changes)
        show.print_json({"submissions": len(changes), "unchanged": same, "changes": lines})
    elif rows:
        show.table(columns, rows)


def _summary(changes: "Sequence[Change]", written: int) -> None:
    count = {kind: sum(one.kind == kind for one in changes) for kind in ("new", "changed", "same", "failed")}
    figures = {
        "graded again": len(changes) - count["failed"],
        "new": count["new"],
        "changed": count["changed"],
        "unchanged": count["same"],
        "failed": count["failed"],
        "written": written,
    }
    show.table(list(figures), [[str(value) for value in figures.values()]])


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
