"""The released lab as places to be filled: which cells are the student's to write, and how each can be recognised."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from nbformat import NotebookNode

from autograder import notebook as nb

Role = Literal["solution", "answer", "check", "given"]
_DEFINED = re.compile(
    r"^(?:async[ \t]{1,100})?(?:def|class)[ \t]{1,100}(\w{1,100})|^([^\W\d]\w{0,100})[ \t]{0,100}(?::[^=\n]{1,200})?=(?!=)",
    re.MULTILINE,
)
# Cells that the lab invites to play with; an edit of theirs changes no grade and needs no word.
_PLAYED = nb.UNGRADED_TAGS | {"hints", "predict"}


@dataclass(frozen=True)
class Slot:
    """A released cell.

    Attributes:
        index: its place in the release.
        role: what it is.
        kind: its cell type.
        source: the released text.
        id: its cell id.
        grade_id: its grade id, empty if it has none.
        task: the task whose work it is: that of the next grade cell, or its own.
        played: whether the lab invites to edit it although it is given.
        names: the functions and classes that a solution cell's stub defines.
        claims: its nbgrader metadata, empty if it has none.
    """

    index: int
    role: Role
    kind: str
    source: str
    id: str
    grade_id: str
    task: str
    played: bool
    names: frozenset[str]
    claims: dict[str, Any]

    @property
    def mine(self) -> bool:
        """Whether the student writes it."""
        return self.role in {"solution", "answer"}

    @cached_property
    def plain(self) -> str:
        """The released text as it is compared."""
        return same(self.source)

    @property
    def label(self) -> str:
        """What the cell is called in sentences."""
        return self.grade_id or self.id


def slots(released: NotebookNode) -> tuple[Slot, ...]:
    """The cells of a released lab, in order."""
    tasks = _tasks(released)
    return tuple(_slot(index, cell, tasks[index]) for index, cell in enumerate(released.cells))


def _slot(index: int, cell: NotebookNode, task: str) -> Slot:
    role = _role(cell)
    return Slot(
        index=index,
        role=role,
        kind=str(cell.cell_type),
        source=cell.source,
        id=cell.id,
        grade_id=nb.grade_id(cell),
        task=task,
        played=bool(nb.tags(cell) & _PLAYED),
        names=defined(cell.source) if role == "solution" else frozenset(),
        claims=nb.nbgrader(cell),
    )


def _role(cell: NotebookNode) -> Role:
    if nb.is_answer(cell):
        return "answer"
    if nb.is_solution(cell):
        return "solution"
    return "check" if nb.is_check(cell) else "given"


def _tasks(released: NotebookNode) -> list[str]:
    """For each cell the task of the next grade cell; an answer's is that of the last one, which it explains."""
    found, waiting = [], ""
    for cell in reversed(released.cells):
        waiting = nb.grade_id(cell) if nb.is_check(cell) else waiting
        found.append(waiting)
    tasks = found[::-1]
    last = ""
    for index, cell in enumerate(released.cells):
        last = nb.grade_id(cell) if nb.is_check(cell) else last
        tasks[index] = (nb.grade_id(cell) or last) if nb.is_answer(cell) else tasks[index]
    return tasks


def defined(source: str) -> frozenset[str]:
    """Names that code binds at its left margin, found without parsing: a student's text never meets the compiler here."""
    return frozenset(one[1] or one[2] for one in _DEFINED.finditer(source))


def same(text: str) -> str:
    """What is compared where white space at line ends and around the text does not count."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
