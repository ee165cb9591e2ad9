"""The formgrader on a course folder: a Jupyter server with that one extension, for this machine alone."""

import contextlib
import gzip
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.gradebook.course import Course
from efflab.errors import EfflabError

_EXTENSION = "nbgrader.server_extensions.formgrader"
_START_SECONDS = 60.0
# The formgrader's pages hold scripts of their own; nothing comes from elsewhere.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "object-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
)


@dataclass(frozen=True)
class Server:
    """A formgrader that runs.

    Attributes:
        address: where it answers, with nothing after the port.
        token: whoever has it may grade.
        process: the server's process.
    """

    address: str
    token: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The page to open; its token lets the browser in."""
        return f"{self.address}/formgrader?token={self.token}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def serve(
    course: Course, port: int = 0, browser: bool = True, *, say: Callable[[str], None] | None = None
) -> None:
    """Run the formgrader until Ctrl-C.

    Args:
        course: the course.
        port: where; 0 takes a free one.
        browser: whether to open a browser where there is one.
        say: told the address; standard output if None.

    Raises:
        EfflabError: it does not start.
    """
    tell = say or _say
    with _ended_by_term(), running(course, port) as server:
        tell(f"The formgrader is at {server.url}")
        tell("Ctrl-C ends it.")
        if browser:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.process.wait()


@contextlib.contextmanager
def _ended_by_term() -> Iterator[None]:
    """End as by Ctrl-C when the process is asked to end, so that the server does not outlive it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def running(course: Course, port: int = 0) -> Iterator[Server]:
    """A formgrader that answers; it ends with the block.

    It has no kernel, terminal or notebook editor, and neither reads nor writes the user's own Jupyter settings.

    Raises:
        EfflabError: the port is taken, or the server does not start.
    """
    with tempfile.TemporaryDirectory(prefix="formgrader-") as folder, _log(Path(folder)) as log:
        place = _port(port)
        token = secrets.token_urlsafe(24)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            _command(Path(folder), _settings(course, place) | {"extra_static_paths": _static(Path(folder))}),
            cwd=course.root,
            env=_environment(Path(folder), token),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        server = Server(f"http://127.0.0.1:{place}", token, process)
        try:
            _wait(server, Path(folder))
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _log(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise EfflabError(f"port {wanted} of this machine cannot be used: {error.strerror}") from error
        return int(probe.getsockname()[1])


def _settings(course: Course, port: int) -> dict[str, object]:
    return {
        "jpserver_extensions": {_EXTENSION: True},
        "root_dir": str(course.root),
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "open_browser": False,
        "allow_root": True,
        "answer_yes": True,
        "terminals_enabled": False,
        "authorizer_class": "autograder.gradebook.closed.Closed",
        "tornado_settings": {"headers": {"Content-Security-Policy": _POLICY}},
        "log_level": "WARN",
    }


def _static(folder: Path) -> list[str]:
    """The book's MathJax, unpacked where the server finds it; nothing where the book is not at hand."""
    vendored = Path(__file__).resolve().parents[2] / "book" / "_vendor" / "mathjax"
    packed = vendored / "tex-chtml.js.gz"
    if not packed.is_file():
        return []
    target = folder / "static" / "mathjax"
    shutil.copytree(vendored / "fonts", target / "fonts")
    (target / "tex-chtml.js").write_bytes(gzip.decompress(packed.read_bytes()))
    return [str(target.parent)]


def _command(folder: Path, settings: dict[str, object]) -> list[str]:
    file = folder / "formgrader.json"
    file.write_text(json.dumps({"ServerApp": settings}))
    return [sys.executable, "-m", "jupyter_server", f"--config={file}"]


def _environment(folder: Path, token: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    return kept | {
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_TOKEN": token,
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "TMPDIR": str(folder),
    }


def _wait(server: Server, folder: Path) -> None:
    """Wait until the formgrader answers."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{server.address}/formgrader/api/status", headers={"Authorization": f"token {server.token}"}
    )
    end = time.monotonic() + _START_SECONDS
    while server.process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    log = (folder / "log").read_text(errors="replace").strip().splitlines()
    raise EfflabError(f"the formgrader did not start: {' '.join(log[-3:])[:500]}")
