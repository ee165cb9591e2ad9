"""The environment of a checkout: what is in it, and what has to be done."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

EXTRAS = ("student", "instructor", "book", "dev", "fuzz")


@dataclass(frozen=True)
class Place:
    """A checkout and its environment."""

    root: Path
    venv: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        """What was installed; missing while an installation runs."""
        return self.venv / "setup.json"

    @property
    def log(self) -> Path:
        """Everything that pip said."""
        return self.venv / "setup.log"

    @property
    def packages(self) -> Path:
        """The environment's site-packages."""
        if os.name == "nt":
            return self.venv / "Lib" / "site-packages"
        return next(iter((self.venv / "lib").glob("python3.*/site-packages")), self.venv / "lib")


def fingerprint(root: Path) -> str:
    """SHA-256 over the requirements; another value means another environment."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "requirements.lock"):
        path = root / name
        digest.update(path.read_bytes() if path.exists() else b"-")
        digest.update(b"\0")
    return digest.hexdigest()


def read_stamp(place: Place) -> dict[str, object]:
    """The stamp, or an empty one where it is missing or damaged."""
    try:
        stamp = json.loads(place.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def listing(packages: Path) -> list[str]:
    """The names in site-packages: cheap to compare, and a removed package shows."""
    try:
        return sorted(entry.name for entry in packages.iterdir() if entry.name != "__pycache__")
    except OSError:
        return []


@dataclass(frozen=True)
class Plan:
    """What the set-up will do, and why: ``ready``, ``complete`` (install into what is there) or ``remake``."""

    action: str
    reason: str
    extras: tuple[str, ...]


def make_plan(place: Place, extras: Iterable[str], torch: str = "") -> Plan:
    """Compare the environment with what is wanted; milliseconds, nothing is run.

    Args:
        place: the environment.
        extras: the extras asked for; those of an earlier set-up are kept.
        torch: the build of PyTorch asked for by hand, or an empty string.
    """
    had = {str(name) for name in _names(read_stamp(place), "extras")}
    wanted = tuple(name for name in EXTRAS if name in {*had, *extras})
    action, reason = next(_reasons(place, wanted, torch), ("ready", "nothing to do"))
    return Plan(action, reason, wanted)


def _reasons(place: Place, wanted: tuple[str, ...], torch: str) -> Iterator[tuple[str, str]]:
    """Why the environment is not as wanted, the gravest reason first."""
    stamp = read_stamp(place)
    if not (place.venv / "pyvenv.cfg").exists():
        yield "remake", "there is no environment yet"
    if not place.python.exists():
        yield "remake", "its Python is missing"
    if stamp and stamp.get("venv") != str(place.venv):
        yield "remake", "the folder was moved"
    if not stamp:
        yield "complete", "an earlier set-up did not come to its end"
    if stamp.get("fingerprint") != fingerprint(place.root):
        yield "complete", "the requirements changed"
    if missing := sorted({str(name) for name in _names(stamp, "packages")} - set(listing(place.packages))):
        yield "complete", f"{missing[0]} is missing from it"
    if torch and stamp.get("torch") != torch:
        yield "complete", f"EFFLAB_TORCH asks for another build: {torch}"
    if new := [name for name in wanted if name not in _names(stamp, "extras")]:
        yield "complete", f"the extra {new[0]} is not in it yet"


def _names(stamp: dict[str, object], key: str) -> list[object]:
    value = stamp.get(key)
    return value if isinstance(value, list) else []


def is_whole(info: Path) -> bool:
    """Whether all files that a package's RECORD names are there (compiled files aside)."""
    try:
        with (info / "RECORD").open(newline="", encoding="utf-8") as stream:
            names = [row[0] for row in csv.reader(stream) if row]
    except OSError:
        return False
    folder = str(info.parent)
    present = (name.endswith(".pyc") or os.path.exists(f"{folder}/{name}") for name in names)  # noqa: PTH110 - 60,000 times
    return (info / "METADATA").exists() and all(present)


def forget_broken(packages: Path) -> list[str]:
    """Remove the records of half-installed packages, so that pip lays them down again.

    Returns:
        Their names.
    """
    broken = [info for info in packages.glob("*.dist-info") if not is_whole(info)]
    for path in [*broken, *packages.glob("~*")]:  # pip renames what it replaces to ~name
        shutil.rmtree(path, ignore_errors=True)
    return [path.name.partition("-")[0] for path in broken]
