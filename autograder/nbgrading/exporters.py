"""How nbgrader's converters read and write notebooks in a course folder."""

import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter, NotebookExporter
from nbformat import NotebookNode
from sqlalchemy.exc import SAWarning

from autograder import notebook as notebooks
from autograder.gradebook import Course, labs, open_book
from autograder.nbgrading import reading


def _course(exporter: Any) -> Course:
    return Course.open(Path(exporter.parent.coursedir.root))


_backed_up: set[tuple[Path, date]] = set()


def _back_up(exporter: Any) -> None:
    """Copy the gradebook before a converter first writes into it: once a process, and once a day in a server's.

    Converters write the submission or the lab before they hand the first notebook to their exporter, which they make first.
    """
    if exporter.parent is None:
        return
    course, today = _course(exporter), datetime.now(UTC).date()
    if (course.root, today) not in _backed_up and course.gradebook.is_file():
        with open_book(course) as book:
            book.backup()
        _backed_up.add((course.root, today))


def _place(resources: Any) -> tuple[str, str]:
    """The lab and the student that a converter is at."""
    return resources["nbgrader"]["assignment"], resources["nbgrader"]["student"]


class Rebuilding(NotebookExporter):
    """For ``nbgrader autograde``: never reads a student's file as a notebook, but rebuilds it from the released lab.

    The converter goes from submitted to autograded, and then over autograded once more. The first time the rebuilt notebook
    is only laid there; the second time, from the same submitted file, it is graded and saved.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # nbconvert's own gap
        # The converter makes the parts of a submission before it adds them to its session; the scores are right.
        warnings.filterwarnings("ignore", r"Object of type <\w+> not in session", SAWarning)
        _back_up(self)

    def from_filename(self, filename: str, resources: Any = None, **_: Any) -> Any:
        """Rebuild the submission that the converter is at."""
        lab, student = _place(resources)
        course = _course(self)
        work = reading.read(course, student, lab)
        if work.failure:
            self.log.error("%s cannot be graded: %s", filename, work.failure)
        notebook = labs.find(lab).released if work.rebuilt is None else work.rebuilt
        return self.from_notebook_node(notebook, {**resources, "course": course.root, "work": work})

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **_: Any) -> Any:
        """Run the preprocessors and write the notebook as the gradebook's writer does."""
        notebook, resources = Exporter.from_notebook_node(self, nb, resources)
        return notebooks.to_bytes(notebook).decode(), resources


class Releasing(NotebookExporter):
    """For ``nbgrader generate_assignment``: the lab as the repository releases it, and its cells in the gradebook."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # as above
        _back_up(self)

    def from_filename(self, filename: str, resources: Any = None, **_: Any) -> Any:
        """Release the lab that the converter is at; what stands in ``source/`` comes from the repository too."""
        lab = labs.find(_place(resources)[0])
        self.log.info("Releasing %s from %s", filename, lab.lab.source)
        with open_book(_course(self)) as book:
            book.prepare([lab.lab])
        return notebooks.to_bytes(lab.released).decode(), _with_extension(self, resources)


class Feedback(Exporter):
    """For ``nbgrader generate_feedback``: the autograder's own page, without checks and rubrics."""

    file_extension = ".html"

    def from_filename(self, filename: str, resources: Any = None, **_: Any) -> Any:
        """Make the page of the submission that the converter is at."""
        from autograder import feedback  # noqa: PLC0415 - only this exporter needs it

        lab, student = _place(resources)
        self.log.info("Writing feedback for %s", filename)
        return feedback.page(_course(self), lab, student), _with_extension(self, resources)


def _with_extension(exporter: Exporter, resources: Any) -> dict[str, Any]:
    return {**resources, "output_extension": exporter.file_extension}
