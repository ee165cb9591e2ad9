"""A student's notebook in the making: the released lab, with solutions, mistakes and attacks written into it."""

import copy
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import nbformat
from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.case import Case


@dataclass(frozen=True)
class Target:
    """The function of a lab that attacks are written into: the only one of its task.

    Attributes:
        task: the task.
        cell: the grade id of its solution cell.
        function: its name.
    """

    task: str
    cell: str
    function: str


_BRIEF: Mapping[str, Target] = MappingProxyType(
    {"01-pruning": Target("pruning-3", "pruning-3-solution", "retraining_dropout")}
)
_TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "00-measuring": Target("measuring-2", "measuring-2-solution", "walk"),
        "00-sample": Target("sample-1", "sample-1-solution", "keep_largest"),
        "01-pruning": Target("pruning-2", "pruning-2-solution", "masked_step"),
        "02-quantization": Target("quantization-5", "quantization-5-solution", "affine_quantize"),
        "03-huffman": Target("huffman-2", "huffman-2-solution", "canonical_codes"),
        "08-eie": Target("eie-2", "eie-2-solution", "nonzero_scan"),
        "09-ese": Target("ese-1", "ese-1-solution", "balanced_mask"),
    }
)


def target(lab: str, *, brief: bool = False) -> Target:
    """The function of a lab that is attacked.

    Args:
        lab: the lab's name.
        brief: one with few checks, where it has one: an attack that waits for deadlines waits in each check.

    Raises:
        KeyError: the bank has not been written for this lab.
    """
    return _BRIEF.get(lab, _TARGETS[lab]) if brief else _TARGETS[lab]


_known: dict[str, NotebookNode] = {}


def released(case: Case) -> NotebookNode:
    """A lab as students get it, their own copy."""
    cells = "\0".join(cell.source for cell in case.source.cells)
    known = _known.get(cells)
    if known is None:
        known = _known.setdefault(cells, nb.release(case.source))
    return copy.deepcopy(known)


def solution(source: str) -> str:
    """A solution cell's code as a student would have written it: without regions and stubs."""
    marks = ("### BEGIN SOLUTION", "### END SOLUTION", "# STUB:")
    return "\n".join(line for line in source.splitlines() if not line.strip().startswith(marks))


class Draft:
    """A released lab that is being written in.

    Args:
        case: the lab, whose solutions are used.
        brief: see `target`.
    """

    def __init__(self, case: Case, *, brief: bool = False) -> None:
        self.case = case
        self.target = target(case.name, brief=brief)
        self.notebook = released(case)

    @property
    def tasks(self) -> list[str]:
        """The lab's tasks, the challenge last."""
        return list(nb.tasks(self.case.source))

    def solutions(self) -> dict[str, str]:
        """The right code of each solution cell, by grade id, in order."""
        cells = self.case.source.cells
        return {nb.grade_id(cell): solution(cell.source) for cell in cells if nb.is_solution(cell)}

    def cell(self, grade_id: str) -> NotebookNode:
        """The cell of a grade id.

        Raises:
            KeyError: there is none.
        """
        for cell in self.notebook.cells:
            if nb.grade_id(cell) == grade_id:
                found: NotebookNode = cell
                return found
        raise KeyError(grade_id)

    def place(self, grade_id: str) -> int:
        """Where the cell of a grade id stands."""
        return int(self.notebook.cells.index(self.cell(grade_id)))

    def solve(self, *tasks: str) -> Self:
        """Write the right code into the solution cells of some tasks; of all but the last task if none is named."""
        chosen = tasks or self.tasks[:-1]
        code = self.solutions()
        for task, cells in nb.solution_cells(self.case.source).items():
            for cell in cells if task in chosen else ():
                self.write(nb.grade_id(cell), code[nb.grade_id(cell)])
        return self

    def empty(self) -> Self:
        """Back to the lab as it was released."""
        self.notebook = released(self.case)
        return self

    def write(self, grade_id: str, source: str) -> Self:
        """Replace a cell's code."""
        self.cell(grade_id).source = source
        return self

    def edit(self, change: Callable[[str], str]) -> Self:
        """Change the code of each solution cell that is no stub any more."""
        for grade_id, code in self.solutions().items():
            if self.cell(grade_id).source == code:
                self.write(grade_id, change(code))
        return self

    def twist(self, body: str) -> Self:
        """Put another body into the target's function; it knows ``args``, ``kwargs`` and the right one, ``_right``."""
        name = self.target.function
        wrapper = f"\n\n_right = {name}\n\n\ndef {name}(*args, **kwargs):\n"
        code = self.solutions()[self.target.cell]
        return self.write(
            self.target.cell, code + wrapper + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        )

    def add(self, source: str, *, before: str = "", kind: str = "code") -> Self:
        """Put a cell of the student's own before the cell of a grade id, or just behind the lab's imports."""
        if not source:
            return self
        place = self.place(before) if before else self._behind_imports()
        self.notebook.cells.insert(place, _new(source, kind))
        return self

    def add_last(self, source: str) -> Self:
        """Put a cell of the student's own at the end."""
        if source:
            self.notebook.cells.append(_new(source, "code"))
        return self

    def _behind_imports(self) -> int:
        return next(i for i, cell in enumerate(self.notebook.cells) if "setup" in nb.tags(cell)) + 1

    def to_bytes(self) -> bytes:
        """The notebook's file, valid or not."""
        text: str = nbformat.v4.writes(self.notebook)  # type: ignore[no-untyped-call]  # nbformat's own gap
        return f"{text}\n".encode()


def _new(source: str, kind: str) -> NotebookNode:
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    cell: NotebookNode = make(textwrap.dedent(source).strip("\n"))  # type: ignore[no-untyped-call]  # nbformat's own gap
    return cell
