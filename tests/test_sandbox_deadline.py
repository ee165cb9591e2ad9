"""Deadlines: a machine that runs others costs a submission nothing, and everything still comes to an end."""

import contextlib
import os
import signal

import pytest
from sandboxed import job, shared

from autograder.sandbox import deadline as module
from autograder.sandbox import proctree
from autograder.sandbox.channel import Channel, Late
from autograder.sandbox.deadline import LONGEST, Deadline
from autograder.sandbox.runner import grade
from autograder.sandbox.watchdog import Watchdog
from autograder.tasks import expect, task


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: its first number is the time, its second what was waited."""
    times = [100.0, 7.0]
    monkeypatch.setattr(module, "_now", lambda: times[0])
    return times


def test_time_that_was_waited_is_given_back_up_to_a_bound(clock):
    whole = Deadline(2.0, lambda: clock[1])
    clock[0] += 2.0
    assert whole.left() == 0
    clock[1] += 1.5
    assert whole.left() == 1.5
    clock[1] += 1000.0
    assert whole.left() == 2.0 * (LONGEST - 1)
    clock[0] += 2.0 * (LONGEST - 1)
    assert whole.left() == 0


def test_time_of_callbacks_is_given_back_once_and_within_the_same_bound(clock):
    whole = Deadline(2.0, lambda: clock[1])
    whole.add(1.5)
    whole.add(1.5)
    assert whole.left() == 4
    clock[0] += 2.0 * LONGEST
    clock[1] += 1000.0
    assert whole.left() == 0


def test_no_deadline_outlasts_the_one_around_it(clock):
    around = Deadline(3.0)
    inner = Deadline(10.0, lambda: clock[1], around)
    assert inner.left() == 3
    clock[0] += 3.0
    clock[1] += 5.0
    assert inner.left() == 0


def test_what_lies_there_is_read_though_the_reader_comes_late(clock):
    reader, writer = os.pipe()
    channel = Channel(reader, writer)
    try:
        soon = Deadline(1.0)
        channel.send(b"here in time", soon)
        clock[0] += 2.0
        assert channel.receive(soon) == b"here in time"
        with pytest.raises(Late):
            channel.receive(soon)
    finally:
        channel.close()


def test_the_longest_delay_of_one_process_counts_and_not_the_sum(monkeypatch):
    seen = [{1: 0.0}, {1: 0.004, 2: 0.002, 3: 0.003}, {1: 0.004, 3: 0.004}, {}, {9: 1e9}]
    monkeypatch.setattr(Watchdog, "_run", lambda self: None)
    monkeypatch.setattr(proctree, "use", lambda root: proctree.Use(delays=seen.pop(0)))
    dog = Watchdog(1, job().limits, lambda: None)
    dog.look()
    dog._looked -= 1.0
    dog.look()
    dog._looked -= 1.0
    dog.look()
    dog.look()
    assert dog.waited_seconds == pytest.approx(0.005)
    before = dog._looked
    dog.look()
    # Never more than the time that has passed.
    assert dog.waited_seconds == pytest.approx(0.005 + dog._looked - before)
    dog.stop()


@contextlib.contextmanager
def loaded():
    """Other processes that keep all processors busy."""
    started = []
    try:
        for _ in range(2 * len(os.sched_getaffinity(0))):
            child = os.fork()
            if child == 0:
                while True:
                    pass
            started.append(child)
        yield
    finally:
        for child in started:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@task("sample-1", points=1)
def works(student, rng):
    """Some work."""
    expect.true(student.call("work") >= 1.0, "It should work.")


WORK = """
import time
def work():
    start = time.thread_time()
    while time.thread_time() - start < 1.0: pass
    return time.thread_time() - start
"""


@pytest.mark.slow
def test_a_loaded_machine_costs_an_honest_call_nothing(bwrap):
    if not any(delay > 0 for delay in proctree.use(os.getpid()).delays.values()):
        pytest.xfail("this kernel does not count how long a process waits for a processor")
    with loaded():
        outcome = grade(job(WORK, call_seconds=2.0), [works], shared())
    assert outcome.points == 1, outcome
    assert not outcome.flags


@pytest.mark.slow
def test_an_endless_loop_ends_on_a_loaded_machine_too(bwrap):
    with loaded():
        outcome = grade(job("while True: pass", "1", cell_seconds=0.3), (), shared())
    assert [cell.status for cell in outcome.cells] == ["timeout", "ok"]


@task("sample-1", points=1)
def first(student, rng):
    """A call."""
    student.call("f")


@task("sample-1", points=1)
def second(student, rng):
    """The same call again."""
    student.call("f")


@task("sample-2", points=1)
def another(student, rng):
    """A call of another task."""
    student.call("f")


def test_a_function_that_never_ends_is_waited_for_once(bwrap):
    given = job("import time\ndef f(): time.sleep(1000)", call_seconds=0.4)
    outcome = grade(given, [first, second, another], shared())
    messages = [result.message for score in outcome.tasks for result in score.results]
    assert messages == [
        "f did not finish within 0.4 seconds.",
        "f did not finish within 0.1 seconds.",
        "f did not finish within 0.4 seconds.",
    ]


def test_a_visible_check_has_no_longer_than_a_call(bwrap):
    given = job("import time\ntime.sleep(1000)", origin="check", cell_seconds=60.0, call_seconds=0.3)
    (cell,) = grade(given, (), shared()).cells
    assert cell.message == "This cell did not finish within 0.3 seconds."
