"""A batch of submissions through the engine, as ``autograder grade`` sends a class through it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from autograder import engine, rebuild
from autograder.bank.submission import Submission
from autograder.case import Case
from autograder.engine.run import grade_all
from autograder.job import Flag, Job, Limits, Outcome

SMALL = Limits(
    cell_seconds=3.0,
    call_seconds=3.0,
    submission_seconds=120.0,
    cpu_seconds=60.0,
    memory_bytes=2 * 2**30,
    file_bytes=64 * 2**20,
)
"""What submissions that run into limits on purpose are given, so that a test ends soon; time for the tasks behind them."""
SECRET = "0" * 63 + "1"
"""The secret of the course that the bank belongs to."""


@dataclass(frozen=True)
class Graded:
    """What became of a submission.

    Attributes:
        submission: the submission.
        outcome: what grading gave; None if the file was refused.
        refusal: why its file is no notebook, else empty.
        flags: what rebuilding noticed.
    """

    submission: Submission
    outcome: Outcome | None = None
    refusal: str = ""
    flags: tuple[Flag, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """The points of each task; none if it was refused or could not be graded."""
        return {task.task: task.points for task in self.outcome.tasks} if self.outcome else {}

    @property
    def problems(self) -> list[str]:
        """How it differs from what must come of it, in sentences."""
        name = self.submission.name
        if self.submission.refused and not self.refusal:
            return [f"{name}: the file was read as a notebook ({self.submission.words})"]
        if self.refusal and not self.submission.refused and self.submission.exact:
            return [f"{name}: the file was refused: {self.refusal}"]
        if self.outcome is not None and self.outcome.failure:
            return [f"{name}: {self.outcome.failure}"]
        return [] if self.refusal else self.submission.problems(self.scores)


def prepare(
    submission: Submission, case: Case, secret: str = SECRET
) -> tuple[Job | None, str, tuple[Flag, ...]]:
    """The job of a submission; without one the sentence that says why, and what rebuilding noticed."""
    released = engine.released(submission.lab)
    try:
        rebuilt = rebuild.rebuild(submission.make(case), released.notebook)
    except rebuild.Unreadable as error:
        return None, str(error), ()
    limits = SMALL if submission.quick else None
    return engine.job(released, rebuilt.notebook, secret=secret, limits=limits), "", rebuilt.flags


def grade(
    batch: Iterable[Submission],
    cases: Mapping[str, Case],
    *,
    workers: int | None = None,
    secret: str = SECRET,
    progress: Callable[[Graded], None] = lambda _: None,
) -> dict[str, Graded]:
    """Grade a batch in its order.

    Args:
        batch: submissions, of any labs.
        cases: the labs by name.
        workers: as for the engine: 1 grades in this process, more on a local cluster.
        secret: the course's.
        progress: told of each submission when it is done.

    Returns:
        What became of each, by ``lab/name``.
    """
    found: dict[str, Graded] = {}
    waiting: list[tuple[Job, Graded]] = []
    for one in batch:
        job, refusal, flags = prepare(one, cases[one.lab], secret)
        graded = Graded(one, refusal=refusal, flags=flags)
        if job is None:
            found[f"{one.lab}/{one.name}"] = graded
            progress(graded)
        else:
            waiting.append((job, graded))
    for index, outcome in grade_all([job for job, _ in waiting], workers=workers):
        graded = dataclasses.replace(waiting[index][1], outcome=outcome)
        found[f"{graded.submission.lab}/{graded.submission.name}"] = graded
        progress(graded)
    return found


def problems(graded: Mapping[str, Graded]) -> list[str]:
    """Everything that is not as it must be, one sentence each."""
    return [sentence for one in graded.values() for sentence in one.problems]
