"""From the bytes of a file to a student's cells: bounded, every field's type looked at, nothing else kept.

Outputs, attachments and metadata are not taken over, only what a cell is found by. No library that upgrades or repairs
notebooks sees the file: what it needs of formats 3 and 4 is read here.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from autograder.rebuild.slots import defined, same
from efflab.errors import EfflabError

MAX_BYTES = 20 * 2**20
MAX_CELLS = 5000
MAX_SOURCE = 500_000  # characters of one cell; a long solution has 5000
MAX_TEXT = 5_000_000  # characters of all cells: what follows takes about a second at most, without a deadline
MAX_CONTAINERS = 1_000_000  # JSON lists and objects; each costs the reader some hundred bytes
_MAX_NAME = 200
_COURSE_TAGS = ("setup", "given", "measure", "paper-scale", "hints", "predict", "check")
_KINDS = ("code", "markdown", "raw")


class Unreadable(EfflabError):  # noqa: N818 - the name says what the file is
    """A file that is no notebook that could be graded; the message is one sentence for the student."""


@dataclass(frozen=True)
class Found:
    """A cell of the student's file.

    Attributes:
        position: its place in the file.
        kind: ``"code"``, ``"markdown"`` or ``"raw"``.
        source: its text.
        id: its cell id, empty if it has none.
        grade_id: its grade id, empty if it has none.
        claims: what its nbgrader metadata say of points and role; trusted nowhere, compared with the release.
        given: whether it is tagged like a cell of the course; trusted nowhere, worth a remark.
    """

    position: int
    kind: str
    source: str
    id: str = ""
    grade_id: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    given: bool = False

    @cached_property
    def plain(self) -> str:
        """Its text as it is compared."""
        return same(self.source)

    @cached_property
    def names(self) -> frozenset[str]:
        """What it defines."""
        return defined(self.source)


@dataclass(frozen=True)
class Read:
    """What a file held.

    Attributes:
        cells: its cells, in order.
        notes: what could not be read, in sentences for the student.
    """

    cells: tuple[Found, ...]
    notes: tuple[str, ...] = ()


def read(raw: bytes) -> Read:
    """Read a notebook of format 4, or of format 3 as far as cells go.

    Args:
        raw: the file.

    Raises:
        Unreadable: it is too large, no JSON, or no such notebook.
    """
    content = _parse(raw)
    if not isinstance(content, dict):
        raise Unreadable(f"the file holds {_name(content)} where a notebook (a JSON object) was expected")
    listed, notes = _listed(content)
    if len(listed) > MAX_CELLS:
        raise Unreadable(f"the notebook has {len(listed)} cells; at most {MAX_CELLS} are read")
    cells = [_cell(position, item) for position, item in enumerate(listed)]
    broken = sum(cell is None for cell in cells)
    if broken:
        notes.append(f"{_count(broken, 'cell')} of the file could not be read as a cell and was left out.")
    kept = tuple(cell for cell in cells if cell and len(cell.source) <= MAX_SOURCE)
    if long := len(cells) - broken - len(kept):
        notes.append(
            f"{_count(long, 'cell')} with more than {MAX_SOURCE} characters was left out; "
            "put data into a file or make it by code."
        )
    text = sum(len(cell.source) for cell in kept)
    if text > MAX_TEXT:
        raise Unreadable(f"the notebook's cells hold {text} characters; at most {MAX_TEXT} are read")
    return Read(kept, tuple(notes))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _name(value: Any) -> str:
    kinds: dict[type, str] = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _parse(raw: bytes) -> Any:
    if len(raw) > MAX_BYTES:
        raise Unreadable(
            f"the notebook has {len(raw) / 2**20:.1f} MiB; at most {MAX_BYTES // 2**20} MiB are read: "
            "clear its outputs and hand it in again"
        )
    if not raw.strip():
        raise Unreadable("the file is empty where a notebook was expected")
    if raw.count(b"[") + raw.count(b"{") > MAX_CONTAINERS:
        raise Unreadable(f"the file holds more than {MAX_CONTAINERS} lists and objects; a notebook has fewer")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("the file is not UTF-8 text, so it is no notebook") from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except Unreadable:
        raise
    except ValueError as error:
        reason = str(error)[:200]
        raise Unreadable(f"the file is no notebook: it cannot be read as JSON ({reason})") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse_twice([key for key, _ in pairs])
    return found


def _refuse_twice(keys: list[str]) -> NoReturn:
    counts = Counter(keys)
    twice = next(key for key in keys if counts[key] > 1)
    raise Unreadable(
        f"the file gives {twice[:60]!r} twice in one object, so programs disagree on what it says"
    )


def _no_number(_: str) -> None:
    """NaN and infinities stand in outputs of some programs, and outputs are not read."""


def _listed(content: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """The cells as the file has them, and notes."""
    version = content.get("nbformat")
    if type(version) is not int or version not in {3, 4}:
        raise Unreadable(f"the file says nbformat {str(version)[:40]!r}; a notebook of format 4 was expected")
    cells = content.get("cells") if version == 4 else _worksheets(content.get("worksheets"))
    if not isinstance(cells, list):
        raise Unreadable("the file has no list of cells, so it is no notebook")
    return cells, ["The notebook has the old format 3; its cells were read."] if version == 3 else []


def _worksheets(worksheets: Any) -> list[Any] | None:
    if not isinstance(worksheets, list):
        return None
    return [cell for sheet in worksheets for cell in _sheet(sheet)]


def _sheet(sheet: Any) -> Iterator[Any]:
    cells = sheet.get("cells") if isinstance(sheet, dict) else None
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            yield cell | {"source": cell.get("input")}
        else:
            yield cell


def _cell(position: int, item: Any) -> Found | None:
    """A cell, or None if it is none."""
    if not isinstance(item, dict) or item.get("cell_type") not in _KINDS:
        return None
    source = item.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    claims, tags = metadata.get("nbgrader"), metadata.get("tags")
    claims = claims if isinstance(claims, dict) else {}
    return Found(
        position=position,
        kind=item["cell_type"],
        # A lone surrogate can stand in JSON and in no file.
        source=source.encode("utf-8", "replace").decode(),
        id=_short(item.get("id")),
        grade_id=_short(claims.get("grade_id")),
        claims=claims,
        given=isinstance(tags, list) and any(tag in tags for tag in _COURSE_TAGS),
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _MAX_NAME else ""
