"""The report of a lab: what is put together, and its short form for the terminal."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder import engine, rebuild
from autograder import notebook as nb
from autograder.engine import batch
from autograder.gradebook import Course
from autograder.job import Outcome
from autograder.report import references, similarity, statistics
from autograder.report.similarity import Pair, Piece
from autograder.report.statistics import TaskStatistics
from autograder.report.trees import MOST, Feature, features

PARTS = 1000
"""Parts of a task's code that are looked at one by one where it cannot be parsed as a whole."""


@dataclass(frozen=True)
class Overview:
    """What there is to say of a lab.

    Attributes:
        lab: its name.
        submissions: how many were handed in.
        graded: how many have points.
        tasks: statistics.
        alike: pairs of alike submissions.
        copied: submissions that are alike to the solution or to `efflab`'s source.
        flags: student, task and sentence of everything that grading flagged.
        code: the students' code by id and task, for the page.
        unreadable: students whose file could not be read.
    """

    lab: str
    submissions: int
    graded: int
    tasks: tuple[TaskStatistics, ...]
    alike: tuple[Pair, ...]
    copied: tuple[Pair, ...]
    flags: tuple[tuple[str, str, str], ...]
    unreadable: tuple[str, ...] = ()
    code: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Everything but the code, for a program."""
        plain = dataclasses.asdict(dataclasses.replace(self, code={}))
        del plain["code"]
        plain["groups"] = [list(group) for group in similarity.groups(self.alike)]
        return plain

    def about(self, student: str) -> "Overview":
        """The same with a single student's flags, and only the pairs that the student is one of."""
        alike, copied = (
            tuple(pair for pair in pairs if student in {pair.first, pair.second})
            for pairs in (self.alike, self.copied)
        )
        return dataclasses.replace(
            self,
            alike=alike,
            copied=copied,
            flags=tuple(flag for flag in self.flags if flag[0] == student),
            unreadable=tuple(one for one in self.unreadable if one == student),
        )


def lab(course: Course, one: nb.Lab, step: Callable[[], None] = lambda: None) -> Overview | None:
    """The report of a lab; None if nothing was handed in.

    Args:
        course: the course; only read.
        one: the lab.
        step: called for each submission that is read.
    """
    found = batch.submitted(course, [one])
    if not found:
        return None
    code, unreadable = _code(found, step)
    pieces = _pieces(code)
    outcomes = _outcomes(course, one.name)
    starter = references.starter(one.name)
    return Overview(
        lab=one.name,
        submissions=len(found),
        graded=sum(not outcome.failure for outcome in outcomes.values()),
        tasks=statistics.tasks(list(outcomes.values())),
        alike=tuple(similarity.among(pieces, starter)),
        copied=tuple(similarity.against(pieces, references.pieces(one.name), starter)),
        flags=tuple(
            (student, flag.task, flag.sentence)
            for student, outcome in outcomes.items()
            for flag in outcome.flags
        ),
        unreadable=tuple(unreadable),
        code=code,
    )


def _code(
    found: Sequence[batch.Submission], step: Callable[[], None]
) -> tuple[dict[tuple[str, str], str], list[str]]:
    """The students' code by id and task, and those whose file cannot be read."""
    code: dict[tuple[str, str], str] = {}
    unreadable = []
    for submission in found:
        step()
        released = engine.released(submission.lab.name).notebook
        try:
            rebuilt = rebuild.rebuild(submission.path.read_bytes(), released).notebook
            cells = rebuild.cells(rebuilt, released)
        except Exception:  # noqa: BLE001 - one submission never stops the report
            unreadable.append(submission.student)
            continue
        for cell in cells:
            if cell.origin == "student":
                key = (submission.student, cell.task)
                code[key] = f"{code[key]}\n\n{cell.source}" if key in code else cell.source
    return code, unreadable


def _pieces(code: dict[tuple[str, str], str]) -> list[Piece]:
    """A piece a task, and one of everything, since code can be moved from task to task."""
    by_task = {key: _safely(text) for key, text in code.items()}
    pieces = [Piece(student, task, found) for (student, task), found in by_task.items() if task]
    whole: dict[str, frozenset[Feature]] = {}
    for (student, _), found in by_task.items():
        whole[student] = _most(itertools.chain(whole.get(student, ()), found))
    return pieces + [Piece(student, "", found) for student, found in whole.items()]


def _most(found: Iterable[Feature]) -> frozenset[Feature]:
    return frozenset(itertools.islice(found, MOST))


def _safely(text: str) -> frozenset[Feature]:
    try:
        return _cell_features(text)
    except Exception:  # noqa: BLE001 - one submission never stops the report
        return frozenset()


def _cell_features(text: str) -> frozenset[Feature]:
    """The features of joined cells; if one of them cannot be parsed, of the others."""
    if found := features(text):
        return found
    parts = filter(str.strip, text.split("\n\n\n"))
    runs = (run for part in itertools.islice(parts, PARTS) for run in features(part))
    return _most(runs)


def _outcomes(course: Course, name: str) -> dict[str, Outcome]:
    found = {}
    for path in sorted((course.outcomes / name).glob("*.json")):
        try:
            found[path.stem] = Outcome.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # damaged: grading writes it again
    return found


def show(one: Overview) -> None:
    """The report on the terminal."""
    from autograder.cli import show as shown  # noqa: PLC0415 - the command's own tables

    shown.say(f"{one.lab}: {one.submissions} submissions, {one.graded} graded")
    rows = [
        (
            task.task,
            f"{task.mean:.2f}",
            f"{task.median:g}",
            f"{task.max_points:g}",
            ", ".join(f"{check.name} {check.share:.0%}" for check in task.failed[:3]),
        )
        for task in one.tasks
    ]
    if rows:
        shown.table(("task", "mean", "median", "of", "failed most"), rows)
    pairs = _joined((*one.alike, *one.copied))
    if pairs:
        shown.table(("student", "alike to", "most", "tasks"), pairs[: shown.LINES], title="alike")
    if len(pairs) > shown.LINES:
        shown.say(f"and {len(pairs) - shown.LINES} more pairs (-o report.html shows the groups)")
    if one.flags:
        shown.table(("student", "task", "flagged"), one.flags[: shown.LINES])
    shown.say("Nothing here changed a score.")


def summary(found: Sequence[Overview]) -> None:
    """How much there is to look at, a line a lab."""
    from autograder.cli import show as shown  # noqa: PLC0415 - as above

    counts = [
        (
            one.submissions,
            one.graded,
            len(_joined(one.alike)),
            len(_joined(one.copied)),
            len(one.flags),
            len(one.unreadable),
        )
        for one in found
    ]
    columns = ("lab", "submissions", "graded", "alike", "copied", "flags", "unreadable")
    shown.table(columns, [(one.lab, *map(str, row)) for one, row in zip(found, counts, strict=True)])


def _joined(pairs: Sequence[Pair]) -> list[tuple[str, str, str, str]]:
    """One line for two owners, with all tasks in which they are alike."""
    found: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        found.setdefault((pair.first, pair.second), []).append(pair)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [
        (
            first,
            second,
            f"{max(one.share for one in alike):.0%}",
            ", ".join(sorted(one.task or "all" for one in alike)),
        )
        for (first, second), alike in ordered
    ]
