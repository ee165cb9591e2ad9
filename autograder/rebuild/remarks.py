"""What is said of a rebuilt notebook: notes for the student, flags for the instructor. None changes a score."""

from collections.abc import Iterator

from autograder.job import Flag
from autograder.rebuild.matching import Matching, differs
from autograder.rebuild.placing import imports
from autograder.rebuild.reading import Found
from autograder.rebuild.slots import Slot

_MAX_FOREIGN = 20
Remark = tuple[str, Flag | None]
_ROLES = ("grade", "solution", "locked", "points")


def remarks(matching: Matching) -> tuple[tuple[str, ...], tuple[Flag, ...]]:
    """Notes and flags, in the order of the released cells."""
    found = [one for slot in matching.slots for one in _slot(matching, slot)]
    found += list(dict.fromkeys(_foreign(matching)))[:_MAX_FOREIGN]
    found += _of_other_release(matching)
    if not any(slot.index in matching.chosen for slot in matching.slots):
        sentence = "No cell of this lab was found in the notebook; is it the notebook of another lab?"
        found.append((sentence, Flag("nothing-found", sentence)))
    notes = dict.fromkeys(note for note, _ in found if note)
    return tuple(notes), tuple(dict.fromkeys(flag for _, flag in found if flag))


def _slot(matching: Matching, slot: Slot) -> Iterator[Remark]:
    copies = matching.of(slot)
    if slot.mine:
        yield from _mine(matching, slot, copies)
    elif slot.kind == "code":
        yield from _course(matching, slot, copies)
    if any(_claims_otherwise(cell, slot) for cell in copies):
        sentence = f"The nbgrader metadata of {slot.label} were changed; the released ones count."
        yield "", Flag("forged-metadata", sentence, slot.task)


def _mine(matching: Matching, slot: Slot, copies: list[Found]) -> Iterator[Remark]:
    how = matching.recovered.get(slot.index)
    if how == "name":
        names = ", ".join(sorted(slot.names))
        yield f"Cell {slot.label} had no answer under its id; the code that defines {names} was taken.", None
    elif how == "place":
        yield f"Cell {slot.label} had no answer in it; the text that stands beside it was taken.", None
    elif slot.index not in matching.chosen:
        yield f"Cell {slot.label} was not in the notebook.", None
    elif matching.chosen[slot.index].kind != slot.kind:
        kind = matching.chosen[slot.index].kind
        yield f"Cell {slot.label} was a {kind} cell; it was read as {slot.kind}.", None
    written = {cell.plain for cell in copies if differs(cell, slot)}
    if len(written) > 1:
        sentence = f"Cell {slot.label} was there {len(written)} times with different texts; "
        sentence += "the last one that answers it was taken"
        sentence += f", and the others {'run' if slot.kind == 'code' else 'stand'} beside it."
        yield sentence, Flag("duplicated-cell", sentence, slot.task)


def _course(matching: Matching, slot: Slot, copies: list[Found]) -> Iterator[Remark]:
    """A given cell or a check: the released one runs, whatever the student's file holds."""
    if slot.role == "check" and slot.index not in matching.chosen:
        sentence = f"The check {slot.label} was not in the notebook; the task is graded all the same."
        yield sentence, Flag("deleted-check", sentence, slot.task)
    if slot.played or not any(differs(cell, slot) for cell in copies):
        return
    if slot.role == "check":
        sentence = f"The check {slot.label} was edited; the released one is used."
        yield sentence, Flag("edited-check", sentence, slot.task)
    else:
        first = next((line for line in slot.source.splitlines() if line.strip()), slot.id)[:60]
        sentence = f"The given cell that begins with {first!r} was edited; the released one is used. "
        if any(imports(cell, slot) for cell in copies):
            sentence += "What it imports besides is imported after it. "
        sentence += "Code of your own belongs into a new cell."
        yield sentence, Flag("edited-given", sentence, slot.task)


def _claims_otherwise(cell: Found, slot: Slot) -> bool:
    """Whether a cell's metadata give it another role or worth than the release does."""
    if not slot.grade_id or not cell.claims:
        return False
    return any(cell.claims.get(key) != slot.claims.get(key) for key in _ROLES)


def _foreign(matching: Matching) -> Iterator[Remark]:
    known = {slot.grade_id for slot in matching.slots if slot.grade_id}
    for cell in matching.cells:
        if cell.claims and cell.grade_id not in known:
            sentence = f"A cell calls itself {cell.grade_id[:60]!r}, which this lab does not have; "
            sentence += "it counts as an added cell."
            yield sentence, Flag("forged-cell", sentence)


def _of_other_release(matching: Matching) -> Iterator[Remark]:
    """Cells that the course once gave, or copies of given cells that the student changed."""
    cells = [cell for cell in matching.cells if cell.given and cell.kind == "code"]
    count = sum(cell.position not in matching.owner for cell in cells)
    if count:
        which = "A code cell is" if count == 1 else f"{count} code cells are"
        yield f"{which} marked as given, but not by this release of the lab; taken as your own code.", None
