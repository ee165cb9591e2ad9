"""A submission of the bank: what it tries, how its file is made, and the score that it must get."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from autograder import notebook as nb
from autograder.bank.draft import Draft, target
from autograder.case import Case

Kind = Literal["honest", "partial", "different", "broken", "hostile"]
Write = Callable[[Draft], Draft | bytes]

TARGET, CHALLENGE = "target", "challenge"
"""Names for the task that a submission attacks, and for the lab's last task, whatever the lab."""


@dataclass(frozen=True)
class Submission:
    """One submission of one lab.

    Attributes:
        name: unique in the bank.
        lab: the lab's name, ``"01-pruning"``.
        kind: what sort of student wrote it.
        words: what it tries, in one sentence.
        make: gives the notebook's file for the lab's case.
        expected: the points of each task.
        exact: whether these points must be met; else they are the most that it may get.
        quick: whether it runs into limits on purpose, so that a test gives it small ones.
        refused: whether the file is no notebook, so that it is reported and nothing of it is run.
    """

    name: str
    lab: str
    kind: Kind
    words: str
    make: Callable[[Case], bytes] = field(compare=False)
    expected: Mapping[str, float]
    exact: bool = True
    quick: bool = False
    refused: bool = False

    @property
    def points(self) -> float:
        """What all tasks together must or may give."""
        return sum(self.expected.values())

    def problems(self, scores: Mapping[str, float]) -> list[str]:
        """How a score differs from what it must be, one sentence a task.

        Args:
            scores: the points of each task, as graded; a refused file may have none.
        """
        if self.refused and not scores:
            return []
        found = [f"{self.name}: no score for {task}" for task in self.expected if task not in scores]
        for task, points in scores.items():
            due = self.expected.get(task, 0.0)
            if points > due + 1e-9 or (self.exact and points < due - 1e-9):
                words = "must" if self.exact else "may at most"
                found.append(f"{self.name}: {task} earned {points:g}, {words} earn {due:g} ({self.words})")
        return found


@dataclass(frozen=True)
class Entry:
    """A submission for any lab, before it is bound to one.

    Attributes:
        name: unique in the bank.
        kind: see `Submission`.
        words: see `Submission`.
        write: changes the draft of a notebook in which all but the challenge is solved, or gives the file itself.
        lost: the tasks that earn nothing: ids, or `TARGET` and `CHALLENGE`.
        only: where given, the sole tasks that earn anything.
        points: tasks of a lab that earn a part, by lab.
        labs: the labs that it is written for; any if empty.
        exact: see `Submission`.
        quick: see `Submission`.
        refused: see `Submission`.
    """

    name: str
    kind: Kind
    words: str
    write: Write = field(compare=False)
    lost: tuple[str, ...] = (CHALLENGE,)
    only: tuple[str, ...] | None = None
    points: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labs: tuple[str, ...] = ()
    exact: bool = True
    quick: bool = False
    refused: bool = False

    def bind(self, case: Case) -> Submission:
        """The submission of one lab."""
        due = nb.tasks(case.source)
        alias = {TARGET: target(case.name, brief=self.quick).task, CHALLENGE: list(due)[-1]}
        lost = {alias.get(task, task) for task in self.lost}
        kept = set(due) if self.only is None else {alias.get(task, task) for task in self.only}
        expected = {task: 0.0 if task in lost or task not in kept else full for task, full in due.items()}
        if self.refused:
            expected = dict.fromkeys(due, 0.0)
        expected |= self.points.get(case.name, {})
        return Submission(
            self.name, case.name, self.kind, self.words, self.file, expected, self.exact, self.quick, self.refused
        )  # fmt: skip

    def file(self, case: Case) -> bytes:
        """The notebook's file for a lab."""
        draft = Draft(case, brief=self.quick)
        written = self.write(draft.solve())
        return written if isinstance(written, bytes) else written.to_bytes()


def entry(kind: Kind, **settings: Any) -> Callable[[Write], Entry]:
    """Make an entry of the function below, which is called with the draft; name and words are the function's own."""

    def register(write: Write) -> Entry:
        words = inspect.cleandoc(write.__doc__ or "").rstrip(".")
        return Entry(write.__name__.replace("_", "-"), kind, words, write, **settings)

    return register


def attack(
    name: str,
    words: str,
    *,
    setup: str = "",
    call: str = "return None",
    kind: Kind = "hostile",
    after: str = "",
    **settings: Any,
) -> Entry:
    """An entry that adds a cell, and puts another body into the target's function.

    Args:
        name: the entry's name.
        words: what it tries.
        setup: code of a cell put just behind the lab's imports.
        call: the body of the target's function, which knows ``args``, ``kwargs`` and ``_right``, the right function.
        kind: see `Submission`.
        after: code of a cell put at the notebook's end.
        **settings: further fields of `Entry`; the target and the challenge are lost unless they say otherwise.
    """
    given: dict[str, Any] = {"lost": (TARGET, CHALLENGE)} | settings
    return Entry(
        name, kind, words, lambda draft: draft.add(setup).add_last(after).twist(call), **given
    )  # fmt: skip
