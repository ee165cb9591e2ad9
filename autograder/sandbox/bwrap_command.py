"""The sandbox by bubblewrap: a read-only system, no network, one namespace a submission, forked from a warm template."""

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.sandbox import staging

LIBRARY, SCRATCH, DATA = "/sandbox/library", "/scratch", "/sandbox/data"
USER = 65534
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": f"{SCRATCH}/home",
    "TMPDIR": f"{SCRATCH}/tmp",  # noqa: S108 - the submission's own
    "USER": "student",
    "PYTHONPATH": LIBRARY,
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": f"{SCRATCH}/home/matplotlib",
    "IPYTHONDIR": f"{SCRATCH}/home/ipython",
    "NUMBA_CACHE_DIR": f"{SCRATCH}/home/numba",
    "EFFLAB_STUDENT": f"{SCRATCH}/home/student",
    "EFFLAB_CACHE": f"{SCRATCH}/home/cache",
}
"""All that student code finds in its environment."""


OUTSIDE = {"PATH": "/usr/bin:/bin"}
"""Bubblewrap's own environment, which a process in the sandbox may be able to read."""


def command(
    stage: Path, *, root: bool, data: Path | None = None, scratch_bytes: int | None = None
) -> list[str]:
    """The command line of bubblewrap, up to the arguments of ``inside/main.py``.

    Args:
        stage: as `staging.stage` made it.
        root: keep the caller's user (root) and let the template become nobody by itself, so that limits by user hold;
            otherwise a user namespace is made.
        data: folder of data sets to show, read only.
        scratch_bytes: size of the scratch folder, where each submission has a bubblewrap of its own.

    Returns:
        The words.
    """
    words = [_bwrap(), "--die-with-parent", "--new-session", "--clearenv"]
    words += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if root:
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        words += ["--unshare-user", "--uid", str(USER), "--gid", str(USER)]
    words += ["--hostname", "sandbox"]
    for name, value in ENVIRONMENT.items():
        words += ["--setenv", name, value]
    if data is not None:
        words += ["--setenv", "EFFLAB_DATA", DATA]
    words += _files(stage, data)
    words += ["--proc", "/proc", "--dev", "/dev"]
    # Memory shared through the real one would belong to no process's resident set.
    words += ["--dev-bind", "/dev/null", "/dev/zero"]
    words += [
        *(["--size", str(scratch_bytes)] if scratch_bytes else []),
        "--perms",
        "1777",
        "--tmpfs",
        SCRATCH,
    ]
    if scratch_bytes:
        shared = str(scratch_bytes // 4)
        words += ["--size", shared, "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - the sandbox's own
    if "/tmp" not in words:  # noqa: S108 - as above; there already if the interpreter lies below it
        words += ["--symlink", f"{SCRATCH[1:]}/tmp", "/tmp"]  # noqa: S108 - as above
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    return [*words, "--", sys.executable, "-s", "-P", f"{LIBRARY}/autograder/sandbox/inside/main.py"]


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def _files(stage: Path, data: Path | None) -> list[str]:
    """What can be read: the system, the interpreter, the staged files."""
    view = _View()
    view.system()
    view.bind(stage / "etc" / "passwd", "/etc/passwd")
    view.bind(stage / "etc" / "group", "/etc/group")
    for folder in _interpreter():
        view.bind(folder)
    for checkout in staging.checkouts():
        view.cover(checkout)
    for covered in staging.covers([Path(path) for path in _sites()]):
        view.bind(stage / staging.LIBRARY / "efflab", str(covered))
    view.bind(stage / staging.LIBRARY, LIBRARY)
    if data is not None:
        view.bind(data.resolve(), DATA)
    return view.words


class _View:
    """Builds the arguments that lay files into the sandbox."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._made = {"/"}
        self._shown: list[str] = []

    def bind(self, source: str | Path, target: str = "") -> None:
        """Show a file or folder, read only, at its own place or another."""
        place = target or str(source)
        for parent in reversed(Path(place).parents):
            # Bubblewrap makes missing parents for their owner alone.
            if str(parent) not in self._made:
                self._made.add(str(parent))
                self.words += ["--perms", "0755", "--dir", str(parent)]
        self._made.add(place)
        self._shown.append(place)
        self.words += ["--ro-bind", str(source), place]

    def cover(self, checkout: Path) -> None:
        """Hide a checkout that lies in a folder that is shown, but for the interpreter's folders in it."""
        if any(_below(checkout, Path(shown)) and checkout != Path(shown) for shown in self._shown):
            self.words += ["--tmpfs", str(checkout)]
            self._made = {path for path in self._made if not _below(Path(path), checkout)} | {str(checkout)}
            for folder in _interpreter():
                if _below(Path(folder), checkout):
                    self.bind(folder)

    def system(self) -> None:
        """``/usr``, and what the system links to it."""
        self.bind("/usr")
        for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
            if Path(name).is_symlink():
                self.words += ["--symlink", str(Path(name).readlink()), name]
            elif Path(name).is_dir():
                self.bind(name)
        for name in ("/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives"):
            if Path(name).exists():
                self.bind(name)


def _interpreter() -> Iterator[str]:
    """Folders of the interpreter and of installed packages outside ``/usr``, those above before those below."""
    folders = {sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix, *_sites()}
    folders.add(str(Path(sys.executable).resolve().parents[1]))
    folders |= {str(Path(folder).resolve()) for folder in folders}
    kept: list[str] = []
    for folder in sorted(folders):
        inside = any(_below(Path(folder), Path(above)) for above in ["/usr", *kept])
        if os.path.isdir(folder) and not inside:  # noqa: PTH112 - False where it may not be seen
            kept.append(folder)
    yield from kept


def _sites() -> Sequence[str]:
    """Folders of installed packages that this interpreter uses."""
    named = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    if site.ENABLE_USER_SITE:
        named.add(site.getusersitepackages())
    return sorted(path for path in named if path in sys.path and Path(path).is_dir())


def _below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
