"""The student's own copies of the labs: made once, never overwritten, a newer release offered beside them."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from efflab.errors import EfflabError
from efflab.files import atomic_path, write_atomic
from efflab.lab import notebooks
from efflab.lab.folder import HIDDEN, MARKER, set_aside

FORMAT = 1
State = Literal["new", "kept", "updated", "offered"]
_LAB = re.compile(r"\d\d-[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Copy:
    """One notebook of the student's.

    Attributes:
        lab: the lab's name.
        notebook: the copy to work in.
        state: ``"new"`` (just copied), ``"kept"`` (there before), ``"updated"`` (untouched, so replaced by the newer
            release) or ``"offered"`` (a newer release with the answers carried over lies at ``offer``).
        offer: the newer release beside the copy, or None.
        note: one sentence for the student, or an empty string.
    """

    lab: str
    notebook: Path
    state: State
    offer: Path | None = None
    note: str = ""


def my_labs(root: Path | str, destination: Path | str | None = None) -> list[Copy]:
    """Give the student an own copy of every released lab, and offer newer releases, without overwriting an answer.

    Args:
        root: the folder that holds ``labs/NN-topic/*.ipynb``.
        destination: where the copies go; None takes ``my-labs/`` in ``root``.

    Returns:
        One :class:`Copy` a notebook, in course order.

    Raises:
        EfflabError: there are no labs below ``root``.
    """
    labs = Path(root) / "labs"
    folders = sorted(one for one in labs.glob("*") if one.is_dir() and _LAB.fullmatch(one.name))
    if not folders:
        raise EfflabError(f"there are no labs in {labs}: run this from the course's folder")
    target = Path(destination) if destination is not None else Path(root) / "my-labs"
    records = _read_records(target)
    found = []
    for folder in folders:
        files = sorted(
            one for one in folder.rglob("*") if one.is_file() and not _hidden(one.relative_to(folder))
        )
        for file in files:
            name = file.relative_to(labs).as_posix()
            record = records.setdefault(name, {})
            if file.suffix == ".ipynb":
                found.append(_notebook(folder.name, file, target / name, record))
            else:
                _data_file(file, target / name, record)
    write_atomic(target / HIDDEN / MARKER, json.dumps({"format": FORMAT, "files": records}, indent=1) + "\n")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _read_records(target: Path) -> dict[str, dict[str, Any]]:
    """What was copied when; empty where that is unknown, in which case nothing is taken for untouched."""
    file = target / HIDDEN / MARKER
    if not file.exists():
        return {}
    try:
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
        return {str(name): dict(record) for name, record in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        set_aside(file, f"no list of copies: {error}")
        return {}


def _place(file: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(file, temporary)


def _data_file(file: Path, target: Path, record: dict[str, Any]) -> None:
    """Copy a file that a lab needs; one that the student changed stays."""
    release = notebooks.fingerprint(file.read_bytes())
    untouched = target.exists() and notebooks.fingerprint(target.read_bytes()) == record.get("release")
    if not target.exists() or (untouched and record.get("release") != release):
        _place(file, target)
        record["release"] = release


def _notebook(lab: str, file: Path, target: Path, record: dict[str, Any]) -> Copy:
    release = notebooks.fingerprint(file.read_bytes())
    fresh: dict[str, Any] = {"release": release, "cells": notebooks.fingerprints(notebooks.load(file))}
    if not target.exists():
        _place(file, target)
        _renew(record, fresh)
        return Copy(lab, target, "new")
    if notebooks.fingerprint(target.read_bytes()) == release or record.get("release") == release:
        record.update(fresh)
        return Copy(lab, target, "kept")
    if not record and _same_release(target, fresh["cells"]):
        record.update(fresh)
        return Copy(lab, target, "kept")
    if record and notebooks.fingerprint(target.read_bytes()) == record.get("release"):
        _place(file, target)
        _renew(record, fresh)
        return Copy(lab, target, "updated", note="A newer release replaced your untouched copy.")
    if record.get("offered") == release:
        offer = target.parent / str(record.get("offer", ""))
        return Copy(lab, target, "kept", offer if offer.is_file() else None)
    return _offer(lab, file, target, record, fresh)


def _renew(record: dict[str, Any], fresh: dict[str, Any]) -> None:
    record.clear()
    record.update(fresh)


def _same_release(target: Path, cells: Mapping[str, str]) -> bool:
    """Whether a copy of unknown origin is of this release: all its locked cells are there, word for word."""
    try:
        copy = notebooks.load(target)
    except EfflabError:
        return False
    own = {notebooks.key(cell): cell for cell in copy["cells"]}
    same_locked = all(
        cells.get(name) == notebooks.fingerprint(notebooks.source(cell))
        for name, cell in own.items()
        if notebooks.locked(cell)
    )
    return same_locked and set(cells) <= set(own)


def _offer(lab: str, file: Path, target: Path, record: dict[str, Any], fresh: dict[str, Any]) -> Copy:
    """Put the newer release beside the copy, under a free name, with the answers carried over."""
    stem = target.stem
    names = (f"{stem}.new-release{suffix}.ipynb" for suffix in ("", *(f"-{i}" for i in range(2, 1000))))
    offer = next(target.with_name(name) for name in names if not target.with_name(name).exists())
    try:
        carried = notebooks.carry_over(target, file, released=_origin(target, record))
        content = notebooks.dump(carried.notebook)
        note = f"A newer release is beside your copy, {_count(len(carried.carried) + carried.added)} carried over."
    except EfflabError as error:
        content = file.read_text(encoding="utf-8")
        note = f"A newer release is beside your copy, without your answers: {error}."
    write_atomic(offer, content)
    record.update(offered=fresh["release"], offered_cells=fresh["cells"], offer=offer.name)
    return Copy(lab, target, "offered", offer, note)


def _origin(target: Path, record: dict[str, Any]) -> dict[str, str] | None:
    """What the release looked like that a copy was made from: the first one, or an offer renamed over it."""
    own = notebooks.fingerprints(notebooks.load(target)).items()
    known = [record[name] for name in ("cells", "offered_cells") if name in record]
    return max(known, key=lambda cells: len(own & cells.items()), default=None)


def _count(answers: int) -> str:
    return "no answer" if answers == 0 else f"{answers} answer{'s' if answers > 1 else ''}"
