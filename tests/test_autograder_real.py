"""The command on the real sandbox: submissions of lab 01 on two workers, and on a scheduler that runs already."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import engine, tasks
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


def notebooks():
    """The solved lab, one with a wrong first task, and the lab as it was given out."""
    lab = nb.find(ROOT, [LAB])[0]
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    answers = {nb.grade_id(cell): cell.source for cell in source.cells if nb.is_solution(cell)}
    solved = copy.deepcopy(engine.released(LAB).notebook)
    for cell in solved.cells:
        cell.source = answers.get(nb.grade_id(cell), cell.source) if nb.is_solution(cell) else cell.source
    wrong, empty = copy.deepcopy(solved), engine.released(LAB).notebook
    first = next(cell for cell in wrong.cells if nb.is_solution(cell))
    first.source = first.source.replace("return", "return None #")
    return {"ada": solved, "bob": wrong, "eve": empty}


def handed_in(folder, *names):
    """A zip of these students' notebooks."""
    made = notebooks()
    files = {f"{name}/{LAB}/pruning.ipynb": nb.to_bytes(made[name]) for name in names}
    return zipped.write(files, folder / "class.zip")


def points(folder):
    """What the outcomes say that each student earned."""
    outcomes = {
        path.stem: json.loads(path.read_text()) for path in (folder / "course" / "outcomes" / LAB).iterdir()
    }
    return {
        name: sum(result["points"] for task in one["tasks"] for result in task["results"])
        for name, one in outcomes.items()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("bwrap")
def test_a_class_of_three_on_two_workers(tmp_path):
    given = handed_in(tmp_path, "ada", "bob", "eve")
    arguments = ("grade", given, "--sandbox", "bwrap", "--workers", "2", "--json")
    found = json.loads(command(*arguments, folder=tmp_path))
    assert (found["graded"], found["new"], found["failed"], found["sandbox"]) == (3, 3, 0, "bwrap")
    earned = points(tmp_path)
    assert earned["ada"] == sum(check.points for check in tasks.load("pruning"))
    assert 0 < earned["bob"] < earned["ada"]
    assert earned["eve"] == 0
    again = json.loads(command(*arguments, folder=tmp_path))
    assert (again["unchanged"], again["failed"]) == (3, 0)
    command("export", "-o", tmp_path / "marks.csv", folder=tmp_path)
    assert len((tmp_path / "marks.csv").read_text().splitlines()) == 4
    command("feedback", folder=tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"class.zip", "course", "marks.csv"}


@pytest.mark.slow
@pytest.mark.usefixtures("bwrap")
def test_a_scheduler_that_runs_already_grades_on_its_own_worker(tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        (worker,) = client.run(os.getpid).values()
        order = ("grade", handed_in(tmp_path, "bob"), "--scheduler", cluster.scheduler_address)
        found = json.loads(command(*order, "--sandbox", "bwrap", "--json", folder=tmp_path))
        templates = client.run(lambda: [str(child) for child in __import__("psutil").Process().children()])
        assert list(client.run(os.getpid).values()) == [worker]
    assert (found["graded"], found["new"], found["failed"], found["sandbox"]) == (1, 1, 0, "bwrap")
    assert "bwrap" in str(templates)
    assert 0 < points(tmp_path)["bob"] < sum(check.points for check in tasks.load("pruning"))
