"""What a tree of processes uses, read from /proc."""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_LISTED = Path(f"/proc/self/task/{os.getpid()}/children").exists()


@dataclass(frozen=True)
class Use:
    """What a tree uses now, and the processor seconds that it has used.

    Attributes:
        memory: resident bytes.
        tasks: processes and threads.
        cpu: seconds, of processes that were waited for as well.
        pids: the processes below the top.
        delays: seconds that the main thread of each has waited for a processor, where the kernel tells it.
    """

    memory: int = 0
    tasks: int = 0
    cpu: float = 0.0
    pids: tuple[int, ...] = ()
    delays: Mapping[int, float] = field(default_factory=dict)


def descendants(root: int) -> tuple[int, ...]:
    """A process and all below it; empty where it is gone."""
    below = _children if _LISTED else _scanned()
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            waiting += below(pid)
            found.append(pid)
    return tuple(found)


def _children(pid: int) -> list[int]:
    """Those that the kernel lists below each thread.

    Raises:
        OSError: the process is gone.
    """
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, _read(f"{thread}/children").split())
    return found


def _scanned() -> Callable[[int], list[int]]:
    """The same for a kernel without such lists: every process there is tells its parent."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = int(_read(f"{path}/stat").rpartition(b")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.name))

    def below(pid: int) -> list[int]:
        Path(f"/proc/{pid}").stat()
        return parents.get(pid, [])

    return below


def use(root: int) -> Use:
    """Sum up what lies below a process, and the processor time of that one too; what ends meanwhile is left out.

    The process at the top is the sandbox's own: what it has of memory it shares with the template.
    """
    pids = descendants(root)
    memory, tasks, cpu = 0, 0, 0.0
    delays: dict[int, float] = {}
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            # The name in parentheses may hold anything; the numbers come after it.
            fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            cpu += sum(map(int, fields[11:15])) / _TICKS
            if pid != root:
                tasks += int(fields[17])
                memory += int(fields[21]) * _PAGE
        with contextlib.suppress(OSError, IndexError, ValueError):
            delays[pid] = int(_read(f"/proc/{pid}/schedstat").split()[1]) / 1e9
    return Use(memory, tasks, cpu, tuple(pid for pid in pids if pid != root), delays)


def proportional(pids: tuple[int, ...]) -> int:
    """Resident bytes with shared pages divided among those who share them, where a process lets that be read."""
    return sum(map(_proportional, pids))


def _proportional(pid: int) -> int:
    try:
        lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
    except PermissionError:
        # It has made itself unreadable, so all that it has counts as its own.
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    except OSError:
        pass
    return 0


def end(root: int) -> None:
    """Kill a process and all below it, those first that could start others."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in descendants(root):
            with contextlib.suppress(OSError):
                os.kill(pid, number)


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
