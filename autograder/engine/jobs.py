"""From a rebuilt submission to the job that grades it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.engine import keys
from autograder.job import Job, Limits

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Released:
    """A lab as grading needs it.

    Attributes:
        lab: where it is written.
        notebook: as students got it.
        data: the files beside it, by their path.
    """

    lab: nb.Lab
    notebook: NotebookNode = field(compare=False)
    data: Mapping[str, bytes] = field(compare=False)

    @property
    def header(self) -> Mapping[str, Any]:
        """The lab's own settings (``efflab:`` in its source)."""
        settings: Mapping[str, Any] = self.notebook.metadata.get("efflab", {})
        return settings

    @property
    def forbidden(self) -> tuple[str, ...]:
        """The modules of `efflab` that are not there while it is graded."""
        return tuple(map(str, self.header.get("forbidden", ())))

    def variant(self, student: str) -> str:
        """The student's variant where the lab asks for one (``variants: true``, or the course's name), else empty."""
        asked = self.header.get("variants", False)
        if not asked or not student:
            return ""
        return keys.variant("" if asked is True else str(asked), self.lab.name, student)


@functools.cache
def released(name: str, root: Path = ROOT) -> Released:
    """A lab of a repository as students got it; read once.

    Raises:
        LabError: there is no such lab, or its source cannot be released.
    """
    (lab,) = nb.find(root, [name])
    notebook = nb.release(nb.read(lab.source.read_text(encoding="utf-8")))
    return Released(lab, notebook, {path: file.read_bytes() for path, file in lab.data.items()})


def job(
    lab: nb.Lab | str | Released,
    rebuilt: NotebookNode,
    *,
    secret: str,
    student: str = "",
    limits: Limits | None = None,
) -> Job:
    """The job of a submission.

    Args:
        lab: the lab, or its name in this repository.
        rebuilt: the submission, rebuilt from the released lab.
        secret: the course's.
        student: whose variant it is, where the lab has variants; nothing else of the student is in the job.
        limits: other than the usual ones.
    """
    from autograder import rebuild  # noqa: PLC0415 - not needed to read keys

    given = lab if isinstance(lab, Released) else released(lab if isinstance(lab, str) else lab.name)
    cells = tuple(rebuild.cells(rebuilt, given.notebook))
    name = given.lab.name
    return Job(
        lab=name,
        cells=cells,
        forbidden=given.forbidden,
        data=given.data,
        seed=keys.seed(secret, name, cells),
        variant=given.variant(student),
        limits=limits or Limits(),
    )
