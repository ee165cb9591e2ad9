"""The bundle as a commit on a branch, made without touching the working tree, the index or what is checked out."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from efflab.errors import EfflabError

_SUBJECT = "Release the labs"


def commit(root: Path, branch: str, files: Mapping[str, bytes]) -> str:
    """Commit the bundle on a branch that holds nothing else.

    Args:
        root: the repository.
        branch: made where it is missing; else its last commit becomes the parent.
        files: content by path.

    Returns:
        The commit; the branch's present one where nothing changed.

    Raises:
        EfflabError: this is no git repository, the name is no branch's, the branch is checked out, or is not a release.
    """
    ref = _ref(root, branch)
    parent = _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", check=False)
    tree = _tree(root, files)
    if parent:
        if _git(root, "log", "-1", "--format=%s", parent) != _SUBJECT:
            raise EfflabError(f"branch {branch} holds commits that are no release; choose another name")
        if _git(root, "rev-parse", f"{parent}^{{tree}}") == tree:
            return parent
    made = _git(root, "commit-tree", tree, *(["-p", parent] if parent else []), "-m", _SUBJECT)
    # The old value is named, so that a commit made meanwhile is not lost; none must be there where there was none.
    _git(root, "update-ref", "-m", "release", ref, made, parent or "0" * 40)
    return made


def _ref(root: Path, branch: str) -> str:
    if not (root / ".git").exists():
        raise EfflabError(f"--branch needs a git repository, {root} is none")
    if branch.startswith("-") or not _git(root, "check-ref-format", "--branch", branch, check=False):
        raise EfflabError(f"{branch!r} cannot be the name of a branch")
    ref = f"refs/heads/{branch}"
    if f"branch {ref}" in _git(root, "worktree", "list", "--porcelain").splitlines():
        raise EfflabError(f"branch {branch} is checked out; choose another name")
    return ref


def _tree(root: Path, files: Mapping[str, bytes]) -> str:
    """Write the files as git's objects, by an index of their own."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        lines = []
        for path, content in files.items():
            blob = _git(root, "hash-object", "-w", "--stdin", content=content)
            lines.append(f"100644 {blob}\t{path}\0")
        _git(root, "update-index", "-z", "--index-info", content="".join(lines).encode(), env=index)
        return _git(root, "write-tree", env=index)


def _git(
    root: Path, *words: str, content: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True
) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - git, with words of ours
            ["git", *words],  # noqa: S607 - wherever the machine has it
            cwd=root,
            input=content,
            capture_output=True,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError:
        raise EfflabError("--branch needs git, which is not installed") from None
    if done.returncode and check:
        raise EfflabError(f"git {words[0]} failed: {' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout.decode().strip() if not done.returncode else ""
