"""The labs of the checkout, read once a process."""

import functools
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.build import ROOT


@dataclass(frozen=True)
class LabNotebooks:
    """A lab in both of its forms; neither may be changed.

    Attributes:
        lab: where it is written.
        source: with solutions and rubrics.
        released: as students get it.
    """

    lab: nb.Lab
    source: NotebookNode
    released: NotebookNode

    @property
    def answers(self) -> dict[str, NotebookNode]:
        """The released cells for written answers, by grade id."""
        return {nb.grade_id(cell): cell for cell in self.released.cells if nb.is_answer(cell)}

    @property
    def rubrics(self) -> dict[str, str]:
        """What the instructor looks for in each written answer, by grade id."""
        found: dict[str, str] = {}
        last = ""
        for cell in self.source.cells:
            if nb.is_answer(cell):
                last = nb.grade_id(cell)
            elif "rubric" in nb.tags(cell) and last:
                found[last] = f"{found[last]}\n\n{cell.source}" if last in found else cell.source
        return found


def find(name: str, root: Path = ROOT) -> LabNotebooks:
    """A lab by its name, as ``"01-pruning"``.

    Raises:
        LabError: there is no such lab, or it cannot be released.
    """
    return read(nb.find(root, [name])[0])


def read(lab: nb.Lab) -> LabNotebooks:
    """A lab's notebooks.

    Raises:
        LabError: it cannot be released.
    """
    return _read(lab, lab.source.stat().st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _read(lab: nb.Lab, _modified: int) -> LabNotebooks:
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    return LabNotebooks(lab, source, nb.release(source))
