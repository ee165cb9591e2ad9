"""Handing in: look a notebook over and put it, with its lab's state, into one zip."""

import dataclasses
import datetime as dt
import hashlib
import json
import re
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import efflab
from efflab import topics
from efflab.errors import EfflabError
from efflab.files import atomic_path
from efflab.lab import notebooks, passport
from efflab.lab.cards import notice
from efflab.lab.folder import HIDDEN, MARKER, student_folder
from efflab.lab.predictions import now

MAX_BYTES = 10 * 2**20
FOLDER = "handed-in"
_OFFER = re.compile(r"\.new-release(-\d+)?$")
_NOT_RUN = {"measure", "paper-scale"}


@dataclass(frozen=True)
class Report:
    """What a look at a notebook found.

    Attributes:
        notebook: the file.
        lab: its lab, ``"01-pruning"``.
        tasks: ids of the graded cells it holds.
        missing: ids of cells of the release that it lacks.
        duplicated: ids that it holds twice.
        bytes: its size.
        failed: (cell, message) of each cell that raised when it was run; empty where it was not run.
    """

    notebook: Path
    lab: str
    tasks: tuple[str, ...]
    missing: tuple[str, ...]
    duplicated: tuple[str, ...]
    bytes: int
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def intact(self) -> bool:
        """Whether every id of the release is there once."""
        return not self.missing and not self.duplicated


def inspect(notebook: Path | str, *, run: bool = False, timeout: int = 600) -> Report:
    """Look a notebook over before it is handed in.

    Args:
        notebook: the student's notebook.
        run: also run it in a fresh kernel and a scratch folder, measuring cells left out.
        timeout: seconds a cell may take.

    Returns:
        The findings.

    Raises:
        EfflabError: it is no notebook of a lab.
    """
    path = Path(notebook)
    content = notebooks.load(path)
    ids = [
        str(notebooks.nbgrader(cell).get("grade_id")) for cell in content["cells"] if notebooks.nbgrader(cell)
    ]
    if not ids:
        raise EfflabError(f"{path} holds no graded cell: is it a notebook of this course?")
    expected = _expected(path)
    return Report(
        notebook=path,
        lab=_lab(path, ids),
        tasks=tuple(dict.fromkeys(ids)),
        missing=tuple(one for one in expected if one not in ids),
        duplicated=tuple(one for one, count in Counter(ids).items() if count > 1),
        bytes=path.stat().st_size,
        failed=_failures(content, timeout) if run else (),
    )


def _released_name(path: Path) -> str:
    """The notebook's name in the release, whichever copy of the student's this is."""
    return _OFFER.sub("", path.stem) + ".ipynb"


def _expected(path: Path) -> list[str]:
    """Grade ids of the release that the notebook was copied from; empty where that is unknown."""
    record = path.absolute().parents[1] / HIDDEN / MARKER
    try:
        files = json.loads(record.read_text(encoding="utf-8"))["files"]
        known = files[f"{path.absolute().parent.name}/{_released_name(path)}"]
        cells = (
            known["offered_cells"]
            if _OFFER.search(path.stem) and "offered_cells" in known
            else known["cells"]
        )
        return [name.removeprefix("grade:") for name in cells if name.startswith("grade:")]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _lab(path: Path, ids: list[str]) -> str:
    """The lab that a notebook belongs to: by its folder, else by its tasks."""
    for topic in topics.TOPICS:
        if path.absolute().parent.name == topic.lab:
            return topic.lab
    for topic in topics.TOPICS:
        if any(one.startswith(f"{topic.name}-") for one in ids):
            return topic.lab
    return _OFFER.sub("", path.stem)


def _failures(content: notebooks.Notebook, timeout: int) -> tuple[tuple[str, str], ...]:
    """Run a copy of the notebook in a scratch folder and name the cells that raised."""
    import nbformat  # noqa: PLC0415 - comes with the student extra, needed by this option alone
    from nbclient import NotebookClient  # noqa: PLC0415 - the same
    from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415 - the same

    kept = [cell for cell in content["cells"] if not _NOT_RUN & set(notebooks.tags(cell))]
    copy = nbformat.from_dict(content | {"cells": kept})  # type: ignore[no-untyped-call]  # nbformat's is untyped
    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            copy,
            timeout=timeout,
            kernel_name=_kernel(content),
            allow_errors=True,
            resources={"metadata": {"path": scratch}},
        )
        try:
            client.execute(env=_environment(scratch))
        except (CellTimeoutError, DeadKernelError) as error:
            return (("the notebook", str(error).splitlines()[0]),)
    return tuple(
        (
            str(notebooks.nbgrader(cell).get("grade_id") or cell.get("id", "a cell")),
            f"{out['ename']}: {out['evalue']}",
        )
        for cell in copy["cells"]
        for out in cell.get("outputs", [])
        if out.get("output_type") == "error"
    )


