"""What is written into the gradebook for one submission, and what that changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from nbformat import NotebookNode

from autograder.job import Outcome

Kind = Literal["same", "new", "changed", "failed"]


@dataclass(frozen=True)
class Entry:
    """A graded submission.

    Attributes:
        student: the student's id.
        lab: the lab's name.
        outcome: what grading gave.
        rebuilt: the notebook put together from the released lab; None if the submission could not be read.
        timestamp: when it was handed in (aware); None if that is not known.
        due: this student's own due date, an extension included (aware); None: the assignment's.
        first_name: from the roster, None if it is not known; what the gradebook has then stays.
        last_name: the same.
        email: the same.
    """

    student: str
    lab: str
    outcome: Outcome
    rebuilt: NotebookNode | None = None
    timestamp: datetime | None = None
    due: datetime | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class TaskChange:
    """A cell whose points differ.

    Attributes:
        task: the grade cell's id.
        old: the points before; None if there were none.
        new: the points now; None if a person has to give them.
        why: the names of the checks that pass or fail now, in words.
    """

    task: str
    old: float | None
    new: float | None
    why: str

    def __iter__(self) -> Iterator[str | float | None]:
        """Unpack as ``task, old, new, why``."""
        return iter((self.task, self.old, self.new, self.why))


@dataclass(frozen=True)
class Change:
    """What a write changes, or would change.

    Attributes:
        student: the student's id.
        lab: the lab's name.
        kind: nothing to do, first time, changed, or (newly or still) impossible to grade.
        tasks: the cells whose points differ.
        other: what else differs, in words: "comments", "late penalty", "notebook".
        failure: why the submission could not be graded.
    """

    student: str
    lab: str
    kind: Kind
    tasks: tuple[TaskChange, ...] = ()
    other: tuple[str, ...] = ()
    failure: str = ""
