"""The warm template, seen from the grader: a process with everything imported that forks once a submission."""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autograder.job import Job, Limits
from autograder.sandbox.channel import Channel
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.session import Forked, Lifeline

READY_SECONDS = 300.0
"""A template may have kernels to compile on a busy machine. One that ends is noticed at once."""
INSIDE = Path("autograder", "sandbox", "inside", "main.py")


class Template:
    """A running template.

    Args:
        command: what starts it, up to its settings.
        settings: for ``inside/main.py``; the descriptor is added.
        environment: of the process that is started.

    Raises:
        SandboxError: it does not start.
    """

    def __init__(
        self, command: Sequence[str], settings: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the template
        self._sessions, self._counting = 0, threading.Lock()
        with theirs:
            told = json.dumps({**settings, "control": theirs.fileno()})
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, told],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
            )
        try:
            self.nested = bool(self._ready()["nested"])
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def busy(self) -> bool:
        """Whether a session that it forked has not been closed."""
        return self._sessions > 0

    def ended(self, seconds: float) -> bool:
        """Whether it ends within some seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return not self.alive

    def fork(
        self,
        limits: Limits,
        environment: Mapping[str, str],
        *,
        filtered: bool,
        scratch: str = "",
        clean: Callable[[], None] = lambda: None,
    ) -> Forked:
        """A process for one submission.

        Args:
            limits: what it may use.
            environment: variables of that submission alone.
            filtered: whether its privileges and system calls are taken away.
            scratch: the folder to use where namespaces cannot be nested.
            clean: called when the session has ended.

        Raises:
            SandboxError: it does not start.
        """
        order = {
            "nested": self.nested,
            "detached": True,
            "filtered": filtered,
            "scratch": scratch,
            # Without a namespace the kernel would count all that the user runs.
            "limits": numbers(limits) | ({} if self.nested else {"processes": 0}),
            "environment": dict(environment),
        }
        ours, theirs = socket.socketpair()
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        lifeline = Lifeline(mine)
        self._count(1)

        def cleaned() -> None:
            self._count(-1)
            clean()

        with theirs, its:
            try:
                socket.send_fds(self._control, [json.dumps(order).encode()], [theirs.fileno(), its.fileno()])
            except OSError as error:
                ours.close()
                lifeline.close()
                cleaned()
                raise SandboxError(f"the sandbox's template has ended: {self._why()}") from error
        return attach(ours, lifeline, limits, namespace=self.nested, stored=self.nested, clean=cleaned)

    def close(self) -> None:
        """End it, and with it all that it forked."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
        self.process.kill()
        self.process.wait()
        self._complaints.close()

    def _count(self, step: int) -> None:
        with self._counting:
            self._sessions += step

    def _ready(self) -> dict[str, Any]:
        self._control.settimeout(READY_SECONDS)
        try:
            told = self._control.recv(4096)
        except TimeoutError:
            told = b""
        if not told:
            raise SandboxError(f"the sandbox does not start: {self._why()}")
        self._control.settimeout(10.0)
        answer: dict[str, Any] = json.loads(told)
        return answer

    def _why(self) -> str:
        self.ended(1.0)
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 500))
        words = " ".join(self._complaints.read().decode(errors="replace").split())
        return words or f"it said nothing and has exit status {self.process.poll()}"


def attach(
    ours: socket.socket,
    lifeline: Lifeline,
    limits: Limits,
    *,
    namespace: bool,
    stored: bool,
    clean: Callable[[], None],
) -> Forked:
    """The session on a socket of its own and a lifeline, as soon as process 1 says that it is ready.

    Raises:
        SandboxError: it does not start.
    """
    descriptor, scratch = ours.detach(), -1
    try:
        root, scratch = lifeline.hello()
        channel = Channel(descriptor, descriptor)
        return Forked(
            channel, lifeline, root, scratch, limits, stored=stored, namespace=namespace, clean=clean
        )
    except BaseException as error:
        for one in {descriptor, scratch} - {-1}:
            os.close(one)
        lifeline.close()
        clean()
        if isinstance(error, OSError):
            raise SandboxError(f"the sandbox ended as soon as it had started ({error})") from error
        raise


def variant(job: Job) -> dict[str, str]:
    """The variable that tells a notebook which variant of the lab is this student's."""
    return {"EFFLAB_VARIANT": job.variant} if job.variant else {}


def numbers(limits: Limits) -> dict[str, int]:
    """What the inside files need of the limits."""
    return {
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": int(limits.cpu_seconds) + 1,
        "open_files": limits.open_files,
        "file_bytes": limits.file_bytes,
        "processes": limits.processes,
    }
