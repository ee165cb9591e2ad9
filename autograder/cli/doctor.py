"""``autograder doctor``: whether this machine can grade, each problem with its remedy."""

import importlib.util
from collections.abc import Iterator

import typer

from autograder.cli import options, show
from efflab.errors import EfflabError

_NEEDED = ("nbgrader", "jupytext", "msgpack", "distributed")


def doctor() -> None:
    """Say whether this machine can grade, and what is missing."""
    problems = 0
    for name, found, remedy in _findings():
        show.say(
            f"{'ok     ' if not remedy else 'problem'}  {name}: {found}{'; ' + remedy if remedy else ''}"
        )
        problems += bool(remedy)
    if problems:
        raise typer.Exit(1)


def _findings() -> Iterator[tuple[str, str, str]]:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    yield (
        "packages",
        "all there" if not missing else f"{', '.join(missing)} missing",
        "run `pip install -e .[instructor]` in the course's repository" if missing else "",
    )
    yield from _sandbox()
    names = [lab.name for lab in options.labs(None)]
    yield "labs", ", ".join(names) or "none", "" if names else "this is not the course's repository"


def _sandbox() -> Iterator[tuple[str, str, str]]:
    from autograder.engine.inline import open_sandbox

    try:
        with open_sandbox(None, trusted=False) as sandbox:
            yield "sandbox", sandbox.name, ""
    except (EfflabError, OSError) as error:
        yield "sandbox", str(error), "on Debian or Ubuntu, apt-get install bubblewrap"
