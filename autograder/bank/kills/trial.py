"""One blow at one moment, and everything that was wrong afterwards."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.bank.kills.scene import BLOWS, CLASS, Blow, Command, Moment, hand_in, new_course, strike
from autograder.bank.kills.shelf import Said, Shelf, differences, outcomes


@dataclass(frozen=True)
class Trial:
    """What came of a blow.

    Attributes:
        blow: what was killed.
        moment: when it fell.
        written: how many submissions had been written at that moment.
        problems: what was wrong, in sentences.
    """

    blow: Blow
    moment: Moment
    written: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nothing disturbs gives: the gradebook, each student's part of it, the outcomes, the seconds."""

    rows: Counter[Said]
    work: dict[str, Counter[Said]]
    outcomes: dict[str, object]
    seconds: dict[int, float]


def undisturbed(handed_in: Path, folder: Path) -> Undisturbed:
    """Grade the class without any blow, in one process and by two workers.

    Raises:
        RuntimeError: the two runs differ.
    """
    shelves, seconds = [], {}
    for workers in (1, 2):
        course = new_course(folder / f"calm-{workers}")
        seconds[workers] = Command(handed_in, course, workers).run()
        shelves.append((Shelf(course / "gradebook.db"), outcomes(course)))
    (one, first), (other, second) = shelves
    apart = differences(one.rows(), other.rows())
    if apart or first != second or len(one.work()) != len(CLASS):
        raise RuntimeError(f"two undisturbed runs differ: {apart[:3]}")
    return Undisturbed(one.rows(), one.work(), first, seconds)


def at_the_blow(course: Path, calm: Undisturbed) -> list[str]:
    """What is wrong with the gradebook as it was left: each submission must be there as a whole or not at all."""
    database = course / "gradebook.db"
    if not database.exists():
        return []
    # Reading goes through the journal as the next run will, so a copy is read and the original left for that run.
    with tempfile.TemporaryDirectory() as folder:
        for file in course.glob("gradebook.db*"):
            shutil.copy2(file, folder)
        shelf = Shelf(_recovered(Path(folder) / "gradebook.db"))
    problems = [f"damaged at the blow: {text}" for text in shelf.damage]
    for student, rows in shelf.work().items():
        if rows != calm.work[student]:
            problems.append(
                f"half a submission of {student} at the blow: {differences(calm.work[student], rows)[:2]}"
            )
    return problems


def _recovered(database: Path) -> Path:
    """The database after SQLite has rolled back or taken in what its journal holds."""
    import sqlite3  # noqa: PLC0415 - here alone a file is opened for writing

    connection = sqlite3.connect(database)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.close()
    return database


def afterwards(course: Path, calm: Undisturbed) -> list[str]:
    """What differs from an undisturbed run once the command has run again."""
    shelf = Shelf(course / "gradebook.db")
    problems = [f"damaged: {text}" for text in shelf.damage]
    problems += differences(calm.rows, shelf.rows())[:5]
    found = outcomes(course)
    if found != calm.outcomes:
        problems.append(
            f"the outcomes differ: {[path for path in calm.outcomes if found.get(path) != calm.outcomes[path]]}"
        )
    problems += [f"left behind: {path}" for path in course.rglob("*.part*")]
    return problems


def trials(moments: int, seed: int, say: Callable[[Trial], None]) -> Iterator[Trial]:
    """Blows at random moments, the kinds in turn.

    Args:
        moments: how many blows.
        seed: decides moments and workers.
        say: told of each.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        handed_in = hand_in(folder / "handed-in")
        calm = undisturbed(handed_in, folder)
        for number in range(moments):
            trial = _trial(BLOWS[number % len(BLOWS)], folder / f"course-{number}", handed_in, calm, draw)
            say(trial)
            yield trial


def _moment(draw: random.Random, seconds: float) -> Moment:
    """Any time after Python's own start, or shortly after a submission was written, whatever the machine's speed."""
    behind = draw.choice((0, 0, *range(1, len(CLASS))))
    return Moment(behind, draw.uniform(0.0, 0.5) if behind else draw.uniform(1.0, seconds))


def _trial(blow: Blow, folder: Path, handed_in: Path, calm: Undisturbed, draw: random.Random) -> Trial:
    workers = 2 if blow == "worker" else draw.choice((1, 2))
    moment = _moment(draw, calm.seconds[workers])
    command = Command(handed_in, new_course(folder), workers)
    try:
        course, written = strike(blow, command, moment, draw)
        problems = at_the_blow(course, calm)
        Command(handed_in, course, workers).run()
        problems += afterwards(course, calm)
    except RuntimeError as error:
        return Trial(blow, moment, 0, (str(error),))
    shutil.rmtree(folder)
    shutil.rmtree(folder.with_name(folder.name + "-after"), ignore_errors=True)
    return Trial(blow, moment, written, tuple(problems))
