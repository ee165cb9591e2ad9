"""Sandboxes: where a student's notebook runs while it is graded, and how the grader talks to it.

`choose` gives a sandbox, `autograder.sandbox.runner.grade` grades one submission in it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

from autograder.job import Job
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.session import Session

NAMES = ("bwrap", "container", "none")

__all__ = ["NAMES", "Sandbox", "SandboxError", "Session", "choose"]


class Sandbox(Protocol):
    """Where submissions run; keeps a warm template for the labs that it met last."""

    @property
    def name(self) -> str:
        """``"bwrap"``, ``"container"`` or ``"none"``."""
        ...

    def start(self, job: Job) -> Session:
        """A fresh process for a submission.

        Raises:
            SandboxError: it does not start.
        """
        ...

    def close(self) -> None:
        """End what is kept warm."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def choose(
    name: str | None = None,
    *,
    trusted: bool = False,
    data: Path | None = None,
    notice: Callable[[str], None] | None = None,
) -> Sandbox:
    """The sandbox of a name, or the safest that works here.

    Args:
        name: ``"bwrap"``, ``"container"``, ``"none"``, or None for one of the first two.
        trusted: whether the code to be run is one's own; ``"none"`` protects from nothing.
        data: a folder of data sets that labs may read.
        notice: told once, in a sentence, of what makes grading slower here.

    Raises:
        SandboxError: the name is none, it does not work here, or ``"none"`` was asked for without trust.
    """
    if name is None:
        return _safest(data, notice)
    if name == "none" and not trusted:
        raise SandboxError("the sandbox 'none' protects from nothing; give --i-trust-this-code to use it")
    if name == "bwrap":
        return _bubblewrap(data, notice)
    if name == "container":
        return _container(data)
    if name == "none":
        from autograder.sandbox.plain import PlainSandbox  # noqa: PLC0415 - as below

        return PlainSandbox(data)
    raise SandboxError(f"a sandbox is one of {', '.join(NAMES)}; got {name!r}")


def _bubblewrap(data: Path | None, notice: Callable[[str], None] | None) -> Sandbox:
    from autograder.sandbox.bwrap import BwrapSandbox  # noqa: PLC0415 - it imports this module's types

    return BwrapSandbox(data, notice=notice)


def _container(data: Path | None) -> Sandbox:
    from autograder.sandbox.container import ContainerSandbox  # noqa: PLC0415 - as above

    return ContainerSandbox(data)


def _safest(data: Path | None, notice: Callable[[str], None] | None) -> Sandbox:
    from autograder.sandbox import bwrap, container  # noqa: PLC0415 - as above

    if bwrap.works():
        return _bubblewrap(data, notice)
    if container.works():
        return _container(data)
    raise SandboxError(
        "no sandbox works here: install bubblewrap (Debian: apt-get install bubblewrap), docker or podman"
    )
