import contextlib
import shutil
import sqlite3

import pytest
from gradebook_fakes import LAB, WHEN, entry, outcome

from autograder import notebook as nb
from autograder.build import ROOT
from autograder.engine.cache import Cache
from autograder.gradebook import Course, forget, open_book, rows
from efflab.errors import EfflabError


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    course = Course.create(tmp_path_factory.mktemp("course") / "course")
    shared, own = outcome(key="c" * 64), outcome(["keeps_the_largest"], key="d" * 64)
    with open_book(course) as book:
        book.prepare(nb.find(ROOT))
        for student, result in (("ada", own), ("bob", shared), ("ada2", shared)):
            book.enrol(student, student.title(), "Example", f"{student}@example.org")
            book.write(entry(student, {"pruning-1-explain": f"{student} says"}, outcome=result))
            Cache(course.cache).put(result)
            for folder in (course.submitted, course.feedback):
                (folder / student / LAB).mkdir(parents=True)
                (folder / student / LAB / "file").write_text(student)
        book.backup()
    course.exports.mkdir()
    (course.exports / "marks.csv").write_text("ada,30\n")
    (course.exports / "other.csv").write_text("bob,30\n")
    course.roster.write_text("id\nada\nbob\n")
    return course


@pytest.fixture
def course(template, tmp_path):
    shutil.copytree(template.root, tmp_path / "course")
    return Course.open(tmp_path / "course")


def test_nothing_of_a_student_is_left(course):
    told = forget(course, "ada")
    assert [row.student for row in rows(course, LAB)] == ["ada2", "bob"]
    left = [
        path
        for path in course.root.rglob("*")
        if path.is_file() and (b"ada@example.org" in path.read_bytes() or "ada" in path.parts)
    ]
    assert left == []
    assert set(told.remains) == {"roster.csv", "exports/marks.csv"}
    assert "gradebook.db" in told.removed and any(name.startswith("backups/") for name in told.removed)
    assert not Cache(course.cache).path("d" * 64).exists()


def test_the_others_keep_everything(course):
    before = {row.student: row for row in rows(course, LAB)}
    forget(course, "bob")
    after = {row.student: row for row in rows(course, LAB)}
    assert after == {name: row for name, row in before.items() if name != "bob"}
    # ada2 handed in the same code, so that the outcome is ada2's too.
    assert Cache(course.cache).path("c" * 64).exists()
    (backup,) = course.backups.glob("*.db")
    with contextlib.closing(sqlite3.connect(backup)) as database:
        assert {row[0] for row in database.execute("SELECT id FROM student")} == {"ada", "ada2"}


def test_a_student_who_is_not_there_changes_nothing(course):
    before = {path: path.read_bytes() for path in course.root.rglob("*") if path.is_file()}
    assert forget(course, "nobody").removed == ()
    assert {path: path.read_bytes() for path in course.root.rglob("*") if path.is_file()} == before
    with pytest.raises(EfflabError, match="a student's id"):
        forget(course, "../ada")


def test_rows_are_what_the_gradebook_holds(course):
    row = next(row for row in rows(course, LAB) if row.student == "ada")
    assert (row.first_name, row.email, row.timestamp) == ("Ada", "ada@example.org", WHEN)
    assert row.tasks["pruning-1-explain"] == (None, 2.0) and row.tasks["pruning-2-explain"] == (0.0, 2.0)
    assert list(row.tasks)[:3] == ["pruning-1", "pruning-1-explain", "pruning-2"]
    assert row.needs_manual and row.graded and row.max == 40.0
    assert row.total == sum(score for score, _ in row.tasks.values() if score is not None)
    assert all(not row.graded and row.timestamp is None for row in rows(course, "00-measuring"))
    with pytest.raises(EfflabError, match="not in the gradebook"):
        rows(course, "99-none")


def test_a_course_without_a_gradebook_says_so(tmp_path):
    with pytest.raises(EfflabError, match="no gradebook yet"):
        rows(Course.create(tmp_path / "new"), LAB)
