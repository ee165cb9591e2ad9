"""Memory that the kernel holds for a submission and that belongs to no process."""

import json
import socket

import pytest
from sandboxed import job, printed, shared

from autograder.sandbox import sockets
from autograder.sandbox.runner import grade

REFUSED = """
import ctypes, json, socket
libc = ctypes.CDLL(None, use_errno=True)
answers = {
    "semget": libc.semget(0, 1, 0o1600), "mq_open": libc.syscall(240, b"x", 0o102, 0o600, None),
    "inotify": libc.inotify_init1(0), "memfd": libc.memfd_create(b"x", 0), "msgget": libc.msgget(0, 0o1600),
}
one, other = socket.socketpair()
for level, option in ((1, 7), (1, 8), (1, 32), (1, 33), (1 + 2**32, 7)):
    value = ctypes.c_int(2**24)
    answers[f"{level} {option}"] = libc.setsockopt(one.fileno(), ctypes.c_long(level), option, ctypes.byref(value), 4)
one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
with socket.socket() as stream:
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    stream.bind(("127.0.0.1", 0))
print(json.dumps([answers, one.getsockopt(1, 7)]))
"""
FILL = """
import os, socket, time
kept = []
for _ in range(5):
    if os.fork() == 0: break
try:
    while True:
        kept.extend(socket.socketpair())
        for one in kept[-2:]:
            one.setblocking(False)
            try:
                while True: one.send(bytes(65536))
            except BlockingIOError: pass
except OSError: pass
time.sleep(100)
"""


@pytest.fixture(scope="module")
def sandbox(bwrap):
    return shared()


def test_the_kernel_holds_no_large_buffers_for_a_submission(sandbox):
    (cell,) = grade(job(REFUSED), (), sandbox).cells
    assert cell.status == "ok", cell
    answers, size = json.loads(cell.outputs[0]["text"])
    assert set(answers.values()) == {-1}
    assert size < 2**20


def test_what_many_sockets_hold_counts_as_memory(sandbox):
    limits = {"memory_bytes": 2**29, "open_files": 256, "cell_seconds": 20.0}
    outcome = grade(job("x = 1", FILL, "print(x)", **limits), (), sandbox)
    assert [cell.status for cell in outcome.cells] == ["ok", "died", "ok"]
    assert [flag.kind for flag in outcome.flags] == ["memory"]
    assert outcome.peak_bytes > 2**29


def test_few_sockets_and_those_of_the_grader_itself_count_nothing(sandbox):
    source = "import os, socket\nkept = [socket.socketpair() for _ in range(12)]\nprint(len(kept))"
    session = sandbox.start(job())
    try:
        assert sockets.held(session.root) == 0
    finally:
        session.close()
    assert printed(grade(job(source), (), sandbox)) == "12\n"
    kept = [one for _ in range(40) for one in socket.socketpair()]
    assert sockets.held(1) == sockets.held(session.root) == 0
    for one in kept:
        one.close()
