"""The passport: one small network's figures through the whole course, one line a lab, each line sealing the one before.

The file ``passport.jsonl`` in the student's folder holds one JSON object a line. ``hash`` is the SHA-256 of the line's
other keys in canonical JSON (sorted, no spaces, UTF-8), ``previous`` the hash of the line before, so that no earlier
line can be changed unnoticed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import efflab
from efflab import topics
from efflab.errors import EfflabError
from efflab.files import write_atomic
from efflab.lab.cards import card, notice
from efflab.lab.folder import read_text, set_aside, student_folder, write_text
from efflab.lab.predictions import as_number, now
from efflab.tables import TextTable, quantity

if TYPE_CHECKING:
    from efflab.lab.session import Lab

FORMAT = 1
FILE = "passport.jsonl"
GENESIS = "0" * 64
REFERENCE = Path(__file__).with_name("reference_passport.json")


@dataclass(frozen=True)
class Entry:
    """One line of the passport.

    Attributes:
        lab: the lab that wrote it.
        figures: by name (``bytes``, ``macs``, ``cycles``, ``energy_pj``, ``accuracy``), the network's figures.
        time: when, in UTC.
        reference: whether it is the shipped reference in place of a lab that was not done.
        efflab: the version of the package.
        previous: hash of the line before.
        hash: of this line.
        format: of the line.
    """

    lab: str
    figures: Mapping[str, float]
    time: str
    reference: bool
    efflab: str
    previous: str
    hash: str
    format: int = FORMAT


@dataclass(frozen=True)
class Verification:
    """Whether a passport is what its labs wrote.

    Attributes:
        ok: whether every line seals the one before.
        entries: number of lines.
        problem: the first thing wrong, in a sentence; empty where all is well.
    """

    ok: bool
    entries: int
    problem: str = ""

    def __bool__(self) -> bool:
        return self.ok


def canonical(content: Mapping[str, Any]) -> bytes:
    r"""Canonical JSON: keys sorted, no spaces, UTF-8.

    >>> canonical({"b": 1, "a": "é"})
    b'{"a":"\xc3\xa9","b":1}'
    """
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(content: Mapping[str, Any]) -> str:
    """The hash of a line: SHA-256 over the canonical JSON of all its keys but ``hash``."""
    return hashlib.sha256(
        canonical({key: value for key, value in content.items() if key != "hash"})
    ).hexdigest()


def path() -> Path:
    """Where the student's passport lies."""
    return student_folder() / FILE


def read() -> tuple[Entry, ...]:
    """All lines of the student's passport, oldest first.

    A line that cannot be read ends the passport there: the damaged file is kept aside, with a notice.
    """
    return tuple(_entry(line) for line in _lines())


def _lines() -> list[dict[str, Any]]:
    text = read_text(path())
    lines: list[dict[str, Any]] = []
    for number, line in enumerate((text or "").splitlines(), 1):
        try:
            content = json.loads(line)
            _entry(content)
        except (ValueError, TypeError, KeyError) as error:
            if set_aside(path(), f"line {number}: {error}") is not None and lines:
                _write(lines)
            break
        lines.append(content)
    return lines


def _entry(content: Any) -> Entry:
    entry = Entry(**content)
    if not isinstance(entry.figures, dict) or not isinstance(entry.lab, str):
        raise TypeError("no passport entry")
    return entry


def _write(lines: Sequence[Mapping[str, Any]]) -> None:
    write_text(path(), "".join(canonical(line).decode() + "\n" for line in lines))


def verify(file: Path | str | None = None) -> Verification:
    """Check a passport's chain of hashes.

    Args:
        file: the file; None takes the student's own.

    Returns:
        The verdict; an empty or missing passport is in order.
    """
    text = read_text(path() if file is None else Path(file)) or ""
    previous = GENESIS
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
            _entry(content)
        except (ValueError, TypeError) as error:
            return Verification(
                ok=False, entries=len(lines), problem=f"line {number} cannot be read: {error}"
            )
        if content["hash"] != digest(content):
            return Verification(
                ok=False, entries=len(lines), problem=f"line {number} was changed after it was written"
            )
        if content["previous"] != previous:
            problem = f"line {number} does not follow line {number - 1}: a line is missing, added or moved"
            return Verification(ok=False, entries=len(lines), problem=problem)
        previous = content["hash"]
    return Verification(ok=True, entries=len(lines))


def _name(lab: "Lab | str") -> str:
    return lab if isinstance(lab, str) else lab.name


def reference(lab: "Lab | str") -> dict[str, float] | None:
    """The shipped reference figures of a lab, or None where none are shipped."""
    content = json.loads(REFERENCE.read_text(encoding="utf-8"))
    figures = content["entries"].get(_name(lab))
    return dict(figures) if figures is not None else None


