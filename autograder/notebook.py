"""Lab notebooks: read from their MyST source, and released to students without a trace of the answers.

A source marks its cells as nbgrader does (``nbgrader`` metadata, of which only what differs from the default need be
written) and its answers by regions::

    # STUB: raise NotImplementedError("Task 1.1: write magnitude_mask.")
    ### BEGIN SOLUTION
    return weight.abs() > threshold
    ### END SOLUTION

On release the region gives way to the stub, a written model answer to a prompt, and cells tagged ``rubric`` or
``instructor`` disappear. All of it is a pure function of the source, so a second release changes no byte.
"""

import copy
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

SOLUTIONS, LABS = "solutions", "labs"
PRIVATE_TAGS = frozenset({"rubric", "instructor"})
UNGRADED_TAGS = frozenset({"measure", "paper-scale"})
PROMPT = "*Write your answer here.*"
KERNELSPEC = {"name": "efflab", "display_name": "efflab", "language": "python"}
_BEGIN = re.compile(r"^\s*### BEGIN SOLUTION\s*$")
_END = re.compile(r"^\s*### END SOLUTION\s*$")
_STUB = re.compile(r"^(\s*)# STUB: (\S.*)$")


class LabError(ValueError):
    """A lab source that cannot be released; the message names the cell and says what is wrong with it."""


@dataclass(frozen=True)
class Lab:
    """Where a lab is written.

    Attributes:
        name: its folder, as ``"01-pruning"``.
        source: the MyST notebook that a person edits.
    """

    name: str
    source: Path

    @property
    def topic(self) -> str:
        """The name without its number."""
        return self.name.split("-", 1)[1]

    @property
    def data(self) -> dict[str, Path]:
        """What goes to students beside the notebook, by its path below the lab's folder."""
        folder = self.source.parent
        return {str(p.relative_to(folder)): p for p in sorted(folder.glob("data/**/*")) if p.is_file()}


def find(root: Path, names: list[str] | None = None) -> tuple[Lab, ...]:
    """The labs below ``root/solutions``, in order of their numbers.

    Args:
        root: the repository.
        names: only these (``"01-pruning"``, ``"pruning"`` or ``"01"``); all if empty.

    Raises:
        LabError: a name that no lab has, or a lab's folder without its source.
    """
    labs = []
    for folder in sorted((root / SOLUTIONS).glob("[0-9][0-9]-*")):
        lab = Lab(folder.name, folder / f"{folder.name.split('-', 1)[1]}.md")
        if not lab.source.is_file():
            raise LabError(f"{folder} has no {lab.source.name}")
        labs.append(lab)
    for name in names or []:
        if not any(name in _names(lab) for lab in labs):
            raise LabError(
                f"no lab is called {name!r}; there are {', '.join(lab.name for lab in labs) or 'none'}"
            )
    return tuple(lab for lab in labs if not names or _names(lab) & set(names))


def _names(lab: Lab) -> set[str]:
    return {lab.name, lab.topic, lab.name.split("-", 1)[0]}


def read(text: str) -> NotebookNode:
    """A lab source as a notebook with complete metadata, solutions still in it.

    Args:
        text: a MyST notebook.

    Returns:
        The notebook, as nbgrader's ``generate_assignment`` takes it.

    Raises:
        LabError: it cannot be read, or a cell's metadata contradict each other.
    """
    try:
        notebook = jupytext.reads(text, fmt="md:myst")
    except Exception as error:
        raise LabError(f"it is no MyST notebook: {' '.join(str(error).split())[:300]}") from error
    budget = notebook.metadata.get("efflab", {})
    notebook["metadata"] = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}, "efflab": budget}
    for cell in notebook.cells:
        _complete(cell)
    _check_ids(notebook)
    return _finish(notebook)


def release(notebook: NotebookNode) -> NotebookNode:
    """What students get: answers stripped, private cells gone, outputs cleared, checksums as nbgrader writes them.

    Args:
        notebook: as `read` gives it; not changed.

    Raises:
        LabError: a solution cell has no region or no stub, or a region stands elsewhere.
    """
    released = copy.deepcopy(notebook)
    released.cells = [cell for cell in released.cells if not tags(cell) & PRIVATE_TAGS]
    for cell in released.cells:
        _strip(cell)
        _checksum(cell)
    return _finish(released)


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook's file."""
    text: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return (text.rstrip("\n") + "\n").encode()


def tags(cell: NotebookNode) -> set[str]:
    """A cell's tags."""
    return set(cell.metadata.get("tags", []))


def nbgrader(cell: NotebookNode) -> dict[str, Any]:
    """A cell's nbgrader metadata, empty if it has none."""
    found: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return found


def grade_id(cell: NotebookNode) -> str:
    """A cell's grade id, empty if it has none."""
    return str(nbgrader(cell).get("grade_id", ""))


def is_check(cell: NotebookNode) -> bool:
    """Whether the cell is a task's locked grade cell, whose points the hidden checks give."""
    meta = nbgrader(cell)
    return bool(meta) and meta["grade"] and not meta["solution"]


def is_solution(cell: NotebookNode) -> bool:
    """Whether the cell is code that the student writes."""
    meta = nbgrader(cell)
    return bool(meta) and meta["solution"] and cell.cell_type == "code"


