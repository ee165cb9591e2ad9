"""What runs in a worker process: one sandbox, kept warm, that grades whatever jobs the scheduler sends."""

import atexit
import dataclasses
import threading
from dataclasses import dataclass
from typing import Any

from autograder.engine import inline, keys, transport
from autograder.job import Job, Outcome

_HELD: dict[tuple[str, bool], Any] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Order:
    """How a job is to be graded; only plain values, so that it travels with the job.

    Attributes:
        key: under which the outcome is kept.
        sources: what `keys.sources` gave where the job was made.
        sandbox: the sandbox's name.
        trusted: whether the code may run without one.
    """

    key: str
    sources: str
    sandbox: str
    trusted: bool


def run(payload: bytes, order: dict[str, Any]) -> str:
    """Grade a packed job.

    Args:
        payload: as `transport.pack` gives it.
        order: the fields of an `Order`.

    Returns:
        The outcome as JSON.
    """
    asked, job = Order(**order), transport.unpack(payload)
    found = keys.sources(job.topic)
    if found != asked.sources:
        reason = "The worker has other checks or another version of efflab than the course."
        return inline.failed(job, asked.key, reason).to_json()
    return _grade(job, asked).to_json()


def _grade(job: Job, asked: Order) -> Outcome:
    # One at a time, whatever threads the scheduler gives the worker: a sandbox serves one submission.
    with _LOCK:
        try:
            sandbox = _sandbox(asked.sandbox, trusted=asked.trusted)
        except Exception as error:  # noqa: BLE001 - the machine's trouble, told with the job
            return inline.failed(job, asked.key, f"The worker has no sandbox: {error}")
        result = inline.grade(job, asked.key, sandbox)
    return dataclasses.replace(result, sandbox=result.sandbox or asked.sandbox)


def _sandbox(name: str, *, trusted: bool) -> Any:
    if (name, trusted) not in _HELD:
        # Entered once and left by `close`, which runs when the worker ends.
        _HELD[name, trusted] = inline.open_sandbox(name, trusted=trusted).__enter__()
    return _HELD[name, trusted]


@atexit.register
def close() -> None:
    """Close the worker's sandboxes."""
    while _HELD:
        _, sandbox = _HELD.popitem()
        sandbox.close()


def fingerprint(topics: list[str]) -> dict[str, str]:
    """What this worker would grade with, topic by topic."""
    return {topic: keys.sources(topic) for topic in topics}
