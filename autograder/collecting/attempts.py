"""What collecting gives: attempts, each with whose it is, and what could not be taken in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from autograder.roster import is_id
from efflab.errors import EfflabError
from efflab.files import write_atomic

TIMESTAMP = "timestamp.txt"


@dataclass(frozen=True)
class Attempt:
    """A notebook that a student handed in.

    Attributes:
        student: the id, fit to name a folder.
        lab: the lab's name, ``"01-pruning"``.
        notebook: the file as it came, read by nobody yet; empty once a later attempt of the same source counts.
        timestamp: when, in UTC; None where nothing says so.
        origin: where it came from, for messages.
        notes: what was assumed, in sentences.
    """

    student: str
    lab: str
    notebook: bytes
    timestamp: datetime | None
    origin: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collected:
    """What a source held.

    Attributes:
        attempts: all of them, a student's own in the order in which they were made.
        problems: what could not be taken in or attributed, a sentence each.
    """

    attempts: tuple[Attempt, ...] = ()
    problems: tuple[str, ...] = ()


def last(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Of every student and lab the attempt that counts: the latest, and of equal ones the last.

    Where one of two says no time, the later in order counts: platforms number files even where they give no times.
    """
    counts: dict[tuple[str, str], Attempt] = {}
    for attempt in attempts:
        key = (attempt.student, attempt.lab)
        if key not in counts or not _later(counts[key], attempt):
            counts[key] = attempt
    return list(counts.values())


def _later(one: Attempt, other: Attempt) -> bool:
    return one.timestamp is not None and other.timestamp is not None and one.timestamp > other.timestamp


class Kept:
    """Attempts as they are found; only those that count so far keep their bytes, so that a class fits into memory.

    Args:
        most: how many bytes may be kept.
    """

    def __init__(self, most: int) -> None:
        self.all: list[Attempt] = []
        self._left = most
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, attempt: Attempt) -> bool:
        """Take an attempt in.

        Returns:
            Whether there was room for it.
        """
        key = (attempt.student, attempt.lab)
        before = self._counts.get(key)
        if before is not None and _later(self.all[before], attempt):
            self.all.append(replace(attempt, notebook=b""))
            return True
        freed = len(self.all[before].notebook) if before is not None else 0
        if len(attempt.notebook) > self._left + freed:
            return False
        self._left += freed - len(attempt.notebook)
        if before is not None:
            self.all[before] = replace(self.all[before], notebook=b"")
        self._counts[key] = len(self.all)
        self.all.append(attempt)
        return True


def store(attempts: Iterable[Attempt], course_submitted: Path) -> list[Path]:
    """Write attempts as nbgrader keeps them, ``submitted/<student>/<lab>/<topic>.ipynb`` and ``timestamp.txt``.

    A file that is there with a later time stays, so that taking in an older download again changes nothing.

    Returns:
        The notebooks written.

    Raises:
        EfflabError: a student's id or a lab cannot name a folder, or a link stands where a folder should.
    """
    return [path for attempt in last(attempts) if (path := _store(attempt, Path(course_submitted)))]


def _store(attempt: Attempt, submitted: Path) -> Path | None:
    topic = attempt.lab.partition("-")[2]
    if not is_id(attempt.student) or not is_id(attempt.lab) or not topic:
        raise EfflabError(
            f"cannot store the lab {attempt.lab[:80]!r} of a student called {attempt.student[:80]!r}"
        )
    folder = submitted / attempt.student / attempt.lab
    for path in (folder.parent, folder):
        if path.is_symlink():
            raise EfflabError(f"{path} is a symbolic link; a folder was expected")
    stamp = folder / TIMESTAMP
    there = read_time(stamp.read_text(encoding="utf-8", errors="replace")) if stamp.is_file() else None
    if there and attempt.timestamp and there > attempt.timestamp:
        return None
    # The notebook first: a time without its notebook would keep the older one for good.
    path = write_atomic(folder / f"{topic}.ipynb", attempt.notebook)
    if attempt.timestamp:
        write_atomic(stamp, f"{attempt.timestamp.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC\n")
    else:
        stamp.unlink(missing_ok=True)
    return path


def read_time(text: str) -> datetime | None:
    """A moment as nbgrader or ISO 8601 writes it, in UTC, which is also taken where no zone is given; None if it is none."""
    words = text.strip().removesuffix("UTC").removesuffix("GMT").strip()
    try:
        moment = datetime.fromisoformat(words)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def in_order(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Attempts by lab and student; a student's own keep their order."""
    return tuple(sorted(attempts, key=lambda one: (one.lab, one.student)))
