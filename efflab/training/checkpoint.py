"""The state of a training run in one file: written atomically, read without unpickling anything but tensors and values."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from efflab.errors import CheckpointError
from efflab.models import storage

KIND = "efflab.training"
_FORMAT = 1

State = dict[str, Any]


def write(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a run's state, all of it or none.

    Raises:
        OSError: the file cannot be written; the one before it is left as it was.
    """
    storage.write_torch({"kind": KIND, "format": _FORMAT, **state}, path)


def read(path: str | os.PathLike[str]) -> State:
    """Read a run's state.

    Raises:
        CheckpointError: damaged, or no checkpoint of this kind.
    """
    state = storage.read(path)
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise CheckpointError(
            f"{path} is no checkpoint of a training run; give another file, or resume=False"
        )
    if state.get("format") != _FORMAT:
        raise CheckpointError(f"{path} has checkpoint format {state.get('format')!r}, expected {_FORMAT}")
    return state


def refuse_other_settings(
    path: str | os.PathLike[str], then: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    """Raise a CheckpointError where the run in the file was not started with the settings of this one."""
    changed = [
        f"{name}={then.get(name)!r} there and {now[name]!r} here"
        for name in now
        if then.get(name) != now[name]
    ]
    if changed:
        raise CheckpointError(
            f"{Path(path)} belongs to a run with other settings ({', '.join(changed)}); give another file, or resume=False"
        )


def refuse_longer(path: str | os.PathLike[str], done: int, epochs: int) -> None:
    """Raise a CheckpointError where the run in the file is longer than this one."""
    if done > epochs:
        raise CheckpointError(f"{path} has {done} epochs behind it, more than epochs={epochs}")
