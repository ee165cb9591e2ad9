"""Where the files of a data set lie on this machine, and whether they are what their authors published.

``EFFLAB_DATA`` names a folder that is searched first and never written; ``EFFLAB_CACHE`` (default: the platform's cache
folder of the user) holds downloads in its folder ``data``. A file's bytes are hashed on every read: that costs less than
decoding them, and what is decoded is then exactly what was checked.
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

import platformdirs

from efflab.data.catalog import describe
from efflab.data.info import File

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """Result of a search: the file's path and its checked bytes, or None, and what was wrong on the way."""

    path: Path | None
    content: bytes
    complaints: tuple[str, ...]


def cache_folder() -> Path:
    """``EFFLAB_CACHE``, or the platform's cache folder of this user."""
    named = os.environ.get("EFFLAB_CACHE")
    return Path(named or platformdirs.user_cache_dir("efflab", appauthor=False)).expanduser()


def cached_path(file: File) -> Path:
    """Where a download of ``file`` is kept."""
    return cache_folder() / "data" / file.path


def candidates(file: File) -> list[Path]:
    """Paths where ``file`` may lie, in the order in which they are searched."""
    named = os.environ.get("EFFLAB_DATA")
    given = [Path(named).expanduser() / file.path] if named else []
    return [*given, cached_path(file)]


def difference(file: File, content: bytes) -> str:
    """How ``content`` differs from the published file, in words; empty if it does not."""
    got = hashlib.sha256(content).hexdigest()
    if got in {file.sha256, file.repacked}:
        return ""
    return (
        f"is damaged: its sha256 is {got} ({len(content)} bytes), expected {file.sha256} ({file.size} bytes)"
    )


def search(file: File) -> Found:
    """Find ``file`` on this machine and read it; a copy that is damaged or unreadable is passed over, and left alone."""
    complaints: list[str] = []
    for path in candidates(file):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            complaints.append(f"{path} cannot be read ({error.strerror})")
            continue
        wrong = difference(file, content)
        if not wrong:
            return Found(path, content, tuple(complaints))
        complaints.append(f"{path} {wrong}")
    return Found(None, b"", tuple(complaints))


def available(name: str) -> bool:
    """Whether a data set can be loaded without a network: each file is here with its size (its checksum is not read).

    Raises:
        DataError: no data set has this name.

    >>> available("digits")
    True
    """
    return all(any(_size(path) == file.size for path in candidates(file)) for file in describe(name).files)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def note(complaints: tuple[str, ...]) -> None:
    """Tell the user's log about damaged copies that were passed over."""
    for complaint in complaints:
        logger.warning("%s; looking further", complaint)
