"""One job, graded in this process's own sandbox."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from autograder import tasks
from autograder.engine import keys, variants
from autograder.engine.cache import Cache
from autograder.job import Job, Outcome

Progress = Callable[[str], None]


def grade(job: Job, key: str, sandbox: Any, progress: Progress | None = None) -> Outcome:
    """Run a job; whatever keeps it from being graded becomes the outcome's failure.

    Args:
        job: the job.
        key: under which the outcome is kept.
        sandbox: an open sandbox.
        progress: told of each step.
    """
    from autograder.sandbox import runner  # noqa: PLC0415 - a fake takes its place in tests

    try:
        checks = variants.bind(tasks.load(job.topic), job.variant)
        outcome: Outcome = runner.grade(job, checks, sandbox, progress=progress)
    except Exception as error:  # noqa: BLE001 - one submission never stops the others
        return failed(job, key, _reason(error))
    return dataclasses.replace(outcome, key=key)


def failed(job: Job, key: str, reason: str) -> Outcome:
    """The outcome of a job that could not be graded; it is never kept."""
    return Outcome(key=key, lab=job.lab, tasks=(), failure=reason)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"Grading stopped: {type(error).__name__}{': ' + text if text else ''}."


def outcome(
    job: Job,
    *,
    cache: Cache | None = None,
    sandbox: Any = None,
    trusted: bool = False,
    force: bool = False,
) -> Outcome:
    """The outcome of one job, from the cache or graded here.

    Args:
        job: the job.
        cache: where outcomes are kept; None keeps nothing.
        sandbox: an open sandbox, or the name of one to open and close; None takes the safest that works here.
        trusted: whether the code may run without a sandbox.
        force: grade even what is in the cache.
    """
    with contextlib.ExitStack() as stack:
        if sandbox is None or isinstance(sandbox, str):
            sandbox = stack.enter_context(open_sandbox(sandbox, trusted=trusted))
        key = keys.key(job, sandbox=sandbox.name)
        known = None if cache is None or force else cache.get(key)
        if known is not None:
            return known
        result = grade(job, key, sandbox)
    if cache is not None:
        cache.put(result)
    return result


def open_sandbox(name: str | None, *, trusted: bool, notice: Progress | None = None) -> Any:
    """A sandbox by its name, a context that closes it.

    Args:
        name: None for the safest that works here.
        trusted: whether the code may run without one.
        notice: told of what makes grading slower here.

    Raises:
        EfflabError: it does not work here, or is not allowed.
    """
    from autograder import sandbox as sandboxes  # noqa: PLC0415 - a fake takes its place in tests

    return sandboxes.choose(name, trusted=trusted, notice=notice)
