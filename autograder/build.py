"""Make ``labs/`` from ``solutions/``: ``python -m autograder.build [--check] [LAB ...]``.

Everything is made in memory and scanned for leaks before the first file is written, and each file is written whole or
not at all. ``--check`` writes nothing and fails if ``labs/`` is not what it would write.
"""

import argparse
import os
import sys
from pathlib import Path

from nbformat import NotebookNode

from autograder import leaks
from autograder import notebook as nb
from autograder.fingerprints import Index
from efflab.files import write_atomic

ROOT = Path(__file__).resolve().parents[1]
_IGNORED = frozenset({".ipynb_checkpoints", ".efflab", ".DS_Store"})


class LeakError(ValueError):
    """A released lab holds what students must not see; the message lists file, place and origin."""


def build(root: Path, names: list[str] | None = None, code: dict[str, str] | None = None) -> dict[str, bytes]:
    """The released labs.

    Args:
        root: the repository.
        names: only these labs; all if empty.
        code: hidden checks and mutants to scan for; the repository's own if None.

    Returns:
        The content of each file by its path below ``labs/``.

    Raises:
        LabError: a source that cannot be released.
        LeakError: an answer stands in what students get.
    """
    sources = {lab: _read(lab) for lab in nb.find(root)}
    chosen = nb.find(root, names)
    released = {lab: _release(lab, sources[lab]) for lab in chosen}
    hidden = leaks.hidden_code(root) if code is None else code
    _scan(released, leaks.lab_index([(lab.name, source) for lab, source in sources.items()], hidden))
    files: dict[str, bytes] = {}
    for lab, notebook in released.items():
        files[f"{lab.name}/{lab.topic}.ipynb"] = nb.to_bytes(notebook)
        files |= {f"{lab.name}/{path}": file.read_bytes() for path, file in lab.data.items()}
    return files


def _read(lab: nb.Lab) -> NotebookNode:
    try:
        return nb.read(lab.source.read_text(encoding="utf-8"))
    except nb.LabError as error:
        raise nb.LabError(f"{lab.source}: {error}") from error


def _release(lab: nb.Lab, source: NotebookNode) -> NotebookNode:
    try:
        return nb.release(source)
    except nb.LabError as error:
        raise nb.LabError(f"{lab.source}: {error}") from error


def _scan(released: dict[nb.Lab, NotebookNode], index: Index) -> None:
    found = [
        leak
        for lab, notebook in released.items()
        for leak in leaks.scan_notebook(f"labs/{lab.name}/{lab.topic}.ipynb", notebook, index)
    ]
    found += [
        leak
        for lab in released
        for path, file in lab.data.items()
        if file.suffix in leaks.SUFFIXES
        for leak in leaks.scan_text(
            f"labs/{lab.name}/{path}", "file", file.read_text(errors="replace"), index
        )
    ]
    if found:
        raise LeakError("\n".join(map(str, found)))


def differences(root: Path, files: dict[str, bytes], names: list[str] | None = None) -> list[str]:
    """How ``labs/`` differs from what should stand there, one line a file."""
    labs = root / nb.LABS
    present = _present(root, names)
    lines = [f"labs/{path} is missing" for path in files if path not in present]
    lines += [f"labs/{path} belongs to no lab source" for path in present if path not in files]
    lines += [
        f"labs/{path} differs from its source"
        for path, content in files.items()
        if path in present and (labs / path).read_bytes() != content
    ]
    return sorted(lines)


def _present(root: Path, names: list[str] | None) -> list[str]:
    """The files below ``labs/`` that belong to the chosen labs (to any, if none is chosen)."""
    labs = root / nb.LABS
    chosen = {lab.name for lab in nb.find(root, names)} if names else None
    paths = [
        path.relative_to(labs) for path in sorted(labs.rglob("*")) if path.is_file() or path.is_symlink()
    ]
    return [
        path.as_posix()
        for path in paths
        if len(path.parts) > 1
        and not _IGNORED & set(path.parts)
        and (chosen is None or path.parts[0] in chosen)
    ]


def write(root: Path, files: dict[str, bytes], names: list[str] | None = None) -> list[str]:
    """Bring ``labs/`` to what it should be; files that are so already are not touched.

    Returns:
        The files written or removed, below ``labs/``.
    """
    labs = root / nb.LABS
    changed = []
    for path, content in files.items():
        if not (labs / path).is_file() or (labs / path).read_bytes() != content:
            write_atomic(labs / path, content)
            changed.append(path)
    for path in _present(root, names):
        if path not in files:
            (labs / path).unlink()
            changed.append(path)
    for folder, _, _ in os.walk(labs, topdown=False):
        if Path(folder) != labs and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Build, or check; 1 with one line a problem if something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m autograder.build", description="Make labs/ from solutions/."
    )
    parser.add_argument(
        "labs", nargs="*", metavar="LAB", help="such as 01-pruning or pruning; all by default"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if labs/ is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        files = build(options.root, options.labs)
    except (nb.LabError, LeakError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.check:
        lines = differences(options.root, files, options.labs)
        sys.stderr.writelines(f"{line} (make labs)\n" for line in lines)
        return 1 if lines else 0
    changed = write(options.root, files, options.labs)
    sys.stdout.writelines(f"labs/{path}\n" for path in changed)
    sys.stdout.write(f"{len(changed)} of {len(files)} files changed\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
