"""Replies that a student's code writes to the grader's channel by itself: they count for their own call alone."""

import pytest
from sandboxed import few, job, shared

from autograder.sandbox.runner import grade
from autograder.tasks import expect, task

HONEST = "def double(x): return 2 * x"


@task("sample-1", points=2)
def doubles(student, rng):
    """The double."""
    number = float(rng.normal())
    expect.close(student.call("double", number), 2 * number)


@task("sample-2", points=1)
def doubles_arrays(student, rng):
    """The double of an array."""
    numbers = rng.normal(size=(3, 4))
    expect.close(student.call("double", numbers), 2 * numbers)


CHECKS = (doubles, doubles_arrays)


@pytest.fixture(scope="module")
def sandbox(bwrap):
    return shared()


def graded(sandbox, *sources, **limits):
    return grade(job(*sources, **limits), CHECKS, sandbox)


def kinds(outcome):
    return {flag.kind for flag in outcome.flags}


FORGERIES = {
    "wrong id": "line.send(secrets.token_bytes(16), 'value', encode(4.0))",
    "no message": "os.write(line._writer, bytes([1, 0, 0, 0, 0xc0]))",
    "flood": "[line.send(b'x' * 16, 'value', encode(4.0)) for _ in range(1000)]",
    "half": "os.write(line._writer, bytes([255, 255, 0, 0, 1]))",
    "long": "os.write(line._writer, bytes([255, 255, 255, 255]) + bytes(1000))",
    "endless": "[os.write(line._writer, bytes(2**20)) for _ in range(10000)]",
}
FIND = """
import os, sys, gc, secrets
from autograder.sandbox.inside.framing import Line
from autograder.wire import encode
line = next(one for one in gc.get_objects() if isinstance(one, Line))
"""


@pytest.mark.parametrize("name", few(FORGERIES, "wrong id", "flood", "long"))
def test_a_forged_reply_costs_its_own_call(sandbox, name):
    source = f"def double(x):\n    if isinstance(x, float):\n        {FORGERIES[name]}\n        time.sleep(0)\n    return 2 * x"
    outcome = graded(sandbox, FIND.replace("sys", "sys, time"), source, call_seconds=1.0)
    assert outcome.tasks[1].points == 1
    assert outcome.tasks[0].points in (0, 2)
    assert kinds(outcome) & {"forged-reply", "timeout"}


def test_a_reply_of_the_right_id_is_what_the_function_returned(sandbox):
    forge = """
def double(x):
    frame = sys._getframe()
    while frame:
        guest = frame.f_locals.get("self")
        if type(guest).__name__ == "Guest":
            break
        frame = frame.f_back
    line.send(guest._stack[-1], "value", encode(2 * x))
    return 0.0
"""
    outcome = graded(sandbox, FIND, forge)
    assert outcome.tasks[0].points == 2
    # The reply that the worker then sends answers nothing, so a person hears of it.
    assert kinds(outcome) == {"forged-reply"}
