"""What this machine has, asked of the system itself: memory, disk, write access, the installed packages."""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path


def memory() -> tuple[float, float] | None:
    """Memory in bytes: what this process may use in all, and what is free of it; None where the system does not say.

    A container's limit counts.
    """
    if sys.platform == "win32":
        return _windows_memory()
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    free = _meminfo("MemAvailable", total)
    for path, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        limit = _number(Path(path))
        if limit is not None and limit < total:
            return limit, min(free, limit - (_number(Path(used)) or 0))
    return total, free


def _meminfo(key: str, otherwise: float) -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return otherwise
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), otherwise)


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" means no limit
        return None


def _windows_memory() -> tuple[float, float] | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "tp", "fp", "tv", "fv", "fe")),
        )

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore] # Windows alone has it
        return None
    return float(status.total), float(status.free)


def nearest(folder: Path) -> Path:
    """The folder, or where it does not exist yet the nearest one above that does."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def disk_free(folder: Path) -> int:
    """Free bytes where ``folder`` lies or will lie."""
    return shutil.disk_usage(nearest(folder)).free


def write_problem(folder: Path) -> str:
    """Why nothing can be written where ``folder`` lies or will lie; empty where something can."""
    try:
        with tempfile.TemporaryFile(dir=nearest(folder)) as stream:
            stream.write(b"efflab")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def unmet(extra: str = "") -> list[str]:
    """The requirements of efflab, or of one of its extras, that the installed packages do not meet.

    Args:
        extra: the name of an extra; its own requirements alone are looked at.

    Returns:
        ``"numpy>=2.0 (found 1.26.4)"``, ``"matplotlib>=3.10 (missing)"``.
    """
    from packaging.requirements import Requirement

    found = []
    for text in importlib.metadata.requires("efflab") or []:
        requirement = Requirement(text)
        in_base = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        wanted = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
        if requirement.name == "efflab" or (in_base if extra else not in_base) or (extra and not wanted):
            continue
        version = _installed(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            state = f"found {version}" if version else "missing"
            found.append(f"{requirement.name}{requirement.specifier} ({state})")
    return found


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
