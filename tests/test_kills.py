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


@pytest.mark.slow
@pytest.mark.timeout(300 + 120 * MOMENTS)
def test_the_gradebook_is_whole_after_a_blow_at_any_moment(bwrap):
    seed = random.Random(time.strftime("%Y")).randrange(10**6)
    assert [trial for trial in trials(MOMENTS, seed, lambda _: None) if trial.problems] == []
