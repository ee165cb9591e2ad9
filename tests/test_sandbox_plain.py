"""The runner without a sandbox: for trusted code, with the same protocol, and nothing left either."""

from pathlib import Path

import pytest
from sandboxed import job, printed, processes, soon

from autograder.sandbox import SandboxError, choose
from autograder.sandbox.runner import grade
from autograder.tasks import expect, task


@task("sample-1", points=2)
def doubles(student, rng):
    """The double."""
    expect.equal(student.call("double", 4), 8)


def test_it_must_be_trusted():
    with pytest.raises(SandboxError, match="--i-trust-this-code"):
        choose("none")


@pytest.mark.slow
def test_it_grades_recovers_and_leaves_nothing(tmp_path, monkeypatch):
    # A folder of its own: other tests use the machine's at the same time.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = processes()
    sources = (
        "def double(x): return 2 * x",
        "import os, subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\nprint(os.getcwd())",
        "import efflab.pruning",
        "os._exit(2)",
        "while True: pass",
        "open('x', 'w').write('y')",
    )
    with choose("none", trusted=True) as made:
        outcome = grade(job(*sources, cell_seconds=1.0), [doubles], made)
        assert not Path(printed(outcome, 1).strip()).exists()
    assert outcome.sandbox == "none" and outcome.points == 2
    assert [cell.status for cell in outcome.cells] == ["ok", "ok", "error", "died", "timeout", "ok"]
    assert "rebuild" in outcome.cells[2].message
    assert soon(lambda: processes() <= before)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("efflab")]


@pytest.mark.slow
def test_memory_is_watched_there_too():
    source = "import numpy as np\nkept = [np.ones(2**24) for _ in range(100)]"
    with choose("none", trusted=True) as made:
        outcome = grade(job(source), [doubles], made)
    assert outcome.cells[0].status in {"died", "error"}
