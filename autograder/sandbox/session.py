"""One submission's process, as the grader holds it: a channel, a lifeline, a watchdog, and an end that leaves nothing."""

import contextlib
import os
import select
import signal
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from autograder.job import Limits
from autograder.sandbox import proctree
from autograder.sandbox.channel import Channel
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.watchdog import Watchdog

READY_SECONDS = 60.0
END_SECONDS = 20.0
_CREDENTIALS = struct.Struct("3i")


class Session(Protocol):
    """What the runner needs of a running submission."""

    channel: Channel

    @property
    def reason(self) -> str:
        """Why the watchdog ended it, as the rest of a sentence; empty if it did not."""
        ...

    @property
    def kind(self) -> str:
        """``"memory"``, ``"cpu"`` or ``"processes"`` where the watchdog ended it, else empty."""
        ...

    @property
    def peak_bytes(self) -> int:
        """The largest memory of the tree."""
        ...

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the tree."""
        ...

    def waited(self) -> float:
        """Seconds that its processes were kept waiting for a processor until just now; 0 where that is not known."""
        ...

    def ending(self) -> str:
        """How the worker ended by itself, as the rest of a sentence; empty if that is not known."""
        ...

    def close(self) -> None:
        """End everything that belongs to it and wait until it is gone."""
        ...


class Lifeline:
    """The grader's end of the second socket: who process 1 is, and how the worker ended.

    Args:
        end: a socket whose other end process 1 holds.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def hello(self) -> tuple[int, int]:
        """Wait until the process is ready.

        Returns:
            Its number as this process sees it, told by the kernel, and a descriptor of its scratch folder.

        Raises:
            SandboxError: it did not start.
        """
        self._socket.settimeout(READY_SECONDS)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(1024, 256)
        except TimeoutError:
            raise SandboxError(f"the sandbox did not start within {READY_SECONDS:g} seconds") from None
        pid, folder = 0, -1
        for _, kind, content in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                pid = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])[0]
            elif kind == socket.SCM_RIGHTS:
                (folder,) = struct.unpack("i", content[:4])
        if data != b"\1" or pid <= 0 or folder < 0:
            why = data[1:].decode(errors="replace") or "its process ended"
            raise SandboxError(f"the sandbox did not start: {why}")
        return pid, folder

    def ending(self, seconds: float = 1.0) -> str:
        """How the worker ended, if process 1 told it."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(64)
        except OSError:
            return ""
        if len(data) != 4:
            return ""
        (code,) = struct.unpack("<i", data)
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by the signal {signal.Signals(-code).name}"
            return f"was ended by the signal {-code}"
        return f"ended its own process with exit code {code}"

    def close(self) -> None:
        """Process 1 ends when it sees this."""
        self._socket.close()


class Forked:
    """A session below process 1 of a namespace, or of a subreaper's tree.

    Args:
        channel: owned from here on.
        lifeline: owned from here on; has said hello already.
        root: number of the process at the top.
        scratch: descriptor of the scratch folder, owned from here on.
        limits: what it may use.
        stored: whether the scratch folder lies in memory.
        namespace: whether everything ends with the process at the top.
        clean: called last, when everything has ended.
    """

    def __init__(
        self,
        channel: Channel,
        lifeline: Lifeline,
        root: int,
        scratch: int,
        limits: Limits,
        *,
        stored: bool = True,
        namespace: bool = True,
        clean: Callable[[], None] = lambda: None,
    ) -> None:
        self.channel, self.root = channel, root
        self._lifeline, self._scratch, self._clean = lifeline, scratch, clean
        self._namespace = namespace
        self._pidfd = os.pidfd_open(root)
        self._closed = False
        try:
            self._watchdog = Watchdog(root, limits, self._kill, scratch if stored else None)
        except BaseException:
            self._kill()
            os.close(self._pidfd)
            raise

    @property
    def reason(self) -> str:
        """See `Session`."""
        return self._watchdog.reason

    @property
    def kind(self) -> str:
        """See `Session`."""
        return self._watchdog.kind

    @property
    def peak_bytes(self) -> int:
        """See `Session`."""
        return self._watchdog.peak_bytes

    @property
    def cpu_seconds(self) -> float:
        """See `Session`."""
        return self._watchdog.cpu_seconds

    def waited(self) -> float:
        """See `Session`."""
        if not self._closed:
            self._watchdog.refresh()
        return self._watchdog.waited_seconds

    def ending(self) -> str:
        """See `Session`."""
        return self._lifeline.ending()

    def close(self) -> None:
        """See `Session`."""
        if self._closed:
            return
        self._closed = True
        self._watchdog.look()
        self._watchdog.stop()
        self._kill()
        self._lifeline.close()
        self.channel.close()
        ended = _ended(self._pidfd, END_SECONDS)
        os.close(self._pidfd)
        os.close(self._scratch)
        self._clean()
        if not ended:
            raise SandboxError("a submission's processes do not end")

    def _kill(self) -> None:
        if not self._namespace and not _ended(self._pidfd):
            proctree.end(self.root)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


def _ended(pidfd: int, seconds: float = 0.0) -> bool:
    """Whether a process has ended, which for process 1 means its whole namespace."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
