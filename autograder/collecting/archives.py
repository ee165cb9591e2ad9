"""The files of a zip, each a promise that is kept within bounds or refused with a sentence.

The list of names is bounded before it is parsed, an entry before and while it is unpacked; names that lead out of the
archive, links, encrypted and damaged entries and bombs are told, and all else goes on.
"""

import contextlib
import io
import stat
import zipfile
from collections.abc import Iterator

from autograder.collecting.files import (
    MAX_DEPTH,
    File,
    Parts,
    Report,
    Sieve,
    Unusable,
    bounded,
    ignored,
    too_large,
)

MAX_DIRECTORY = 4 * 2**20  # bytes of the list of names in a student's zip: forty thousand files
MAX_CLASS_DIRECTORY = 32 * 2**20  # in the zip of a class, which no student's files can fill: 300 000 files
MAX_RATIO = 250
_MAX_NAME = 500
_FREE_RATIO = 2**20  # below this many bytes no ratio is a bomb


class _Reader(io.BufferedReader):
    """Refuses to read a zip's list of names where it is huge, before anything is built from it."""

    most = MAX_DIRECTORY  # 0 once it is open

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most and size is not None and size > self.most:
            raise Unusable("lists far more files than are handed in")
        return super().read(size)


@contextlib.contextmanager
def archive(
    stream: io.RawIOBase | io.BytesIO,
    parts: Parts,
    level: int,
    report: Report,
    most: int = MAX_DIRECTORY,
) -> Iterator[list[File]]:
    """Open a zip.

    Args:
        stream: the zip, closed at the end.
        parts: where it lies.
        level: in how many zips its files lie.
        report: takes a sentence for each entry that cannot be used.
        most: bytes that its list of names may have.

    Yields:
        Its files that may be looked at (`files.Sieve`), which can be read until the block ends.

    Raises:
        Unusable: it is no zip, or lists too many files.
    """
    with _Reader(stream) as reader:
        reader.most = most
        with _opened(reader) as opened:
            sieve = Sieve()
            found = (_member(opened, info, parts, level, report) for info in opened.infolist())
            yield [file for file in found if file and sieve.keeps(file.parts)]


def _opened(reader: _Reader) -> zipfile.ZipFile:
    try:
        opened = zipfile.ZipFile(reader)
    except Unusable:
        raise
    except Exception as error:  # noqa: BLE001 - the zip module raises whatever damage leads it to
        raise Unusable(f"is no zip that can be read ({str(error)[:200]})") from None
    reader.most = 0
    return opened


def _member(
    opened: zipfile.ZipFile, info: zipfile.ZipInfo, parts: Parts, level: int, report: Report
) -> File | None:
    names = tuple(name for name in _decoded(info).replace("\\", "/").split("/") if name not in {"", "."})
    where = (*parts, *names)
    if info.filename.endswith("/"):
        if names and names[-1].lower().endswith(".ipynb"):
            report(where, "is a folder, no notebook")
        return None
    if not names or (any(map(ignored, names)) and ".." not in names):
        return None
    if reason := _refused(info, names, len(parts)):
        report(where, f"{reason} and was left out")
        return None
    return File(where, _modified(info), level, lambda limit: _unpack(opened, info, limit))


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
    if ".." in names or raw.startswith(("/", "\\")) or names[0][1:2] == ":":
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
        raise too_large(info.file_size, limit)
    most = min(limit, max(_FREE_RATIO, MAX_RATIO * info.compress_size))
    try:
        with opened.open(info) as stream:
            data = stream.read(most + 1)
    except Exception as error:  # noqa: BLE001 - see above
        raise Unusable(f"is damaged ({str(error)[:200]})") from None
    if most < limit and len(data) > most:
        raise Unusable(f"unpacks to more than {MAX_RATIO} times its size, as no notebook does")
    return bounded(data, limit)
