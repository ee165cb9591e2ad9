"""Run a notebook on a fresh kernel without network, and measure what it took.

The kernel has no network by the first of these that works here: ``bwrap --unshare-net``, ``unshare --net`` (both give
it a network namespace with nothing in it; it is spoken to over a socket file), or a guard inside the kernel that
refuses every connection to another host. `isolation` says which.
"""

import copy
import dataclasses
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

_NAMESPACES = {
    "bwrap": ("bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent"),
    "unshare": ("unshare", "--map-root-user", "--net"),
}
_GUARD = """
import sys

def refuse(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError("there is no network in this run")
    if event == "socket.getaddrinfo" and args[0] not in (None, "", "127.0.0.1", "::1", "localhost"):
        raise OSError("there is no network in this run")

sys.addaudithook(refuse)
"""
_START = "import sys; sys.path.pop(0); from ipykernel import kernelapp; kernelapp.launch_new_instance()"
_WARM = "import numpy, torch"
_PEAK = """
def _peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(_peak())
"""


@dataclass(frozen=True)
class CellRun:
    """What became of a code cell: its place in the notebook, how long it took, and the error it raised, if any."""

    index: int
    seconds: float
    error: str = ""
    message: str = ""


@dataclass(frozen=True)
class Run:
    """What became of a notebook.

    Attributes:
        notebook: with its outputs.
        cells: each code cell.
        seconds: wall time of everything, the kernel's start and the imports included.
        peak_bytes: the kernel's largest resident memory.
        isolation: what kept it from the network.
    """

    notebook: NotebookNode
    cells: tuple[CellRun, ...]
    seconds: float
    peak_bytes: int
    isolation: str

    @property
    def errors(self) -> tuple[CellRun, ...]:
        """The cells that raised."""
        return tuple(cell for cell in self.cells if cell.error)


@functools.cache
def works(way: str) -> bool:
    """Whether a way of keeping a kernel from the network works on this machine."""
    prefix = _NAMESPACES.get(way, ())
    if not prefix:
        return way == "guard"
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0  # noqa: S603 - constants


def isolation() -> str:
    """What keeps a kernel from the network here: ``bwrap``, ``unshare`` or ``guard``."""
    return next(way for way in (*_NAMESPACES, "guard") if works(way))


def run(notebook: NotebookNode, folder: Path, timeout: float = 600.0) -> Run:
    """Run all cells in order; one that raises does not stop those after it.

    Args:
        notebook: not changed.
        folder: where it runs, with the data it needs.
        timeout: seconds for each cell.

    Returns:
        What became of it.

    Raises:
        nbclient.exceptions.CellTimeoutError: a cell took too long.
        nbclient.exceptions.DeadKernelError: the kernel died.
    """
    executed = copy.deepcopy(notebook)
    executed.cells = [_extra(_WARM), *executed.cells, _extra(_PEAK)]
    start = time.perf_counter()
    # Socket files have paths of at most 108 characters, so they get a short folder of their own.
    with tempfile.TemporaryDirectory(prefix="nb") as sockets, tempfile.TemporaryDirectory() as cache:
        client = NotebookClient(executed, km=_manager(Path(sockets)), timeout=timeout)
        # nbclient leaves a manager that it was given running, unless it is told otherwise.
        with client.setup_kernel(cwd=str(folder), env=_environment(cache), cleanup_kc=True):
            _execute(client, 0)
            cells = tuple(
                dataclasses.replace(_execute(client, place), index=place - 1)
                for place, cell in enumerate(executed.cells[1:-1], 1)
                if cell.cell_type == "code" and cell.source.strip()
            )
            seconds = time.perf_counter() - start
            _execute(client, len(executed.cells) - 1)
    last = executed.cells.pop()
    executed.cells.pop(0)
    return Run(executed, cells, seconds, int(last.outputs[0].text), isolation())


def _manager(sockets: Path) -> AsyncKernelManager:
    name = isolation()
    start = (_GUARD if name == "guard" else "") + _START
    manager = AsyncKernelManager(connection_file=str(sockets / "kernel.json"))
    if os.name == "posix":
        manager.transport, manager.ip = "ipc", str(sockets / "s")
    # A signal would kill the wrapper instead of interrupting the cell.
    manager._kernel_spec = KernelSpec(  # noqa: SLF001 - there is no installed kernel to name
        argv=[*_NAMESPACES.get(name, ()), sys.executable, "-c", start, "-f", "{connection_file}"],
        display_name="efflab",
        language="python",
        interrupt_mode="message",
    )
    return manager


def _environment(cache: str) -> dict[str, str]:
    """As on a student's machine that has downloaded nothing."""
    kept = {name: value for name, value in os.environ.items() if name not in {"EFFLAB_DATA", "PYTHONPATH"}}
    return kept | {"OMP_WAIT_POLICY": "passive", "EFFLAB_CACHE": cache}


def _extra(source: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return cell


def _execute(client: NotebookClient, index: int) -> CellRun:
    start = time.perf_counter()
    error, message = "", ""
    try:
        client.execute_cell(client.nb.cells[index], index)
    except CellExecutionError as raised:
        error, message = raised.ename, raised.evalue
    return CellRun(index, time.perf_counter() - start, error, message)
