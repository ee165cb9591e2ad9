"""Start ``make lab`` twice as a new user would, and time how long the start page takes to answer.

The first start makes the environment where there is none; the second must be a matter of seconds. Exit status 1 where a
page does not answer in time.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+/lab\S*")
FIRST_LIMIT_S, SECOND_LIMIT_S = 240, 30


def answers(address: str) -> bool:
    """Whether the page at ``address`` is there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as page:  # noqa: S310 - our own server
        return page.status == 200
    return False


def start(limit: float, log: Path) -> float:
    """Seconds from ``make lab`` to a page that answers; raises TimeoutError with the log's end where it does not."""
    began = time.monotonic()
    with log.open("w") as stream:
        server = subprocess.Popen(
            ["make", "lab", "ARGS=--no-browser"],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while time.monotonic() - began < limit and server.poll() is None:
                found = ADDRESS.search(log.read_text(errors="replace"))
                if found and answers(found[0]):
                    return time.monotonic() - began
                time.sleep(0.5)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
    raise TimeoutError(
        f"no page within {limit:.0f} s; the end of {log}:\n{log.read_text(errors='replace')[-2000:]}"
    )


def main() -> int:
    """Both starts, reported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, default=ROOT / "build" / "first_start.log")
    log = parser.parse_args().log
    log.parent.mkdir(parents=True, exist_ok=True)
    for name, limit in (("first", FIRST_LIMIT_S), ("second", SECOND_LIMIT_S)):
        try:
            print(f"{name} start of make lab: the page answered after {start(limit, log):.1f} s", flush=True)
        except TimeoutError as error:
            print(f"{name} start of make lab: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
