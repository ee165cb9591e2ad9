"""What sockets may hold of the kernel's memory, which belongs to no process's resident set."""

from pathlib import Path

USUAL = 32
"""Sockets that a notebook may have before they are counted: event loops and pools of workers have some."""
_DEFAULTS = ("core/wmem_default", "core/rmem_default")
_TCP = ("ipv4/tcp_wmem", "ipv4/tcp_rmem")


def held(pid: int) -> int:
    """The most that the sockets of a process's network hold, those above the usual number.

    Sockets that were sent into others and are open in no process are among them. A filter keeps their buffers from being
    made larger than the kernel makes them.

    Args:
        pid: the process.

    Returns:
        Bytes; 0 where the network is the grader's own, or nothing is known of it.
    """
    try:
        text = _own(pid)
        used, tcp = _count(text, "sockets: used"), _count(text, "TCP: inuse")
    except (OSError, ValueError, IndexError):
        return 0
    more = max(0, used - USUAL)
    streams = min(more, tcp)
    return streams * _buffers(_TCP) + (more - streams) * _buffers(_DEFAULTS)


def _own(pid: int) -> str:
    """What the kernel tells of the sockets of a network that is not this process's.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(f"/proc/{pid}/net/sockstat")
    if path.stat().st_ino == Path("/proc/self/net/sockstat").stat().st_ino:
        return "sockets: used 0\nTCP: inuse 0"
    text = path.read_text(encoding="ascii")
    six = Path(f"/proc/{pid}/net/sockstat6")
    return text + (six.read_text(encoding="ascii") if six.exists() else "")


def _count(text: str, name: str) -> int:
    """The number that follows a name; of TCP, both versions together."""
    lines = [line.replace("TCP6:", "TCP:") for line in text.splitlines()]
    return sum(int(line.removeprefix(name).split()[0]) for line in lines if line.startswith(name))


def _buffers(names: tuple[str, ...]) -> int:
    """The largest buffer to either side."""
    return sum(_setting(name) for name in names)


def _setting(name: str) -> int:
    try:
        return int(Path(f"/proc/sys/net/{name}").read_text(encoding="ascii").split()[-1])
    except (OSError, ValueError, IndexError):
        return 2**18 if name.startswith("core") else 6 * 2**20
