"""The bundle as a folder."""

import json
from collections.abc import Mapping
from pathlib import Path

from efflab.errors import EfflabError
from efflab.files import write_atomic

RECORD = ".bundle.json"
"""Names what an earlier release wrote, so that the next one removes what is no longer part of it, and nothing else."""


def write(files: Mapping[str, bytes], path: Path) -> Path:
    """Bring a folder to the bundle; files of others in it stay.

    Args:
        files: content by path.
        path: the folder, new, empty, or written by an earlier release.

    Returns:
        The folder.

    Raises:
        EfflabError: the folder holds something else.
    """
    if path.exists() and not path.is_dir():
        raise EfflabError(f"--out needs a folder, {path} is a file")
    record = path / RECORD
    if path.is_dir() and any(path.iterdir()) and not record.is_file():
        raise EfflabError(
            f"--out needs a new or empty folder, or one of an earlier release; {path} holds other files"
        )
    for name in _earlier(record):
        # A damaged record must not reach beyond the folder.
        if name not in files and (path / name).resolve().is_relative_to(path.resolve()):
            (path / name).unlink(missing_ok=True)
    for name, content in files.items():
        target = path / name
        if not target.is_file() or target.read_bytes() != content:
            write_atomic(target, content)
    write_atomic(record, json.dumps(sorted(files), indent=0) + "\n")
    return path


def _earlier(record: Path) -> list[str]:
    try:
        names = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
