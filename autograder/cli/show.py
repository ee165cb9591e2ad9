"""What a run shows: a bar while it runs, a table at its end, and what needs a person."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from autograder.gradebook import Change
    from autograder.job import Outcome

LINES = 30
"""Lines of a list before the rest is counted."""


@dataclass
class Tally:
    """What became of a batch.

    Attributes:
        changes: what each write changed.
        attention: who and why a person should look.
        late: how many were handed in late.
        waiting: how many have a written answer to be graded by hand.
        flagged: how many have flags.
        problems: files that could not be taken in.
        sandbox: where they ran.
    """

    changes: "list[Change]" = field(default_factory=list)
    attention: list[tuple[str, str, str]] = field(default_factory=list)
    late: int = 0
    waiting: int = 0
    flagged: int = 0
    problems: tuple[str, ...] = ()
    sandbox: str = ""

    def add(self, change: "Change", outcome: "Outcome", *, late: bool) -> None:
        """Count one submission."""
        self.changes.append(change)
        self.late += late
        self.flagged += bool(outcome.flags)
        self.sandbox = outcome.sandbox or self.sandbox
        if reason := change.failure or outcome.failure:
            self.attention.append((change.student, change.lab, f"not graded: {reason}"))
        for flag in outcome.flags:
            where = f"{flag.task}: " if flag.task else ""
            self.attention.append((change.student, change.lab, f"{where}{flag.sentence}"))

    def count(self, kind: str) -> int:
        """How many submissions are new, changed, the same or failed."""
        return sum(change.kind == kind for change in self.changes)

    @property
    def failed(self) -> int:
        """What was not graded; who is only missing in the roster was."""
        left_out = [problem for problem in self.problems if "is taken in as" not in problem]
        return self.count("failed") + len(left_out)

    def figures(self) -> dict[str, int]:
        """The table, by what is counted."""
        return {
            "graded": len(self.changes) - self.count("failed"),
            "new": self.count("new"),
            "changed": self.count("changed"),
            "unchanged": self.count("same"),
            "failed": self.failed,
            "flagged": self.flagged,
            "late": self.late,
            "by hand": self.waiting,
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        people = [dict(zip(("student", "lab", "why"), line, strict=True)) for line in self.attention]
        rows = [{"student": one.student, "lab": one.lab, "kind": one.kind} for one in self.changes]
        return self.figures() | {
            "sandbox": self.sandbox,
            "submissions": rows,
            "attention": people,
            "problems": list(self.problems),
        }


@contextlib.contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr; call what it gives after each step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        # Text of students stays text, whatever marks it holds.
        shown.add_row(*(Text(plain(value)) for value in row))
    Console().print(shown)


def plain(text: str) -> str:
    """Text of others without what would move the cursor, colour the terminal or turn the direction of writing."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def say(text: str, *, err: bool = False) -> None:
    """Print a line that may hold text of others; whatever it holds, it is shown as one line of text."""
    typer.echo(plain(text), err=err)


def note(text: str) -> None:
    """Tell the person something beside the answer, on stderr."""
    say(text, err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; what a terminal would act on is written as JSON's own escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    typer.echo(
        "".join(sign if sign == "\n" or sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)
    )


def summary(tally: Tally) -> None:
    """The table of a batch, and what needs a person."""
    figures = tally.figures()
    table(list(figures), [[str(value) for value in figures.values()]])
    if tally.sandbox == "none":
        typer.echo("Graded without a sandbox; the gradebook says so.", err=True)
    lines = [*tally.attention, *(("", "", problem) for problem in tally.problems)]
    if lines:
        table(("student", "lab", "needs a person"), lines[:LINES])
    if tally.waiting:
        typer.echo(f"{tally.waiting} submissions have answers to be graded by hand: autograder serve")
    if len(lines) > LINES:
        typer.echo(f"and {len(lines) - LINES} more (--json lists all)")
