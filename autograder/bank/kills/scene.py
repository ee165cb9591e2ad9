"""A small class, the command that grades it, and the blow that ends the command."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autograder import bank
from autograder.bank.running import SECRET
from autograder.build import ROOT
from autograder.case import load
from autograder.notebook import find

Blow = Literal["grader", "worker", "power"]
BLOWS: tuple[Blow, ...] = ("grader", "worker", "power")
LAB = "00-measuring"
CLASS = ("complete", "without-the-challenge", "untouched", "syntax-error", "gives-nan", "variants-first")
"""The submissions, a student each: right, wrong, broken, and none that waits for anything."""


def hand_in(folder: Path) -> Path:
    """The class's submissions as nbgrader's folders."""
    (lab,) = find(ROOT, [LAB])
    case = load(lab)
    by_name = {one.name: one for one in bank.submissions(case, CLASS)}
    for name in CLASS:
        place = folder / name / LAB
        place.mkdir(parents=True)
        (place / f"{lab.topic}.ipynb").write_bytes(by_name[name].make(case))
        (place / "timestamp.txt").write_text("2026-10-01 10:00:00.000000 UTC")
    return folder


def new_course(folder: Path) -> Path:
    """A course with the bank's own secret, so that two of them draw the same inputs."""
    from autograder.gradebook import Course  # noqa: PLC0415 - two seconds to import, and only a run needs it

    folder.mkdir(mode=0o700)
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "secret").chmod(0o600)
    return Course.create(folder).root


@dataclass(frozen=True)
class Command:
    """``autograder grade`` on a class.

    Attributes:
        handed_in: the submissions.
        course: the course's folder.
        workers: how many processes; 1 grades in the command's own.
    """

    handed_in: Path
    course: Path
    workers: int

    def start(self, said: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own; ``said`` is where its errors go."""
        order = [sys.executable, "-m", "autograder", "grade", str(self.handed_in), "--lab", LAB]
        order += ["--course", str(self.course), "--workers", str(self.workers)]
        return subprocess.Popen(  # noqa: S603 - our own arguments
            order, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )  # fmt: skip

    def run(self) -> float:
        """Run it to its end; seconds.

        Raises:
            RuntimeError: it failed.
        """
        begin = time.perf_counter()
        process = self.start(subprocess.PIPE)
        _, said = process.communicate()
        if process.returncode:
            raise RuntimeError(
                f"autograder grade ended with {process.returncode}: {said.decode(errors='replace')[-2000:]}"
            )
        return time.perf_counter() - begin


def written(course: Path) -> int:
    """How many submissions have an outcome, which is written just before their grades."""
    return len(list(course.glob("outcomes/*/*.json")))


def family(pid: int) -> list[Any]:
    """The descendants of a process."""
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - dask brings it

    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


@dataclass(frozen=True)
class Moment:
    """When the blow falls.

    Attributes:
        behind: how many submissions must have been written; 0 counts from the command's start.
        seconds: how long after that.
    """

    behind: int
    seconds: float

    def wait(self, process: "subprocess.Popen[bytes]", course: Path) -> None:
        """Wait for it, or for the command's end."""
        while process.poll() is None and written(course) < self.behind:
            time.sleep(0.002)
        end = time.monotonic() + self.seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s after {f'submission {self.behind}' if self.behind else 'the start'}"


def strike(blow: Blow, command: Command, moment: Moment, draw: random.Random) -> tuple[Path, int]:
    """Start the command, wait for the moment and do what the blow does.

    Args:
        blow: what is killed.
        command: what is started.
        moment: when.
        draw: chooses the worker.

    Returns:
        The course to go on with: the same, or after a loss of power the copy of what was on the disk. And how many
        submissions were written at the blow: where a worker dies, the command goes on with the others.
    """
    process = command.start()
    moment.wait(process, command.course)
    others = family(process.pid)
    count = written(command.course)
    try:
        if blow == "worker":
            _kill_worker(others, draw)
            process.wait()
        elif blow == "power" and process.poll() is None:
            return _lose_power(process, others, command.course), count
        return command.course, count
    finally:
        process.kill()
        process.wait()
        vanish(others)


def _kill_worker(others: list[Any], draw: random.Random) -> None:
    """Kill one of the processes that dask started, if there is one by now."""
    import psutil  # noqa: PLC0415 - as above

    workers = []
    for one in others:
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(one.cmdline()):
                workers.append(one)
    if workers:
        with suppress(psutil.Error):
            draw.choice(workers).kill()


def _lose_power(process: "subprocess.Popen[bytes]", others: list[Any], course: Path) -> Path:
    """Stop every process at once, take what is in the files, and never let them go on."""
    import psutil  # noqa: PLC0415 - as above

    others[:] = stop(process.pid)
    copied = course.with_name(course.name + "-after")
    shutil.copytree(course, copied, symlinks=True)
    process.kill()
    for one in others:
        with suppress(psutil.Error):
            one.kill()
    return copied


def stop(pid: int, patience: float = 30.0) -> list[Any]:
    """Stop a process and its descendants, and wait until every thread stands still: a signal is on its way for a while.

    Returns:
        The descendants.

    Raises:
        RuntimeError: some went on.
    """
    end = time.monotonic() + patience
    while True:
        found = family(pid)  # anew each time, with what was started meanwhile
        moving = [one for one in (pid, *(child.pid for child in found)) if _moves(one)]
        if not moving:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"processes {moving} did not stop within {patience:g} seconds")
        for one in moving:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        time.sleep(0.001)


def _moves(pid: int) -> bool:
    """Whether a thread of a process neither is stopped nor has ended."""
    for file in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            if file.read_text().rpartition(")")[2].split()[0] not in {"T", "t", "Z", "X"}:
                return True
    return False


def vanish(others: list[Any], patience: float = 30.0) -> None:
    """Wait for the descendants of a killed grader to leave by themselves.

    Raises:
        RuntimeError: some stayed.
    """
    import psutil  # noqa: PLC0415 - as above

    _, alive = psutil.wait_procs(others, timeout=patience)
    left = [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    for one in left:
        with suppress(psutil.Error):
            one.kill()
    if left:
        raise RuntimeError(f"{len(left)} processes outlived the grader by {patience:g} seconds: {left}")
