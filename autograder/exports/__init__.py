"""Marks for others: a table for a spreadsheet, Canvas's gradebook, Gradescope's results. Nothing is written by halves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.exports.canvas import write_canvas
from autograder.exports.gradescope import gradescope_results, write_gradescope
from autograder.exports.rows import Row
from autograder.exports.table import write_csv
from autograder.job import Outcome
from autograder.roster import Roster
from efflab.errors import EfflabError

__all__ = ["FORMATS", "Row", "gradescope_results", "write", "write_canvas", "write_csv", "write_gradescope"]

FORMATS = ("csv", "canvas", "gradescope")


def write(
    form: str,
    rows: Sequence[Row],
    path: Path,
    *,
    roster: Roster | None = None,
    outcomes: Mapping[tuple[str, str], Outcome] | None = None,
) -> Path:
    """Write marks in one of the `FORMATS`.

    Args:
        form: the format's name.
        rows: a line for each student and lab.
        path: the file; for ``gradescope`` a folder, or a zip if it ends so.
        roster: the class; Canvas's format needs its ids.
        outcomes: by (lab, student) what grading gave, for the words of Gradescope's results.

    Returns:
        What was written.

    Raises:
        EfflabError: the format is not known, or needs a roster.
    """
    if form == "csv":
        return write_csv(rows, path)
    if form == "gradescope":
        return write_gradescope(rows, path, outcomes=outcomes)
    if form != "canvas":
        raise EfflabError(f"there is no format {form!r}; expected one of {', '.join(FORMATS)}")
    if roster is None:
        raise EfflabError(
            "Canvas takes marks by its own ids: give the course a roster, such as Canvas's own export"
        )
    return write_canvas(rows, roster, path)
