"""What nbgrader runs in place of a kernel and of its own bookkeeping."""

from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets import Bool

from autograder.engine import batch
from autograder.gradebook import Course, labs, open_book
from autograder.gradebook.autograded import autograded
from autograder.nbgrading import reading

Converted = tuple[NotebookNode, dict[str, Any]]


class Grade(Preprocessor):
    """Run a submission in the sandbox and its checks outside of it, or take what is known already."""

    enabled = Bool(default_value=True).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Converted:
        """Put the outcome beside the submission."""
        resources["outcome"] = reading.outcome(Course(resources["course"]), resources["work"])
        return nb, resources


class Save(Preprocessor):
    """Write the outcome into the gradebook, and make the notebook that the formgrader shows."""

    enabled = Bool(default_value=True).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Converted:  # noqa: ARG002 - nbconvert's form
        """Save what `Grade` found."""
        course, work = Course(resources["course"]), resources["work"]
        entry = batch.entry(work, resources["outcome"], batch.People(course))
        with open_book(course) as book:
            change = book.write(entry)
        for task in change.tasks:
            self.log.info("%s: %s -> %s %s", task.task, task.old, task.new, task.why)
        return autograded(entry, labs.find(entry.lab)), resources