def is_answer(cell: NotebookNode) -> bool:
    """Whether the cell is a written answer, graded by hand."""
    return bool(nbgrader(cell).get("solution")) and cell.cell_type == "markdown"


def tasks(notebook: NotebookNode) -> dict[str, float]:
    """The tasks in order, each with its points: one locked grade cell each."""
    return {grade_id(cell): float(nbgrader(cell)["points"]) for cell in notebook.cells if is_check(cell)}


def solution_cells(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The solution cells of each task: those that stand between the previous task's grade cell and its own."""
    found: dict[str, list[NotebookNode]] = {}
    waiting: list[NotebookNode] = []
    for cell in notebook.cells:
        if is_solution(cell):
            waiting.append(cell)
        elif is_check(cell):
            found[grade_id(cell)], waiting = waiting, []
    return found


def graded(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is run in grading: without cells tagged ``measure`` or ``paper-scale``."""
    result = copy.deepcopy(notebook)
    result.cells = [cell for cell in result.cells if not tags(cell) & UNGRADED_TAGS]
    return result


def regions(source: str) -> list[str]:
    """The text of every solution region of a cell, without its markers.

    Raises:
        LabError: a marker without its partner.
    """
    found: list[str] = []
    current: list[str] | None = None
    for line in source.splitlines():
        if _BEGIN.match(line) or _END.match(line):
            if bool(_BEGIN.match(line)) is (current is not None):
                raise LabError("BEGIN SOLUTION and END SOLUTION do not pair")
            if current is not None:
                found.append("\n".join(current))
            current = [] if current is None else None
        elif current is not None:
            current.append(line)
    if current is not None:
        raise LabError("a BEGIN SOLUTION has no END SOLUTION")
    return found


def strip(source: str) -> str:
    """Code with each solution region replaced by the statement of the ``# STUB:`` line just before it.

    Raises:
        LabError: a region without a stub, a stub without a region, or markers that do not pair.
    """
    regions(source)
    kept: list[str] = []
    inside = False
    for line in source.splitlines():
        if _BEGIN.match(line):
            stub = _STUB.match(kept[-1]) if kept else None
            if stub is None:
                raise LabError("no '# STUB: ...' line stands just before BEGIN SOLUTION")
            kept[-1] = stub[1] + stub[2]
        inside = (inside or bool(_BEGIN.match(line))) and not _END.match(line)
        if not inside and not _END.match(line):
            kept.append(line)
    if any(_STUB.match(line) for line in kept):
        raise LabError("a '# STUB: ...' line has no BEGIN SOLUTION just after it")
    return "\n".join(kept)


def _strip(cell: NotebookNode) -> None:
    has_region = any(_BEGIN.match(line) or _END.match(line) for line in cell.source.splitlines())
    if is_answer(cell):
        cell.source = PROMPT
    elif is_solution(cell):
        if not has_region:
            raise LabError(f"solution cell {grade_id(cell)} has no solution region")
        try:
            cell.source = strip(cell.source)
        except LabError as error:
            raise LabError(f"cell {grade_id(cell)}: {error}") from None
    elif has_region:
        raise LabError(f"a solution region in a cell that is no solution cell: {cell.source[:60]!r}")
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None


def _complete(cell: NotebookNode) -> None:
    """Write out nbgrader's metadata in full."""
    meta = cell.metadata.get("nbgrader")
    if meta is None:
        return
    grade, solution = bool(meta.get("grade")), bool(meta.get("solution"))
    if not meta.get("grade_id"):
        raise LabError(f"a cell with nbgrader metadata has no grade_id: {cell.source[:60]!r}")
    if grade and not isinstance(meta.get("points"), (int, float)):
        raise LabError(f"grade cell {meta['grade_id']} has no points")
    cell.metadata["nbgrader"] = {
        "grade": grade,
        "grade_id": meta["grade_id"],
        "locked": bool(meta.get("locked", not solution)),
        "schema_version": 3,
        "solution": solution,
        "task": False,
        "cell_type": cell.cell_type,
    } | ({"points": meta["points"]} if grade else {})


def _check_ids(notebook: NotebookNode) -> None:
    counts = Counter(filter(None, map(grade_id, notebook.cells)))
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise LabError(f"grade_id {repeated[0]} stands on more than one cell")


def _checksum(cell: NotebookNode) -> None:
    if nbgrader(cell):
        from nbgrader.utils import compute_checksum  # noqa: PLC0415 - half a second, and only a release needs it

        cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)


def _finish(notebook: NotebookNode) -> NotebookNode:
    """Deterministic cell ids (fixed for graded cells, whatever their text), then validation."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        key = grade_id(cell) or f"{cell.cell_type}\0{cell.source}"
        number = seen[key]
        seen[key] += 1
        cell["id"] = hashlib.sha1(f"{key}\0{number}".encode(), usedforsecurity=False).hexdigest()[:8]
        cell.metadata.pop("jupytext", None)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    validate(notebook)
    return notebook


def validate(notebook: NotebookNode) -> None:
    """Hold a notebook against nbformat's schema and nbgrader's.

    Raises:
        LabError: one of them does not accept it.
    """
    from nbgrader.nbgraderformat import MetadataValidator, ValidationError  # noqa: PLC0415 - slow to import

    try:
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
    except (nbformat.ValidationError, ValidationError) as error:
        raise LabError(f"the notebook is not valid: {str(error).splitlines()[0]}") from error