def get(lab: "Lab | str") -> dict[str, float] | None:
    """The figures that a lab wrote into the passport, the newest; where it was not done the reference, with a notice.

    Returns:
        Figures by name; None where there is neither.
    """
    name = _name(lab)
    own = [entry for entry in read() if entry.lab == name and not entry.reference]
    if own:
        return dict(own[-1].figures)
    shipped = reference(name)
    if shipped is not None:
        notice(f"Your passport has no entry of lab {name}: the shipped reference stands in for it.")
    return shipped


def append(lab: "Lab | str", **figures: Any) -> Entry:
    """Write a line into the passport, and show it beside the line before.

    Entries of earlier labs that are missing are filled in from the shipped reference, marked as such, with a notice.
    Writing the same figures again adds nothing.

    Args:
        lab: the lab.
        **figures: finite numbers by name: ``bytes``, ``macs``, ``cycles``, ``energy_pj``, ``accuracy`` (percent).

    Returns:
        The entry.

    Raises:
        EfflabError: no figures, or one that is no finite number.
    """
    name = _name(lab)
    if not figures:
        raise EfflabError(
            "figures must not be empty: give what the lab measured, such as bytes=..., accuracy=..."
        )
    numbers = {key: _plain(as_number(value, key)) for key, value in figures.items()}
    lines = _lines()
    own = [line for line in lines if line["lab"] == name and not line["reference"]]
    if own and own[-1]["figures"] == numbers:
        _show(_entry(own[-1]), lines)
        return _entry(own[-1])
    for earlier in _missing(name, {line["lab"] for line in lines}):
        notice(f"Your passport has no entry of lab {earlier}: the shipped reference stands in for it.")
        lines.append(_line(earlier, reference(earlier) or {}, lines, is_reference=True))
    lines.append(_line(name, numbers, lines, is_reference=False))
    _write(lines)
    entry = _entry(lines[-1])
    _show(entry, lines)
    return entry


def _plain(value: float) -> float:
    """Whole numbers as integers, so that a count reads as one and hashes alike however it was computed."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _missing(name: str, present: set[str]) -> list[str]:
    """Earlier labs without an entry that the reference has, in course order."""
    order = [topic.lab for topic in topics.TOPICS]
    earlier = order[: order.index(name)] if name in order else []
    return [lab for lab in earlier if lab not in present and reference(lab) is not None]


def _line(
    name: str, figures: Mapping[str, float], lines: Sequence[Mapping[str, Any]], *, is_reference: bool
) -> dict[str, Any]:
    entry = Entry(
        lab=name,
        figures=dict(figures),
        time=now(),
        reference=is_reference,
        efflab=efflab.__version__,
        previous=lines[-1]["hash"] if lines else GENESIS,
        hash="",
    )
    content = asdict(entry)
    return content | {"hash": digest(content)}


def _show(entry: Entry, lines: Sequence[Mapping[str, Any]]) -> None:
    before = next((line for line in reversed(lines) if line["lab"] != entry.lab), None)
    known = before["figures"] if before else {}
    rows = [
        (name, quantity(value) + (f"   (before: {quantity(known[name])})" if name in known else ""))
        for name, value in entry.figures.items()
    ]
    card("note", f"Passport: lab {entry.lab}", rows).show()


def table() -> TextTable:
    """The passport as a table: one row a lab, its newest entry."""
    newest = {entry.lab: entry for entry in sorted(read(), key=lambda entry: not entry.reference)}
    names = list(dict.fromkeys(name for entry in newest.values() for name in entry.figures))
    rows = [
        [
            entry.lab + (" (reference)" if entry.reference else ""),
            *(entry.figures.get(name) for name in names),
        ]
        for _, entry in sorted(newest.items())
    ]
    return TextTable.of(["lab", *names], rows, caption="Passport")


def make_reference(target: Path | str | None = None) -> Path:
    """Make the shipped reference out of this folder's passport (for maintainers, after running the solved labs).

    Args:
        target: the file to write; None takes the one in the package.

    Returns:
        The file written. Labs without an own entry keep the reference they had.

    Raises:
        EfflabError: the passport is empty or its chain is broken.
    """
    verdict = verify()
    own = {entry.lab: dict(entry.figures) for entry in read() if not entry.reference}
    if not verdict or not own:
        raise EfflabError(f"the passport {path()} makes no reference: {verdict.problem or 'it has no entry'}")
    known = json.loads(REFERENCE.read_text(encoding="utf-8"))["entries"]
    content = {"format": FORMAT, "entries": dict(sorted((known | own).items()))}
    return write_atomic(target or REFERENCE, json.dumps(content, indent=1, sort_keys=True) + "\n")
