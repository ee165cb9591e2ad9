"""The template: the interpreter with everything imported, forked once a submission. It never runs student code.

Started as ``python main.py SETTINGS`` with SETTINGS as JSON: ``control`` (descriptor of a socket that orders come on) or,
for a single submission, ``line`` (one or two descriptors) and optionally ``lifeline``.
"""

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any


def become(user: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def warm(modules: list[str], *, kernels: bool) -> Any:
    """Import what the lab needs, compile its kernels where it is worth it, and make the shell; every fork inherits all."""
    os.umask(0o022)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch  # noqa: PLC0415 - after the user has changed

        torch.set_num_threads(1)
        for name in modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        if kernels:
            for name in [one for one in sys.modules if one.startswith("efflab.") and one.count(".") == 1]:
                precompile(name)
        from autograder.sandbox.inside import shell, worker  # noqa: PLC0415 - as above

        made = shell.create()
        # The first cell would pay for what IPython and torch prepare at their first use.
        made.run("1", 100)
        made.reset(new_session=True)  # type: ignore[no-untyped-call]  # IPython's own gap
        # An optimiser's first step imports most of torch's compiler. No backward: its threads would not survive a fork.
        weight = torch.nn.Parameter(torch.zeros(1))
        weight.grad = torch.zeros(1)
        torch.optim.SGD([weight], lr=0.1).step()
    gc.collect()
    gc.freeze()
    return made, worker.serve


def precompile(module: str) -> None:
    """Compile a package's Numba kernels, where its module ``_kernels`` says how (``precompile()``).

    Done for what a lab's own cells import, and what that imports. All packages would take half a minute, each time.
    """
    with contextlib.suppress(Exception):
        importlib.import_module(f"{module}._kernels").precompile()


def probe() -> bool:
    """Whether namespaces can be nested here, tried in a fork."""
    from autograder.sandbox.inside import mounting  # noqa: PLC0415 - as above

    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            mounting.unshare()
            inner = os.fork()
            if inner == 0:
                mounting.mounts(2**20)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        os._exit(1 if code else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def run(
    made: Any, serve: Any, order: dict[str, Any], line: list[int], lifeline: socket.socket | None
) -> None:
    """Isolate this process and serve; never returns."""
    from autograder.sandbox.inside import isolate  # noqa: PLC0415 - as above
    from autograder.sandbox.inside.framing import Line  # noqa: PLC0415 - as above

    code = 1
    try:
        if lifeline is not None:
            isolate.begin(order, line, lifeline)
        else:
            line = isolate.alone(order, line)
        tempfile.tempdir = None
        os.environ.update(order["environment"])
        serve(Line(line[0], line[-1]), made)
        code = 0
    finally:
        os._exit(code)


def orders(control: socket.socket, made: Any, serve: Any) -> None:
    """Fork once an order until the grader goes."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(control, 65536, 2)
        if not text:
            return
        child = os.fork()
        if child == 0:
            control.close()
            line, lifeline = descriptors
            run(made, serve, json.loads(text), [line], socket.socket(fileno=lifeline))
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(child, 0)


def _folders(scratch: str) -> None:
    """What libraries expect to be there while they are imported."""
    from autograder.sandbox.inside import mounting  # noqa: PLC0415 - as above

    mounting.folders(scratch)
    os.chdir("/")


def main() -> None:
    """See the module."""
    settings = json.loads(sys.argv[1])
    sys.argv[:] = ["notebook"]
    if settings.get("become"):
        become(settings["become"])
    for path in settings.get("readable", ()):
        next(Path(path).iterdir(), None)  # or the grader hears that it must start this otherwise
    sys.path.insert(0, settings["library"])
    if settings.get("scratch"):
        _folders(settings["scratch"])
    # A process for a single submission compiles what that calls, and nothing else.
    made, serve = warm(settings["modules"], kernels="control" in settings)
    if "control" in settings:
        control = socket.socket(fileno=settings["control"])
        nested = settings["nested"] and probe()
        control.send(json.dumps({"ready": True, "nested": nested, "pid": os.getpid()}).encode())
        orders(control, made, serve)
        return
    lifeline = socket.socket(fileno=settings["lifeline"]) if "lifeline" in settings else None
    run(made, serve, settings["order"], settings["line"], lifeline)


if __name__ == "__main__":
    main()
