"""Notebooks as plain data: their cells, the ids that name them, and carrying answers from one release to the next."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efflab.errors import EfflabError

Notebook = dict[str, Any]
Cell = dict[str, Any]


def load(path: Path | str) -> Notebook:
    """Read a notebook.

    Raises:
        EfflabError: the file is no notebook of format 4.
    """
    path = Path(path)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EfflabError(f"there is no notebook {path}") from None
    except (ValueError, RecursionError) as error:
        raise EfflabError(f"{path} is damaged and cannot be read as a notebook: {error}") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise EfflabError(f"{path} is no notebook of format 4: it has no list of cells")
    return dict(notebook)


def dump(notebook: Notebook) -> str:
    """A notebook as Jupyter writes it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def source(cell: Cell) -> str:
    """A cell's text, whichever way the file holds it."""
    text = cell.get("source", "")
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def nbgrader(cell: Cell) -> dict[str, Any]:
    """The cell's nbgrader metadata; empty where it has none."""
    found = _metadata(cell).get("nbgrader")
    return found if isinstance(found, dict) else {}


def _metadata(cell: Cell) -> dict[str, Any]:
    found = cell.get("metadata")
    return found if isinstance(found, dict) else {}


def tags(cell: Cell) -> list[str]:
    """The cell's tags."""
    found = _metadata(cell).get("tags")
    return [str(tag) for tag in found] if isinstance(found, list) else []


def key(cell: Cell) -> str:
    """What names a cell across releases: its grade id, else its cell id, else its text."""
    if grade_id := nbgrader(cell).get("grade_id"):
        return f"grade:{grade_id}"
    if cell.get("id"):
        return f"id:{cell['id']}"
    return f"text:{fingerprint(source(cell))}"


def fingerprint(text: str | bytes) -> str:
    """SHA-256 of a text, its trailing white space left out, or of bytes as they are."""
    data = (
        text
        if isinstance(text, bytes)
        else "\n".join(line.rstrip() for line in text.strip().splitlines()).encode()
    )
    return hashlib.sha256(data).hexdigest()


def fingerprints(notebook: Notebook) -> dict[str, str]:
    """By key, the fingerprint of each cell's text: what a release looked like."""
    return {key(cell): fingerprint(source(cell)) for cell in notebook["cells"]}


def locked(cell: Cell) -> bool:
    """Whether the cell belongs to the course: a check that the student does not edit."""
    about = nbgrader(cell)
    return bool(about.get("locked") or about.get("grade")) and not about.get("solution")


@dataclass(frozen=True)
class CarriedOver:
    """A new release with a student's answers in it.

    Attributes:
        notebook: the notebook.
        carried: keys of the cells that hold an answer of the student's now.
        added: how many cells of the student's own were put back between their neighbours.
        changed: keys of carried cells that the new release starts differently; its start stands below each.
        homeless: keys of answers whose cell the new release lacks; they stand at the end.
    """

    notebook: Notebook
    carried: tuple[str, ...]
    added: int
    changed: tuple[str, ...]
    homeless: tuple[str, ...]


def carry_over(
    old: Notebook | Path | str, new: Notebook | Path | str, *, released: Mapping[str, str] | None = None
) -> CarriedOver:
    """Put the answers of an older copy into a newer release, found by cell id. Nothing of the student's is lost.

    Args:
        old: the student's copy, a notebook or its path.
        new: the newer release.
        released: the :func:`fingerprints` of the release that the copy was made from. With it every cell that the
            student changed counts as an answer; without it, solution cells and prediction cells do.

    Returns:
        The new notebook; neither argument is changed.

    Raises:
        EfflabError: a file is no notebook.
    """
    before = old if isinstance(old, dict) else load(old)
    after = copy.deepcopy(new) if isinstance(new, dict) else load(new)
    answers = [cell for cell in before["cells"] if _is_answer(cell, after, released)]
    places = {key(cell): cell for cell in after["cells"]}
    own = [cell for cell in answers if _is_own(cell, places, released)]
    fitting: list[Cell] = []
    homeless: list[Cell] = []
    for cell in answers:
        if not any(cell is one for one in own):
            home = places.get(key(cell))
            (
                fitting if home is not None and home.get("cell_type") == cell.get("cell_type") else homeless
            ).append(cell)
    starts = {key(cell): source(places[key(cell)]) for cell in fitting}
    changed = [
        key(cell)
        for cell in fitting
        if released and released.get(key(cell)) != fingerprint(starts[key(cell)])
    ]
    for cell in fitting:
        places[key(cell)]["source"] = cell.get("source", "")
    for name in changed:
        _insert_after(after, name, _note(name, starts[name], places[name]))
    for cell in own:
        _insert_after(after, _neighbour(before, cell, after), _fresh(cell))
    if homeless:
        after["cells"] += [_heading(), *map(_detached, homeless)]
    return CarriedOver(after, tuple(map(key, fitting)), len(own), tuple(changed), tuple(map(key, homeless)))


def _is_answer(cell: Cell, new: Notebook, released: Mapping[str, str] | None) -> bool:
    """Whether a cell of the old copy holds something of the student's."""
    if locked(cell) or not source(cell).strip():
        return False
    if released is not None:
        return released.get(key(cell)) != fingerprint(source(cell))
    if nbgrader(cell).get("solution") or "predict" in tags(cell):
        return True
    known = fingerprints(new)
    return key(cell) not in known and fingerprint(source(cell)) not in known.values()


def _is_own(cell: Cell, places: Mapping[str, Cell], released: Mapping[str, str] | None) -> bool:
    """Whether the student made the cell, rather than filled in one of the course's."""
    if nbgrader(cell) or key(cell) in places:
        return False
    return released is None or key(cell) not in released


def _neighbour(before: Notebook, cell: Cell, after: Notebook) -> str | None:
    """Key of the nearest cell above ``cell`` that the new notebook has too."""
    present = {key(one) for one in after["cells"]}
    place = next(i for i, one in enumerate(before["cells"]) if one is cell)
    return next((key(one) for one in reversed(before["cells"][:place]) if key(one) in present), None)


def _insert_after(notebook: Notebook, name: str | None, cell: Cell) -> None:
    """Put a cell below the one called ``name``, or on top."""
    cells = notebook["cells"]
    at = next((i + 1 for i, one in enumerate(cells) if key(one) == name), 0)
    cells.insert(at, cell)


def _fresh(cell: Cell) -> Cell:
    """A student's own cell, its outputs left behind, with an id."""
    clean = {"id": fingerprint("own" + source(cell))[:8], **copy.deepcopy(cell)}
    if clean.get("cell_type") == "code":
        clean |= {"outputs": [], "execution_count": None}
    return clean


def _detached(cell: Cell) -> Cell:
    """An answer without a place: no grade id, so that it cannot be taken for a graded cell."""
    clean = _fresh(cell)
    clean["metadata"] = {name: value for name, value in _metadata(cell).items() if name != "nbgrader"}
    clean["id"] = fingerprint("homeless" + key(cell))[:8]
    return clean


def _markdown(name: str, text: str) -> Cell:
    return {"cell_type": "markdown", "id": fingerprint(name)[:8], "metadata": {}, "source": text}


def _note(name: str, start: str, cell: Cell) -> Cell:
    fence = "```python" if cell.get("cell_type") == "code" else "```"
    text = f"*Your answer above comes from an older release of this lab. The new release starts the cell so:*\n\n{fence}\n{start}\n```"
    return _markdown(f"note {name}", text)


def _heading() -> Cell:
    return _markdown(
        "homeless answers", "## Answers that have no place in this release\n\nThey come from your older copy."
    )
