"""Hostile ways of handing in: names, links and archives that want to write or read where they must not, or to be somebody else.

Each parcel is put beside the honest notebook of ``ada``, who must be taken in with the bytes that she handed in; of the
others only ``mallory`` may be taken in, under no other name.
"""

import io
import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.bank.exhausting import MARK

LAB, TOPIC = "01-pruning", "pruning"
HONEST, HOSTILE = "ada", "mallory"


@dataclass(frozen=True)
class Parcel:
    """Something that is handed in.

    Attributes:
        name: unique.
        words: what it tries, in one sentence.
        put: writes it into a folder of submissions, given the folder and the hostile notebook's bytes.
        zipped: whether it is an archive's trick: then ``put`` writes into an open zip instead.
    """

    name: str
    words: str
    put: Callable[[Path, bytes], None] | Callable[[zipfile.ZipFile, bytes], None] = field(compare=False)
    zipped: bool = False

    def build(self, folder: Path, honest: bytes, hostile: bytes) -> Path:
        """Make the source that an instructor would point at: a folder, or a zip.

        Args:
            folder: an empty folder.
            honest: ada's notebook.
            hostile: mallory's.
        """
        if not self.zipped:
            source = folder / "submitted"
            _write(source / HONEST / LAB / f"{TOPIC}.ipynb", honest)
            self.put(source, hostile)  # type: ignore[arg-type]  # told apart by `zipped`
            return source
        source = folder / "submissions.zip"
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{HONEST}/{LAB}/{TOPIC}.ipynb", honest)
            self.put(archive, hostile)  # type: ignore[arg-type]  # as above
        return source


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _link(target: str) -> Callable[[Path, bytes], None]:
    def put(source: Path, _: bytes) -> None:
        place = source / HOSTILE / LAB
        place.mkdir(parents=True)
        (place / f"{TOPIC}.ipynb").symlink_to(target)

    return put


def _link_folder(source: Path, _: bytes) -> None:
    (source / HOSTILE).symlink_to(source / HONEST)
    (source / "eve").mkdir()
    (source / "eve" / LAB).symlink_to(source / HONEST / LAB)


def _link_up(source: Path, _: bytes) -> None:
    (source / HOSTILE).mkdir()
    (source / HOSTILE / "again").symlink_to(source)


def _pipe(source: Path, _: bytes) -> None:
    place = source / HOSTILE / LAB
    place.mkdir(parents=True)
    os.mkfifo(place / f"{TOPIC}.ipynb")


def _named(*names: str) -> Callable[[Path, bytes], None]:
    def put(source: Path, hostile: bytes) -> None:
        for name in names:
            _write(source / name / LAB / f"{TOPIC}.ipynb", hostile)

    return put


def _folder_as_file(source: Path, hostile: bytes) -> None:
    _write(source / HOSTILE / LAB / f"{TOPIC}.ipynb" / "inner.txt", hostile)


def _somebody_else(source: Path, hostile: bytes) -> None:
    _write(source / HOSTILE / LAB / HONEST / LAB / f"{TOPIC}.ipynb", hostile)
    _write(source / HOSTILE / LAB / "submitted" / HONEST / LAB / f"{TOPIC}.ipynb", hostile)
    _write(source / HOSTILE / LAB / f"{HONEST}_1_2_{TOPIC}.ipynb", hostile)
    (source / HOSTILE / LAB / "timestamp.txt").write_text("2099-01-01 00:00:00 UTC")


def _somebody_elses_zip(source: Path, hostile: bytes) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(f"submitted/{HONEST}/{LAB}/{TOPIC}.ipynb", hostile)
        archive.writestr(f"{HONEST}_1_2_{TOPIC}.ipynb", hostile)
        archive.writestr(f"../../{HONEST}/{LAB}/{TOPIC}.ipynb", hostile)
        archive.writestr(
            "submission_metadata.yml",
            f"submission_1:\n  :submitters:\n  - :name: {HONEST}\n    :sid: {HONEST}\n",
        )
    _write(source / HOSTILE / LAB / "work.zip", inner.getvalue())


