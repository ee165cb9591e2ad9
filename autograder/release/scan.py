"""The leak scan of the bundle, by the rules of what is public: the labs and `efflab`'s source, and nothing else."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import nbformat

from autograder import leaks
from autograder.build import LeakError
from autograder.fingerprints import Index

TEXT = leaks.SUFFIXES | {"", ".toml", ".yml", ".yaml", ".lock", ".cff", ".js", ".css", ".csv"}
PRIVATE = ("autograder", "solutions", "tests", "benchmarks", ".ci", "course")


def scan(root: Path, files: Mapping[str, bytes]) -> None:
    """Hold a bundle against the repository's secrets.

    Args:
        root: the repository.
        files: content by path.

    Raises:
        LeakError: an answer, or a file that is none of the students', stands in it.
    """
    index = leaks.book_index(root)
    found = [f"{path} is not for students" for path in files if PurePosixPath(path).parts[0] in PRIVATE]
    for path, content in files.items():
        if PurePosixPath(path).suffix in TEXT:
            found += map(str, _leaks(path, content, index))
    if found:
        raise LeakError("\n".join(found))


def _leaks(path: str, content: bytes, index: Index) -> list[leaks.Leak]:
    text = content.decode(errors="replace")
    if path.endswith(".ipynb"):
        notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        return leaks.scan_notebook(path, notebook, index)
    if path.endswith((".html", ".htm")):
        return leaks.scan_html(path, text, index)
    return leaks.scan_text(path, "file", text, index)