def _environment(scratch: str) -> dict[str, str]:
    import os  # noqa: PLC0415 - used here alone

    return {**os.environ, "EFFLAB_STUDENT": scratch}


def _kernel(content: notebooks.Notebook) -> str:
    """The notebook's kernel where it is installed, else Python's own."""
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - as nbclient

    metadata: Any = content.get("metadata", {})
    wanted = (
        metadata.get("kernelspec", {}).get("name", "python3") if isinstance(metadata, dict) else "python3"
    )
    return wanted if wanted in KernelSpecManager().find_kernel_specs() else "python3"


def submit(
    notebook: Path | str, *, run: bool = False, anyway: bool = False, folder: Path | str | None = None
) -> Path:
    """Check a notebook and make the one zip to hand in; earlier ones stay.

    Args:
        notebook: the student's notebook; save it first.
        run: run it before, and tell which cells fail (unfinished tasks do, and do not hinder handing in).
        anyway: hand in although cells are missing or doubled.
        folder: where the zip goes; None takes ``handed-in/`` in the student's folder (``my-labs/``).

    Returns:
        The zip: the notebook under its released name, the passport, the predictions, and a manifest with checksums.

    Raises:
        EfflabError: it is no notebook of a lab, too large even without its outputs, or its cells are not intact.
    """
    report = inspect(notebook, run=run)
    if not report.intact and not anyway:
        raise EfflabError(_damage(report))
    for cell, message in report.failed:
        notice(f"{cell}: {message}", once=False)
    files = _files(report)
    manifest = {
        "format": 1,
        "lab": report.lab,
        "made": now(),
        "efflab": efflab.__version__,
        "report": dataclasses.asdict(report) | {"notebook": report.notebook.name},
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files["manifest.json"] = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    target = _free_name(Path(folder) if folder is not None else _home(report.notebook) / FOLDER, report.lab)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def _damage(report: Report) -> str:
    parts = []
    if report.missing:
        parts.append(f"lacks the cells {', '.join(report.missing)}")
    if report.duplicated:
        parts.append(f"holds {', '.join(report.duplicated)} more than once")
    return (
        f"{report.notebook} {' and '.join(parts)}: restore them (Edit, Undo, or copy the cell from labs/), "
        "or hand in as it is with --anyway"
    )


def _home(notebook: Path) -> Path:
    """The student's folder as seen from a notebook, wherever the command runs."""
    above = notebook.absolute().parents[1]
    return above if (above / HIDDEN / MARKER).is_file() else student_folder()


def _files(report: Report) -> dict[str, bytes]:
    """What goes into the zip, by name."""
    home = _home(report.notebook)
    extra = {passport.FILE: home / passport.FILE, f"{report.lab}.json": home / HIDDEN / f"{report.lab}.json"}
    found = {name: file.read_bytes() for name, file in extra.items() if file.is_file()}
    return {_released_name(report.notebook): _bounded(report.notebook)} | found


def _bounded(path: Path) -> bytes:
    """The notebook; without its outputs where it would be too large with them."""
    data = path.read_bytes()
    if len(data) <= MAX_BYTES:
        return data
    content = notebooks.load(path)
    for cell in content["cells"]:
        if cell.get("cell_type") == "code":
            cell.update(outputs=[], execution_count=None)
    data = notebooks.dump(content).encode()
    if len(data) > MAX_BYTES:
        limit, size = MAX_BYTES / 2**20, len(data) / 2**20
        raise EfflabError(
            f"{path} has {size:.1f} MiB without its outputs, at most {limit:.0f} MiB can be handed in"
        )
    notice(f"{path.name} is large, so it is handed in without its outputs.", once=False)
    return data


def _free_name(folder: Path, lab: str) -> Path:
    """A name that is not taken: the lab and the time."""
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    names = (f"{lab}-{stamp}{suffix}.zip" for suffix in ("", *(f"-{i}" for i in range(2, 1000))))
    return next(folder / name for name in names if not (folder / name).exists())
