"""The sandbox by a container engine (docker or podman), for systems without bubblewrap.

Each submission has a container of its own, which starts an interpreter anew; the channel is its standard input and
output. The engine bounds memory and processes. `Containerfile` beside this file makes the image.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Self

from autograder.job import Job, Limits
from autograder.sandbox import bwrap_command as line
from autograder.sandbox import imports, staging
from autograder.sandbox.channel import Channel
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.session import Session
from autograder.sandbox.template import INSIDE, numbers, variant

IMAGE = "efflab-sandbox"
ENGINES = ("docker", "podman")
END_SECONDS = 20.0


def engine() -> str | None:
    """Path of the first engine whose service answers; None where there is none."""
    for program in filter(None, map(shutil.which, ENGINES)):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            # Its "info" fails where the program is there and no service is.
            told = subprocess.run([program, "info"], capture_output=True, check=False, timeout=20)  # noqa: S603 - found
            if told.returncode == 0:
                return program
    return None


def works() -> bool:
    """Whether a container engine is at hand."""
    return engine() is not None


def command(
    program: str, name: str, stage: Path, limits: Limits, *, data: Path | None = None, image: str = IMAGE
) -> list[str]:
    """The engine's command line, up to the arguments of ``inside/main.py``.

    Args:
        program: the engine.
        name: the container's.
        stage: as `staging.stage` made it.
        limits: what the submission may use.
        data: folder of data sets to show.
        image: the image's name.

    Returns:
        The words.
    """
    words = [program, "run", "--rm", "--interactive", "--name", name, "--log-driver", "none"]
    words += ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    words += ["--user", f"{line.USER}:{line.USER}", "--hostname", "sandbox", "--ipc", "private"]
    words += ["--pids-limit", str(limits.processes + 2)]
    words += ["--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)]
    words += ["--shm-size", str(limits.file_bytes // 4)]
    words += ["--tmpfs", f"{line.SCRATCH}:rw,nosuid,nodev,size={limits.file_bytes},mode=1777"]
    words += ["--ulimit", "core=0", "--ulimit", f"nofile={limits.open_files}"]
    words += ["--workdir", line.SCRATCH, "--volume", f"{stage / staging.LIBRARY}:{line.LIBRARY}:ro"]
    variables = dict(line.ENVIRONMENT) | ({"EFFLAB_DATA": line.DATA} if data is not None else {})
    if data is not None:
        words += ["--volume", f"{data.resolve()}:{line.DATA}:ro"]
    # The image knows where its interpreter is.
    for key, value in variables.items():
        words += ["--env", f"{key}={value}"] if key != "PATH" else []
    return [*words, image, "python", "-s", "-P", f"{line.LIBRARY}/{INSIDE}"]


class ContainerSandbox:
    """See `autograder.sandbox.Sandbox`.

    Args:
        data: folder of data sets that labs may read.
        program: the engine; the first that answers by default.
        image: the image's name.

    Raises:
        SandboxError: there is no engine.
    """

    name = "container"

    def __init__(self, data: Path | None = None, *, program: str | None = None, image: str = IMAGE) -> None:
        found = program or engine()
        if found is None:
            raise SandboxError("no container engine answers here: install docker or podman, and start it")
        self._program, self._data, self._image = found, data, image
        self._stages: dict[tuple[str, ...], Path] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, job: Job) -> Session:
        """A container for a submission."""
        with self._lock:
            if job.forbidden not in self._stages:
                self._stages[job.forbidden] = staging.stage(job.forbidden)
            stage = self._stages[job.forbidden]
        name = f"efflab-{secrets.token_hex(8)}"
        settings = {
            "library": line.LIBRARY,
            "scratch": line.SCRATCH,
            "modules": imports.modules(job.cells, job.forbidden),
            "order": {"limits": numbers(job.limits), "scratch": line.SCRATCH, "environment": variant(job)},
            "line": [0, 1],
        }
        words = command(self._program, name, stage, job.limits, data=self._data, image=self._image)
        return Contained([*words, json.dumps(settings)], [self._program, "rm", "--force", name])

    def close(self) -> None:
        """Remove what was staged."""
        while self._stages:
            staging.remove(self._stages.popitem()[1])


class Contained:
    """A submission in a container; see `autograder.sandbox.session.Session`.

    Args:
        words: start the container, with the channel on its standard streams.
        remove: end and remove it.
    """

    kind, reason = "", ""
    peak_bytes, cpu_seconds = 0, 0.0

    def __init__(self, words: list[str], remove: list[str]) -> None:
        self._remove, self._closed = remove, False
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the session
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin as ours, self._process.stdout as theirs:
            self.channel = Channel(os.dup(theirs.fileno()), os.dup(ours.fileno()))

    @staticmethod
    def waited() -> float:
        """Not known: the engine does not tell it."""
        return 0.0

    def ending(self) -> str:
        """The container's exit code, which is the worker's."""
        try:
            code = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            return ""
        if code == 137:
            return "was killed, as it is when it uses more memory than it may"
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 500))
        # The engine's own words: the worker's standard error leads nowhere.
        said = " ".join(self._complaints.read().decode(errors="replace").split())
        return f"ended its own process with exit code {code}{f' ({said})' if said else ''}"

    def close(self) -> None:
        """End and remove the container."""
        if self._closed:
            return
        self._closed = True
        self.channel.close()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(self._remove, capture_output=True, check=False, timeout=END_SECONDS)  # noqa: S603 - as above
        self._process.kill()
        self._process.wait()
        self._complaints.close()
