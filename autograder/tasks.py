"""Hidden checks: plain functions of a student object and a random generator, and the score that they give.

A check draws its inputs, asks the student for an answer and says what it expected::

    @task("pruning-1", points=3)
    def keeps_the_largest(student, rng):
        "The mask keeps the weights of largest magnitude. Hint: sort the absolute values."
        weight = rng.normal(size=(4, 5))
        expect.equal(student.call("magnitude_mask", weight, 0.5), oracle(weight, 0.5), "the mask")

The docstring is read by students: what is checked, in words, and a hint. The same function runs against the solution,
a mutant or a sandboxed process, since a student is anything with the methods of `Student`.
"""

import hashlib
import importlib
import inspect
import math
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from autograder import expect
from autograder.expect import Failed
from autograder.wire import Callback, Handle, WireError

__all__ = [
    "Callback",
    "Check",
    "CheckResult",
    "Failed",
    "Handle",
    "Student",
    "StudentError",
    "TaskScore",
    "collect",
    "expect",
    "grade",
    "load",
    "task",
]


class StudentError(Exception):
    """The student's code raised, exited, ran too long, or returned what is not data; the message is for the student."""


class Student(Protocol):
    """The student's notebook as a check sees it: names to call with data, and objects behind handles.

    Data are None, numbers, text, bytes, lists, tuples, dicts, NumPy arrays and torch tensors; a tensor arrives at the
    student as a tensor and comes back as an array. A `Handle` or a `Callback` may stand wherever data can in arguments.
    """

    def call(self, name: str, *data: Any, **named: Any) -> Any:
        """Call the student's function ``name`` (dots allowed) and give back what it returns, as data."""
        ...

    def make(self, name: str, *data: Any, **named: Any) -> Handle:
        """Call the student's function or class ``name`` and keep what it returns on the student's side."""
        ...

    def call_method(self, handle: Handle, method: str, *data: Any, **named: Any) -> Any:
        """Call a method of a kept object and give back what it returns, as data."""
        ...

    def get(self, name: str) -> Handle:
        """A handle of the thing called ``name`` in the notebook, to be passed as an argument."""
        ...

    def put(self, value: Any) -> Handle:
        """Keep a value on the student's side, for functions that change their argument in place."""
        ...

    def fetch(self, handle: Handle, path: str = "") -> Any:
        """A kept object, or its attribute (``"fc1.weight"``), as data."""
        ...


Function = Callable[..., float | None]


@dataclass(frozen=True)
class Check:
    """A hidden check of a task.

    Attributes:
        task: the id of the task's grade cell.
        name: the function's name, unique among the checks of the topic.
        points: what it is worth.
        words: what it checks and a hint, for the feedback.
        function: the check; returns None (all points) or a fraction of them in [0, 1].

    A check with a third parameter ``shared`` also gets random numbers that are the same for all submissions of a
    course, for what is dear to make, such as a trained network.
    """

    task: str
    name: str
    points: float
    words: str
    function: Function = field(compare=False)

    def __call__(self, student: Student, seed: int | str) -> float | None:
        """Run the check itself, with its own random numbers."""
        asks = "shared" in inspect.signature(self.function).parameters
        shared = {"shared": generator(course_part(seed), self)} if asks else {}
        return self.function(student, generator(seed, self), **shared)


@dataclass(frozen=True)
class CheckResult:
    """What one check gave: ``message`` is for the student (empty if passed), ``detail`` for the instructor alone."""

    name: str
    words: str
    points: float
    max_points: float
    message: str = ""
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.message


@dataclass(frozen=True)
class TaskScore:
    """The points of a task, and the checks that make them up, in the order in which they are written."""

    task: str
    results: tuple[CheckResult, ...]

    @property
    def points(self) -> float:
        """What was earned."""
        return math.fsum(result.points for result in self.results)

    @property
    def max_points(self) -> float:
        """What could be earned."""
        return math.fsum(result.max_points for result in self.results)


def task(task_id: str, points: float) -> Callable[[Function], Check]:
    """Make a hidden check of the function below; the points of all checks of a task add up.

    Args:
        task_id: the id of the task's grade cell, as ``"pruning-1"``.
        points: what the check is worth, more than 0.

    Raises:
        ValueError: the points are not positive, or the function has no docstring to show to students.
    """
    if not (math.isfinite(points) and points > 0):
        raise ValueError(f"points of a check of {task_id} must be positive, got {points}")

    def register(function: Function) -> Check:
        words = inspect.cleandoc(function.__doc__ or "")
        if not words:
            raise ValueError(
                f"check {function.__name__} of {task_id} needs a docstring: what it checks, and a hint"
            )
        return Check(task_id, function.__name__, points, words, function)

    return register


def collect(module: ModuleType) -> tuple[Check, ...]:
    """The checks of a module, in the order in which they are written.

    Raises:
        ValueError: two checks have the same name, or one was hidden by a later function of its name.
    """
    checks = tuple(value for value in vars(module).values() if isinstance(value, Check))
    written = inspect.getsource(module).count("\n@task(")
    if len({check.name for check in checks}) != len(checks) or written > len(checks):
        raise ValueError(f"{module.__name__}: every check needs a name of its own")
    return checks


def load(topic: str) -> tuple[Check, ...]:
    """The hidden checks of a topic, in the order in which they are written.

    Raises:
        ModuleNotFoundError: the topic has none.
    """
    return collect(importlib.import_module(f"autograder.checks.{topic}"))


def generator(seed: int | str, check: Check) -> np.random.Generator:
    """The check's own random numbers: the same for the same seed, whatever other checks there are."""
    digest = hashlib.sha256(f"{seed}\0{check.task}\0{check.name}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def course_part(seed: int | str) -> str:
    """What the seeds of all submissions of a course have in common: the part before the first dot, or all of it."""
    return str(seed).partition(".")[0] + ".course"


def grade(checks: Iterable[Check], student: Student, seed: int | str) -> list[TaskScore]:
    """Run checks against a student; whatever goes wrong costs that check alone.

    Args:
        checks: as `load` gives them.
        student: anything with the methods of `Student`.
        seed: the secret that the inputs are drawn from.

    Returns:
        One score a task, in the order in which the tasks first appear.
    """
    results: dict[str, list[CheckResult]] = {}
    for check in checks:
        results.setdefault(check.task, []).append(_run(check, student, seed))
    return [TaskScore(task_id, tuple(found)) for task_id, found in results.items()]


def _run(check: Check, student: Student, seed: int | str) -> CheckResult:
    def result(points: float, message: str, detail: str = "") -> CheckResult:
        return CheckResult(check.name, check.words, points, check.points, message, detail)

    try:
        fraction = check(student, seed)
    except (Failed, StudentError) as verdict:
        return result(0.0, str(verdict) or "The answer is not what was expected.")
    except WireError as error:
        return result(0.0, f"Your function returned what cannot be graded: {error}.", traceback.format_exc())
    except Exception:  # noqa: BLE001 - an answer of an unforeseen kind breaks the comparison, not the grader
        message = "Your function returned something of another kind than was expected."
        return result(0.0, message, traceback.format_exc())
    if fraction is None:
        return result(check.points, "")
    share = min(1.0, max(0.0, float(fraction))) if math.isfinite(fraction) else 0.0
    return result(share * check.points, "" if share == 1.0 else f"This earns {share:.0%} of the scale.")
