"""When work is due: a table of labs, students and moments.

A line without a student holds for everybody, a line with one is that student's extension::

    lab,student,due
    01-pruning,,2026-11-23 23:59
    01-pruning,ada,2026-11-30T23:59:00+01:00

A time without a zone is in the zone that the column's name gives, ``due (Europe/Berlin)``, else in the machine's own. A
date without a time is the end of that day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder import tabular
from efflab.errors import EfflabError


@dataclass(frozen=True)
class Deadlines:
    """Due dates.

    Attributes:
        moments: by lab as the table has it and student in lower case, empty for everybody; in UTC.
    """

    moments: Mapping[tuple[str, str], datetime] = field(default_factory=dict)

    def due(self, lab: str, student: str = "") -> datetime | None:
        """When a student's work is due, in UTC.

        Args:
            lab: the lab's name, ``"01-pruning"``; the table may also say ``pruning`` or ``01``.
            student: the student's id; empty for the date without extensions.

        Returns:
            The moment, or None if the lab has no due date.
        """
        number, _, topic = lab.partition("-")
        for who in dict.fromkeys((student.casefold(), "")):
            for name in (lab, topic, number):
                if name and (name, who) in self.moments:
                    return self.moments[name, who]
        return None


def read(path: Path) -> Deadlines:
    """Read the due dates.

    Raises:
        EfflabError: it is no such table, a moment cannot be read, or two lines hold for the same.
    """
    table = tabular.read(Path(path))
    table.once("lab", "student", "due")
    column = next((name for name in table.names if name.partition("(")[0].strip() == "due"), None)
    if column is None or "lab" not in table.names:
        came = ", ".join(table.names)[:200]
        raise EfflabError(f"{path} has the columns {came}; expected 'lab', 'student' and 'due'")
    zone = _zone(table.path, column)
    moments: dict[tuple[str, str], datetime] = {}
    for line in table.lines:
        key = (line.get("lab"), line.get("student").casefold())
        if not key[0]:
            raise EfflabError(f"{path}, line {line.number}: the lab is missing")
        if key in moments:
            raise EfflabError(f"{path}, line {line.number}: {' '.join(key).strip()} has a due date already")
        moments[key] = _moment(table.path, line, line.get(column), zone)
    return Deadlines(moments)


def _zone(path: Path, column: str) -> ZoneInfo | None:
    """The zone in the column's name, which was read in lower case."""
    name = column.partition("(")[2].rstrip(")").strip()
    if not name:
        return None
    from zoneinfo import available_timezones  # noqa: PLC0415 - walks a folder, and few tables name a zone

    known = {one.lower(): one for one in available_timezones()}
    if name not in known:
        raise EfflabError(
            f"{path}: the time zone {name!r} is not known; expected one such as 'Europe/Berlin'"
        )
    return ZoneInfo(known[name])


def _moment(path: Path, line: tabular.Line, text: str, zone: ZoneInfo | None) -> datetime:
    try:
        moment = _parse(text)
        # Without a zone, astimezone() takes the machine's.
        local = moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise EfflabError(
            f"{path}, line {line.number}: {text[:60]!r} is no moment; expected one such as 2026-11-23 23:59 "
            "or 2026-11-23T23:59:00+01:00"
        ) from None


def _parse(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59))
    except ValueError:
        return datetime.fromisoformat(text)
