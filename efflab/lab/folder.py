"""The student's folder, and the small JSON files that a lab keeps there."""

import json
import os
from pathlib import Path
from typing import Any

from efflab.files import write_atomic
from efflab.lab.cards import notice

HIDDEN = ".efflab"
MARKER = "releases.json"

_kept_in_memory: dict[Path, str] = {}


def student_folder() -> Path:
    """The folder that holds the student's state: predictions, the passport, what was handed in.

    Returns:
        ``EFFLAB_STUDENT`` where set; else the folder above the notebook's where that one holds the student's copies of
        the labs (``my-labs/``), so that all labs share one passport; else the notebook's own folder.
    """
    if chosen := os.environ.get("EFFLAB_STUDENT"):
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    above = here.parent
    return above if (above / HIDDEN / MARKER).is_file() else here


def state_path(name: str) -> Path:
    """Where the state called ``name`` lies (a lab's name, ``"01-pruning"``)."""
    return student_folder() / HIDDEN / f"{name}.json"


def read_text(path: Path) -> str | None:
    """What a file of the student's folder holds, or None where there is none.

    A file that could not be written in this session is read from memory; one that cannot be read counts as missing,
    with a notice.
    """
    if path in _kept_in_memory:
        return _kept_in_memory[path]
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        set_aside(path, "it holds no text")
        return None
    except OSError as error:
        notice(f"{path.name} cannot be read ({error.strerror}): this session begins without it.")
        return None


def write_text(path: Path, content: str) -> None:
    """Write a file of the student's folder whole; where that is impossible keep it for this session, with a notice."""
    try:
        write_atomic(path, content)
        _kept_in_memory.pop(path, None)
    except OSError as error:
        _kept_in_memory[path] = content
        notice(
            f"The folder {student_folder()} cannot be written ({error.strerror}): what the lab would keep there lasts "
            "for this session only."
        )


def set_aside(path: Path, why: str) -> Path | None:
    """Move a damaged file to a free ``.damaged`` name beside it and say so.

    Returns:
        Its new place, or None where the folder cannot be written.
    """
    names = [
        path.with_name(f"{path.name}.damaged{suffix}") for suffix in ("", *(f"-{i}" for i in range(2, 1000)))
    ]
    target = next((one for one in names if not one.exists()), names[-1])
    try:
        path.replace(target)
    except OSError:
        notice(f"{path.name} is damaged ({why}) and is left alone: this session begins without it.")
        return None
    notice(f"{path.name} was damaged ({why}). It is kept as {target.name}, and a fresh one begins.")
    return target


def read_state(name: str) -> dict[str, Any]:
    """The state called ``name``; empty where there is none yet, or where it was damaged (kept aside, with a notice)."""
    path = state_path(name)
    text = read_text(path)
    if text is None:
        return {}
    try:
        state = json.loads(text)
    except ValueError as error:
        set_aside(path, f"no JSON: {error}")
        return {}
    if not isinstance(state, dict):
        set_aside(path, f"an object was expected, a {type(state).__name__} found")
        return {}
    return state


def write_state(name: str, state: dict[str, Any]) -> None:
    """Keep the state called ``name``."""
    write_text(state_path(name), json.dumps(state, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
