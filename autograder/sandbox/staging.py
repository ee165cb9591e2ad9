"""What a lab's sandbox may read of the course: a copy of efflab without what the lab asks to rebuild, and the inside files."""

import compileall
import contextlib
import fcntl
import json
import os
import py_compile
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import efflab
from autograder import wire
from autograder.sandbox.errors import SandboxError

LIBRARY = "library"
_HERE = Path(__file__).parent
_PREFIX = "efflab-sandbox-"
_YOUNG_SECONDS = 60.0
_held: dict[Path, int | None] = {}
_SKIPPED = ("__pycache__", "*.pyc", ".*")


def stage(forbidden: Sequence[str]) -> Path:
    """Make the folder.

    Args:
        forbidden: modules of efflab (``"efflab.pruning"``) that are replaced by a sentence.

    Returns:
        A new temporary folder: ``library/`` for the module path, ``etc/`` for the system's.

    Raises:
        SandboxError: a forbidden name is no module of efflab.
    """
    _sweep()
    # Closed to others until all is in place, or they could plant files where the grader's umask lets them write.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    _held[folder] = _lock(folder)
    library = folder / LIBRARY
    shutil.copytree(
        Path(efflab.__file__).parent, library / "efflab", ignore=shutil.ignore_patterns(*_SKIPPED)
    )
    recorded = library / "efflab" / "_recorded"
    if not recorded.exists():
        shutil.copytree(Path(efflab.__file__).parents[1] / "results", recorded, ignore=_only_json)
    for module in forbidden:
        _forbid(library, module)
    _inside(library)
    compileall.compile_dir(
        library,
        quiet=2,
        stripdir=str(library),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    _etc(folder / "etc")
    for path in [*folder.rglob("*"), folder]:
        # Readable for the sandbox's user, whatever the grader's umask is.
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def remove(folder: Path) -> None:
    """Remove what `stage` made."""
    shutil.rmtree(folder, ignore_errors=True)
    if (held := _held.pop(folder, None)) is not None:
        os.close(held)


def _lock(folder: Path) -> int | None:
    """A descriptor that keeps others from sweeping the folder away; None if another has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep() -> None:
    """Remove what graders that were killed have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            # A folder that was made this minute may not be locked yet.
            state = folder.lstat()
            own = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
            old = time.time() - state.st_mtime > _YOUNG_SECONDS
            if own and old and (descriptor := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def _only_json(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".json")]


def _forbid(library: Path, module: str) -> None:
    first, *rest = module.split(".")
    path = library.joinpath("efflab", *rest)
    if first != "efflab" or not rest or not (path.is_dir() or path.with_suffix(".py").is_file()):
        raise SandboxError(f"a forbidden module must be one of efflab's, got {module!r}")
    if path.is_dir():
        shutil.rmtree(path)
    path.with_suffix(".py").write_text(
        f'"""Not here while this lab is graded."""\n\nraise ImportError({refusal(module)!r}, name={module!r})\n',
        encoding="utf-8",
    )


def refusal(module: str) -> str:
    """What importing a forbidden module says."""
    return f"{module} is what this lab asks you to rebuild, so it is not there while the lab is graded"


def _inside(library: Path) -> None:
    package = library / "autograder"
    inside = package / "sandbox" / "inside"
    shutil.copytree(_HERE / "inside", inside, ignore=shutil.ignore_patterns(*_SKIPPED))
    shutil.copyfile(Path(wire.__file__), package / "wire.py")
    for empty in (package, package / "sandbox"):
        (empty / "__init__.py").write_text(
            '"""What the sandbox has of the autograder."""\n', encoding="utf-8"
        )


def _etc(folder: Path) -> None:
    folder.mkdir()
    (folder / "passwd").write_text("student:x:65534:65534:student:/scratch/home:/bin/sh\n", encoding="ascii")
    (folder / "group").write_text("student:x:65534:\n", encoding="ascii")


def covers(site: Sequence[Path]) -> Iterator[Path]:
    """Copies of the package in folders of installed packages, over which the staged one must lie."""
    for folder in site:
        if (folder / "efflab").is_dir():
            yield folder / "efflab"


def checkouts() -> Iterator[Path]:
    """Folders that an editable install points to."""
    yield Path(efflab.__file__).resolve().parents[1]
    with contextlib.suppress(metadata.PackageNotFoundError, ValueError, KeyError):
        told = json.loads(metadata.distribution("efflab").read_text("direct_url.json") or "{}")
        if str(told.get("url", "")).startswith("file://") and told.get("dir_info", {}).get("editable"):
            yield Path(os.path.realpath(told["url"].removeprefix("file://")))
