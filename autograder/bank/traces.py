"""What a batch leaves behind on the machine: processes, files, sockets, mounts. There should be nothing."""

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.bank.exhausting import MARK

_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/etc", "/opt")  # noqa: S108 - looked at, not written to
_TOUCHED = ("/etc/hosts", "/etc/passwd", "/etc/ld.so.preload")


@dataclass(frozen=True)
class Traces:
    """What there is at one moment.

    Attributes:
        files: hash and kind of each file of the watched folders, by path.
        marked: files, anywhere a submission may try to write, that carry the bank's mark.
        processes: the descendants of this process, and processes with the bank's mark, by id.
        sockets: sockets of the machine with the bank's mark, and whatever System V keeps for processes that have ended.
        mounts: what is mounted in this process's view.
    """

    files: dict[str, str]
    marked: frozenset[str]
    processes: dict[int, str]
    sockets: frozenset[str]
    mounts: tuple[str, ...]

    def since(self, before: "Traces") -> list[str]:
        """What is here now and was not before, or has changed, in words."""
        changed = {path for path, _ in self.files.items() ^ before.files.items()}
        found = [f"file {path} is new or changed" for path in sorted(changed)]
        found += [f"file {path} was left" for path in sorted(self.marked - before.marked)]
        found += [
            f"process {number} was left: {words}"
            for number, words in self.processes.items()
            if number not in before.processes
        ]
        found += [f"socket {name} was left" for name in sorted(self.sockets - before.sockets)]
        found += [f"mount {line} was left" for line in self.mounts if line not in before.mounts]
        return found


def left(before: Traces, *folders: Path, seconds: float = 30.0) -> list[str]:
    """What is here now and was not before, in words; processes that were told to leave are given time to do so.

    Args:
        before: what there was.
        folders: as for `look`, the same as before.
        seconds: how long to wait for what is still leaving.
    """
    end = time.monotonic() + seconds
    while (found := look(*folders).since(before)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def look(*folders: Path) -> Traces:
    """What there is now.

    Args:
        folders: watched whole: nothing in them may appear, change or vanish.
    """
    files = {str(path): _fingerprint(path) for folder in folders for path in sorted(folder.rglob("*"))}
    return Traces(files, frozenset(_marked(folders)), _processes(), frozenset(_sockets()), _mounts())


def _fingerprint(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link to {path.readlink()}"
    if stat.S_ISREG(mode):
        return f"{mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return f"{mode:o}"


def _marked(folders: tuple[Path, ...]) -> list[str]:
    places = [Path(one) for one in _PLACES] + [Path.home(), Path.cwd(), *folders]
    found = [str(path) for place in places if place.is_dir() for path in _listed(place) if MARK in path.name]
    touched = [path for path in (*map(Path, _TOUCHED), Path.home() / ".bashrc") if path.is_file()]
    return found + [str(path) for path in touched if MARK in path.read_text(errors="replace")]


def _listed(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []


def _processes() -> dict[int, str]:
    """Descendants of this process (orphans too, within `adopting`) and whatever carries the mark."""
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - dask brings it, and only the bank's tests need it

    found: dict[int, str] = {}
    mine = {one.pid for one in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline()) or process.name()
            own = (
                process.pid in mine and "resource_tracker" not in words
            )  # Python's own, which leaves with this process
            if process.pid != os.getpid() and (own or MARK in words):
                found[process.pid] = f"{process.status()} {words}"[:300]
        except psutil.Error:
            continue
    return found


@contextlib.contextmanager
def adopting() -> Iterator[bool]:
    """Let orphans among this process's descendants come to it, so that none is missed; gives whether this system can."""
    able = _subreaper(1)
    try:
        yield able
    finally:
        if able:
            _subreaper(0)


def _subreaper(on: int) -> bool:
    """Set or end the wish to be the parent of orphans."""
    import ctypes  # noqa: PLC0415 - Linux alone has this

    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(36, on, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _sockets() -> list[str]:
    listed = Path("/proc/net/unix")
    lines = listed.read_text(errors="replace").splitlines() if listed.exists() else []
    kept = [place for place in Path("/proc/sysvipc").glob("*") if "45424b" in _keys(place)]
    return [line.split()[-1] for line in lines if MARK in line] + [str(place) for place in kept]


def _keys(place: Path) -> str:
    """The keys of a table of System V, in hexadecimal digits."""
    return " ".join(f"{int(line.split()[0]) & 0xFFFFFFFF:x}" for line in place.read_text().splitlines()[1:])


def _mounts() -> tuple[str, ...]:
    listed = Path("/proc/self/mountinfo")
    return tuple(listed.read_text().splitlines()) if listed.exists() else ()
