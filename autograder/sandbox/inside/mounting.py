"""Namespaces for a submission, and what it sees of the file system: a scratch folder of its own, and nothing to write."""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

SCRATCH = "/scratch"
FOLDERS = {"home": 0o700, "lab": 0o700, "tmp": 0o1777, "shm": 0o1777}
LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_USER, _NEW_PID, _NEW_MOUNT, _NEW_NET, _NEW_IPC = 0x10000000, 0x20000000, 0x20000, 0x40000000, 0x8000000
_NOSUID, _NODEV, _NOEXEC, _READ_ONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 2, 4, 8, 1, 32, 4096, 16384, 1 << 18
_DUMPABLE, _SET_FLAGS, _UP = 4, 0x8914, 0x41
_COPIED = ("cpuinfo", "meminfo", "version", "stat", "loadavg", "uptime", "filesystems")


def unshare() -> None:
    """Put this process's children into namespaces of their own, with this user as the only one.

    Raises:
        OSError: the kernel does not let us.
    """
    user, group = os.getuid(), os.getgid()
    LIBC.prctl(_DUMPABLE, 1, 0, 0, 0)  # or the files below would be root's
    call("unshare", LIBC.unshare(_NEW_USER | _NEW_PID | _NEW_MOUNT | _NEW_NET | _NEW_IPC))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def mounts(size: int) -> None:
    """A private scratch folder, and nothing else that can be written or that shows other processes.

    Args:
        size: bytes of the scratch folder.

    Raises:
        OSError: the kernel does not let us.
    """
    told = {name: _first_bytes(f"/proc/{name}") for name in _COPIED}
    # Where the kernel should look for someone to end, it looks here first.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    _mount("none", "/", "", _REC | _PRIVATE)
    _mount("scratch", SCRATCH, "tmpfs", _NOSUID | _NODEV, f"size={size},nr_inodes=20000,mode=755")
    folders(SCRATCH)
    _mount(f"{SCRATCH}/shm", "/dev/shm", "", _BIND)  # noqa: S108 - the private one
    if Path("/dev/pts").is_dir():
        _mount("none", "/dev/pts", "tmpfs", _NOSUID | _NODEV | _NOEXEC | _READ_ONLY, "size=4k,mode=555")
    # A fresh /proc is refused below bubblewrap's; these few files are what libraries look for.
    _mount("none", "/proc", "tmpfs", _NOSUID | _NODEV | _NOEXEC, "size=1m,mode=555")
    for name, content in told.items():
        Path(f"/proc/{name}").write_bytes(content)
    _mount("none", "/proc", "", _REMOUNT | _READ_ONLY | _NOSUID | _NODEV | _NOEXEC, "size=1m,mode=555")


def loopback() -> None:
    """This machine's own address works, and reaches nothing but this namespace, as in every other sandbox.

    Raises:
        OSError: the kernel does not let us.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def folders(scratch: str) -> None:
    """The folders of a scratch folder; the working directory is the lab's."""
    for name, mode in FOLDERS.items():
        Path(scratch, name).mkdir(exist_ok=True)
        Path(scratch, name).chmod(mode)
    os.chdir(f"{scratch}/lab")


def _first_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(65536)
    except OSError:
        return b""


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = LIBC.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    call(f"mount of {target}", result)


def call(what: str, result: int) -> None:
    """Raise what the C library says went wrong, if it did.

    Raises:
        OSError: with ``what`` in its words.
    """
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
