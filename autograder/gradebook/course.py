"""An instructor's course folder: the gradebook and everything that belongs to it.

The folder holds marks and work of students. It is private: git leaves all of it out, and only its owner can enter it.
"""

import contextlib
import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import filelock

from autograder.gradebook import config
from efflab.errors import EfflabError
from efflab.files import write_atomic

_FOLDERS = ("source", "release", "submitted", "autograded", "feedback", "outcomes", "cache", "backups")
_ROSTER = "id,first_name,last_name,email\n"
_DEADLINES = "lab,student,due\n"
_IGNORE = "# Marks and work of students, the secret of the checks: nothing here belongs in a repository.\n*\n"
_SECRET = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Course:
    """Where everything of a course lies.

    Attributes:
        root: the folder, absolute.
    """

    root: Path

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Make a course folder, or complete one; what is there already stays as it is.

        Raises:
            EfflabError: the path is a file, or a repository.
        """
        root = Path(path).expanduser().resolve()
        if root.exists() and not root.is_dir():
            raise EfflabError(f"a course needs a folder, {root} is a file")
        if (root / ".git").exists():
            raise EfflabError(f"a course needs a folder of its own, {root} is a git repository")
        if not root.exists():
            root.mkdir(parents=True)
            root.chmod(0o700)
        course = cls(root)
        for name in _FOLDERS:
            (root / name).mkdir(exist_ok=True)
        templates = {
            root / ".gitignore": _IGNORE,
            course.config: config.text(),
            course.roster: _ROSTER,
            course.deadlines: _DEADLINES,
        }
        for file, content in templates.items():
            if not file.exists():
                write_atomic(file, content)
        course._renew_config()
        course.secret_key()
        return course

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """The course of a folder that `create` made.

        Raises:
            EfflabError: the folder is no course.
        """
        course = cls(Path(path).expanduser().resolve())
        if not course.config.is_file():
            raise EfflabError(f"there is no course in {course.root}: it has no {course.config.name}")
        course._renew_config()
        return course

    def _renew_config(self) -> None:
        """Bring settings of an earlier release up to date; those that their owner changed stay, as does a folder for reading."""
        with contextlib.suppress(OSError):
            if config.outdated(self.config.read_bytes()):
                write_atomic(self.config, config.text())

    @property
    def gradebook(self) -> Path:
        """The database, in nbgrader's form."""
        return self.root / "gradebook.db"

    @property
    def config(self) -> Path:
        """The settings of nbgrader."""
        return self.root / "nbgrader_config.py"

    @property
    def secret(self) -> Path:
        """The file of the secret that the checks' inputs are drawn from."""
        return self.root / "secret"

    @property
    def roster(self) -> Path:
        """The list of students."""
        return self.root / "roster.csv"

    @property
    def deadlines(self) -> Path:
        """Due dates and extensions."""
        return self.root / "deadlines.csv"

    @property
    def source(self) -> Path:
        """Labs with solutions, as nbgrader wants them."""
        return self.root / "source"

    @property
    def release(self) -> Path:
        """Labs as students get them."""
        return self.root / "release"

    @property
    def submitted(self) -> Path:
        """What students handed in: ``submitted/student/lab/topic.ipynb``."""
        return self.root / "submitted"

    @property
    def autograded(self) -> Path:
        """What the formgrader shows."""
        return self.root / "autograded"

    @property
    def feedback(self) -> Path:
        """What students get back."""
        return self.root / "feedback"

    @property
    def outcomes(self) -> Path:
        """What grading gave, where the gradebook has it from: ``outcomes/lab/student.json``."""
        return self.root / "outcomes"

    @property
    def cache(self) -> Path:
        """Outcomes by the hash of what decides them."""
        return self.root / "cache"

    @property
    def backups(self) -> Path:
        """Copies of the gradebook."""
        return self.root / "backups"

    @property
    def exports(self) -> Path:
        """Tables for a learning platform."""
        return self.root / "exports"

    @property
    def inbox(self) -> Path:
        """Where downloads of a learning platform may be put."""
        return self.root / "inbox"

    def secret_key(self) -> str:
        """The course's secret, made when it is first asked for; it is never printed.

        Raises:
            EfflabError: the file holds something else.
        """
        with contextlib.suppress(FileExistsError):
            self._make_secret()
        if self.secret.stat().st_mode & 0o077:
            self.secret.chmod(0o600)
        text = self.secret.read_text().strip()
        if not _SECRET.fullmatch(text):
            raise EfflabError(
                f"{self.secret} holds no secret of 64 hexadecimal digits: restore it, or remove it and grade all anew"
            )
        return text

    def _make_secret(self) -> None:
        """Link a complete private file into place, so that of two processes one wins and neither reads half."""
        if self.secret.exists():
            raise FileExistsError(self.secret)
        part = self.root / f".secret.{os.getpid()}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_hex(32) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            self.secret.hardlink_to(part)
        finally:
            part.unlink()

    @contextlib.contextmanager
    def lock(self, timeout: float = 10.0) -> Iterator[None]:
        """Be the one that writes; within one thread it may be entered again.

        Args:
            timeout: seconds to wait for another writer.

        Raises:
            EfflabError: another process writes; the message names it.
        """
        lock = filelock.FileLock(self.root / ".writer.lock", is_singleton=True)
        try:
            lock.acquire(timeout=timeout)
        except filelock.Timeout:
            raise EfflabError(f"another process writes to {self.root}: {self._holder()}") from None
        try:
            if lock.lock_counter == 1:
                write_atomic(self._holder_file, _me())
            yield
        finally:
            if lock.lock_counter == 1:
                self._holder_file.unlink(missing_ok=True)
            lock.release()

    @property
    def _holder_file(self) -> Path:
        return self.root / ".writer.json"

    def _holder(self) -> str:
        try:
            found = json.loads(self._holder_file.read_text())
            return f"process {found['pid']} ({found['command']}), since {found['since']}; wait until it has ended"
        except (OSError, ValueError, KeyError, TypeError):
            return "it has not said its name; wait until it has ended"


def _me() -> str:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:80]
    since = datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps({"pid": os.getpid(), "command": command, "since": since})
