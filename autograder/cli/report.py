"""``autograder report``: similarity, statistics and flags, for the instructor's eyes."""

from pathlib import Path
from typing import Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError


def report(
    lab: options.Lab = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write a page that opens offline.")
    ] = None,
    course: options.CourseFolder = options.DEFAULT,
    as_json: Json = False,
) -> None:
    """Show similar submissions, statistics of each task and what was flagged; no score follows from it."""
    from autograder.report import overview, page

    opened = options.open_course(course)
    found = [made for one in options.labs(lab) if (made := overview.lab(opened, one)) is not None]
    if not found:
        raise EfflabError(f"nothing is submitted yet in {opened.root}")
    if output is not None:
        show.say(f"The report is in {page.write(found, output)}", err=as_json)
    if as_json:
        show.print_json([one.as_json() for one in found])
    elif output is None:
        for one in found:
            overview.show(one)
