"""The page that JupyterLab opens on: the student's labs with what each takes, and how far it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from efflab import topics
from efflab.cli.output import size

if TYPE_CHECKING:
    from efflab.lab import Copy

PAGE = "start.md"
_PAGE = """# Your labs

These notebooks are your own copies: no update of the course overwrites an answer. Click one to open it.

| lab | reading and writing | machine time, at most | download | state |
| --- | --- | --- | --- | --- |
{rows}

{notes}
Each lab goes *predict, build, check, measure, explain*. A check that fails says what it expected, what came, and where they
first differ; `hint("...")` helps in three steps.

To hand a lab in, save it, then in a terminal (File, New, Terminal): `efflab submit {last}`.

If something does not work: `efflab doctor`.

<!-- written anew at each start -->
"""


@dataclass(frozen=True)
class Entry:
    """One notebook on the page.

    Attributes:
        title: the lab's number and name.
        link: the notebook, relative to the page.
        reading_minutes: to read, think and write; None where unknown.
        machine_seconds: machine time at most; None where unknown.
        download_bytes: what it fetches; None where unknown.
        state: how far it is, a few words.
        note: a sentence below the table, or an empty string.
        offer: a newer release of it, relative to the page, or an empty string.
    """

    title: str
    link: str
    reading_minutes: int | None
    machine_seconds: int | None
    download_bytes: int | None
    state: str
    note: str = ""
    offer: str = ""


def entry(copy: "Copy", released: Path, folder: Path) -> Entry:
    """Describe a student's copy.

    Args:
        copy: the copy.
        released: the notebook that it was made from.
        folder: the student's folder, where the page lies.
    """
    from efflab.lab import BUDGETS

    topic = topics.get(copy.lab)
    budget = BUDGETS.get(copy.lab)
    return Entry(
        title=f"{topic.number:02d} {topic.title}",
        link=copy.notebook.relative_to(folder).as_posix(),
        reading_minutes=budget.reading_minutes if budget else None,
        machine_seconds=budget.machine_seconds if budget else None,
        download_bytes=budget.download_bytes if budget else None,
        state=_state(copy, released, folder),
        note=copy.note,
        offer=copy.offer.relative_to(folder).as_posix() if copy.offer else "",
    )


def _state(copy: "Copy", released: Path, folder: Path) -> str:
    """Handed in, begun (the copy differs from the release), or not begun."""
    from efflab.lab import handin

    if any((folder / handin.FOLDER).glob(f"{copy.lab}-*.zip")):
        return "handed in"
    if copy.state in {"new", "updated"} or copy.notebook.read_bytes() == released.read_bytes():
        return "not begun"
    return "begun"


def render(entries: list[Entry]) -> str:
    """The page as Markdown."""
    rows = [
        f"| [{one.title}]({quote(one.link)}) | {_or_dash(one.reading_minutes, ' min')} | "
        f"{_or_dash(one.machine_seconds, ' s')} | {_download(one.download_bytes)} | {one.state} |"
        for one in entries
    ]
    notes = [_note(one) for one in entries if one.note or one.offer]
    last = entries[-1].link if entries else "NOTEBOOK"
    return _PAGE.format(rows="\n".join(rows), notes="".join(notes), last=last)


def _or_dash(value: int | None, unit: str) -> str:
    return "–" if value is None else f"{value}{unit}"


def _download(count: int | None) -> str:
    return "–" if count is None else size(count) if count else "nothing"


def _note(one: Entry) -> str:
    offer = f" [Open the newer release]({quote(one.offer)})." if one.offer else ""
    return f"- {one.title}: {one.note or 'A newer release lies beside your copy.'}{offer}\n"
