"""A paper's table, put together again from its records."""

from dataclasses import dataclass

from efflab.errors import EfflabError
from efflab.paper._figures import Figure, suggestion
from efflab.paper._records import find, info
from efflab.tables import TextTable


@dataclass(frozen=True, repr=False)
class Table:
    """A published table.

    Attributes:
        paper: name of the paper.
        name: name of the table within it, ``"table2"``.
        title: what it shows.
        columns: names of the columns, as in ids.
        labels: the rows, as in ids.
        rows: for each label one figure a column, None where the paper has none.
        headings: the rows as printed.
    """

    paper: str
    name: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    rows: tuple[tuple[Figure | None, ...], ...]
    headings: tuple[str, ...]

    def row(self, label: str) -> dict[str, Figure]:
        """The figures of one row by column.

        Raises:
            EfflabError: there is no such row.
        """
        if label not in self.labels:
            raise EfflabError(
                f"{self.paper}/{self.name} has no row {label!r}; its rows are {', '.join(self.labels)}"
            )
        figures = self.rows[self.labels.index(label)]
        return {column: figure for column, figure in zip(self.columns, figures, strict=True) if figure}

    def column(self, name: str) -> dict[str, Figure]:
        """The figures of one column by row.

        Raises:
            EfflabError: there is no such column.
        """
        if name not in self.columns:
            raise EfflabError(
                f"{self.paper}/{self.name} has no column {name!r}; its columns are {', '.join(self.columns)}"
            )
        place = self.columns.index(name)
        return {label: row[place] for label, row in zip(self.labels, self.rows, strict=True) if row[place]}  # type: ignore[misc]  # the condition leaves no None

    def _text(self) -> TextTable:
        known = [figure for row in self.rows for figure in row if figure]
        units = {c: {f.unit for f in self.column(c).values()} for c in self.columns}
        heads = [f"{c} [{next(iter(u))}]" if len(u) == 1 and u != {""} else c for c, u in units.items()]
        body = [
            (heading, *(figure.printed if figure else None for figure in row))
            for heading, row in zip(self.headings, self.rows, strict=True)
        ]
        first = known[0]
        states = ", ".join(sorted({figure.status for figure in known} - {"verified"}))
        note = f"{first.source}, {first.where}" + (f"; {states}" if states else "")
        return TextTable.of(["", *heads], body, self.title, note)

    def __str__(self) -> str:
        return str(self._text())

    def __repr__(self) -> str:
        return f"Table({self.paper}/{self.name}, {len(self.labels)} rows x {len(self.columns)} columns)"

    def _repr_html_(self) -> str:
        return self._text()._repr_html_()


def tables(paper: str) -> dict[str, str]:
    """Titles of a paper's tables by name.

    Raises:
        EfflabError: no paper is called so.
    """
    return dict(info(paper).tables)


def table(paper: str, name: str) -> Table:
    """A table of a paper.

    Args:
        paper: the paper's or topic's name.
        name: the table's, ``"table2"``.

    Returns:
        The table; figures without rows (``pruning/figure1/dram_32b``) make one column called ``value``.

    Raises:
        EfflabError: there is no such paper or table.

    >>> print(table("pruning", "table2").row("fc1")["weights_pct"])
    8 %
    """
    source = info(paper)
    if name not in source.tables:
        close = suggestion(name, source.tables) or f"; its tables are {', '.join(source.tables)}"
        raise EfflabError(f"paper {source.name!r} has no table {name!r}{close}")
    start = f"{source.name}/{name}/"
    cells = {tuple(figure.id.removeprefix(start).split("/")): figure for figure in find(start)}
    labels = tuple(dict.fromkeys(key[0] for key in cells))
    columns = tuple(dict.fromkeys(key[1] if len(key) > 1 else "value" for key in cells))
    rows = tuple(
        tuple(
            cells.get((label, column)) or (cells.get((label,)) if column == "value" else None)
            for column in columns
        )
        for label in labels
    )
    headings = tuple(source.labels.get(label, label) for label in labels)
    return Table(source.name, name, source.tables[name], columns, labels, rows, headings)
