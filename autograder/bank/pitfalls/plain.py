"""Plain nbgrader: a course in a temporary folder, its own command, and what its gradebook then says."""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.bank.pitfalls import lab
from autograder.bank.pitfalls.answer import Answer
from autograder.bank.pitfalls.rows import Row

_CONFIG = "c = get_config()\nc.CourseDirectory.course_id = 'plain'\nc.Application.log_level = 'ERROR'\n"


class Plain:
    """A course of plain nbgrader with the lab released, to be graded in.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "nbgrader_config.py").write_text(_CONFIG)
        self._write(root / "source" / "lab1" / "lab1.ipynb", lab.for_nbgrader())
        done = self.command("generate_assignment", "lab1", "--force")
        if done.returncode:
            raise RuntimeError(f"nbgrader generate_assignment failed: {done.stderr[-500:]}")
        released = root / "release" / "lab1" / "lab1.ipynb"
        self.released: NotebookNode = nbformat.read(released, 4)  # type: ignore[no-untyped-call]  # nbformat's own gap

    @staticmethod
    def _write(path: Path, notebook: NotebookNode) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)  # type: ignore[no-untyped-call]  # as above

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``nbgrader`` in the course."""
        start = [
            sys.executable,
            "-c",
            "import sys; from nbgrader.apps.nbgraderapp import main; sys.exit(main())",
        ]
        # nbgrader calls alembic by its name.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = os.environ | {"PATH": path, "JUPYTER_CONFIG_DIR": str(self.root / ".jupyter")}
        return subprocess.run(  # noqa: S603 - our own arguments
            [*start, *arguments], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    def submit(self, student: str, notebook: NotebookNode) -> None:
        """Hand in a notebook."""
        self._write(self.root / "submitted" / student / "lab1" / "lab1.ipynb", notebook)

    def score(self, student: str) -> tuple[float, bool, bool]:
        """Points, whether a person is asked, and whether there is a grade at all."""
        from nbgrader.api import Gradebook, MissingEntry  # noqa: PLC0415 - a second to import

        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as book:
            try:
                entry = book.find_submission("lab1", student)
            except MissingEntry:
                return 0.0, False, False
            return float(entry.score), bool(entry.needs_manual_grade), True

    def grade(self, row: Row) -> Answer:
        """Grade a row as the table's course did: alone, or with what stands behind it in the batch."""
        loot = self.root / "loot.txt"
        loot.unlink(missing_ok=True)
        if row.copies > 1:
            return self._copies(row)
        self.submit(f"a-{row.id}", row.notebook(self.released, str(loot)))
        followers = [f"{row.id}-later-{n}" for n in range(2)] if row.id == "doubled" else []
        for student in followers:
            self.submit(student, Row("later", "", (9, 9)).notebook(self.released, ""))
        only = [] if followers else [f"--student=a-{row.id}"]
        if followers:
            self._set_aside([f"a-{row.id}", *followers])
        start = time.perf_counter()
        done = self.command("autograde", "lab1", "--force", *only)
        seconds = time.perf_counter() - start
        points, manual, _ = self.score(f"a-{row.id}")
        stopped = sum(
            not self.score(student)[2] or self.score(student)[0] < lab.FULL for student in followers
        )
        leaked = loot.exists() and lab.HIDDEN_SIGN in loot.read_text()
        return Answer(points, seconds, manual, stopped, leaked, failed=done.returncode != 0)

    def _set_aside(self, students: list[str]) -> None:
        """Leave only some submissions in the course, for a run over all of it."""
        for folder in (self.root / "submitted").iterdir():
            if folder.name not in students:
                (self.root / "aside").mkdir(exist_ok=True)
                folder.rename(self.root / "aside" / folder.name)

    def _copies(self, row: Row) -> Answer:
        students = [f"copy-{number}" for number in range(row.copies)]
        for student in students:
            self.submit(student, row.notebook(self.released, ""))
        start = time.perf_counter()
        with ThreadPoolExecutor(row.copies) as pool:
            done = list(
                pool.map(
                    lambda student: self.command("autograde", "lab1", "--force", f"--student={student}"),
                    students,
                )
            )
        seconds = time.perf_counter() - start
        scores = [self.score(student) for student in students]
        return Answer(
            min(points for points, _, _ in scores),
            seconds,
            any(manual for _, manual, _ in scores),
            failed=any(one.returncode for one in done),
        )


def grade(rows: list[Row]) -> dict[str, Answer]:
    """Each row graded by plain nbgrader, by its id."""
    with tempfile.TemporaryDirectory(prefix="plain-nbgrader-") as folder:
        course = Plain(Path(folder))
        return {row.id: course.grade(row) for row in rows}
