"""The process that student code runs in: it takes requests from the grader until the grader leaves."""

import random
from pathlib import Path
from typing import Any

from autograder.sandbox.inside.framing import Closed, Line
from autograder.sandbox.inside.guest import Guest
from autograder.sandbox.inside.shell import Shell
from autograder.wire import encode


def serve(line: Line, shell: Shell) -> None:
    """Answer until the channel closes.

    Args:
        line: the channel.
        shell: as `shell.create` gives it.
    """
    guest = Guest(line, shell.user_ns)
    _seed()
    try:
        while True:
            request, kind, *parts = line.receive()
            if kind == "cell":
                line.send(request, *_cell(shell, *parts))
            elif kind == "files":
                _write(parts[0])
                line.send(request, "done")
            else:
                guest.answer(request, kind, tuple(parts))
    except Closed:
        return


def _cell(shell: Shell, source: str, size: int) -> tuple[Any, ...]:
    status, sentence, outputs = shell.run(source, size)
    return "cell", status, sentence, encode(outputs)


def _write(files: dict[str, bytes]) -> None:
    """The lab's data files, in the working directory."""
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _seed() -> None:
    """The same random numbers in every process, so that a replayed notebook defines what it did before."""
    import numpy as np  # noqa: PLC0415 - imported by the template, or not needed
    import torch  # noqa: PLC0415 - as above

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state that student code may use
    torch.manual_seed(0)
