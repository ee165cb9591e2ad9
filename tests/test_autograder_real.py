"""The command on the real sandbox: three submissions of lab 01 on two workers, from a folder to a table of marks."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import engine
from autograder import notebook as nb
from autograder.release import zipped

ROOT = Path(__file__).resolve().parents[1]
LAB = "01-pruning"


def command(*arguments, folder, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "autograder", *map(str, arguments), "--course", str(folder / "course")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("bwrap")
def test_a_class_of_three_on_two_workers(tmp_path):
    lab = nb.find(ROOT, [LAB])[0]
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    answers = {nb.grade_id(cell): cell.source for cell in source.cells if nb.is_solution(cell)}
    solved = copy.deepcopy(engine.released(LAB).notebook)
    for cell in solved.cells:
        cell.source = answers.get(nb.grade_id(cell), cell.source) if nb.is_solution(cell) else cell.source
    wrong, empty = copy.deepcopy(solved), engine.released(LAB).notebook
    first = next(cell for cell in wrong.cells if nb.is_solution(cell))
    first.source = first.source.replace("return", "return None #")
    files = {
        f"{name}/{LAB}/pruning.ipynb": nb.to_bytes(notebook)
        for name, notebook in (("ada", solved), ("bob", wrong), ("eve", empty))
    }
    zipped.write(files, tmp_path / "class.zip")
    arguments = ("grade", tmp_path / "class.zip", "--sandbox", "bwrap", "--workers", "2", "--json")
    found = json.loads(command(*arguments, folder=tmp_path))
    assert (found["graded"], found["new"], found["failed"], found["sandbox"]) == (3, 3, 0, "bwrap")
    outcomes = {
        path.stem: json.loads(path.read_text()) for path in (tmp_path / "course" / "outcomes" / LAB).iterdir()
    }
    points = {
        name: sum(result["points"] for task in one["tasks"] for result in task["results"])
        for name, one in outcomes.items()
    }
    assert points["ada"] == sum(
        check.points for check in __import__("autograder.tasks").tasks.load("pruning")
    )
    assert 0 < points["bob"] < points["ada"]
    assert points["eve"] == 0
    again = json.loads(command(*arguments, folder=tmp_path))
    assert (again["unchanged"], again["failed"]) == (3, 0)
    command("export", "-o", tmp_path / "marks.csv", folder=tmp_path)
    assert len((tmp_path / "marks.csv").read_text().splitlines()) == 4
    command("feedback", folder=tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"class.zip", "course", "marks.csv"}
