"""Collecting as the command sees it, from plain folders ``student/lab/topic.ipynb``."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Attempt:
    student: str
    lab: str
    notebook: bytes
    timestamp: datetime | None


@dataclass(frozen=True)
class Collected:
    attempts: tuple[Attempt, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Student:
    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""


@dataclass(frozen=True)
class Roster:
    students: tuple[Student, ...]


def collect(source, *, labs, roster, lab):
    del roster, lab
    if not Path(source).is_dir():
        return Collected((), (f"{Path(source).name} is no folder",))
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    attempts = [
        Attempt(path.parts[-3], one.name, path.read_bytes(), moment)
        for one in labs
        for path in sorted(Path(source).glob(f"*/{one.name}/{one.topic}.ipynb"))
    ]
    return Collected(tuple(attempts), ())


def store(attempts, folder):
    for one in attempts:
        path = folder / one.student / one.lab / f"{one.lab.split('-', 1)[1]}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.notebook)
        path.with_name("timestamp.txt").write_text(f"{one.timestamp:%Y-%m-%d %H:%M:%S.%f} UTC")


def read_roster(path):
    rows = [line.split(",") for line in Path(path).read_text().split()[1:]]
    return Roster(tuple(Student(*row) for row in rows))


class Dates:
    def __init__(self, path):
        rows = [line.split(",") for line in Path(path).read_text().split()[1:]]
        self.table = {(lab, student): datetime.fromisoformat(due) for lab, student, due in rows}

    def due(self, lab, student):
        return self.table.get((lab, student)) or self.table.get((lab, ""))


def install(monkeypatch):
    """Put them where the real modules stand."""
    import autograder

    made = {
        "collecting": {"collect": collect, "store": store, "last": list},
        "roster": {"read": read_roster},
        "deadlines": {"read": Dates},
    }
    for name, content in made.items():
        module = ModuleType(f"autograder.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(autograder, name, module, raising=False)
