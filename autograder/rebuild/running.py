"""The cells that grading runs, each with whose it is and which task it serves."""

from collections.abc import Iterator

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.job import Cell
from autograder.rebuild.slots import Slot, slots


def cells(notebook: NotebookNode, released: NotebookNode) -> tuple[Cell, ...]:
    """The code cells that are run, in order.

    Cells that the release tags ``measure`` or ``paper-scale`` are left out. The student's own cells run wherever they
    stand; one that needs the result of a measuring cell raises a NameError, which harms nothing but itself.

    Args:
        notebook: as `autograder.rebuild.rebuild` gives it.
        released: the released lab; texts and tags of given cells and checks are its own.

    Returns:
        The cells. Solution cells and the student's own belong to the task of the next grade cell, given ones to none.
    """
    known = {slot.id: slot for slot in slots(released)}
    left_out = {cell.id for cell in released.cells if nb.tags(cell) & nb.UNGRADED_TAGS}
    found = []
    for cell, task in _with_tasks(notebook, known):
        if cell.cell_type == "code" and cell.id not in left_out and cell.source.strip():
            found.append(_cell(cell, known.get(cell.id), task))
    return tuple(found)


def _with_tasks(notebook: NotebookNode, known: dict[str, Slot]) -> Iterator[tuple[NotebookNode, str]]:
    """Each cell with the task of the next grade cell, empty after the last."""
    tasks, task = [], ""
    for cell in reversed(notebook.cells):
        slot = known.get(cell.id)
        task = slot.grade_id if slot and slot.role == "check" else task
        tasks.append(task)
    return zip(notebook.cells, reversed(tasks), strict=True)


def _cell(cell: NotebookNode, slot: Slot | None, task: str) -> Cell:
    if slot is None or slot.mine:
        return Cell(cell.id, cell.source, "student", task)
    if slot.role == "check":
        return Cell(cell.id, slot.source, "check", slot.grade_id)
    return Cell(cell.id, slot.source, "given")
