"""What a long experiment has finished, kept in the cache folder: an interrupted run goes on, a repeated one is at once."""

import datetime as dt
import functools
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import efflab
from efflab.data.store import cache_folder
from efflab.files import write_atomic
from efflab.results import _record


@functools.cache
def made_by(rooms: tuple[str, ...]) -> str:
    """What else an outcome depends on, as a digest: the sources of some rooms of efflab, the versions and the machine.

    Args:
        rooms: modules or packages below ``efflab``, such as ``"training"``.
    """
    root = Path(efflab.__file__).parent
    digest = sha256(repr((_record.versions(), _record.machine())).encode())
    for source in sorted(path for room in rooms for path in _sources(root / room) if path.is_file()):
        digest.update(f"\n{source.relative_to(root).as_posix()}\n".encode() + source.read_bytes())
    return digest.hexdigest()


def _sources(room: Path) -> list[Path]:
    return list(room.rglob("*.py")) if room.is_dir() else [room.with_suffix(".py")]


def kept_folder(topic: str) -> Path:
    """Where the parts of a topic's experiments are kept."""
    return cache_folder() / "reproduce" / topic


def kept(
    topic: str, key: Any, make: Callable[[Path], dict[str, Any]], rooms: tuple[str, ...]
) -> dict[str, Any]:
    """What ``make`` returned before for the same key, or what it returns now, kept in the cache folder.

    Args:
        topic: names the folder.
        key: everything that the outcome depends on, beside the code, the versions and the machine.
        make: called with a path beside which it may keep checkpoints and weights; a file of weights is named by its
            key ``weights``.
        rooms: modules or packages below ``efflab`` whose sources the outcome depends on.

    Returns:
        What ``make`` returned, with the day it did as ``date``.
    """
    name = sha256(repr((key, made_by(rooms))).encode()).hexdigest()[:16]
    path = kept_folder(topic) / f"{name}.json"
    found = _read(path)
    if found is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = make(path) | {"date": dt.datetime.now(dt.UTC).date().isoformat()}
        write_atomic(path, json.dumps(found))
    return found


def _read(path: Path) -> dict[str, Any] | None:
    """What is kept at ``path``; None where nothing is, where it is damaged, or where its weights are gone."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(found, dict) or "date" not in found:
        return None
    return found if "weights" not in found or (path.parent / found["weights"]).is_file() else None
