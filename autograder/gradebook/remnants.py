"""What a process that was killed had begun to write, and nobody will finish."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from autograder.gradebook.course import Course

YOUNG_SECONDS = 60.0
# SQLite may leave a journal beside a database that was begun.
_BEGUN = (".*.part", ".*.part-journal")
_OWN = (".gradebook.db", ".writer.json", ".roster.csv", ".deadlines.csv")
_SETTINGS = (".secret.*.part", ".nbgrader_config.py.*.part", "..gitignore.*.part")


def sweep(course: Course) -> None:
    """Remove temporary files of writers that are gone, by the writer that holds the course's lock.

    What the lock's holder alone writes goes at once. What others write without it may be in the making, so it goes when it is
    a minute old.
    """
    for file in _writers(course):
        file.unlink(missing_ok=True)
    for file in _others(course):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - file.lstat().st_mtime > YOUNG_SECONDS:
                file.unlink()


def _writers(course: Course) -> Iterator[Path]:
    folders = (course.submitted, course.autograded, course.outcomes, course.cache, course.backups)
    for folder in (*folders, course.source, course.release):
        for pattern in _BEGUN:
            yield from folder.rglob(pattern)
    for name in _OWN:
        for pattern in _BEGUN:
            yield from course.root.glob(name + pattern)


def _others(course: Course) -> Iterator[Path]:
    for folder in (course.feedback, course.exports):
        yield from folder.rglob(".*.part")
    for pattern in _SETTINGS:
        yield from course.root.glob(pattern)
