"""The rebuilt notebook: released cells in their order, the student's work in its places, all else gone."""

import copy
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.job import Flag
from autograder.rebuild.matching import Matching, match
from autograder.rebuild.placing import START, Places, place
from autograder.rebuild.reading import Found, read
from autograder.rebuild.remarks import remarks
from autograder.rebuild.slots import slots

PREFIX = "added-"  # a released id has eight hexadecimal digits, so that none can be equal
STUDENT = {"efflab": {"origin": "student"}}


@dataclass(frozen=True)
class Rebuilt:
    """A student's work in the released lab.

    Attributes:
        notebook: valid for nbformat and nbgrader, without outputs.
        notes: for the student, what was recovered, left out or not there.
        flags: for the instructor.
    """

    notebook: NotebookNode
    notes: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


def rebuild(raw: bytes, released: NotebookNode) -> Rebuilt:
    """Put a student's work into the released lab.

    Args:
        raw: the student's file, trusted in nothing.
        released: the lab as `autograder.notebook.release` gives it; not changed.

    Returns:
        A notebook with exactly the released cells in their order, and the student's own between them. A solution cell
        that was there several times gives the last version that the student wrote; the others run before it.

    Raises:
        Unreadable: the file is no notebook.
    """
    found = read(raw)
    matching = match(slots(released), found.cells)
    places = place(matching)
    notes, flags = remarks(matching)
    return Rebuilt(_notebook(released, matching, places), (*found.notes, *notes), flags)


def _notebook(released: NotebookNode, matching: Matching, places: Places) -> NotebookNode:
    notebook = copy.deepcopy(released)
    notebook.cells = list(_numbered(_cells(notebook, matching, places)))
    return notebook


def _cells(notebook: NotebookNode, matching: Matching, places: Places) -> Iterator[NotebookNode]:
    yield from map(_own, places[START])
    for slot in matching.slots:
        cell = notebook.cells[slot.index]
        if slot.mine and matching.written(slot):
            cell.source = matching.chosen[slot.index].source
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        yield cell
        yield from map(_own, places[slot.index])


def _own(cell: Found) -> NotebookNode:
    make = new_markdown_cell if cell.kind == "markdown" else new_code_cell
    made: NotebookNode = make(cell.source, metadata=copy.deepcopy(STUDENT))  # type: ignore[no-untyped-call]
    made["id"] = ""
    return made


def _numbered(cells: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """The same cells, the student's own with ids that depend on their text alone."""
    seen: Counter[str] = Counter()
    for cell in cells:
        if not cell.id:
            key = f"{cell.cell_type}\0{cell.source}"
            seen[key] += 1
            content = f"{key}\0{seen[key]}".encode()
            cell["id"] = PREFIX + hashlib.sha1(content, usedforsecurity=False).hexdigest()[:12]
        yield cell
