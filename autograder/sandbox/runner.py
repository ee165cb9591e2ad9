"""Grading one submission: its cells one by one, then the hidden checks against what they defined."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from autograder import tasks
from autograder.job import Job, Outcome
from autograder.sandbox import Sandbox, memory
from autograder.sandbox.patience import OutOfPatience, Patience
from autograder.sandbox.remote import Remote
from autograder.sandbox.replay import Process
from autograder.tasks import Check, Failed

Progress = Callable[[str], None]
CHECK_SECONDS = 60.0
"""What one check may compute by itself, in the grader's process; of the processor's time."""
CHECK_BYTES = 3 * 2**30
"""What one check may take of memory there."""


def grade(
    job: Job, checks: Sequence[Check], sandbox: Sandbox, *, progress: Progress | None = None
) -> Outcome:
    """Grade a submission.

    Args:
        job: the submission.
        checks: the lab's hidden checks, which stay in this process.
        sandbox: where its code runs.
        progress: told what is being done, in a few words.

    Returns:
        The outcome, without a key. Whatever the submission does costs itself alone.

    Raises:
        autograder.sandbox.SandboxError: the sandbox itself does not work.
    """
    start = time.monotonic()
    say = progress or (lambda _words: None)
    process = Process(job, sandbox)
    try:
        cells = []
        for number, cell in enumerate(job.cells, 1):
            say(f"cell {number} of {len(job.cells)}")
            process.task = cell.task
            cells.append(process.cell(cell))
        with Patience(CHECK_SECONDS) as patience:
            guarded = [_guarded(check, process, patience, say) for check in checks]
            scores = tasks.grade(guarded, Remote(process, patience), job.seed)
    finally:
        process.close()
    return Outcome(
        key="",
        lab=job.lab,
        tasks=tuple(scores),
        cells=tuple(cells),
        sandbox=sandbox.name,
        notes=_notes(process.generation),
        flags=tuple(process.flags),
        seconds=time.monotonic() - start,
        peak_bytes=process.peak_bytes,
        processes=process.generation,
    )


def _notes(processes: int) -> tuple[str, ...]:
    """For the student."""
    if processes < 2:
        return ()
    return (
        "The process of your notebook was lost and started anew; cells that did not come to an end were left out then.",
    )


def _guarded(check: Check, process: Process, patience: Patience, say: Progress) -> Check:
    """The check, with nothing left of the check before it, and with a result that is a share or nothing."""

    @functools.wraps(check.function)
    def run(student: Remote, *random: np.random.Generator, **shared: np.random.Generator) -> float | None:
        say(f"{check.task}: {check.name}")
        process.task = check.task
        student.forget()
        try:
            with patience.check(), memory.bounded(CHECK_BYTES), np.errstate(all="ignore"):
                return _share(check.function(student, *random, **shared))
        except MemoryError:
            raise Failed("Your function returned more than can be compared.") from None
        except OutOfPatience:
            raise Failed("The check did not come to an end with what your function returned.") from None

    return dataclasses.replace(check, function=run)


def _share(value: Any) -> float | None:
    """What a check returned, if it is a share of its points.

    Raises:
        TypeError: it is something else, which a student's answer may have made it.
    """
    if value is None:
        return None
    if not isinstance(value, (Real, np.generic)) or not math.isfinite(float(value)):
        raise TypeError(f"a check returns None or a finite number, got {type(value).__name__}")
    return float(value)
