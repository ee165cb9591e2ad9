"""Small jobs for the tests of the sandbox."""

import atexit
import functools
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.job import Cell, Job, Limits
from autograder.sandbox.bwrap import BwrapSandbox

QUICK = Limits(
    cell_seconds=10.0, call_seconds=5.0, submission_seconds=60.0, cpu_seconds=60.0, memory_bytes=2**30
)


@functools.cache
def shared():
    """One sandbox for the whole run of the tests, whose template starts once."""
    made = BwrapSandbox()
    atexit.register(made.close)
    return made


def job(*sources, origin="student", task="", **limits):
    """A job of cells with these sources."""
    cells = tuple(Cell(f"c{number}", source, origin, task) for number, source in enumerate(sources))
    return Job("00-sample", cells, ("efflab.pruning",), seed="seed", limits=replace(QUICK, **limits))


def few(names, *fast):
    """Parameters of which those named run always, and the others with the slow tests."""
    return [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in names]


def printed(outcome, number=0):
    """What a cell printed."""
    return "".join(one.get("text", "") for one in outcome.cells[number].outputs)


def processes(top=None):
    """Those below this one or another, by number."""
    found = set()
    waiting = [top or os.getpid()]
    while waiting:
        for path in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            children = set(map(int, path.read_text().split()))
            waiting += children - found
            found |= children
    return found


def soon(holds):
    """Whether something holds within some seconds: the kernel takes a moment to forget a process that has ended."""
    end = time.monotonic() + 10
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
