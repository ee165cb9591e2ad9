"""Running the environment's own pip, and showing how far it is."""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from place import Place
from torch_build import SetupError


@dataclass
class Progress:
    """One live line on a terminal, plain lines elsewhere."""

    quiet: bool = False
    text: str = ""
    start: float = field(default_factory=time.monotonic)
    _width: int = 0

    @property
    def live(self) -> bool:
        """Whether a line can be written over."""
        return not self.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str, *, minor: bool = False) -> None:
        """A new step; a minor one is shown on a live line alone."""
        if text == self.text:
            return
        self.text = text
        if self.live:
            self.draw()
        elif not self.quiet and not minor:
            print(f"[{time.monotonic() - self.start:4.0f} s] {text}", file=sys.stderr, flush=True)

    def draw(self, note: str = "") -> None:
        """Write the live line again, with the time that has passed."""
        if not self.live:
            return
        columns = shutil.get_terminal_size().columns
        line = f"[{time.monotonic() - self.start:4.0f} s] {self.text}{note}"[: columns - 1]
        sys.stderr.write("\r" + line.ljust(min(self._width, columns - 1)))
        sys.stderr.flush()
        self._width = len(line)

    def end(self) -> None:
        """Leave the live line."""
        if self.live and self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()


def describe(line: str) -> str:
    """A line of pip's output as a step to show, or an empty string."""
    if found := re.match(r"\s*Downloading (\S+?)-(\d\S*?)-\S+\.whl \((.+)\)", line):
        return f"downloading {Path(found[1]).name} {found[2]} ({found[3]})"
    if found := re.match(r"\s*Collecting ([\w.-]+)", line):
        return f"collecting packages: {found[1]}"
    if line.startswith("Installing collected packages"):
        return f"installing {line.count(',') + 1} packages"
    return ""


def is_minor(step: str) -> bool:
    """Whether a step takes a moment only: any of pip's but downloads from 10 MB on and the installation."""
    return not re.search(r"\(\d\d[\d.]* MB\)|GB\)|^installing", step)


def pip_environment() -> dict[str, str]:
    """The caller's environment, without what would lead pip out of the virtual environment."""
    dropped = {"PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"}


def tick(stop: threading.Event, place: Place, progress: Progress) -> None:
    """Redraw the live line until told to stop; while pip installs, it is silent, so count what has appeared."""
    before = len(list(place.packages.glob("*.dist-info")))
    while not stop.wait(0.25):
        now = len(list(place.packages.glob("*.dist-info"))) - before
        progress.draw(f", {now} done" if progress.text.startswith("installing") else "")


def run_pip(
    place: Place, arguments: list[str], progress: Progress, give_up: Callable[[str], bool] | None = None
) -> bool:
    """Run the environment's own pip, its output in the log.

    Args:
        place: the environment.
        arguments: pip's.
        progress: shows the steps.
        give_up: ends pip at the first line for which it is true.

    Returns:
        Whether pip came to its end.

    Raises:
        SetupError: pip failed; the sentence says why and what to do.
    """
    command = [str(place.python), "-m", "pip", *arguments]
    stop = threading.Event()
    ticker = threading.Thread(target=tick, args=(stop, place, progress), daemon=True)
    ticker.start()
    lines, given_up = [], False
    try:
        with (
            place.log.open("a", encoding="utf-8") as log,
            subprocess.Popen(
                command,
                cwd=place.root,
                env=pip_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            ) as pip,
        ):
            log.write(f"\n$ {' '.join(command)}\n")
            for line in pip.stdout or ():
                log.write(line)
                lines.append(line)
                if step := describe(line):
                    progress.say(step, minor=is_minor(step))
                if give_up and not given_up and give_up(line):
                    given_up = True
                    pip.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
    finally:
        stop.set()
        ticker.join()
    if pip.returncode and not given_up:
        raise SetupError(f"{explain(lines)} pip's log: {place.log}")
    return not given_up


def explain(lines: list[str]) -> str:
    """One sentence on why pip failed, with the remedy."""
    text = "".join(lines)
    again = "run the same command again, it goes on from here."
    if re.search(r"No space left on device|Errno 28", text):
        return f"The disk is full: free about 3 GB, then {again}"
    offline = r"NewConnectionError|NameResolutionError|Max retries exceeded|Network is unreachable|ConnectTimeout|ProxyError"
    if re.search(offline, text):
        return (
            "No package index could be reached: check the network, or name a proxy (HTTPS_PROXY) or a mirror "
            f"(PIP_INDEX_URL), then {again}"
        )
    if found := re.search(r"No matching distribution found for (\S+)", text):
        version = ".".join(platform.python_version_tuple()[:2])
        return f"There is no {found[1]} for Python {version} on this machine: try another Python (make PYTHON=python3.12)."
    errors = [line.strip() for line in lines if re.match(r"ERROR:|\s*\w+(Error|Exception): ", line)]
    return f"pip failed ({errors[-1] if errors else 'no reason given'}): when that is put right, {again}"
