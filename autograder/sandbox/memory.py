"""A bound on the memory that the grader's own process may take while a check compares what a student's code returned."""

import contextlib
import resource
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def bounded(more: int) -> Iterator[None]:
    """In this block the process may map so many bytes more; what asks for more gets a MemoryError.

    The bound is on address space, which only Linux keeps; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _mapped() + more
    if any(limit != resource.RLIM_INFINITY and limit <= most for limit in (soft, hard)):
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _mapped() -> int:
    return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
