"""Which cell of the student's belongs to which released cell.

A cell is found by its grade id, then by its cell id, then by its text; a solution that none of these finds, by the
function it defines; an answer, by standing where the answer belongs. What is no released cell is the student's own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from autograder.rebuild.reading import Found
from autograder.rebuild.slots import Slot


@dataclass
class Matching:
    """The state of the search.

    Attributes:
        slots: the released cells.
        cells: the student's cells, in their order.
        owner: by position of a student's cell, the index of the released cell it is a copy of.
        chosen: by index of a released cell, the student's cell that stands for it.
        recovered: by index, how a cell was found whose ids were lost: ``"name"`` or ``"place"``.
        before: by index, other versions of a solution, which ran before the chosen one.
        after: by index, other copies of a solution cell that ran after it and define nothing of it.
    """

    slots: Sequence[Slot]
    cells: Sequence[Found]
    owner: dict[int, int] = field(default_factory=dict)
    chosen: dict[int, Found] = field(default_factory=dict)
    recovered: dict[int, str] = field(default_factory=dict)
    before: dict[int, list[Found]] = field(default_factory=lambda: defaultdict(list))
    after: dict[int, list[Found]] = field(default_factory=lambda: defaultdict(list))

    def of(self, slot: Slot) -> list[Found]:
        """The student's copies of a released cell."""
        return [cell for cell in self.cells if self.owner.get(cell.position) == slot.index]

    def written(self, slot: Slot) -> bool:
        """Whether the student wrote something of their own in the cell."""
        return slot.index in self.chosen and differs(self.chosen[slot.index], slot)


def differs(cell: Found, slot: Slot) -> bool:
    """Whether a copy holds a text that the release does not."""
    return cell.plain not in {"", slot.plain}


def match(slots: Sequence[Slot], cells: Sequence[Found]) -> Matching:
    """Match a student's cells with the released ones."""
    matching = Matching(slots, cells)
    _by_ids(matching)
    _by_text(matching)
    for slot in slots:
        if copies := matching.of(slot):
            matching.chosen[slot.index] = _choose(slot, copies)
    for slot in slots:
        if slot.role == "solution" and not matching.written(slot):
            _by_name(matching, slot)
    for slot in slots:
        if slot.mine and slot.index in matching.chosen:
            _keep_others(matching, slot, matching.chosen[slot.index])
    return matching


def _by_ids(matching: Matching) -> None:
    grades = {slot.grade_id: slot.index for slot in matching.slots if slot.grade_id}
    ids = {slot.id: slot.index for slot in matching.slots}
    for cell in matching.cells:
        if cell.grade_id in grades:
            matching.owner[cell.position] = grades[cell.grade_id]
        elif cell.id in ids and cell.kind == matching.slots[ids[cell.id]].kind:
            matching.owner[cell.position] = ids[cell.id]


def _by_text(matching: Matching) -> None:
    """Untouched cells whose ids were lost; of several with one text, the next that no other cell is a copy of."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for slot in matching.slots:
        places[slot.kind, slot.plain].append(slot.index)
    taken, last = set(matching.owner.values()), -1
    for cell in matching.cells:
        if cell.position not in matching.owner and cell.source.strip():
            candidates = places.get((cell.kind, cell.plain), [])
            if candidates:
                index = _next(candidates, taken, last)
                matching.owner[cell.position] = index
                taken.add(index)
        last = matching.owner.get(cell.position, last)


def _next(candidates: list[int], taken: set[int], last: int) -> int:
    free = [index for index in candidates if index not in taken]
    return next((index for index in free if index > last), (free or candidates)[0])


def _choose(slot: Slot, copies: list[Found]) -> Found:
    """Of several copies the last one that the student wrote in: what counts when the notebook runs from the top.

    A copy that defines nothing of what the cell asks for was made to write something else in it, and yields.
    """
    if not slot.mine:
        return copies[0]
    written = [cell for cell in copies if differs(cell, slot)] or copies
    return ([cell for cell in written if cell.names & slot.names] or written)[-1]


def _by_name(matching: Matching, slot: Slot) -> None:
    """Take the last of the student's code cells that defines what the solution cell asks for.

    Cells of the student's own are looked through, unused copies of solution cells, and given cells and checks that the
    student wrote into.
    """
    pool = [cell for cell in matching.cells if _writable(matching, cell)]
    found = [cell for cell in pool if cell.names & slot.names and differs(cell, slot)]
    for cell in found:
        matching.owner[cell.position] = slot.index
        matching.chosen[slot.index] = cell
        matching.recovered[slot.index] = "name"


def _writable(matching: Matching, cell: Found) -> bool:
    index = matching.owner.get(cell.position)
    if index is None:
        return cell.kind == "code"
    slot = matching.slots[index]
    if slot.mine:
        return slot.kind == "code" and matching.chosen[index] is not cell and differs(cell, slot)
    return cell.kind == "code" and differs(cell, slot)


def _keep_others(matching: Matching, slot: Slot, chosen: Found) -> None:
    """Other versions of a cell run on their side of the chosen one: each text once, none that the release holds anyway."""
    seen = {one.plain for one in matching.slots if one.kind == slot.kind} | {chosen.plain}
    for cell in matching.of(slot):
        if cell is not chosen and differs(cell, slot) and cell.plain not in seen:
            seen.add(cell.plain)
            side = matching.before if cell.position < chosen.position else matching.after
            side[slot.index].append(replace(cell, kind=slot.kind))
