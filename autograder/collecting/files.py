"""Files of a folder or of a zip, seen alike and trusted in nothing.

Only names are looked at first; a file is read when it is wanted, and never more of it than is allowed. Links, devices,
names that lead out of the folder, encrypted or damaged entries and bombs are a sentence each, and all else goes on.
"""

import contextlib
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from efflab.errors import EfflabError

MAX_FILES = 20_000
MAX_DEPTH = 12
MAX_DIRECTORY = 4 * 2**20  # bytes of a zip's list of names; a class of 1000 takes a tenth of it
MAX_RATIO = 250
_MAX_NAME = 500
_FREE_RATIO = 2**20  # below this many bytes no ratio is a bomb
_IGNORED = frozenset({"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"})
_READ_ONLY = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)

Report = Callable[[str], None]


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

    parts: tuple[str, ...]
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
        return shown("/".join(self.parts))


def shown(name: str) -> str:
    """A name as it can stand in a message."""
    text = name if len(name) <= 200 else f"{name[:200]}..."
    return text if text.isprintable() else ascii(text)


def folder(root: Path, report: Report) -> list[File]:
    """The files below a folder, in the order of their names."""
    found: list[File] = []
    for file in _walk(root, (root.name,), report):
        if len(found) == MAX_FILES:
            report(f"{shown(str(root))} holds more than {MAX_FILES} files; the rest was left out.")
            break
        found.append(file)
    return found


def _walk(path: Path, parts: tuple[str, ...], report: Report) -> Iterator[File]:
    if len(parts) > MAX_DEPTH:
        report(f"{shown('/'.join(parts))} lies more than {MAX_DEPTH} folders deep and was left out.")
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        report(f"{shown('/'.join(parts))} cannot be read: {error.strerror}.")
        return
    for entry in entries:
        if not ignored(entry.name):
            yield from _entry(entry, (*parts, entry.name), report)


def _entry(entry: "os.DirEntry[str]", parts: tuple[str, ...], report: Report) -> Iterator[File]:
    shape = entry.stat(follow_symlinks=False)
    if stat.S_ISLNK(shape.st_mode):
        report(f"{shown('/'.join(parts))} is a symbolic link and was left out.")
    elif stat.S_ISDIR(shape.st_mode):
        if entry.name.lower().endswith(".ipynb"):
            report(f"{shown('/'.join(parts))} is a folder, no notebook.")
        yield from _walk(Path(entry.path), parts, report)
    elif stat.S_ISREG(shape.st_mode):
        yield plain(Path(entry.path), parts)
    else:
        report(f"{shown('/'.join(parts))} is no plain file and was left out.")


def plain(path: Path, parts: tuple[str, ...]) -> File:
    """A file of the disk."""
    return File(parts, path.lstat().st_mtime, 0, lambda limit: _load(path, limit), path)


def _load(path: Path, limit: int) -> bytes:
    try:
        handle = os.open(path, _READ_ONLY)
        with os.fdopen(handle, "rb") as stream:
            shape = os.fstat(handle)
            if not stat.S_ISREG(shape.st_mode):
                raise Unusable("is no plain file")
            if shape.st_size > limit:
                raise _too_large(shape.st_size, limit)
            return _bounded(stream.read(limit + 1), limit)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from None


def _bounded(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise _too_large(len(data), limit)
    return data


def _too_large(size: int, limit: int) -> Unusable:
    least = "more than " if size == limit + 1 else ""
    return Unusable(
        f"has {least}{size / 2**20:.1f} MiB; at most {limit / 2**20:.0f} MiB are read (a notebook shrinks when its "
        "outputs are cleared)"
    )


def ignored(name: str) -> bool:
    """Whether a name is an editor's or a system's own."""
    return name.startswith(".") or name in _IGNORED


class _Reader(io.BufferedReader):
    """Refuses to read a zip's list of names where it is huge, before anything is built from it."""

    opening = True

    def read(self, size: int | None = -1, /) -> bytes:
        if self.opening and size is not None and size > MAX_DIRECTORY:
            raise Unusable("lists far more files than a class hands in")
        return super().read(size)


@contextlib.contextmanager
def archive(
    stream: io.RawIOBase | io.BytesIO, parts: tuple[str, ...], level: int, report: Report
) -> Iterator[list[File]]:
    """Open a zip.

    Args:
        stream: the zip, closed at the end.
        parts: where it lies.
        level: in how many zips its files lie.
        report: takes a sentence for each entry that cannot be used.

    Yields:
        Its files, which can be read until the block ends.

    Raises:
        Unusable: it is no zip, or lists too many files.
    """
    with _Reader(stream) as reader, _opened(reader) as opened:
        entries = opened.infolist()
        if len(entries) > MAX_FILES:
            raise Unusable(f"lists {len(entries)} files; at most {MAX_FILES} are read")
        yield [file for info in entries if (file := _member(opened, info, parts, level, report))]


def _opened(reader: _Reader) -> zipfile.ZipFile:
    try:
        opened = zipfile.ZipFile(reader)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise (
            error if isinstance(error, Unusable) else Unusable(f"is no zip that can be read ({error})")
        ) from None
    reader.opening = False
    return opened


def _member(
    opened: zipfile.ZipFile, info: zipfile.ZipInfo, parts: tuple[str, ...], level: int, report: Report
) -> File | None:
    names = tuple(name for name in _decoded(info).replace("\\", "/").split("/") if name not in {"", "."})
    where = shown("/".join((*parts, *names)))
    if info.is_dir():
        if names and names[-1].lower().endswith(".ipynb"):
            report(f"{where} is a folder, no notebook.")
        return None
    if not names or (any(map(ignored, names)) and ".." not in names):
        return None
    if reason := _refused(info, names, len(parts)):
        report(f"{where} {reason} and was left out.")
        return None
    return File((*parts, *names), _modified(info), level, lambda limit: _unpack(opened, info, limit))


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name; without the mark for UTF-8 most programs write UTF-8 all the same."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _refused(info: zipfile.ZipInfo, names: tuple[str, ...], above: int) -> str:
    """Why an entry is not looked at, or an empty text."""
    raw = _decoded(info)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if ".." in names or raw.startswith(("/", "\\")) or ":" in names[0]:
        return "has a name that leads out of its folder"
    if kind not in {0, stat.S_IFREG}:
        return "is a symbolic link or no plain file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "is packed in a way that is not read"
    if len(raw) > _MAX_NAME or above + len(names) > MAX_DEPTH:
        return "has a name that is too long"
    return ""


def _modified(info: zipfile.ZipInfo) -> float:
    """The order of the entries' times is all that is asked, so that the zone does not matter."""
    return float(
        sum(
            part * scale
            for part, scale in zip(info.date_time, (32140800, 2678400, 86400, 3600, 60, 1), strict=True)
        )
    )


def _unpack(opened: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.file_size > limit:
        raise _too_large(info.file_size, limit)
    most = min(limit, max(_FREE_RATIO, MAX_RATIO * info.compress_size))
    try:
        with opened.open(info) as stream:
            data = stream.read(most + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise Unusable(f"is damaged ({str(error)[:200]})") from None
    if most < limit and len(data) > most:
        raise Unusable(f"unpacks to more than {MAX_RATIO} times its size, as no notebook does")
    return _bounded(data, limit)