def _stamp(source: Path, hostile: bytes) -> None:
    _write(source / HOSTILE / LAB / f"{TOPIC}.ipynb", hostile)
    (source / HOSTILE / LAB / "timestamp.txt").write_bytes(b"\xff\x00" + b"9" * 10**6)


def _entries(*names: str) -> Callable[[zipfile.ZipFile, bytes], None]:
    def put(archive: zipfile.ZipFile, hostile: bytes) -> None:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), hostile)

    return put


def _zip_link(archive: zipfile.ZipFile, _: bytes) -> None:
    entry = zipfile.ZipInfo(f"{HOSTILE}/{LAB}/{TOPIC}.ipynb")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def _bomb(archive: zipfile.ZipFile, _: bytes) -> None:
    with archive.open(f"{HOSTILE}/{LAB}/{TOPIC}.ipynb", "w", force_zip64=True) as entry:
        for _number in range(256):
            entry.write(b" " * 2**20)


def _nested(archive: zipfile.ZipFile, hostile: bytes) -> None:
    content = hostile
    for depth in range(6):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as one:
            one.writestr(f"{TOPIC}.ipynb" if depth == 0 else "inner.zip", content)
        content = inner.getvalue()
    archive.writestr(f"{HOSTILE}/{LAB}/work.zip", content)


def _many(archive: zipfile.ZipFile, _: bytes) -> None:
    for number in range(30_000):
        archive.writestr(f"{HOSTILE}/{LAB}/{number}.txt", b"")


_UP = "../" * 6
PARCELS: tuple[Parcel, ...] = (
    Parcel("link-to-a-system-file", "the notebook is a link to /etc/passwd", _link("/etc/passwd")),
    Parcel("link-to-a-neighbour", "the notebook is a link to another student's", _link(f"../../{HONEST}/{LAB}/{TOPIC}.ipynb")),
    Parcel("link-to-nothing", "the notebook is a link to itself", _link(f"{TOPIC}.ipynb")),
    Parcel("linked-folders", "the student's folder is a link to another student's", _link_folder),
    Parcel("linked-circle", "a folder links to the one above it", _link_up),
    Parcel("pipe", "the notebook is a pipe that nobody writes to", _pipe),
    Parcel("folder-as-notebook", "the notebook is a folder", _folder_as_file),
    Parcel("odd-names", "names of students that are options, hidden, or hold a line's end, a terminal's escape or a turned text",
        _named("-rf", ".hidden", "a\nb", "a\x1b[2Jb", "\u202eyrollam", "a b;rm -rf x", "$(touch x)", "x" * 200, "'; DROP TABLE student; --")),
    Parcel("somebody-else", "folders and names inside one's own submission say that it is another student's", _somebody_else),
    Parcel("somebody-elses-zip", "a zip inside one's own submission says that it is another student's", _somebody_elses_zip),
    Parcel("odd-time", "the file with the time of handing in is a megabyte of rubbish", _stamp),
    Parcel("zip-paths", "names in a zip lead out of it", _entries(
        f"{_UP}{MARK}.ipynb", f"/{MARK}.ipynb", f"C:\\{MARK}.ipynb", f"{HOSTILE}/../{HONEST}/{LAB}/{TOPIC}.ipynb",
        f"..\\..\\{HONEST}\\{LAB}\\{TOPIC}.ipynb", f"./{HONEST}/./{LAB}/{TOPIC}.ipynb/", f"{HOSTILE}/{LAB}/{TOPIC}.ipynb\0.txt"), zipped=True),
    Parcel("zip-link", "an entry of a zip is a link to /etc/passwd", _zip_link, zipped=True),
    Parcel("zip-bomb", "an entry of a zip unpacks to a thousand times its size, 256 megabytes", _bomb, zipped=True),
    Parcel("zip-in-zip", "zips lie in zips, six deep", _nested, zipped=True),
    Parcel("zip-of-many", "a zip has thirty thousand empty files", _many, zipped=True),
)  # fmt: skip
