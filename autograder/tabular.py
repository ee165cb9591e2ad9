"""CSV tables from any spreadsheet: read with their line numbers, errors that name the line."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from efflab.errors import EfflabError

MAX_BYTES = 20 * 2**20
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        number: of the file, from 1.
        values: by the column's name in lower case, stripped.
    """

    number: int
    values: dict[str, str]

    def get(self, *names: str) -> str:
        """The first value that is there under one of these names, else an empty text."""
        return next((value for name in names if (value := self.values.get(name, ""))), "")


@dataclass(frozen=True)
class Table:
    """A table with a line of names.

    Attributes:
        path: the file.
        names: its columns, in lower case.
        lines: what follows; empty lines are left out.
    """

    path: Path
    names: tuple[str, ...]
    lines: tuple[Line, ...]

    def once(self, *names: str) -> None:
        """Refuse a table that has one of these columns more than once; of others the first counts.

        Raises:
            EfflabError: it has.
        """
        for name in names:
            if self.names.count(name) > 1:
                raise EfflabError(f"{self.path} has the column {name!r} twice")


def read(path: Path) -> Table:
    """Read a table separated by commas, semicolons or tabs, with or without a byte order mark.

    Raises:
        EfflabError: it cannot be read, is no UTF-8 text, is empty, or a line has more values than the first.
    """
    rows = _rows(path)
    try:
        _, header = next(rows)
        names = tuple(name.strip().lower() for name in header)
    except StopIteration:
        raise EfflabError(f"{path} is empty; a line with the names of its columns was expected") from None
    return Table(path, names, tuple(_line(path, names, number, row) for number, row in rows))


def _line(path: Path, names: tuple[str, ...], number: int, row: list[str]) -> Line:
    if any(value.strip() for value in row[len(names) :]):
        raise EfflabError(f"{path}, line {number}: {len(row)} values came for {len(names)} columns")
    # Written from the end, so that of two columns with one name the first counts.
    pairs = list(zip(names, row, strict=False))[::-1]
    return Line(number, {name: value.strip() for name, value in pairs if name})


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines with anything in them, each with its number."""
    text = _text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise EfflabError(f"{path}, line {reader.line_num}: it is no CSV ({error})") from None
        if any(value.strip() for value in row):
            yield reader.line_num, row


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise EfflabError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise EfflabError(f"{path} has more than {MAX_BYTES // 2**20} MiB; a table of a class is smaller")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EfflabError(f"{path} is not UTF-8 text; save it from the spreadsheet as 'CSV UTF-8'") from None
    if "\0" in text:
        raise EfflabError(f"{path} holds a NUL character, so it is no CSV")
    return text
