"""What is left when a submission, a template or the grader has ended: nothing; and what goes on beside it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sandboxed import job, printed, processes, shared, soon

from autograder.sandbox import proctree
from autograder.sandbox.bwrap import BwrapSandbox
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


@pytest.mark.parametrize("listed", [True, False])
def test_a_tree_is_found_with_and_without_the_kernels_lists(monkeypatch, listed):
    monkeypatch.setattr(proctree, "_LISTED", listed)
    with subprocess.Popen(["sh", "-c", "sleep 100 & sleep 100 & wait"]) as tree:
        assert soon(lambda: len(proctree.descendants(tree.pid)) == 3)
        # A process that has just begun may have no memory of its own yet.
        assert soon(lambda: proctree.use(tree.pid).memory > 0)
        now = proctree.use(tree.pid)
        assert (now.tasks, len(now.pids)) == (2, 2)
        proctree.end(tree.pid)
    assert proctree.descendants(tree.pid) == ()


@pytest.mark.slow
def test_nothing_is_left_behind(bwrap, tmp_path, monkeypatch):
    # A folder of its own: other tests use the machine's at the same time.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = processes()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with BwrapSandbox() as made:
        for source in (
            "import os\nif os.fork() == 0:\n    while True: pass",
            "open('/scratch/tmp/x', 'w')",
            HONEST,
        ):
            graded(made, source)
        # Bubblewrap's two and the template.
        assert soon(lambda: len(processes() - before) == 3)
        assert [path for path in tmp_path.iterdir() if path.name.startswith("efflab")]
    assert soon(lambda: processes() <= before)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("efflab")]


GRADER = """
import sys, threading
sys.path.insert(0, {tests!r})
from sandboxed import job, shared
from autograder.sandbox.bwrap import BwrapSandbox
from autograder.sandbox.runner import grade

with BwrapSandbox() as made:
    source = "import os, time\\nfor _ in range(3):\\n    if os.fork() == 0: break\\nprint(1)\\nwhile True: pass"
    grade(job("1", source), (), made, progress=lambda words: print(words, flush=True))
"""


@pytest.mark.slow
def test_when_the_grader_is_killed_all_that_it_started_ends(bwrap):
    words = [sys.executable, "-c", GRADER.format(tests=str(Path(__file__).parent))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as grader:
        while "2 of 2" not in grader.stdout.readline():
            pass
        assert soon(lambda: len(processes(grader.pid)) >= 5)
        started = processes(grader.pid)
        grader.kill()
    assert soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))


@pytest.mark.slow
def test_a_template_that_died_is_started_again(bwrap):
    with BwrapSandbox() as made:
        assert graded(made, HONEST).points == 3
        (template,) = made._templates.values()
        template.process.kill()
        template.process.wait()
        assert graded(made, HONEST).points == 3


@pytest.mark.slow
def test_a_template_outlives_the_thread_that_started_it(bwrap):
    with BwrapSandbox() as made:
        thread = threading.Thread(target=graded, args=(made, HONEST))
        thread.start()
        thread.join()
        (template,) = made._templates.values()
        assert graded(made, HONEST, "import time\ntime.sleep(0.2)").points == 3
        assert template.alive and list(made._templates.values()) == [template]


@pytest.mark.slow
def test_two_submissions_are_graded_at_a_time(sandbox):
    found = {}

    def run(number):
        found[number] = graded(sandbox, f"kept = {number}", HONEST, "print(kept)")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [printed(found[number], 2) for number in range(3)] == ["0\n", "1\n", "2\n"]
    assert {outcome.points for outcome in found.values()} == {3}
