"""JupyterLab for the labs: its kernel and settings in this environment, a free port, starting and ending it."""

import contextlib
import errno
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from efflab.errors import EfflabError
from efflab.files import write_atomic

HOST = "127.0.0.1"
FIRST_PORT = 8888
PORTS_TRIED = 100
START_SECONDS = 90.0
STOP_SECONDS = 15.0

KERNEL: dict[str, Any] = {
    "argv": [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "efflab",
    "language": "python",
    "metadata": {"debugger": True},
    "env": {"OMP_WAIT_POLICY": "passive"},
}
SETTINGS: dict[str, dict[str, Any]] = {
    # The start page opens as a page, not as source.
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
# nbgrader's menu and side bars are the instructor's; plain `jupyter lab` still has them.
PAGE_CONFIG = {"disabledExtensions": {"@jupyter/nbgrader": True}}


def config_folder(prefix: Path) -> Path:
    """Where the configuration lies that only ``efflab lab`` uses."""
    return prefix / "share" / "efflab" / "jupyter"


def register_kernel(prefix: Path) -> Path:
    """Write the kernel ``efflab`` below an environment's prefix, if it is not there as it should be.

    Returns:
        The path of its ``kernel.json``.

    Raises:
        EfflabError: the environment cannot be written.
    """
    path = prefix / "share" / "jupyter" / "kernels" / "efflab" / "kernel.json"
    _write(path, json.dumps(KERNEL, indent=1) + "\n")
    return path


def prepare_settings(prefix: Path) -> Path:
    """Write JupyterLab's defaults for the labs below an environment's prefix; other defaults there are kept.

    Args:
        prefix: the environment's.

    Returns:
        The path of ``overrides.json``.

    Raises:
        EfflabError: the environment cannot be written.
    """
    path = prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    merged = {key: SETTINGS.get(key, {}) | known.get(key, {}) for key in {**SETTINGS, **known}}
    _write(path, json.dumps(merged, indent=1, sort_keys=True) + "\n")
    _write(config_folder(prefix) / "labconfig" / "page_config.json", json.dumps(PAGE_CONFIG) + "\n")
    return path


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return
    try:
        write_atomic(path, text)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise EfflabError(
            f"{path} cannot be written ({error.strerror}): install efflab[student] into a virtual environment of your own"
        ) from error


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine, and this user may."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name != "nt":  # as the server will do; there it would let two servers share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose_port(wanted: int | None) -> int:
    """The port asked for, or the first free one from 8888 on.

    Raises:
        EfflabError: the port asked for is in use, or a hundred are.
    """
    if wanted is not None:
        if not is_free(wanted):
            raise EfflabError(
                f"port {wanted} is in use or not allowed: name another with --port, or leave --port out"
            )
        return wanted
    last = FIRST_PORT + PORTS_TRIED
    port = next((port for port in range(FIRST_PORT, last) if is_free(port)), None)
    if port is None:
        raise EfflabError(f"ports {FIRST_PORT} to {last - 1} are all in use: name another with --port")
    return port


def has_display() -> bool:
    """Whether a browser can be opened for the person who started this."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


@dataclass(frozen=True)
class Server:
    """A JupyterLab to start: where, for which folder, opening on which page."""

    folder: Path
    port: int
    token: str
    browser: bool
    page: str = "start.md"

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.port}/lab/tree/{self.page}?token={self.token}"

    @property
    def log(self) -> Path:
        """Where everything that JupyterLab says is kept."""
        return self.folder / ".efflab" / "jupyter.log"

    def command(self) -> list[str]:
        """JupyterLab's command line; the token is in its environment, where other users do not see it."""
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        return [
            *(sys.executable, "-m", "jupyterlab"),
            f"--ServerApp.ip={HOST}",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.folder}",
            f"--ServerApp.open_browser={self.browser}",
            f"--LabApp.default_url=/lab/tree/{self.page}",
            *(["--allow-root"] if root else []),
        ]

    def environment(self) -> dict[str, str]:
        """The caller's environment with the token, threads that sleep while they wait, and ``efflab`` for its terminal."""
        return (
            {"OMP_WAIT_POLICY": "passive"}
            | os.environ
            | {
                "JUPYTER_TOKEN": self.token,
                "JUPYTER_CONFIG_PATH": _in_front(str(config_folder(Path(sys.prefix))), "JUPYTER_CONFIG_PATH"),
                "PATH": _in_front(str(Path(sys.executable).parent), "PATH"),
            }
        )


def _in_front(path: str, variable: str) -> str:
    """A variable of search paths with one more in front."""
    return os.pathsep.join(filter(None, (path, os.environ.get(variable))))


def new_token() -> str:
    """A token that nobody guesses, or ``JUPYTER_TOKEN`` where that is set."""
    return os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)


@contextlib.contextmanager
def running(server: Server) -> Iterator[tuple[Server, "subprocess.Popen[bytes]"]]:
    """Start JupyterLab, wait until it answers, and end it with its kernels when the block ends.

    Yields:
        The server and its process.

    Raises:
        EfflabError: it does not come up.
    """
    server.log.parent.mkdir(parents=True, exist_ok=True)
    # In a session of its own, so that Ctrl-C reaches this process alone, which then ends it in good order.
    with server.log.open("wb") as log, _signals_end():
        process = subprocess.Popen(  # noqa: S603 - this Python, arguments of our own, no shell
            server.command(),
            cwd=server.folder,
            env=server.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=os.name != "nt",
        )
        try:
            _wait_until_it_answers(server, process)
            yield server, process
        finally:
            _stop(process)


def _wait_until_it_answers(server: Server, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise EfflabError(f"JupyterLab did not start: {_last_words(server.log)} (log: {server.log})")
        if _answers(server):
            return
        time.sleep(0.1)
    raise EfflabError(f"JupyterLab did not answer within {START_SECONDS:.0f} s (log: {server.log})")


def _answers(server: Server) -> bool:
    """Whether JupyterLab takes requests."""
    try:
        with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=2)) as connection:
            connection.request("GET", f"/api/status?token={server.token}")
            with connection.getresponse() as response:
                return response.status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask JupyterLab to end itself and its kernels; insist after a while."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _signals_end() -> Iterator[None]:
    """Let a closed terminal and ``kill`` end the block as Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), end) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
