"""What a class earned, task by task, and where it fell short."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.job import Outcome

BINS = 10


@dataclass(frozen=True)
class FailedCheck:
    """A check and how many it found something wrong with."""

    name: str
    words: str
    share: float


@dataclass(frozen=True)
class TaskStatistics:
    """A task in numbers.

    Attributes:
        task: the task.
        max_points: what it is worth.
        mean: points.
        median: points.
        bins: students by share of the points, from nothing to all, in tenths.
        failed: its checks that somebody failed, most often failed first.
    """

    task: str
    max_points: float
    mean: float
    median: float
    bins: tuple[int, ...]
    failed: tuple[FailedCheck, ...]


def tasks(outcomes: Sequence[Outcome]) -> tuple[TaskStatistics, ...]:
    """The statistics of each task over what was graded, in the lab's order; then, as ``"all"``, the sum."""
    graded = [outcome for outcome in outcomes if not outcome.failure and outcome.tasks]
    if not graded:
        return ()
    names = dict.fromkeys(score.task for outcome in graded for score in outcome.tasks)
    return (*(_task(name, graded) for name in names), _sum(graded))


def _task(name: str, graded: Sequence[Outcome]) -> TaskStatistics:
    scores = [score for outcome in graded for score in outcome.tasks if score.task == name]
    results = [result for score in scores for result in score.results]
    words = {result.name: result.words for result in results}
    wrong = Counter(result.name for result in results if not result.passed)
    failed = tuple(FailedCheck(one, words[one], count / len(scores)) for one, count in wrong.most_common())
    return _numbers(
        name, [score.points for score in scores], max(score.max_points for score in scores), failed
    )


def _sum(graded: Sequence[Outcome]) -> TaskStatistics:
    most = max(outcome.max_points for outcome in graded)
    return _numbers("all", [outcome.points for outcome in graded], most, ())


def _numbers(
    name: str, points: Sequence[float], most: float, failed: tuple[FailedCheck, ...]
) -> TaskStatistics:
    bins = [0] * BINS
    for value in points:
        share = value / most if most else 0.0
        bins[min(BINS - 1, max(0, int(share * BINS)))] += 1
    return TaskStatistics(
        name, most, statistics.fmean(points), statistics.median(points), tuple(bins), failed
    )
