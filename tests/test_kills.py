"""The grader is ended at random moments, and the gradebook is whole; how two gradebooks are compared."""

import os
import random
import sqlite3
import time
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.bank.kills import __main__ as command
from autograder.bank.kills import scene
from autograder.bank.kills.shelf import Shelf, differences
from autograder.bank.kills.trial import Trial, trials

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own
NOW = scene.Moment(0, 1.0)
MOMENTS = int(os.environ.get("EFFLAB_KILL_MOMENTS", "3"))


@pytest.fixture(autouse=True)
def _alembic(monkeypatch):
    """nbgrader calls alembic by its name."""
    folder = str(Path(scene.sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([folder, os.environ.get("PATH", "")]))


def book(path, *, score=3.0, students=("ada", "bob")):
    """A gradebook whose ids nobody can foresee."""
    with Gradebook(f"sqlite:///{path}") as gradebook:
        gradebook.add_assignment("lab")
        gradebook.add_notebook("nb", "lab")
        gradebook.add_grade_cell("task", "nb", "lab", max_score=4, cell_type="code")
        for student in students:
            gradebook.add_student(student)
            gradebook.add_submission("lab", student)
            gradebook.find_grade("task", "nb", "lab", student).auto_score = score
        gradebook.db.commit()
    return path


def test_two_gradebooks_of_the_same_marks_are_equal_whatever_their_ids(tmp_path):
    one, other = (Shelf(book(tmp_path / f"{n}.db")) for n in range(2))
    assert one.damage == []
    assert one.rows() == other.rows()
    assert one.work() == other.work()
    assert set(one.work()) == {"ada", "bob"}


def test_another_mark_a_missing_row_and_a_lost_owner_are_seen(tmp_path):
    right = Shelf(book(tmp_path / "right.db"))
    wrong = Shelf(book(tmp_path / "wrong.db", score=2.5))
    assert any("2.5" in line for line in differences(right.rows(), wrong.rows()))
    database = book(tmp_path / "half.db")
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM grade WHERE rowid = 1")
    connection.close()
    half = Shelf(database)
    assert half.rows() != right.rows()
    assert sum(half.work()[student] != right.work()[student] for student in ("ada", "bob")) == 1
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM base_cell")
    connection.close()
    assert Shelf(database).damage


def test_records_count_the_moments_that_were_survived():
    found = [Trial("grader", NOW, 3, ()), Trial("grader", NOW, 6, ("damaged",)), Trial("power", NOW, 0, ())]
    records = {one.id: one for one in command.records(found, 0)}
    assert records["kills/grader"].measured == 1
    assert records["kills/grader"].holds is False
    assert records["kills/grader_amid_writing"].measured == 1
    assert records["kills/power"].holds
    assert "kills/worker" not in records
    rows = {row[0]: row[1:] for row in command.series(found)["rows"]}
    assert rows["the grader, by kill -9"] == [2, 1, 1]
    assert rows["a worker, by kill -9"] == [0, 0, 0]


def test_a_process_that_outlives_its_grader_is_told(tmp_path):
    process = scene.subprocess.Popen([scene.sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(RuntimeError, match="outlived"):
            scene.vanish(scene.family(os.getpid())[-1:], patience=0.2)
    finally:
        process.kill()
        process.wait()


def test_what_loses_power_stands_still_with_all_that_it_started(tmp_path):
    """Counters in a process and in its child, each in two threads: once stopped, no number rises."""
    count = (
        "import pathlib, subprocess, sys, threading\n"
        "if sys.argv[1] == 'parent': subprocess.Popen([sys.executable, '-c', sys.argv[2], 'child', '', sys.argv[3]])\n"
        "def run(name):\n"
        "    for number in range(10**9): pathlib.Path(sys.argv[3], name).write_text(str(number))\n"
        "threading.Thread(target=run, args=(sys.argv[1] + '-thread',)).start()\n"
        "run(sys.argv[1])"
    )
    process = scene.subprocess.Popen([scene.sys.executable, "-c", count, "parent", count, str(tmp_path)])
    others = []
    try:
        while len(list(tmp_path.iterdir())) < 4:
            time.sleep(0.01)
        others = scene.stop(process.pid)
        assert len(others) == 1
        before = {file.name: file.read_text() for file in tmp_path.iterdir()}
        time.sleep(0.1)
        assert {file.name: file.read_text() for file in tmp_path.iterdir()} == before
    finally:
        for one in (process, *others):
            one.kill()
        process.wait()


def test_a_dead_worker_is_counted_at_the_blow_and_not_at_the_end(tmp_path):
    """A command that writes on after the blow."""
    write = "for at in 1 2 3; do echo > outcomes/lab/$at.json; sleep 0.5; done"

    class Slow(scene.Command):
        def start(self, said=scene.subprocess.DEVNULL):
            return scene.subprocess.Popen(["sh", "-c", write], cwd=self.course)

    (tmp_path / "outcomes" / "lab").mkdir(parents=True)
    course, written = scene.strike(
        "worker", Slow(tmp_path, tmp_path, 2), scene.Moment(1, 0.0), random.Random(0)
    )
    assert (course, written) == (tmp_path, 1)
    assert scene.written(course) == 3


@pytest.mark.slow
@pytest.mark.timeout(300 + 120 * MOMENTS)
def test_the_gradebook_is_whole_after_a_blow_at_any_moment(bwrap):
    seed = random.Random(time.strftime("%Y")).randrange(10**6)
    assert [trial for trial in trials(MOMENTS, seed, lambda _: None) if trial.problems] == []
