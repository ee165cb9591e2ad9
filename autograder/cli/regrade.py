"""``autograder regrade``: what the checks as they are now would change, shown before anything is written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from autograder.gradebook import Book, Change, Entry


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
    from autograder.cli.grade import prepare
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
        if not dry_run:
            book.backup()
            prepare(book, {one.lab.name: one.lab for one in found}.values(), people)
        settings = batch.Settings(workers, scheduler, sandbox, trust, force)
        pairs = _compare(book, found, people, settings)
        _show([change for _, change in pairs], as_json=as_json)
        moved = [entry for entry, change in pairs if change.tasks or change.other or change.kind == "new"]
        if moved and not dry_run and (yes or typer.confirm(f"Write these {len(moved)}?")):
            for entry in moved:
                book.write(entry)
            show.note(f"{len(moved)} written; the gradebook as it was is in {opened.backups}")
        elif moved:
            show.note("Nothing was written.")
    if any(change.kind == "failed" for _, change in pairs):
        raise typer.Exit(1)


def _compare(book: "Book", found: Sequence[Any], people: Any, settings: Any) -> "list[tuple[Entry, Change]]":
    from autograder.cli.grade import read
    from autograder.engine import batch
    from autograder.engine.cache import Cache

    secret = book.course.secret_key()
    works = read(found, secret)
    pairs = []
    with show.bar("grading", len(works)) as step:
        for work, outcome in batch.graded(works, Cache(book.course.cache), settings, show.note):
            entry = batch.entry(work, outcome, people)
            pairs.append((entry, book.compare(entry)))
            step()
    return sorted(pairs, key=lambda pair: (pair[1].lab, pair[1].student))


def _show(changes: "Sequence[Change]", *, as_json: bool) -> None:
    rows = [
        (change.student, change.lab, task.task, _points(task.old), _points(task.new), task.why)
        for change in changes
        for task in change.tasks
    ]
    rows += [(one.student, one.lab, "", "", "", ", ".join(one.other)) for one in changes if one.other]
    rows += [(one.student, one.lab, "", "", "", one.failure) for one in changes if one.failure]
    columns = ("student", "lab", "task", "before", "now", "why")
    same = sum(change.kind == "same" for change in changes)
    if as_json:
        lines = [dict(zip(columns, row, strict=True)) for row in rows]
        show.print_json({"submissions": len(changes), "unchanged": same, "changes": lines})
        return
    if rows:
        show.table(columns, rows)
    show.say(f"{len(changes)} graded again, {same} unchanged.")


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
