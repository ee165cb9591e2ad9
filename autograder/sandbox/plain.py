"""No sandbox: the same processes without isolation, for one's own code on a machine without bubblewrap.

Limits of single processes hold and the watchdog looks, but the code can read and write whatever the caller can.
"""

import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Self

from autograder.job import Job
from autograder.sandbox import bwrap_command as line
from autograder.sandbox import imports, staging
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.session import Session
from autograder.sandbox.template import INSIDE, Template, variant

Key = tuple[str, tuple[str, ...], tuple[str, ...]]


class PlainSandbox:
    """See `autograder.sandbox.Sandbox`; made by `autograder.sandbox.choose` alone, which asks for trust.

    Args:
        data: folder of data sets that labs may read.
    """

    name = "none"

    def __init__(self, data: Path | None = None) -> None:
        if not sys.platform.startswith("linux"):
            raise SandboxError("the sandbox 'none' needs Linux; use 'container' on other systems")
        self._data = data
        self._kept: dict[Key, tuple[Template, Path]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, job: Job) -> Session:
        """A process for a submission.

        Raises:
            SandboxError: it does not start.
        """
        with self._lock:
            template = self._template(job)
            scratch = tempfile.mkdtemp(prefix="efflab-scratch-")

            def clean() -> None:
                shutil.rmtree(scratch, ignore_errors=True)

            own = _environment(Path(scratch), self._data) | variant(job)
            return template.fork(job.limits, own, filtered=False, scratch=scratch, clean=clean)

    def close(self) -> None:
        """End the templates and remove what was staged."""
        while self._kept:
            template, stage = self._kept.popitem()[1]
            template.close()
            staging.remove(stage)

    def _template(self, job: Job) -> Template:
        modules = imports.modules(job.cells, job.forbidden)
        key = job.lab, job.forbidden, modules
        if key in self._kept and self._kept[key][0].alive:
            return self._kept[key][0]
        self.close()
        stage = staging.stage(job.forbidden)
        library = stage / staging.LIBRARY
        scratch = stage / "scratch"
        scratch.mkdir(mode=0o700)
        settings = {"library": str(library), "scratch": str(scratch), "modules": modules, "nested": False}
        environment = _environment(scratch, self._data) | {"PYTHONPATH": str(library)}
        template = Template([sys.executable, "-s", "-P", str(library / INSIDE)], settings, environment)
        self._kept[key] = template, stage
        return template


def _environment(scratch: Path, data: Path | None) -> dict[str, str]:
    """The sandbox's variables with another scratch folder."""
    own = {
        name: value.replace(line.SCRATCH, str(scratch), 1) if value.startswith(line.SCRATCH) else value
        for name, value in line.ENVIRONMENT.items()
        if name != "PYTHONPATH"
    }
    return own | ({"EFFLAB_DATA": str(data.resolve())} if data is not None else {})
