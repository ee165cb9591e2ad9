"""From what grading says and what the gradebook holds to what it shall hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from autograder.gradebook.entry import Change, Entry, Kind, TaskChange
from autograder.gradebook.standing import Mark, Standing
from autograder.gradebook.verdicts import Verdicts
from autograder.job import Outcome

Penalty = Callable[[str, float, float], float | None]


def wanted(entry: Entry, says: Verdicts, now: Standing, due: datetime | None, penalty: Penalty) -> Standing:
    """What the gradebook shall hold.

    Args:
        entry: the submission.
        says: what grading says of it.
        now: what the gradebook holds.
        due: when the assignment is due for everybody (UTC, naive).
        penalty: the rule for late submissions.
    """
    marks = {name: _mark(name, score, says, now) for name, score in says.scores.items()}
    own = _naive(entry.due)
    extension = now.extension if own is None or due is None else ((own - due) or None)
    last = own if own is not None else due + (extension or timedelta()) if due is not None else None
    timestamp = _naive(entry.timestamp)
    late = 0.0 if timestamp is None or last is None else (timestamp - last).total_seconds()
    return Standing(
        exists=True,
        marks=marks,
        comments=dict(says.comments),
        answers=dict(says.answers),
        timestamp=timestamp,
        extension=extension,
        penalty=penalty(entry.student, sum(mark.score for mark in marks.values()), late),
        person=(
            entry.first_name or now.person[0],
            entry.last_name or now.person[1],
            entry.email or now.person[2],
        ),
    )


def _mark(name: str, score: float | None, says: Verdicts, now: Standing) -> Mark:
    """A cell's grade; one given by hand is kept, and reviewed only if what it was given for has changed."""
    old = now.marks.get(name, Mark())
    if old.manual is None:
        return Mark(score, None, old.extra, score is None)
    changed = old.auto != score or says.answers.get(name) != now.answers.get(name)
    return Mark(score, old.manual, old.extra, changed or old.waits)


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def change(entry: Entry, now: Standing, then: Standing, before: Outcome | None, *, files: bool) -> Change:
    """What differs between what the gradebook holds and what it shall hold.

    Args:
        entry: the submission.
        now: what it holds.
        then: what it shall hold.
        before: the outcome that the scores come from.
        files: whether a file beside the gradebook differs.
    """
    tasks = tuple(
        TaskChange(name, old.auto, mark.auto, why(name, before, entry.outcome) if now.exists else "")
        for name, mark in then.marks.items()
        if (old := now.marks.get(name, Mark())).auto != mark.auto or not now.exists
    )
    waits = any(mark.waits != now.marks.get(name, Mark()).waits for name, mark in then.marks.items())
    different = {
        "comments": dict(now.comments) != then.comments,
        "manual grading": waits,
        "answers": dict(now.answers) != then.answers,
        "timestamp": now.timestamp != then.timestamp,
        "extension": now.extension != then.extension,
        "late penalty": (now.penalty or 0.0) != (then.penalty or 0.0),
        "name": now.person != then.person,
        "notebook": files,
    }
    other = tuple(name for name, differs in different.items() if differs) if now.exists else ()
    if entry.outcome.failure or entry.rebuilt is None:
        reason = entry.outcome.failure or "the submission could not be read"
        return Change(entry.student, entry.lab, "failed", tasks, other, reason)
    kind: Kind = "new" if not now.exists else "changed" if tasks or other else "same"
    return Change(entry.student, entry.lab, kind, tasks, other)


def why(task: str, before: Outcome | None, after: Outcome) -> str:
    """Why the points of a task differ: the checks that pass now, and those that fail now."""
    old = {} if before is None else _results(task, before)
    new = _results(task, after)
    if before is not None and before.failure and not after.failure:
        return "could not be graded before"
    if after.failure:
        return after.failure
    passes = [name for name, result in new.items() if result[0] and name in old and not old[name][0]]
    fails = [name for name, result in new.items() if not result[0] and name in old and old[name][0]]
    said = {
        "now passes": passes,
        "now fails": fails,
        "new": [name for name in new if name not in old] if old else [],
        "gone": [name for name in old if name not in new],
        "other points": [
            name
            for name in new
            if name in old and new[name] != old[name] and name not in passes and name not in fails
        ],
    }
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in said.items() if names)


def _results(task: str, outcome: Outcome) -> dict[str, tuple[bool, float, float]]:
    return {
        result.name: (result.passed, result.points, result.max_points)
        for score in outcome.tasks
        if score.task == task
        for result in score.results
    }
