"""Where the student's own cells stand in the rebuilt notebook, and answers that were written beside their cell."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from autograder.rebuild.matching import Matching, differs
from autograder.rebuild.reading import Found
from autograder.rebuild.slots import Slot

START = -1
Places = dict[int, list[Found]]
# One way to match only: the time grows with the line and no faster. A longer line is no import that a person wrote.
_IMPORT = re.compile(r"(?:import|from)[ \t]+[\w.][^\\(]*")
_MAX_LINE = 1000


def place(matching: Matching) -> Places:
    """The student's own cells by the index of the released cell that they stand after.

    A cell follows the released cell that it followed in the student's file. Raw and empty cells are left out. What a
    student wrote into a given text is kept as a text of their own after it, and so are imports in given code. An answer cell that was left empty takes the
    first text that stands after it, or else the last before it.
    """
    places = _anchored(matching)
    for index, cells in matching.before.items():
        places[index - 1] += cells
    for index, cells in matching.after.items():
        places[index][:0] = cells
    for slot in matching.slots:
        if slot.role == "answer" and not matching.written(slot):
            _take_answer(matching, places, slot.index)
    return places


def _anchored(matching: Matching) -> Places:
    stands = {cell.position: index for index, cell in sorted(matching.chosen.items())}
    places: Places = defaultdict(list)
    last = START
    for cell in matching.cells:
        last = stands.get(cell.position, last)
        places[last] += [one for one in (_kept(matching, cell),) if one]
    return places


def _kept(matching: Matching, cell: Found) -> Found | None:
    """What of a cell is the student's own and no solution or answer."""
    if cell.kind == "raw" or not cell.source.strip():
        return None
    index = matching.owner.get(cell.position)
    if index is None:
        return cell
    slot = matching.slots[index]
    if slot.role != "given" or slot.kind != cell.kind or not differs(cell, slot):
        return None
    if cell.kind == "markdown":
        return cell
    added = imports(cell, slot)
    return replace(cell, source="\n".join(added)) if added else None


def imports(cell: Found, slot: Slot) -> list[str]:
    """Lines by which a student's copy of a given cell imports more than the release does."""
    if slot.played:
        return []
    known = {line.strip() for line in slot.source.splitlines()}
    lines = dict.fromkeys(line.rstrip() for line in cell.source.splitlines())
    return [line for line in lines if _is_import(line) and line not in known]


def _is_import(line: str) -> bool:
    return len(line) <= _MAX_LINE and _IMPORT.fullmatch(line) is not None


def _take_answer(matching: Matching, places: Places, index: int) -> None:
    for place_index, candidates in _around(matching, places, index):
        for cell in candidates:
            if cell.kind == "markdown":
                places[place_index].remove(cell)
                matching.chosen[index] = cell
                matching.recovered[index] = "place"
                return


def _around(matching: Matching, places: Places, index: int) -> Iterable[tuple[int, list[Found]]]:
    """Cells after a released one, then those before it back to a released cell that the student's file has."""
    yield index, list(places[index])
    for before in range(index - 1, START - 1, -1):
        yield before, list(reversed(places[before]))
        if before in matching.chosen:
            return
