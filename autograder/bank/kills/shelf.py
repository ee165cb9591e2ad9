"""Everything that a gradebook says, without the ids and the hour of its writing, so that two of them can be compared."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Said = tuple[Any, ...]


class Shelf:
    """The content of a gradebook's file.

    Args:
        database: the file; it is read only.
    """

    def __init__(self, database: Path) -> None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            self.damage = [
                text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"
            ] + [f"foreign key: {tuple(row)}" for row in connection.execute("PRAGMA foreign_key_check")]
            self._tables = {name: self._read(connection, name) for name in self._names(connection)}
        self._by_id = {
            row["id"]: (name, row)
            for name, rows in self._tables.items()
            for row in rows
            if name not in {"grade_cells", "solution_cells", "task_cells"} and "id" in row
        }

    @staticmethod
    def _names(connection: sqlite3.Connection) -> list[str]:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

    @staticmethod
    def _read(connection: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]  # noqa: S608 - a name of the file's own

    def _told(self, table: str, row: Row) -> Said:
        """A row with what its ids stand for in their place."""
        parts: list[Any] = [table]
        for column, value in sorted(row.items()):
            if column == "id" and table not in {"student", "course"}:
                parts += [self._meant(value)] if table.endswith("_cells") else []
            elif column.endswith("_id"):
                parts.append((column, self._meant(value)))
            else:
                parts.append((column, value))
        return tuple(parts)

    def _meant(self, value: Any) -> Any:
        known = self._by_id.get(value)
        return value if known is None else self._told(*known)

    def rows(self) -> Counter[Said]:
        """Every row of every table."""
        return Counter(self._told(name, row) for name, rows in self._tables.items() for row in rows)

    def work(self) -> dict[str, Counter[Said]]:
        """What was written for each student's submission: its rows, by student."""
        found: dict[str, Counter[Said]] = {}
        for name in ("submitted_assignment", "submitted_notebook", "grade", "comment"):
            for row in self._tables.get(name, ()):
                found.setdefault(self._student(name, row), Counter())[self._told(name, row)] += 1
        return found

    def _student(self, table: str, row: Row) -> str:
        """Whose a row is, by following its ids."""
        while table != "submitted_assignment":
            above = row["assignment_id"] if table == "submitted_notebook" else row["notebook_id"]
            table, row = self._by_id[above]
        return str(row["student_id"])


def differences(one: Counter[Said], other: Counter[Said]) -> list[str]:
    """Rows that only one of two has, shortened."""
    return [f"only before: {str(row)[:300]}" for row in one - other] + [
        f"only now: {str(row)[:300]}" for row in other - one
    ]


def outcomes(course: Path) -> dict[str, Any]:
    """The points and failures of the outcomes that lie beside the gradebook, by their path."""
    return {
        str(path.relative_to(course)): _points(path) for path in sorted((course / "outcomes").rglob("*.json"))
    }


def _points(path: Path) -> list[Any]:
    content = json.loads(path.read_text())
    return [content["failure"], list(_earned(content["tasks"]))]


def _earned(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, list[float]]]:
    for task in tasks:
        yield task["task"], [result["points"] for result in task["results"]]
