"""A submission in nbgrader's folders, read as `autograder grade` reads it."""

import atexit
import dataclasses
import functools
from typing import Any

from autograder import engine
from autograder.engine import batch, inline
from autograder.engine.batch import Submission, Work
from autograder.gradebook import Course, labs
from autograder.job import Outcome


def read(course: Course, student: str, name: str) -> Work:
    """Read a student's submission of a lab and rebuild it; what is wrong with it is said, not raised."""
    lab = labs.find(name).lab
    for submission in batch.submitted(course, [lab], student):
        return batch.prepare(submission, course.secret_key())
    path = course.submitted / student / lab.name / f"{lab.topic}.ipynb"
    return Work(Submission(student, lab, path, None), failure="The submission is no plain file.")


def outcome(course: Course, work: Work) -> Outcome:
    """The outcome of a submission, from the course's cache or graded here and now."""
    if work.job is None:
        return Outcome("", work.submission.lab.name, (), failure=work.failure)
    found = engine.outcome(work.job, cache=engine.Cache(course.cache), sandbox=_sandbox())
    return dataclasses.replace(found, notes=(*work.notes, *found.notes), flags=(*work.flags, *found.flags))


@functools.cache
def _sandbox() -> Any:
    """One for all submissions that this process grades, so that a class starts the interpreter once."""
    made = inline.open_sandbox(None, trusted=False)
    atexit.register(made.close)
    return made
