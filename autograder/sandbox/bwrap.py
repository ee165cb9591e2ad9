"""The sandbox by bubblewrap: a warm template a lab, and below it a namespace of its own for each submission."""

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from autograder.job import Job
from autograder.sandbox import bwrap_command as line
from autograder.sandbox import imports, staging
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.fresh import fresh
from autograder.sandbox.session import Session
from autograder.sandbox.template import Template, variant

TEMPLATES = 2
"""Warm templates that are kept; each holds the memory of an interpreter with torch."""

Key = tuple[str, tuple[str, ...], tuple[str, ...]]


class BwrapSandbox:
    """See `autograder.sandbox.Sandbox`.

    Args:
        data: folder of data sets that labs may read.
        nested: whether to try a warm template with nested namespaces; otherwise each submission starts its own
            bubblewrap and interpreter, which is as safe and slower by their start.
        notice: told once, in a sentence, when nested namespaces do not work here.
    """

    name = "bwrap"

    def __init__(
        self, data: Path | None = None, *, nested: bool = True, notice: Callable[[str], None] | None = None
    ) -> None:
        if shutil.which("bwrap") is None:
            raise SandboxError("bubblewrap is not installed (Debian: apt-get install bubblewrap)")
        self._data, self._nested, self._notice = data, nested, notice
        self._root = os.geteuid() == 0
        self._templates: dict[Key, Template] = {}
        self._stages: dict[tuple[str, ...], Path] = {}
        self._lock = threading.Lock()
        # Bubblewrap ends with the thread that started it, so that must not be a caller's.
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="launcher")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, job: Job) -> Session:
        """A process for a submission.

        Raises:
            SandboxError: bubblewrap does not work here.
        """
        with self._lock:
            for attempt in range(2):
                template = self._template(job) if self._nested else None
                if template is None:
                    break
                try:
                    return template.fork(job.limits, variant(job), filtered=True)
                except SandboxError:
                    # A template that has ended (its machine was short of memory, say) is started anew, once.
                    if attempt or not template.ended(1.0):
                        raise
                    self._drop(self._key(job))
            stage = self._stage(job.forbidden)
            return self._launcher.submit(fresh, job, stage, self._data, root=self._root).result()

    def close(self) -> None:
        """End the templates and remove what was staged."""
        for key in list(self._templates):
            self._drop(key)
        while self._stages:
            staging.remove(self._stages.popitem()[1])
        self._launcher.shutdown()

    def _template(self, job: Job) -> Template | None:
        key = self._key(job)
        if key in self._templates:
            self._templates[key] = self._templates.pop(key)
            return self._templates[key]
        # One whose sessions still run stays: they would end with it.
        idle = [old for old, one in self._templates.items() if not one.busy]
        for old in idle[: max(0, len(self._templates) - TEMPLATES + 1)]:
            self._drop(old)
        template = self._started(job)
        if not template.nested:
            self._nested = False
            template.close()
            if self._notice is not None:
                self._notice(
                    "Namespaces cannot be nested here: each submission starts an interpreter of its own."
                )
            return None
        self._templates[key] = template
        return template

    def _started(self, job: Job) -> Template:
        """The template as nobody where the caller is root; where nobody cannot read the interpreter, in a user namespace."""
        if self._root:
            with contextlib.suppress(SandboxError):
                return self._launch(job, root=True)
            self._root = False
        return self._launch(job, root=False)

    def _launch(self, job: Job, *, root: bool) -> Template:
        command = line.command(self._stage(job.forbidden), root=root, data=self._data)
        settings = {
            "become": line.USER if root else 0,
            "library": line.LIBRARY,
            "scratch": line.SCRATCH,
            "modules": imports.modules(job.cells, job.forbidden),
            "nested": True,
            "readable": [line.DATA] if self._data is not None else [],
        }
        return self._launcher.submit(Template, command, settings, line.OUTSIDE).result()

    def _stage(self, forbidden: tuple[str, ...]) -> Path:
        if forbidden not in self._stages:
            self._stages[forbidden] = staging.stage(forbidden)
        return self._stages[forbidden]

    def _drop(self, key: Key) -> None:
        self._templates.pop(key).close()

    @staticmethod
    def _key(job: Job) -> Key:
        return job.lab, job.forbidden, imports.modules(job.cells, job.forbidden)


def works() -> bool:
    """Whether bubblewrap is there and may make its namespaces."""
    program = shutil.which("bwrap")
    if program is None:
        return False
    words = [program, "--ro-bind", "/", "/", "--unshare-all", "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603 - constants
