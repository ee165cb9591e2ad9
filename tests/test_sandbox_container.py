"""The container runner: its command line, and its protocol against an engine that runs the command without a container."""

import os
import stat
import sys

import pytest
from sandboxed import job, printed, processes, soon

from autograder.job import Limits
from autograder.sandbox import SandboxError, choose, container
from autograder.sandbox.container import ContainerSandbox
from autograder.sandbox.runner import grade
from autograder.tasks import expect, task

ENGINE = """#!{python}
# Takes the engine's part: checks what protects, then runs the command with the container's folders replaced.
import os, signal, sys, tempfile

words = sys.argv[1:]
if words[0] == "info":
    sys.exit(0)
if words[0] == "rm":
    path = os.path.join({folder!r}, words[-1])
    try:
        os.kill(int(open(path).read()), signal.SIGKILL)
    except (OSError, ValueError):
        pass
    sys.exit(0)
options, rest = {{}}, words[1:]
bare = ("--rm", "--interactive", "--read-only")
while rest[0].startswith("--"):
    name = rest.pop(0)
    options.setdefault(name, []).append("" if name in bare else rest.pop(0))
needed = {{
    "--rm": [""], "--interactive": [""], "--read-only": [""], "--network": ["none"], "--cap-drop": ["ALL"],
    "--security-opt": ["no-new-privileges"], "--user": ["65534:65534"], "--log-driver": ["none"], "--ipc": ["private"],
}}
wrong = [name for name, value in needed.items() if options.get(name) != value]
wrong += [name for name in ("--pids-limit", "--memory", "--memory-swap", "--tmpfs", "--name") if name not in options]
if wrong or rest[0] != "efflab-sandbox" or rest[1] != "python":
    sys.exit(f"not as it should be: {{wrong}} {{rest[:2]}}")
library = next(one for one in options["--volume"] if one.endswith(":/sandbox/library:ro")).split(":")[0]
scratch = tempfile.mkdtemp(dir={folder!r})
open(os.path.join({folder!r}, options["--name"][0]), "w").write(str(os.getpid()))


def here(word):
    return word.replace("/sandbox/library", library).replace("/scratch", scratch)


environment = dict(one.split("=", 1) for one in map(here, options["--env"])) | {{"PATH": os.environ["PATH"]}}
os.chdir(scratch)
os.execve(sys.executable, [sys.executable, *map(here, rest[2:])], environment)
"""


@task("sample-1", points=2)
def doubles(student, rng):
    """The double of an array."""
    numbers = rng.normal(size=(3, 4))
    expect.close(student.call("double", numbers), 2 * numbers)


@pytest.fixture
def program(tmp_path):
    """A program that takes the engine's part."""
    path = tmp_path / "docker"
    path.write_text(ENGINE.format(python=sys.executable, folder=str(tmp_path)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


SOURCES = (
    "def double(x): return 2 * x\nprint('out')",
    "import os\nos.write(1, b'noise')",
    "import efflab.pruning",
)


@pytest.mark.slow
def test_a_submission_is_graded_through_an_engines_streams(program):
    before = processes()
    with ContainerSandbox(program=program) as made:
        outcome = grade(job(*SOURCES, "import os\nos._exit(7)", "3"), [doubles], made)
    assert outcome.sandbox == "container" and outcome.points == 2
    assert printed(outcome) == "out\n"
    assert "rebuild" in outcome.cells[2].message
    assert [cell.status for cell in outcome.cells] == ["ok", "ok", "error", "died", "ok"]
    assert outcome.cells[3].message == "This cell ended its own process with exit code 7."
    assert outcome.processes == 2
    assert soon(lambda: processes() <= before)


def test_an_engine_that_fails_is_no_fault_of_the_submission(tmp_path):
    path = tmp_path / "docker"
    path.write_text("#!/bin/sh\nexit 125\n")
    path.chmod(0o755)
    with (
        ContainerSandbox(program=str(path)) as made,
        pytest.raises(SandboxError, match="before anything ran"),
    ):
        grade(job("1"), [doubles], made)


def test_the_command_line_bounds_what_a_container_may_use(tmp_path):
    limits = Limits(memory_bytes=2**30, processes=10, open_files=99, file_bytes=2**20)
    words = container.command("docker", "efflab-x", tmp_path, limits, data=tmp_path)
    text = " ".join(words)
    assert "--memory 1073741824 --memory-swap 1073741824" in text
    assert "--pids-limit 12" in text
    assert "--ulimit nofile=99" in text
    assert "--tmpfs /scratch:rw,nosuid,nodev,size=1048576,mode=1777" in text
    assert f"--volume {tmp_path}:/sandbox/data:ro" in text and "EFFLAB_DATA=/sandbox/data" in text
    assert words[:2] == ["docker", "run"] and words[words.index("efflab-sandbox") + 1] == "python"


def test_there_must_be_an_engine(monkeypatch, tmp_path, program):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert not container.works()
    with pytest.raises(SandboxError, match="no container engine"):
        choose("container")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert container.engine() == program
    with choose("container") as made:
        assert made.name == "container"


@pytest.mark.slow
def test_a_real_engine_grades_and_bounds():
    """Where the image has been built: the public workflow does."""
    if not container.works() or "EFFLAB_CONTAINER" not in os.environ:
        # Not even where everything is required: an engine cannot run everywhere.
        pytest.xfail("no container engine")
    with ContainerSandbox() as made:
        outcome = grade(
            job(*SOURCES, "import os\nos._exit(7)", "kept = bytearray(4 * 2**30)", "3", call_seconds=30.0),
            [doubles],
            made,
        )
    assert outcome.points == 2
    assert [cell.status for cell in outcome.cells[:4]] == ["ok", "ok", "error", "died"]
    assert outcome.cells[4].status in {"error", "died"}
    assert outcome.cells[5].status == "ok"
