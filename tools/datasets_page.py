"""Write the tables of book/datasets.md from the catalogue: ``python tools/datasets_page.py`` (``--check`` only compares)."""

import sys
from pathlib import Path

from efflab.data.catalog import CATALOG
from efflab.data.info import Info

PAGE = Path(__file__).resolve().parents[1] / "book" / "datasets.md"
BEGIN, END = "<!-- from the catalogue: begin -->", "<!-- from the catalogue: end -->"


def size(info: Info) -> str:
    """Size of the files in megabytes of a million bytes."""
    return f"{info.bytes / 1e6:.1f} MB" if info.files else "in the package"


def row(info: Info) -> str:
    """One data set's line of the table."""
    splits = ", ".join(f"{count:,} {split}" for split, count in info.splits.items())
    return (
        f"| `{info.name}` | {info.title} {{cite}}`{info.key}` | {info.task} | {splits} {info.unit} | {size(info)} |"
        f" {licence(info)} | {info.holder} |"
    )


def licence(info: Info) -> str:
    """The licence, linked to its text or to the statement it is taken from."""
    return f"[{info.licence}]({info.licence_url})"


def note(info: Info) -> str:
    """What else a user should know, as one item of a list."""
    return f"- `{info.name}`: {info.note}"


def tables() -> str:
    """The part of the page that lies between the marks."""
    head = "| name | data set | for | splits | size | licence | holder |"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- |", *map(row, CATALOG.values())]
    return "\n".join([*lines, "", *(note(info) for info in CATALOG.values() if info.note)])


def page(text: str) -> str:
    """The page's text with its tables renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    old = PAGE.read_text(encoding="utf-8")
    new = page(old)
    if "--check" in sys.argv:
        sys.exit("book/datasets.md is not what the catalogue says" if new != old else 0)
    PAGE.write_text(new, encoding="utf-8")
