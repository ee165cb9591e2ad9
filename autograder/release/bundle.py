"""What students get, by its path in the bundle: an explicit list, so that a new file of the repository stays out."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from autograder import build
from autograder.release import project, scan

README = Path(__file__).with_name("students.md")
FOLDERS = ("efflab", "results")
FILES = (
    "LICENSE",
    "LICENSE-TEXT.md",
    "CITATION.cff",
    "environment.yml",
    "requirements.lock",
    "book/datasets.md",
    *(f"tools/{name}.py" for name in ("setup", "place", "pip_run", "torch_build")),
)
LEFT_OUT = frozenset({"efflab/cli/instructor.py"})
_IGNORED = frozenset({"__pycache__", ".efflab", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache"})


def files(root: Path) -> dict[str, bytes]:
    """The bundle of a repository, scanned for answers.

    Args:
        root: the repository.

    Returns:
        The content of each file by its path, in order.

    Raises:
        LeakError: an answer stands in it.
        LabError: a lab's source cannot be released.
        OSError: a file of the list is missing.
    """
    found = {f"labs/{path}": content for path, content in build.build(root).items()}
    found |= {path: (root / path).read_bytes() for path in _paths(root)}
    found["pyproject.toml"] = project.pyproject((root / "pyproject.toml").read_text()).encode()
    found["Makefile"] = project.makefile((root / "Makefile").read_text()).encode()
    found["README.md"] = README.read_bytes()
    found[".gitignore"] = project.GITIGNORE.encode()
    # The data notes have their place in the bundle without a book.
    found["DATA.md"] = project.page(found.pop("book/datasets.md").decode()).encode()
    result = dict(sorted(found.items()))
    scan.scan(root, result)
    return result


def _paths(root: Path) -> list[str]:
    listed = [path for path in _listed(root) if path not in LEFT_OUT]
    return [*FILES, *listed]


def _listed(root: Path) -> Iterable[str]:
    """The files of the folders that git knows or would know; all of them where there is no git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FOLDERS]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)  # noqa: S603 - fixed words
        names = done.stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = []
    if not any(names):
        names = [
            path.relative_to(root).as_posix()
            for folder in FOLDERS
            for path in (root / folder).rglob("*")
            if not _IGNORED & set(path.parts) and path.suffix != ".pyc"
        ]
    return sorted({name for name in names if name and (root / name).is_file()})
