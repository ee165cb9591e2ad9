"""What is done with a graded course: feedback, exports, the formgrader, and forgetting a student."""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli import options, show
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from autograder import notebook as nb
    from autograder.exports import Row
    from autograder.gradebook import Course
    from autograder.job import Outcome
    from autograder.roster import Roster


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
    from autograder.build import LeakError
    from autograder.feedback import write

    opened = options.open_course(course)
    graded = _graded(opened, options.labs(lab), student)
    if not graded:
        raise EfflabError(f"nothing is graded yet in {opened.root}")
    problems = []
    with show.bar("feedback", len(graded)) as step:
        for one, name in graded:
            try:
                write(opened, one, name)
            except (EfflabError, LeakError) as error:  # one page never stops the others
                problems.append((name, one.name, " ".join(str(error).split())))
            step()
    _summary_of_pages(graded, problems)
    show.say(f"{len(graded) - len(problems)} pages in {opened.feedback}")
    if problems:
        show.table(("student", "lab", "no page was written"), problems)
        raise typer.Exit(1)


def _summary_of_pages(
    graded: "Sequence[tuple[nb.Lab, str]]", problems: Sequence[tuple[str, str, str]]
) -> None:
    of_lab = Counter(one.name for one, _ in graded)
    failed = Counter(lab for _, lab, _ in problems)
    rows = [(lab, str(count - failed[lab]), str(failed[lab])) for lab, count in of_lab.items()]
    show.table(("lab", "pages", "failed"), rows)


def _graded(course: "Course", labs: "Sequence[nb.Lab]", student: str | None) -> "list[tuple[nb.Lab, str]]":
    """The labs and students with an outcome."""
    return [
        (one, file.stem)
        for one in labs
        for file in sorted((course.outcomes / one.name).glob("*.json"))
        if student in {None, file.stem}
    ]


def export(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write; for gradescope a folder or a zip.")
    ],
    form: Annotated[Format, typer.Option("--format", help="Who shall read it.")] = Format.csv,
    lab: options.Lab = None,
    student: options.Student = None,
    course: options.CourseFolder = options.DEFAULT,
) -> None:
    """Write the marks as a table for a spreadsheet or a learning platform."""
    from autograder import exports, gradebook

    opened = options.open_course(course)
    # Asked for by name, a lab that is not in the gradebook is a mistake; else it is just not there yet.
    chosen = [one for one in options.labs(lab) if lab or (opened.release / one.name).is_dir()]
    rows = [
        row for one in chosen for row in gradebook.rows(opened, one.name) if student in {None, row.student}
    ]
    if not rows:
        whose = f"nothing of {student} is" if student else "nothing is"
        raise EfflabError(f"{whose} graded yet in {opened.root}")
    graded = _graded(opened, chosen, student)
    outcomes = {}
    with show.bar("exporting", len(graded)) as step:
        for one, name in graded:
            if found := _outcome(opened, one, name):
                outcomes[one.name, name] = found
            step()
    written = exports.write(form.value, rows, output, roster=_roster(opened, student), outcomes=outcomes)
    _summary_of_marks(rows)
    show.say(f"{len(rows)} rows in {written}")
    waiting = sum(row.needs_manual for row in rows)
    if waiting:
        show.note(f"{waiting} of them wait for a person (`autograder serve`); their totals are not final.")


def _roster(course: "Course", student: str | None) -> "Roster | None":
    """The course's roster, cut down to one student if one is named."""
    from autograder.engine import batch

    found = batch.People(course).roster
    if found is None or student is None:
        return found
    return dataclasses.replace(found, students=tuple(one for one in found.students if one.id == student))


def _summary_of_marks(rows: "Sequence[Row]") -> None:
    table = []
    for lab in dict.fromkeys(row.lab for row in rows):
        of_lab = [row for row in rows if row.lab == lab]
        totals = [row.total for row in of_lab if row.graded]
        waiting = sum(row.needs_manual for row in of_lab)
        mean = f"{statistics.fmean(totals):.2f}" if totals else "-"
        figures = (str(len(of_lab)), str(len(totals)), str(waiting), mean, f"{of_lab[0].max:g}")
        table.append((lab, *figures))
    show.table(("lab", "students", "graded", "by hand", "mean", "of"), table)


def _outcome(course: "Course", lab: "nb.Lab", student: str) -> "Outcome | None":
    """What grading gave; None where its file is damaged."""
    from autograder.job import Outcome

    try:
        return Outcome.from_json((course.outcomes / lab.name / f"{student}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


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
        show.note("Nothing was deleted.")
        raise typer.Exit(1)
    done = gradebook.forget(opened, student)
    show.say(f"{len(done.removed)} files, folders and databases held something of {student}; it is deleted.")
    if done.remains:
        show.say("These are yours and stay; look whether they name the student:")
    for path in done.remains:
        show.say(f"  {path}")
