"""What odd answers, endless checks and claimed outputs cost: their own check, and nothing else."""

import threading
import time

import pytest
from sandboxed import job, shared

from autograder import expect
from autograder.sandbox import outputs
from autograder.sandbox.runner import grade
from autograder.tasks import Check, task


@pytest.fixture(scope="module")
def sandbox(bwrap):
    return shared()


def a_check(function, points=1):
    """A check of a function, as `task` makes it."""
    function.__doc__ = "Something."
    return task("sample-1", points=points)(function)


ODD = {
    "text": "'x'",
    "deep": "__import__('functools').reduce(lambda a, _: [a], range(5000), 0)",
    "cycle": "(lambda a: a.append(a) or a)([])",
    "nan": "float('nan')",
    "object": "object()",
    "large": "__import__('numpy').zeros(2**25)",
    "many": "[0] * 10**6",
    "long": "10**5000",
    "dtype": "__import__('numpy').array(['x'])",
    "liar": "type('Liar', (__import__('numpy').ndarray,), {'__eq__': lambda *a: True, 'shape': 3})(2)",
    "surrogate": "'\\ud800'",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_answers_cost_their_check_alone(sandbox, name):
    def odd(student, rng):
        expect.close(student.call("f", 1), 2.0)

    def number(student, rng):
        return student.call("f", 1)

    def fine(student, rng):
        expect.equal(student.call("g"), 1)

    source = f"def f(x): return {ODD[name]}\ndef g(): return 1"
    outcome = grade(job(source), [a_check(one) for one in (odd, number, fine)], sandbox)
    assert [result.points for result in outcome.tasks[0].results] == [0, 0, 1]
    assert all(isinstance(result.message, str) for result in outcome.tasks[0].results)


def test_an_interrupt_stops_the_grader(sandbox):
    def interrupted(student, rng):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade(job("1"), [a_check(interrupted)], sandbox)


@pytest.mark.parametrize("in_thread", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_check_that_never_ends_is_ended(sandbox, monkeypatch, in_thread):
    monkeypatch.setattr("autograder.sandbox.runner.CHECK_SECONDS", 0.5)
    done = []

    def endless(student, rng):
        student.call("f")
        while True:
            pass

    def fine(student, rng):
        expect.equal(student.call("f"), 1)

    def run():
        done.append(grade(job("def f(): return 1"), [a_check(endless), a_check(fine)], sandbox))

    if in_thread:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    else:
        run()
    assert [result.points for result in done[0].tasks[0].results] == [0, 1]


def test_a_check_may_wait_for_the_processor_but_not_for_ever(sandbox, monkeypatch):
    monkeypatch.setattr("autograder.sandbox.runner.CHECK_SECONDS", 0.3)

    def waits(seconds):
        def check(student, rng):
            student.call("f")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.01)

        return check

    checks = [a_check(waits(0.6)), a_check(waits(60.0)), a_check(waits(0.6))]
    (scores,) = grade(job("def f(): return 1"), checks, sandbox).tasks
    assert [result.points for result in scores.results] == [1, 0, 1]


def test_checks_share_what_they_ask_to_share(sandbox):
    def draws(student, rng, shared):
        expect.equal(student.call("f", float(shared.random())), float(shared.random()))

    (result,) = grade(job("def f(x): return x"), [a_check(draws)], sandbox).tasks[0].results
    assert "expected" in result.message and not result.detail
    assert isinstance(a_check(draws), Check)


def test_progress_is_told(sandbox):
    told = []
    grade(job("1", "def f(): return 1"), [a_check(lambda student, rng: None)], sandbox, progress=told.append)
    assert told[:2] == ["cell 1 of 2", "cell 2 of 2"] and len(told) == 3


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        [1, None, [], {}],
        [{"output_type": "stream", "name": "stdin", "text": "x"}],
        [{"output_type": "stream", "name": ["stdout"], "text": "x"}],
        [{"output_type": "display_data", "data": {"text/html": "<script>", "image/svg+xml": "<svg>"}}],
        [{"output_type": "display_data", "data": {"image/png": "PHNjcmlwdD4="}}],
        [{"output_type": "display_data", "data": {"image/png": "<script>"}}],
        [{"output_type": "error", "ename": "E", "evalue": "v", "traceback": "x"}],
        [{"output_type": ["stream"], "name": "stdout", "text": "x"}],
        [{"output_type": "execute_result", "data": {"text/plain": "x"}, "execution_count": -1}],
    ],
)
def test_claimed_outputs_of_other_kinds_are_dropped(claimed):
    assert outputs.clean(claimed, 1000) == ()


def test_claimed_outputs_are_rebuilt_and_bounded():
    stream = {"output_type": "stream", "name": "stdout", "text": "x" * 1000, "metadata": {"trusted": True}}
    (kept,) = outputs.clean([stream], 1000)
    assert kept == {"output_type": "stream", "name": "stdout", "text": "x" * 1000}
    assert sum(len(one["text"]) for one in outputs.clean([stream] * 1000, 1000)) <= 31_000


def test_a_traceback_of_countless_empty_lines_is_cut():
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": [""] * 100_000}
    (kept,) = outputs.clean([error], 1000)
    assert len(kept["traceback"]) == 200
