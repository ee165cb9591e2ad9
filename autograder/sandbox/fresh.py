"""One bubblewrap for one submission, for systems where namespaces cannot be nested."""

import json
import socket
import subprocess
from pathlib import Path

from autograder.job import Job
from autograder.sandbox import bwrap_command as line
from autograder.sandbox import imports
from autograder.sandbox.session import Forked, Lifeline
from autograder.sandbox.template import attach, numbers, variant


def fresh(job: Job, stage: Path, data: Path | None, *, root: bool) -> Forked:
    """Start bubblewrap and an interpreter for one submission.

    Args:
        job: the submission.
        stage: as `staging.stage` made it.
        data: folder of data sets to show.
        root: see `bwrap_command.command`.

    Raises:
        SandboxError: it does not start.
    """
    ours, theirs = socket.socketpair()
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lifeline = Lifeline(mine)
    order = {
        "nested": False,
        "detached": False,
        "filtered": True,
        "scratch": line.SCRATCH,
        # As nobody, without a user namespace, the kernel would count the processes of all submissions together.
        "limits": numbers(job.limits) | ({"processes": 0} if root else {}),
        "environment": variant(job),
    }
    settings = {
        "become": line.USER if root else 0,
        "library": line.LIBRARY,
        "scratch": line.SCRATCH,
        "modules": imports.modules(job.cells, job.forbidden),
        "order": order,
        "line": [theirs.fileno()],
        "lifeline": its.fileno(),
    }
    words = line.command(stage, root=root, data=data, scratch_bytes=job.limits.file_bytes)
    with theirs, its:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*words, json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), its.fileno()],
            env=dict(line.OUTSIDE),
        )

    def clean() -> None:
        process.kill()
        process.wait()

    return attach(ours, lifeline, job.limits, namespace=False, stored=True, clean=clean)
