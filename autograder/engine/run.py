"""A class graded: what is known at once, the rest on all cores or on an existing scheduler, as it completes."""

import dataclasses
import uuid
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.engine import cluster, inline, keys, transport, worker
from autograder.engine.cache import Cache
from autograder.job import Job, Outcome
from efflab.errors import EfflabError

Graded = Iterator[tuple[int, Outcome]]


@dataclass(frozen=True)
class Entry:
    """A job to be run, and every submission that it stands for.

    Attributes:
        key: of the outcome.
        job: the job.
        indices: places in the list of jobs; more than one where submissions are the same.
    """

    key: str
    job: Job
    indices: tuple[int, ...]


@dataclass(frozen=True)
class Settings:
    """How a class is graded.

    Attributes:
        sandbox: the sandbox's name.
        workers: processes; None is one a core.
        scheduler: the address of an existing scheduler, empty for a cluster of our own.
        trusted: whether the code may run without a sandbox.
    """

    sandbox: str
    workers: int | None = None
    scheduler: str = ""
    trusted: bool = False


def _silent(_: str) -> None:
    """Tell nobody."""


def grade_all(
    jobs: Sequence[Job],
    *,
    cache: Cache | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    sandbox: str | None = None,
    trusted: bool = False,
    force: bool = False,
    progress: Callable[[str], None] = _silent,
) -> Graded:
    """Grade jobs; each gives one outcome, whatever becomes of the others.

    Args:
        jobs: the jobs; equal ones are run once.
        cache: where outcomes are looked for and kept; None keeps nothing.
        workers: how many processes; None is one a core, 1 runs in this process.
        scheduler: the address of an existing dask scheduler in place of a local cluster.
        sandbox: ``"bwrap"``, ``"container"`` or ``"none"``; None is the safest that works here.
        trusted: whether ``"none"`` is allowed.
        force: grade even what is in the cache.
        progress: told what a person may want to know.

    Yields:
        The place of a job in ``jobs`` and its outcome, as they complete. Each outcome is in the cache when it is given.

    Raises:
        EfflabError: the sandbox does not work here, or the scheduler cannot be used.
    """
    if workers is not None and workers < 1:
        raise EfflabError(f"workers must be at least 1, got {workers}")
    with inline.open_sandbox(sandbox, trusted=trusted, notice=progress) as opened:
        settings = Settings(opened.name, workers, scheduler or "", trusted)
        known, waiting = _sort(jobs, settings.sandbox, None if force else cache)
        yield from known
        here = not settings.scheduler and (len(waiting) == 1 or workers == 1)
        if here:
            yield from _kept(_inline(waiting, opened), cache)
    if waiting and not here:
        yield from _kept(_cluster(waiting, settings, progress), cache)


def _sort(
    jobs: Sequence[Job], sandbox: str, cache: Cache | None
) -> tuple[list[tuple[int, Outcome]], list[Entry]]:
    """What the cache knows, and what has to be run, equal jobs together."""
    places: dict[str, list[int]] = {}
    for index, job in enumerate(jobs):
        places.setdefault(keys.key(job, sandbox=sandbox), []).append(index)
    known: list[tuple[int, Outcome]] = []
    waiting: list[Entry] = []
    for key, indices in places.items():
        outcome = cache.get(key) if cache else None
        if outcome is None:
            waiting.append(Entry(key, jobs[indices[0]], tuple(indices)))
        else:
            known += [(index, outcome) for index in indices]
    return known, waiting


def _kept(graded: Iterator[tuple[Entry, Outcome]], cache: Cache | None) -> Graded:
    for entry, outcome in graded:
        if cache is not None:
            cache.put(outcome)
        for index in entry.indices:
            yield index, outcome


def _inline(waiting: Sequence[Entry], sandbox: Any) -> Iterator[tuple[Entry, Outcome]]:
    for entry in waiting:
        yield entry, inline.grade(entry.job, entry.key, sandbox)


def _cluster(
    waiting: Sequence[Entry], settings: Settings, progress: Callable[[str], None]
) -> Iterator[tuple[Entry, Outcome]]:
    if settings.scheduler:
        with cluster.existing(settings.scheduler) as client:
            cluster.look_over(client, sorted({entry.job.topic for entry in waiting}))
            yield from _dispatch(client, waiting, settings)
    else:
        count = min(settings.workers or cluster.cores(), len(waiting))
        with cluster.local(count, progress) as client:
            yield from _dispatch(client, waiting, settings)


def _dispatch(client: Any, waiting: Sequence[Entry], settings: Settings) -> Iterator[tuple[Entry, Outcome]]:
    from distributed import as_completed  # noqa: PLC0415 - slow to import

    # A name of its own each time: a scheduler that lives on must not answer with an earlier run's result.
    run = uuid.uuid4().hex
    futures = {
        client.submit(
            worker.run, transport.pack(entry.job), _order(entry, settings), key=f"grade-{run}-{entry.key}"
        ): entry
        for entry in waiting
    }
    for future in as_completed(list(futures), loop=client.loop):
        entry = futures.pop(future)
        yield entry, _result(future, entry)
        future.release()


def _order(entry: Entry, settings: Settings) -> dict[str, Any]:
    sources = keys.sources(entry.job.topic)
    return dataclasses.asdict(worker.Order(entry.key, sources, settings.sandbox, settings.trusted))


def _result(future: Any, entry: Entry) -> Outcome:
    """The outcome of a finished future; one whose worker died with the answer still in its hands is awaited again.

    Raises:
        EfflabError: the scheduler has gone.
    """
    from distributed import KilledWorker  # noqa: PLC0415 - slow to import

    try:
        outcome = Outcome.from_json(future.result())
    except CancelledError as error:
        raise EfflabError(
            "the scheduler has gone; what was graded is kept, run the same command again"
        ) from error
    except KilledWorker as error:
        # An existing scheduler has its own number.
        reason = f"Grading it ended the worker process {error.allowed_failures + 1} times."
        return inline.failed(entry.job, entry.key, reason)
    except Exception as error:  # noqa: BLE001 - whatever became of one job, the others go on
        return inline.failed(entry.job, entry.key, f"Grading stopped: {type(error).__name__}: {error}.")
    if outcome.key != entry.key:
        return inline.failed(entry.job, entry.key, "The worker answered for another submission.")
    return outcome
