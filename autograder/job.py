"""A submission to be graded and what grading it gave, both as data.

A `Job` holds everything that decides the scores, and nothing of the student's name: so it can travel to any worker, and
the same work is never graded twice. An `Outcome` is what comes back; it is cached, kept beside the gradebook, and turned
into scores, feedback and exports.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from autograder.tasks import CheckResult, TaskScore

FORMAT = 1

Origin = Literal["given", "student", "check"]
Status = Literal["ok", "error", "timeout", "died", "skipped"]


@dataclass(frozen=True)
class Cell:
    """A code cell that is run.

    Attributes:
        id: its cell id in the rebuilt notebook.
        source: its code.
        origin: of the released lab, the student's, or a task's visible check (which earns nothing).
        task: the task whose work it is; empty if it belongs to none.
    """

    id: str
    source: str
    origin: Origin
    task: str = ""


@dataclass(frozen=True)
class Limits:
    """What a submission may use; the sandbox ends what goes beyond.

    Attributes:
        cell_seconds: wall time of one cell; not counting, in this and the next two, what the machine gave to others
            meanwhile, up to five times itself.
        call_seconds: wall time of one call by a check, and of a visible check's cell; a quarter of it once a call for
            the same task has taken longer.
        submission_seconds: wall time of everything, replacements of a lost process included.
        cpu_seconds: processor time of the whole tree of processes.
        memory_bytes: resident memory of the whole tree, scratch folder and what many sockets may hold included.
        processes: processes and threads of the tree.
        open_files: of one process.
        file_bytes: size of one file, and of the scratch folder.
        output_bytes: what one cell may print or show; the rest is dropped. All cells together have a bound of their own
            (`autograder.sandbox.outputs.Room`).
    """

    cell_seconds: float = 30.0
    call_seconds: float = 10.0
    submission_seconds: float = 240.0
    cpu_seconds: float = 240.0
    memory_bytes: int = 4 * 2**30
    processes: int = 32
    open_files: int = 128
    file_bytes: int = 256 * 2**20
    output_bytes: int = 200_000


@dataclass(frozen=True)
class Job:
    """One submission of one lab, sanitised.

    Attributes:
        lab: the lab's name, ``"01-pruning"``.
        cells: the code cells in the order in which they run.
        forbidden: modules of efflab that are not there while this lab is graded.
        data: the lab's data files, by their path in the working directory.
        seed: the secret that the checks' inputs are drawn from (`autograder.engine.keys`).
        variant: the public seed of the student's own variant where the lab asks for one, else empty.
        limits: what it may use.
    """

    lab: str
    cells: tuple[Cell, ...]
    forbidden: tuple[str, ...] = ()
    data: Mapping[str, bytes] = field(default_factory=dict)
    seed: str = ""
    variant: str = ""
    limits: Limits = field(default_factory=Limits)

    @property
    def topic(self) -> str:
        """The lab's name without its number."""
        return self.lab.split("-", 1)[1]


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Attributes:
        id: the cell's id.
        status: whether it ran, raised, ran too long, took its process with it, or was not run.
        seconds: wall time.
        message: one sentence for the student where it is not ``"ok"``.
        outputs: as nbformat has them, of harmless kinds only (text and PNG images).
    """

    id: str
    status: Status
    seconds: float = 0.0
    message: str = ""
    outputs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Flag:
    """Something that a person should look at; it changes no score.

    Attributes:
        kind: what it is, as ``"similar"``, ``"forged-cell"``, ``"killed"``.
        sentence: for the instructor.
        task: the task it concerns, empty for the whole submission.
    """

    kind: str
    sentence: str
    task: str = ""


@dataclass(frozen=True)
class Outcome:
    """What grading gave.

    Attributes:
        key: the hash of everything that decides it (`autograder.engine.keys`).
        lab: the lab.
        tasks: the score of each task, in the lab's order.
        cells: what became of each cell of the job.
        sandbox: ``"bwrap"``, ``"container"`` or ``"none"``.
        notes: for the student: what was recovered, what was not there.
        flags: for the instructor.
        failure: why the submission could not be graded at all, a sentence; empty if it was.
        seconds: wall time.
        peak_bytes: the tree's largest memory.
        processes: how many processes the student's code had, replacements included.
    """

    key: str
    lab: str
    tasks: tuple[TaskScore, ...]
    cells: tuple[CellOutcome, ...] = ()
    sandbox: str = ""
    notes: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    failure: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0
    processes: int = 1

    @property
    def points(self) -> float:
        """What was earned by the hidden checks."""
        return sum(task.points for task in self.tasks)

    @property
    def max_points(self) -> float:
        """What could be earned by the hidden checks."""
        return sum(task.max_points for task in self.tasks)

    def to_json(self) -> str:
        """One line of JSON, the same for equal outcomes."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            content = json.loads(text)
            version = content.pop("format")
            content["tasks"] = tuple(
                TaskScore(one["task"], tuple(CheckResult(**result) for result in one["results"]))
                for one in content["tasks"]
            )
            content["cells"] = tuple(
                CellOutcome(**one | {"outputs": tuple(one["outputs"])}) for one in content["cells"]
            )
            content["flags"] = tuple(Flag(**one) for one in content["flags"])
            content["notes"] = tuple(content["notes"])
            outcome = cls(**content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no outcome of grading: {error}") from error
        if version != FORMAT:
            raise ValueError(f"this outcome has format {version!r}, this autograder reads {FORMAT}")
        return outcome


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, bytes as their own digest."""

    def plain(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return {one.name: getattr(item, one.name) for one in dataclasses.fields(item)}
        if isinstance(item, bytes):
            return "sha256:" + hashlib.sha256(item).hexdigest()
        raise TypeError(f"cannot hash a {type(item).__name__}")

    text = json.dumps(value, sort_keys=True, default=plain, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
