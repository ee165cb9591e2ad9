"""A cluster of worker processes: our own on this machine's loopback, or one that is there already."""

import contextlib
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.engine import keys, tls, worker
from efflab.errors import EfflabError

ATTEMPTS = 3
"""How often a job is begun that ends its worker each time."""
CONNECT_SECONDS = 20.0
REMOVE_SECONDS = 5.0

Say = Callable[[str], None]
_SETTINGS = {
    # A job is begun once more for each of these; dask counts the failures after the first.
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    # No job waits on a worker: one that dies takes nothing but the job in its hands.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.low-level-log-length": 100,
}

_PREFIX = "autograder-"
_PLACES = ("TMPDIR", "TEMP", "TMP")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A private folder for one run, named after this process; those of processes that are no more are removed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = path.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit() and not _alive(int(number)) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
    held = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True)
    folder = Path(held.name)
    try:
        yield folder
    finally:
        # A worker that is being ended may still write while the folder goes.
        end = time.monotonic() + REMOVE_SECONDS
        held.cleanup()
        while folder.exists() and time.monotonic() < end:
            time.sleep(0.05)
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name == "nt":
        return True  # there a signal of 0 is no question but Ctrl-C
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def local(workers: int, say: Say) -> Iterator[Any]:
    """A client of a cluster of our own: a process a worker, each with one thread, reachable from this machine alone.

    Args:
        workers: how many.
        say: told where connections could not be encrypted.
    """
    import dask  # noqa: PLC0415 - a second, and only a cluster needs it
    from distributed import Client, LocalCluster  # noqa: PLC0415 - the same

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        stack.enter_context(dask.config.set(_SETTINGS | {"temporary-directory": str(folder)}))
        stack.enter_context(_quiet())
        security = tls.security(folder, say)
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls" if security else "tcp",
                security=security,
                dashboard_address=None,
                # Its pages of state would else be on a port that two graders on one machine would both want.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                worker_dashboard_address=None,
                memory_limit=0,  # the sandbox has its own
                local_directory=str(folder),
                # What a worker leaves that was killed lies in our folder, and goes with it.
                env=dict.fromkeys(_PLACES, str(folder)),
                silence_logs=logging.CRITICAL,
            )
        )
        yield stack.enter_context(Client(cluster, security=security, set_as_default=False))


@contextlib.contextmanager
def existing(address: str) -> Iterator[Any]:
    """A client of a scheduler that runs already; encrypted as dask's own configuration says.

    Args:
        address: as ``tcp://host:8786``.

    Raises:
        EfflabError: nothing answers there.
    """
    import dask  # noqa: PLC0415 - see `local`
    from distributed import Client  # noqa: PLC0415 - the same

    try:
        with _quiet(), dask.config.set({"distributed.comm.timeouts.connect": CONNECT_SECONDS}):
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, ImportError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EfflabError(f"no dask scheduler answers at {address}: {reason}") from error
    with _quiet(), client:
        yield client


def look_over(client: Any, topics: Sequence[str]) -> None:
    """Refuse workers that would grade with something else than this course has.

    Args:
        client: of an existing scheduler.
        topics: whose checks will run.

    Raises:
        EfflabError: there is no worker, or one has no autograder, other checks or another version of efflab.
    """
    if not client.scheduler_info(n_workers=-1)["workers"]:
        raise EfflabError("the scheduler has no worker; start some with `dask worker ADDRESS --nthreads 1`")
    expected = {topic: keys.sources(topic) for topic in topics}
    answers = client.run(worker.fingerprint, list(topics), on_error="return")
    for address, answer in sorted(answers.items()):
        if isinstance(answer, BaseException):
            raise EfflabError(
                f"worker {address} cannot grade ({type(answer).__name__}: {answer}); "
                "it must be started in a checkout of the course with the instructor extra"
            )
        differing = [topic for topic in topics if answer.get(topic) != expected[topic]]
        if differing:
            raise EfflabError(
                f"worker {address} has other checks, another efflab or other library versions than this course "
                f"({', '.join(differing)}); bring its checkout and environment to the same state and restart it"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without dask's own remarks: what matters is told in the summary."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
