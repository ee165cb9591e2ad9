"""From a fork of the template to a process that may run student code: namespaces, mounts, limits, privileges.

Three processes: the fork unshares and goes; its child is process 1 of a namespace of its own, mounts, and watches; the
worker below it runs the student's code. Process 1 holds a second socket to the grader, the lifeline: it ends, and
everything in its namespace with it, when the grader closes that or when the worker ends.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

from autograder.sandbox.inside import kernel_filter
from autograder.sandbox.inside.mounting import LIBC, SCRATCH, call, folders, loopback, mounts, unshare

_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS, _BOUND_DROP, _SUBREAPER = 1, 4, 38, 24, 36


def harmless(limits: dict[str, int], *, filtered: bool) -> None:
    """No privilege, no way to get one, and the limits of a single process.

    Args:
        limits: ``memory_bytes``, ``cpu_seconds``, ``open_files``, ``file_bytes``, ``processes``, ``mapped``.
        filtered: whether system calls are filtered too.
    """
    for name, value in _limits(limits).items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            _, most = resource.getrlimit(kind)
            least = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (least, least))
    if not sys.platform.startswith("linux"):
        return
    call("no_new_privs", LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
    if filtered:
        for capability in range(64):
            LIBC.prctl(_BOUND_DROP, capability, 0, 0, 0)
        header, nothing = struct.pack("<Ii", 0x20080522, 0), bytes(24)
        call("capset", LIBC.capset(ctypes.c_char_p(header), ctypes.c_char_p(nothing)))
        kernel_filter.install(LIBC)


def supervise(lifeline: socket.socket, worker: int) -> NoReturn:
    """Reap what ends; end when the worker does, or when the grader has gone."""
    mask = struct.pack("<Q", 1 << (signal.SIGCHLD - 1))
    ended = LIBC.signalfd(-1, ctypes.c_char_p(mask), os.O_CLOEXEC)
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == lifeline.fileno():
                os._exit(0)
            os.read(ended, 128)
            _reap(lifeline, worker)


def _reap(lifeline: socket.socket, worker: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == worker:
            lifeline.send(struct.pack("<i", os.waitstatus_to_exitcode(status)))
            os._exit(0)


def begin(order: dict[str, Any], line: list[int], lifeline: socket.socket) -> None:
    """Everything from the fork on; returns in the worker alone.

    Args:
        order: ``nested`` (namespaces of its own), ``detached`` (leave the template), ``filtered`` (`harmless`),
            ``scratch`` (an existing folder to use if not nested), ``limits``.
        line: the channel's descriptors.
        lifeline: the second socket.
    """
    nested = bool(order["nested"])
    order["limits"]["mapped"] = _mapped()
    try:
        if nested:
            unshare()
        if order["detached"] and os.fork():
            os._exit(0)
        with contextlib.suppress(PermissionError):
            os.setsid()  # it may lead a session already
        _quiet()
        _keep_only([*line, lifeline.fileno()])
        _prepare(order, nested=nested)
        _hello(lifeline, SCRATCH if nested else str(order["scratch"]))
    except OSError as error:
        lifeline.send(b"\0" + str(error).encode()[:500])
        os._exit(1)
    _split(order, line, lifeline)


def _prepare(order: dict[str, Any], *, nested: bool) -> None:
    if nested:
        mounts(order["limits"]["file_bytes"])
        loopback()
    else:
        folders(str(order["scratch"]))
    if sys.platform.startswith("linux"):
        # The worker's own children come here when it ends, also where this is not process 1.
        LIBC.prctl(_SUBREAPER, 1, 0, 0, 0)


def _split(order: dict[str, Any], line: list[int], lifeline: socket.socket) -> None:
    """Process 1 stays here for good; the worker goes on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    parent = os.getpid()
    worker = os.fork()
    if worker:
        for descriptor in set(line):
            os.close(descriptor)
        LIBC.prctl(_DUMPABLE, 0, 0, 0, 0)
        supervise(lifeline, worker)
    lifeline.close()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    LIBC.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent and not order["nested"]:
        os._exit(1)
    harmless(order["limits"], filtered=bool(order["filtered"]))
    # A process whose privileges were dropped shows its memory to nobody; its own user may see it.
    LIBC.prctl(_DUMPABLE, 1, 0, 0, 0)


def alone(order: dict[str, Any], line: list[int]) -> list[int]:
    """As `begin`, in a container that is already isolated: no lifeline, and the channel on the standard streams.

    Returns:
        The channel's descriptors, elsewhere than they were, in the worker alone.
    """
    order["limits"]["mapped"] = _mapped()
    moved = [os.dup(descriptor) for descriptor in line]
    _quiet()
    _keep_only(moved)
    folders(str(order["scratch"]))
    worker = os.fork()
    if worker:
        for descriptor in moved:
            os.close(descriptor)
        while True:
            pid, status = os.wait()
            if pid == worker:
                os._exit(os.waitstatus_to_exitcode(status) % 256)
    harmless(order["limits"], filtered=True)
    return moved


def _limits(limits: dict[str, int]) -> dict[str, int]:
    return {
        "AS": limits["memory_bytes"] + limits["mapped"],
        "CPU": limits["cpu_seconds"] + 1,
        "NOFILE": limits["open_files"],
        "FSIZE": limits["file_bytes"],
        # Not 0: a system that pipes dumps to a program would do so then, and does not at 1.
        "CORE": 1,
        "MEMLOCK": 2**16,
        "MSGQUEUE": 2**16,
    } | ({"NPROC": limits["processes"]} if limits["processes"] else {})


def _mapped() -> int:
    """Address space that is taken before any student code runs."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    except OSError:
        return 4 * 2**30  # no such file here: what the libraries map, rounded up


def _hello(lifeline: socket.socket, scratch: str) -> None:
    """Tell the grader that all is set; it learns this process's number from the kernel, and keeps the folder in sight."""
    folder = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    socket.send_fds(lifeline, [b"\1"], [folder])
    os.close(folder)


def _quiet() -> None:
    """No signal from below does anything, and the standard streams lead nowhere."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _keep_only(kept: list[int]) -> None:
    """Close every other descriptor."""
    low = 3
    for descriptor in sorted(set(kept)):
        os.closerange(low, descriptor)
        low = descriptor + 1
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(low, min(most, 65536) if most > 0 else 65536)
