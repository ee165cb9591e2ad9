"""What is done with a graded course: feedback, exports, the formgrader, and forgetting a student."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import note
from efflab.errors import EfflabError


class Format(StrEnum):
    """Tables that learning platforms read."""

    csv = "csv"
    canvas = "canvas"
    gradescope = "gradescope"


def feedback(
    lab: options.Lab = None,
    student: options.Student = None,
    course: options.CourseFolder = options.DEFAULT,
) -> None:
    """Write a page of feedback for each graded submission; no check's source is in it."""
    from autograder.feedback import write

    opened = options.open_course(course)
    graded = [
        (one, file.stem)
        for one in options.labs(lab)
        for file in sorted((opened.outcomes / one.name).glob("*.json"))
        if student in {None, file.stem}
    ]
    if not graded:
        raise EfflabError(f"nothing is graded yet in {opened.root}")
    with show.bar("feedback", len(graded)) as step:
        for one, name in graded:
            write(opened, one, name)
            step()
    typer.echo(f"{len(graded)} pages in {opened.feedback}")


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    form: Annotated[Format, typer.Option("--format", help="Who shall read it.")] = Format.csv,
    lab: options.Lab = None,
    course: options.CourseFolder = options.DEFAULT,
) -> None:
    """Write the marks as a table for a spreadsheet or a learning platform."""
    from autograder import exports, gradebook
    from autograder.engine import batch

    opened = options.open_course(course)
    chosen = options.labs(lab)
    rows = [row for one in chosen for row in gradebook.rows(opened, one.name)]
    if not rows:
        raise EfflabError(f"nothing is graded yet in {opened.root}")
    written = exports.write(form.value, rows, output, roster=batch.People(opened).roster)
    typer.echo(f"{len(rows)} rows in {written}")


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    course: options.CourseFolder = options.DEFAULT,
) -> None:
    """Open the formgrader on the course's gradebook, to grade written answers by hand; Ctrl-C ends it."""
    from autograder.gradebook.serve import serve as run

    run(options.open_course(course), port, browser)


def forget(
    student: Annotated[str, typer.Option("--student", help="The student's id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    course: options.CourseFolder = options.DEFAULT,
) -> None:
    """Delete everything that the course keeps of a student."""
    from autograder import gradebook

    opened = options.open_course(course)
    if not yes and not typer.confirm(f"Delete all work and marks of {student} from {opened.root}?"):
        note("Nothing was deleted.")
        raise typer.Exit(1)
    gradebook.forget(opened, student)
    typer.echo(f"{student} is forgotten.")
