"""Options that several commands share, and what they stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from autograder import notebook as nb
    from autograder.gradebook import Course

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = Path("course")


def lab_names(incomplete: str) -> list[str]:
    """Names of labs for the shell's completion, from the folders alone, so that it answers at once."""
    names = sorted(folder.name for folder in (ROOT / "solutions").glob("[0-9][0-9]-*"))
    return [name for name in names if name.startswith(incomplete)]


CourseFolder = Annotated[
    Path, typer.Option("--course", help="Your course's folder: gradebook, submissions, the checks' secret.")
]
Lab = Annotated[
    str | None,
    typer.Option("--lab", help="Only this lab (01-pruning, pruning or 01).", autocompletion=lab_names),
]
Student = Annotated[str | None, typer.Option("--student", help="Only this student's id.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes \\[default: one a core].")
]
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", help="An existing dask scheduler, tcp://host:8786.")
]
SandboxName = Annotated[
    str | None,
    typer.Option("--sandbox", help="bwrap, container or none \\[default: the safest that works here]."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--i-trust-this-code", help="Allow --sandbox none: the code then runs with all your rights."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Grade again what did not change.")]


def open_course(folder: Path, *, create: bool = False) -> "Course":
    """The course of a folder, made where it is missing if ``create``."""
    from autograder.gradebook import Course

    return Course.create(folder) if create else Course.open(folder)


def labs(name: str | None) -> "tuple[nb.Lab, ...]":
    """The labs of this repository, or the one that is named."""
    from autograder import notebook as nb

    return nb.find(ROOT, [name] if name else None)
