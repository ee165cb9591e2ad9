"""What hostile cells can do to the grader and to each other: nothing; what they cost: their own task."""

import time

import pytest
from sandboxed import few, job, printed, processes, shared, soon

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


ENDINGS = {
    "exit": ("import os\nos._exit(0)", "killed"),
    "signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "killed"),
    "close": ("import os\nos.closerange(3, 256)\nraise SystemExit", "killed"),
    "memory": (
        "import os, time, numpy as np\nfor _ in range(2): os.fork()\nkept = np.ones(2**26)\ntime.sleep(100)",
        "memory",
    ),
    "processor": ("import time\nwhile True: pass", "cpu"),
    "silence": ("import time\ntime.sleep(1000)", "timeout"),
    "stop": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "timeout"),
}


@pytest.mark.parametrize("name", few(ENDINGS, "exit", "segfault", "memory"))
def test_a_cell_that_takes_its_process_with_it_loses_itself_alone(sandbox, name):
    source, kind = ENDINGS[name]
    limits = {"timeout": {"cell_seconds": 1.0}, "cpu": {"cpu_seconds": 1.0}}.get(kind, {})
    outcome = graded(sandbox, HONEST, source, "y = double(4)\ny", **limits)
    assert [cell.status for cell in outcome.cells] in (["ok", "died", "ok"], ["ok", "timeout", "ok"])
    assert outcome.cells[1].message.startswith("This cell ")
    assert outcome.cells[2].outputs[0]["data"] == {"text/plain": "8"}
    assert outcome.points == 3
    assert outcome.processes == 2
    # A kernel that ends the process at its own limit and the watchdog may both be first.
    assert kinds(outcome) & {kind, "killed"}


HARMLESS = {
    "kill all": "import os, signal\nfor number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSTOP):\n"
    "    try: os.kill(-1, number)\n    except OSError: pass\n"
    "    for pid in (1, os.getppid()):\n        try: os.kill(pid, number)\n        except OSError: pass",
    "group": "import os, signal\nfor group in range(2, 9):\n    try: os.killpg(group, signal.SIGSTOP)\n"
    "    except OSError: pass\n    if group == os.getpgrp(): break",
    "huge": "import numpy as np, pytest\ntry: np.ones(100 * 2**30 // 8)\nexcept MemoryError: pass",
    "forks": "import os, time\nfor _ in range(1000):\n    try:\n        if os.fork() == 0: time.sleep(100)\n"
    "    except OSError: break",
    "threads": "import threading, time\nfor _ in range(1000):\n"
    "    try: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n    except RuntimeError: break",
    "daemon": "import subprocess\nsubprocess.Popen('sleep 1000', shell=True, start_new_session=True)",
    "files": "try:\n    with open('big', 'wb') as f:\n        for _ in range(2000): f.write(bytes(2**20))\n"
    "except OSError as error: print(error.errno)",
    "many files": "import os\ntry:\n    for n in range(100000): open(f'f{n}', 'w').close()\nexcept OSError: pass",
    "exit at end": "import atexit, time\natexit.register(time.sleep, 1000)",
    "trace": "import sys\nsys.settrace(lambda *a: None)",
    "builtins": "import numpy as np, builtins\nnp.testing.assert_allclose = lambda *a, **k: None\n"
    "np.array_equal = np.allclose = lambda *a, **k: True\nbuiltins.isinstance, kept = isinstance, isinstance",
}


@pytest.mark.parametrize("name", few(HARMLESS, "kill all", "daemon", "files", "builtins"))
def test_what_a_cell_tries_costs_nobody_anything(sandbox, name):
    before = processes()
    outcome = graded(sandbox, HARMLESS[name], HONEST, file_bytes=32 * 2**20, cell_seconds=5.0)
    assert outcome.points == 3, outcome.cells
    assert soon(lambda: processes() <= before)


def test_a_gigabyte_of_output_is_cut(sandbox):
    source = "import os\nfor _ in range(1024):\n    print('x' * 2**20)\n    os.write(1, bytes(2**20))\nos.system('yes | head -c 100000000')"
    outcome = graded(sandbox, source, HONEST, output_bytes=10_000)
    assert 10_000 <= len(printed(outcome)) < 10_100
    assert outcome.points == 3


@pytest.mark.slow
def test_many_processes_are_ended(sandbox):
    source = "import os, time\nwhile True:\n    try:\n        if os.fork() == 0: continue\n    except OSError: time.sleep(0.01)"
    outcome = graded(sandbox, HONEST, source, cell_seconds=3.0, processes=32)
    assert outcome.cells[1].status in {"died", "timeout"}
    assert outcome.points == 3


@pytest.mark.slow
def test_calls_that_end_the_process_cost_their_own_check(sandbox):
    for ending in (
        "os._exit(0)",
        "time.sleep(100)",
        "[bytearray(2**28) for _ in range(8)]",
        "np.ones(10**9)",
    ):
        source = f"import os, time, numpy as np\ndef double(x):\n    if not isinstance(x, float): {ending}\n    return 2 * x"
        outcome = graded(sandbox, source, call_seconds=1.0)
        assert [score.points for score in outcome.tasks] == [2, 0], ending
        message = outcome.tasks[1].results[0].message
        assert message.startswith("double "), message
        assert outcome.processes == 1


def test_a_lost_process_is_replaced_before_the_next_check(sandbox):
    source = "import os\ndef double(x):\n    if isinstance(x, float): os._exit(3)\n    return 2 * x"
    outcome = graded(sandbox, "seen = 1", source, "assert seen == 1")
    assert [score.points for score in outcome.tasks] == [0, 1]
    assert outcome.processes == 2
    assert "ended its own process with exit code 3" in outcome.tasks[0].results[0].message


@pytest.mark.slow
def test_the_end_of_the_time_keeps_what_was_earned(sandbox):
    slow = "import time\ndef double(x):\n    if not isinstance(x, float): time.sleep(100)\n    return 2 * x"
    start = time.monotonic()
    outcome = graded(sandbox, slow, call_seconds=100.0, submission_seconds=2.0)
    assert outcome.tasks[0].points == 2
    assert "the submission's time was over" in outcome.tasks[1].results[0].message
    assert time.monotonic() - start < 60
    late = graded(sandbox, "import time\ntime.sleep(100)", HONEST, submission_seconds=1.0)
    assert [cell.status for cell in late.cells] == ["timeout", "skipped"]
    assert late.points == 0
    assert "1 seconds were over" in late.tasks[0].results[0].message
