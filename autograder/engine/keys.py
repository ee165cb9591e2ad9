"""What decides a grade, as hashes: the secret seed of its inputs, and the key under which an outcome is kept.

A grade depends on the student's cells, the checks, what runs them, `efflab` itself and the versions of the numerical
libraries. The key covers all of that, so that a second run grades only what changed, and a corrected check is never
answered from the cache.
"""

import functools
import hashlib
import hmac
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path

from autograder.job import Cell, Job, digest

FORMAT = 1
_ENGINE = ("tasks.py", "expect.py", "wire.py", "job.py")
_LIBRARIES = ("numpy", "torch", "numba", "msgpack")
PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of `autograder`; `efflab` lies beside it."""


def seed(secret: str, lab: str, cells: Iterable[Cell]) -> str:
    """The seed of a submission's hidden inputs.

    It is drawn anew for each submission and the same for the same one, and cannot be told without the secret.

    Args:
        secret: the course's own.
        lab: the lab's name.
        cells: what is run.

    Returns:
        Two parts with a dot between: the course's and lab's, which checks may share, and the submission's.
    """
    work = digest([lab, *([cell.origin, cell.task, cell.source] for cell in cells)])
    parts = (hmac.new(secret.encode(), part.encode(), hashlib.sha256).hexdigest() for part in (lab, work))
    return ".".join(parts)


def variant(course: str, lab: str, student: str) -> str:
    """The public seed of a student's own variant: the number that `efflab.lab.variants.variant` gives at home."""
    from efflab.lab.variants import variant as number  # noqa: PLC0415 - one formula for both sides

    return str(number(lab, student, course))


def key(job: Job, checks: str | None = None, *, sandbox: str = "") -> str:
    """The name under which the outcome of a job is kept.

    Args:
        job: the job.
        checks: what `sources` gives for its topic; computed where it is None.
        sandbox: the sandbox that it runs in, since grades of an untrusted one are not another's.
    """
    known = sources(job.topic) if checks is None else checks
    work = [
        FORMAT,
        job.lab,
        job.cells,
        sorted(job.forbidden),
        dict(job.data),
        job.seed,
        job.variant,
        job.limits,
    ]
    return digest([work, known, sandbox])


@functools.cache
def sources(topic: str, package: Path = PACKAGE) -> str:
    """The hash of everything but the submission that decides a score; another value means other checks or code.

    Args:
        topic: whose checks.
        package: the folder of `autograder`.
    """
    files = [package / name for name in _ENGINE]
    files += sorted((package / "checks").glob(f"{topic}*.py"))
    files += sorted((package / "sandbox").rglob("*.py"))
    files += sorted((package.parent / "efflab").rglob("*.py"))
    return digest([_content(package.parent, files), libraries()])


def libraries() -> list[str]:
    """The versions of Python and of what computes."""
    return [platform.python_version(), *(f"{name} {_version(name)}" for name in _LIBRARIES)]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def _content(root: Path, files: Iterable[Path]) -> list[list[str]]:
    return [
        [path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in files
    ]
