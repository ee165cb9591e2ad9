"""Files of a folder, seen and not read: like those of a zip (`autograder.collecting.archives`), trusted in nothing.

Only names are looked at first; a file is read when it is wanted, and never more of it than is allowed. Links and devices
are a sentence each, and all else goes on.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.collecting import whose
from efflab.errors import EfflabError

MAX_FILES = 1_000_000
SHARE = (
    4  # a folder may fill this part of what the one above it may hold, so that no student's fills the class's
)
LEAST = 100
MAX_DEPTH = 12
BESIDE = frozenset({"timestamp.txt", "manifest.json", "submission_metadata.yml"})
_IGNORED = frozenset({"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"})
_READ_ONLY = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)

Parts = tuple[str, ...]
Report = Callable[
    [Parts, str], None
]  # what is wrong with the file there, a sentence without its subject and full stop


class Unusable(EfflabError):  # noqa: N818 - what the file is
    """A file or archive that cannot be taken in; one sentence."""


@dataclass(frozen=True)
class File:
    """A file that was seen but not read.

    Attributes:
        parts: the names of its folders and its own; a zip counts as a folder of what it holds.
        modified: seconds since 1970 as the folder or zip says, for the order of files alone.
        level: in how many zips it lies.
        load: gives its bytes, at most so many, or raises `Unusable`.
        disk: where it lies, None for a file in a zip.
    """

    parts: Parts
    modified: float
    level: int
    load: Callable[[int], bytes]
    disk: Path | None = None

    @property
    def name(self) -> str:
        """Its own name."""
        return self.parts[-1]

    @property
    def suffix(self) -> str:
        """The end of its name in lower case."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def path(self) -> str:
        """For messages: control characters cannot reach a terminal."""
        return place(self.parts)


def place(parts: Parts) -> str:
    """Where something lies, as it can stand in a message."""
    return shown("/".join(parts))


def shown(name: str) -> str:
    """A name as it can stand in a message."""
    text = name if len(name) <= 200 else f"{name[:200]}..."
    return text if text.isprintable() else ascii(text)


def folder(root: Path, report: Report) -> list[File]:
    """The files below a folder that may be looked at, in the order of their names; see `Sieve`."""
    return list(_walk(root, (root.name,), report, MAX_FILES))


class Sieve:
    """Which files matter: notebooks, zips and what stands beside them; of others one a folder, to tell who handed in what.

    What students leave besides, thousands of files of an environment, costs nothing then.
    """

    def __init__(self) -> None:
        self._seen: set[Parts] = set()

    def keeps(self, parts: Parts) -> bool:
        """Whether a file matters."""
        if parts[-1] in BESIDE or parts[-1].lower().endswith((".ipynb", ".zip")):
            return True
        if whose.platform(parts[-1], folder=False):
            return True
        first = parts[:-1] not in self._seen
        self._seen.add(parts[:-1])
        return first


def _walk(path: Path, parts: Parts, report: Report, most: int) -> Iterator[File]:
    if len(parts) > MAX_DEPTH:
        report(parts, f"lies more than {MAX_DEPTH} folders deep and was left out")
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        report(parts, f"cannot be read: {error.strerror}")
        return
    sieve, count = Sieve(), 0
    for entry in entries:
        for file in _entry(entry, (*parts, entry.name), report, max(most // SHARE, LEAST), sieve):
            count += 1
            if count > most:
                report(parts, f"holds more than {most} notebooks and zips; the rest was left out")
                return
            yield file


def _entry(
    entry: "os.DirEntry[str]", parts: Parts, report: Report, most: int, sieve: Sieve
) -> Iterator[File]:
    if ignored(entry.name):
        return
    try:
        shape = entry.stat(follow_symlinks=False)
    except OSError as error:
        report(parts, f"cannot be read: {error.strerror}")
        return
    if stat.S_ISLNK(shape.st_mode):
        report(parts, "is a symbolic link and was left out")
    elif stat.S_ISDIR(shape.st_mode):
        if entry.name.lower().endswith(".ipynb"):
            report(parts, "is a folder, no notebook")
        yield from _walk(Path(entry.path), parts, report, most)
    elif not stat.S_ISREG(shape.st_mode):
        report(parts, "is no plain file and was left out")
    elif sieve.keeps(parts):
        yield plain(Path(entry.path), parts, shape.st_mtime)


def plain(path: Path, parts: Parts, modified: float = 0.0) -> File:
    """A file of the disk."""
    return File(parts, modified, 0, lambda limit: _load(path, limit), path)


def _load(path: Path, limit: int) -> bytes:
    try:
        handle = os.open(path, _READ_ONLY)
        with os.fdopen(handle, "rb") as stream:
            shape = os.fstat(handle)
            if not stat.S_ISREG(shape.st_mode):
                raise Unusable("is no plain file")
            if shape.st_size > limit:
                raise too_large(shape.st_size, limit)
            return bounded(stream.read(limit + 1), limit)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from None


def bounded(data: bytes, limit: int) -> bytes:
    """The same bytes.

    Raises:
        Unusable: they are more than the limit.
    """
    if len(data) > limit:
        raise too_large(len(data), limit)
    return data


def too_large(size: int, limit: int) -> Unusable:
    """What is said of a file above the limit."""
    least = "more than " if size == limit + 1 else ""
    return Unusable(
        f"has {least}{size / 2**20:.1f} MiB; at most {limit / 2**20:.0f} MiB are read (a notebook shrinks when its "
        "outputs are cleared)"
    )


def ignored(name: str) -> bool:
    """Whether a name is an editor's or a system's own."""
    return name.startswith(".") or name in _IGNORED
