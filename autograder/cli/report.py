"""``autograder report``: similarity, statistics and flags, for the instructor's eyes."""

from pathlib import Path
from typing import Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError


def report(
    lab: options.Lab = None,
    student: options.Student = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write a page that opens offline.")
    ] = None,
    course: options.CourseFolder = options.DEFAULT,
    as_json: Json = False,
) -> None:
    """Show similar submissions, statistics of each task and what was flagged; no score follows from it."""
    from autograder.engine import batch
    from autograder.report import overview, page

    opened = options.open_course(course)
    labs = [one for one in options.labs(lab) if batch.submitted(opened, [one], student)]
    if not labs:
        whose = f"nothing of {student} is" if student else "nothing is"
        raise EfflabError(f"{whose} submitted yet in {opened.root}")
    with show.bar("reading", len(batch.submitted(opened, labs))) as step:
        found = [made for one in labs if (made := overview.lab(opened, one, step)) is not None]
    if student is not None:
        found = [one.about(student) for one in found]
    if output is not None:
        show.say(f"The report is in {page.write(found, output)}", err=as_json)
    if as_json:
        show.print_json([one.as_json() for one in found])
        return
    if output is None:
        for one in found:
            overview.show(one)
    overview.summary(found)
