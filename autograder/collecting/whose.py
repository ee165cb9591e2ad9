"""Whose file it is, from the names that platforms give to files and folders.

- Canvas, "How do I download all student submissions for an assignment?" in its guides: one zip, each file named by the
  student's sortable name without spaces and commas, ``LATE`` if it was, the user's number and the file's number:
  ``lovelaceada_LATE_12345_67890_pruning-1.ipynb``; anonymous ones ``anon_1a2B3_67890_pruning.ipynb``. The number ``-1``
  counts resubmissions. The times in the zip are those of the download, so they say nothing.
- nbgrader, "Directory structure" in its user guide: ``submitted/ada/01-pruning/pruning.ipynb`` beside ``timestamp.txt``;
  in its exchange ``ada+01-pruning+2026-11-23 10:00:00.0 UTC/pruning.ipynb``.
- Blackboard, and the example of nbgrader's ``zip_collect``: ``ps1_ada_attempt_2026-11-23-10-00-00_pruning.ipynb``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from autograder import notebook as nb
from autograder.collecting.attempts import read_time
from autograder.roster import KINDS

_CANVAS = re.compile(
    r"(?:(?P<name>\w{1,200}?)_)??(?:(?P<late>LATE)_)?(?:(?P<user>\d{1,20})|(?P<anon>anon_\w{1,40}?))_(?P<file>\d{1,20})_.+"
)
_EXCHANGE = re.compile(
    r"(?P<student>.+?)\+(?P<lab>[^+]+)\+(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^+]*)(?:\+.*)?"
)
_ATTEMPT = re.compile(  # what follows the first time is the student's own file name
    r"(?P<head>.+?)_attempt_(?P<day>\d{4}-\d\d-\d\d)-(?P<time>\d\d-\d\d-\d\d)(?:[_.].*)?"
)
_GRADESCOPE = re.compile(r"submission_\d{1,20}")
_DOWNLOAD = re.compile(r"(?:assignment_\d+_export|submissions?)(?:[ _-]*\(?\d+\)?)?", re.IGNORECASE)
_MAX_WORDS = 20
NAME = ("name",)
_HANDED_IN = re.compile(r"\d\d-\w+-\d{8}-\d{6}(?:-\d+)?")
_PLACES = frozenset(
    ("submitted", "submissions", "inbox", "downloads", "notebooks", "handed-in", "my-labs", "labs", "course")
)


@dataclass(frozen=True)
class Claim:
    """What names say about a file.

    Attributes:
        names: how the student is called, each with the kinds of id to look under, the surest first.
        own: the id where no roster knows the student; empty if nothing fits.
        time: when it was handed in, as the platform says.
        notes: in sentences.
        platform: whether a platform named it: then a time that lies beside it was written by the student.
        order: of attempts without a time.
    """

    names: tuple[tuple[str, Sequence[str]], ...]
    own: str = ""
    time: datetime | None = None
    notes: tuple[str, ...] = ()
    platform: bool = False
    order: int = 0


def platform(part: str, *, folder: bool) -> Claim | None:
    """Whose a folder or file is by the name that a platform gave it, or None.

    Args:
        part: the name.
        folder: whether it is a folder; Canvas gives files and zips, the exchange and Gradescope folders.
    """
    if folder and (found := _exchange(part)):
        return found
    if folder and _GRADESCOPE.fullmatch(part):
        return Claim(((part, KINDS),), part, platform=True)
    return _canvas(part) or _attempt(part)


def _canvas(part: str) -> Claim | None:
    found = _CANVAS.fullmatch(part)
    if not found or not (found["name"] or found["late"] or found["anon"]):
        return None
    notes = []
    if found["late"]:
        notes.append("Canvas marks it as late; its zip does not say when it was handed in.")
    if found["anon"]:
        return Claim((), found["anon"], None, tuple(notes), platform=True, order=int(found["file"]))
    names: list[tuple[str, Sequence[str]]] = [(found["user"], ("canvas_id",))]
    if found["name"]:
        names.append((found["name"], NAME))
    return Claim(tuple(names), found["user"], None, tuple(notes), platform=True, order=int(found["file"]))


def _exchange(part: str) -> Claim | None:
    found = _EXCHANGE.fullmatch(part)
    if not found:
        return None
    return Claim(((found["student"], KINDS),), found["student"], read_time(found["time"]), platform=True)


def _attempt(part: str) -> Claim | None:
    found = _ATTEMPT.fullmatch(part)
    if not found:
        return None
    time = read_time(f"{found['day']} {found['time'].replace('-', ':')}")
    note = "The time in its name says no zone; it was taken as UTC."
    # An id may hold the character that separates it from the assignment: the longest that is known counts.
    words = found["head"].split("_")[-_MAX_WORDS:]
    names = tuple(("_".join(words[first:]), KINDS) for first in range(len(words)))
    return Claim(names, words[-1], time, (note,), platform=True)


def plain(parts: Sequence[str], labs: Sequence[nb.Lab]) -> Claim:
    """Whose file it is where no folder stands for a student: the outermost that could, else the file's name without the lab's.

    The source's own name counts where the file or its lab's folder lies directly in it.
    """
    folders = [part for part in map(bare, parts[1:-1]) if is_student(part, labs)]
    own = list(_in_name(bare(parts[-1]), labs))
    root = [bare(parts[0])] if is_student(bare(parts[0]), labs) else []
    if len(parts) > 2:
        in_lab = bare(parts[1]) in {lab.name for lab in labs}
        names = [*folders, *(root if in_lab else ()), *own]
    else:
        names = [*own, *root]
    return Claim(tuple((name, KINDS) for name in names), names[0] if names else "")


def bare(part: str) -> str:
    """A name without the end that zips and notebooks have."""
    return re.sub(r"\.(zip|ipynb)$", "", part, flags=re.IGNORECASE)


def is_student(name: str, labs: Sequence[nb.Lab]) -> bool:
    """Whether a name could be a student's: that of no lab, place, download or handed-in zip."""
    known = {one for lab in labs for one in (lab.name, lab.topic)} | _PLACES
    return name.lower() not in known and not _HANDED_IN.fullmatch(name) and not _DOWNLOAD.fullmatch(name)


def _in_name(stem: str, labs: Sequence[nb.Lab]) -> Iterator[str]:
    if _HANDED_IN.fullmatch(stem):
        return
    for lab in labs:
        number, _, topic = lab.name.partition("-")
        # The lab's own number may stand before its topic, and separators around both.
        rest = re.sub(
            rf"(?<![-_. ])[-_. ]*(?:{number}[-_. ])?{re.escape(topic)}[-_. ]*",
            "\0",
            stem,
            flags=re.IGNORECASE,
        )
        if rest != stem:
            yield from filter(None, rest.split("\0"))
            return
    yield stem
