import contextlib
import dataclasses
import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from datetime import timedelta

import pytest
from gradebook_fakes import LAB, WHEN, entry, notebook, outcome

from autograder import notebook as nb
from autograder.build import ROOT
from autograder.gradebook import Course, config, labs, open_book
from autograder.gradebook.table import reading
from autograder.job import Flag, Outcome
from efflab.errors import EfflabError

LAB_SOURCES = nb.find(ROOT)
ANSWER = "pruning-1-explain"
PRESENT = "17b13c17562c29e6d29f93d4cd0b1cf02fe6a14f567fa4175e97ab34c1507118"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    course = Course.create(tmp_path_factory.mktemp("course") / "course")
    with open_book(course) as book:
        book.prepare(LAB_SOURCES)
    return course


@pytest.fixture
def course(template, tmp_path):
    shutil.copytree(template.root, tmp_path / "course")
    return Course.open(tmp_path / "course")


@pytest.fixture
def book(course):
    with open_book(course) as opened:
        yield opened


def marks(course, student="ada", lab=LAB):
    query = """
        SELECT cell.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade
        FROM grade JOIN base_cell AS cell ON cell.id = grade.cell_id
        JOIN submitted_notebook AS notebook ON notebook.id = grade.notebook_id
        JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id
        JOIN assignment ON assignment.id = submission.assignment_id
        WHERE submission.student_id = ? AND assignment.name = ?"""
    with reading(course) as database:
        return {row[0]: tuple(row)[1:] for row in database.execute(query, (student, lab))}


def comments(course, student="ada"):
    query = """
        SELECT cell.name, comment.auto_comment FROM comment JOIN base_cell AS cell ON cell.id = comment.cell_id
        JOIN submitted_notebook AS notebook ON notebook.id = comment.notebook_id
        JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id
        WHERE submission.student_id = ?"""
    with reading(course) as database:
        return dict(map(tuple, database.execute(query, (student,))))


def by_hand(course, cell, score, comment=None, student="ada"):
    """What the formgrader writes when a person gives points."""
    where = """cell_id IN (SELECT id FROM base_cell WHERE name = ?) AND notebook_id IN (
        SELECT notebook.id FROM submitted_notebook AS notebook
        JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id
        WHERE submission.student_id = ?)"""
    with contextlib.closing(sqlite3.connect(course.gradebook)) as database, database:
        database.execute(
            f"UPDATE grade SET manual_score = ?, needs_manual_grade = 0 WHERE {where}", (score, cell, student)
        )
        database.execute(f"UPDATE comment SET manual_comment = ? WHERE {where}", (comment, cell, student))


def everything(course):
    with contextlib.closing(sqlite3.connect(course.gradebook)) as database:
        return list(database.iterdump())


def test_a_course_is_private_and_keeps_what_it_has(tmp_path):
    course = Course.create(tmp_path / "new")
    assert stat.S_IMODE(course.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(course.secret.stat().st_mode) == 0o600
    secret = course.secret_key()
    course.roster.write_text("id,first_name,last_name,email\nada,Ada,L,\n")
    again = Course.create(tmp_path / "new")
    assert again == course == Course.open(tmp_path / "new")
    assert again.secret_key() == secret and len(secret) == 64
    assert "ada" in again.roster.read_text()
    assert subprocess.run(["git", "init", "-q", str(tmp_path)], check=False).returncode == 0
    status = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--short", "-uall"], capture_output=True, text=True, check=True
    )
    assert status.stdout == ""


def test_a_secret_that_others_may_read_is_closed_and_a_damaged_one_named(tmp_path):
    course = Course.create(tmp_path / "new")
    course.secret.chmod(0o644)
    course.secret_key()
    assert stat.S_IMODE(course.secret.stat().st_mode) == 0o600
    course.secret.write_text("short\n")
    with pytest.raises(EfflabError, match="64 hexadecimal digits"):
        course.secret_key()


def test_two_courses_have_two_secrets(tmp_path):
    assert Course.create(tmp_path / "a").secret_key() != Course.create(tmp_path / "b").secret_key()


def test_a_folder_that_is_no_course_is_named(tmp_path):
    with pytest.raises(EfflabError, match="no course in"):
        Course.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(EfflabError, match="is a file"):
        Course.create(tmp_path / "file")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    with pytest.raises(EfflabError, match="is a git repository"):
        Course.create(tmp_path / "repository")


def test_a_second_writer_is_told_who_holds_the_lock(course):
    code = (
        "import sys, time; from autograder.gradebook.course import Course\n"
        f"with Course.open({str(course.root)!r}).lock():\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(EfflabError, match=f"process {other.pid} .*since"), course.lock(timeout=0.1):
            pass
        other.communicate("")
    with course.lock(timeout=5), course.lock(timeout=5):
        pass


def test_release_is_what_labs_holds_and_source_has_solutions(course):
    for lab in LAB_SOURCES:
        released = (course.release / lab.name / f"{lab.topic}.ipynb").read_bytes()
        assert released == (ROOT / "labs" / lab.name / f"{lab.topic}.ipynb").read_bytes()
        source = (course.source / lab.name / f"{lab.topic}.ipynb").read_text()
        assert "### BEGIN SOLUTION" in source
        assert [path.suffix for path in (course.source / lab.name).iterdir() if path.is_file()] == [".ipynb"]


def test_preparing_stores_what_nbgrader_would_store(course):
    query = "SELECT name, source, checksum, locked, cell_type FROM source_cell"
    with reading(course) as database:
        stored = {row["name"]: row for row in database.execute(query)}
        points = dict(map(tuple, database.execute(
            "SELECT name, max_score FROM base_cell JOIN grade_cells ON grade_cells.id = base_cell.id"
        )))  # fmt: skip
    for lab in LAB_SOURCES:
        for cell in labs.read(lab).released.cells:
            if meta := nb.nbgrader(cell):
                row = stored.pop(meta["grade_id"])
                assert (row["source"], row["checksum"]) == (cell.source, meta["checksum"])
                assert bool(row["locked"]) is (meta["locked"] and not meta["solution"])
                assert points.get(meta["grade_id"]) == meta.get("points")
    assert not stored


def test_preparing_again_changes_nothing(book, course):
    book.write(entry())
    before = everything(course)
    book.prepare(LAB_SOURCES)
    assert everything(course) == before


def test_a_submission_is_written_once(book, course):
    first = book.write(entry(answers={ANSWER: "Because."}))
    assert first.kind == "new"
    before = everything(course)
    files = {path: path.stat().st_mtime_ns for path in course.root.rglob("*.ipynb")}
    assert book.compare(entry(answers={ANSWER: "Because."})).kind == "same"
    again = book.write(entry(answers={ANSWER: "Because."}))
    assert (again.kind, again.tasks, again.other) == ("same", (), ())
    assert everything(course) == before
    assert {path: path.stat().st_mtime_ns for path in course.root.rglob("*.ipynb")} == files


def test_scores_are_those_of_the_checks_and_answers_wait(book, course):
    book.write(entry(answers={ANSWER: "Because."}, outcome=outcome(["keeps_the_largest"])))
    found = marks(course)
    score = next(one for one in outcome(["keeps_the_largest"]).tasks if one.task == "pruning-1")
    assert found["pruning-1"] == (score.points, None, 0) and 0 < score.points < score.max_points
    assert found[ANSWER] == (None, None, 1)
    assert found["pruning-2-explain"] == (0.0, None, 0)
    said = comments(course)
    assert "That is wrong." in said["pruning-1-quality-solution"]
    assert said["pruning-1-solution"] == "No response."
    assert said[ANSWER] is None


def test_a_solution_that_was_changed_is_a_response(book, course):
    book.write(entry(solutions={"pruning-3-solution": "def retraining_dropout(rate, mask): return rate"}))
    assert comments(course)["pruning-3-solution"] is None


def test_a_regrade_says_whose_points_change_and_why_before_it_writes(book, course):
    book.write(entry(outcome=outcome(["keeps_the_largest"])))
    before = everything(course)
    corrected = entry(outcome=outcome(["scan_changes_nothing"], key="b" * 64))
    told = book.compare(corrected)
    assert everything(course) == before
    assert {one.task: one.why for one in told.tasks} == {
        "pruning-1": "now passes: keeps_the_largest",
        "pruning-4": "now fails: scan_changes_nothing",
    }
    assert book.write(corrected) == told
    assert book.compare(corrected).kind == "same"


def test_what_a_person_gave_survives_a_regrade(book, course):
    answers = {ANSWER: "Because."}
    book.write(entry(answers=answers))
    by_hand(course, ANSWER, 1.5, "Good.")
    by_hand(course, "pruning-1", 4.0)
    changed = book.write(entry(answers=answers, outcome=outcome(["scan_changes_nothing"])))
    assert changed.kind == "changed"
    found = marks(course)
    # Nothing changed for these two, so nobody has to look again.
    assert found[ANSWER] == (None, 1.5, 0)
    assert found["pruning-1"] == (6.0, 4.0, 0)
    book.write(entry(answers={ANSWER: "Something else."}, outcome=outcome(["keeps_the_largest"])))
    found = marks(course)
    assert found[ANSWER] == (None, 1.5, 1)
    assert found["pruning-1"][1:] == (4.0, 1)
    book.write(entry(answers={ANSWER: "Something else."}, outcome=outcome(["keeps_the_largest"])))
    assert marks(course)[ANSWER] == (None, 1.5, 1)
    with reading(course) as database:
        manual = [row[0] for row in database.execute("SELECT manual_comment FROM comment") if row[0]]
    assert manual == ["Good."]


def test_a_submission_that_could_not_be_read_is_no_earned_zero(book, course):
    failed = Outcome("", LAB, (), failure="The file is no JSON.")
    change = book.write(entry(outcome=failed, rebuilt=None))
    assert (change.kind, change.failure) == ("failed", "The file is no JSON.")
    assert set(marks(course).values()) == {(None, None, 1)}
    assert set(comments(course).values()) == {"Not graded: The file is no JSON."}
    assert "The file is no JSON" in (course.autograded / "ada" / LAB / "pruning.ipynb").read_text()
    assert book.write(entry()).kind == "changed"
    assert marks(course)["pruning-1"] == (6.0, None, 0)


def test_a_submission_without_a_sandbox_says_so(book, course):
    book.write(entry(outcome=outcome(sandbox="none")))
    assert any(text and "without a sandbox" in text for text in comments(course).values())
    assert "without a sandbox" in (course.autograded / "ada" / LAB / "pruning.ipynb").read_text()


def test_a_flag_is_shown_to_the_instructor_alone(book, course):
    flagged = outcome(flags=(Flag("killed", "It killed <b>its</b> parent.", "pruning-1"),))
    book.write(entry(outcome=flagged))
    text = (course.autograded / "ada" / LAB / "pruning.ipynb").read_text()
    assert "It killed" in text and "<b>its" not in text
    assert not any("killed" in (said or "") for said in comments(course).values())


def test_one_submission_is_one_transaction(book, course, monkeypatch):
    book.write(entry())
    before = everything(course)
    from autograder.gradebook import standing

    def fails(*_):
        raise RuntimeError("power")

    with monkeypatch.context() as patch:
        patch.setattr(standing, "store_answers", fails)
        with pytest.raises(RuntimeError, match="power"):
            book.write(entry("bob"))
        with pytest.raises(RuntimeError, match="power"):
            book.write(entry(outcome=outcome("all")))
    assert everything(course) == before
    assert book.write(entry("bob")).kind == "new"
    repaired = book.write(entry(outcome=outcome("all")))
    assert repaired.kind == "changed" and marks(course)["pruning-1"][0] == 0.0


def test_a_missing_or_damaged_file_beside_the_gradebook_is_written_again(book, course):
    book.write(entry())
    path = course.autograded / "ada" / LAB / "pruning.ipynb"
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    book.outcome_path("ada", LAB).unlink()
    assert book.write(entry()).other == ("notebook",)
    assert path.read_bytes() == content
    assert Outcome.from_json(book.outcome_path("ada", LAB).read_text()) == outcome()


def test_how_long_it_took_is_no_change(book):
    book.write(entry(outcome=outcome(seconds=1.0, peak_bytes=5)))
    assert book.write(entry(outcome=outcome(seconds=2.0, peak_bytes=7))).kind == "same"


def test_backups_are_kept_and_open(book, course):
    book.write(entry())
    copies = [book.backup() for _ in range(22)]
    kept = sorted(course.backups.glob("*.db"))
    assert kept == copies[-20:]
    with contextlib.closing(sqlite3.connect(kept[-1])) as database:
        assert list(database.iterdump()) == everything(course)
    assert stat.S_IMODE(kept[-1].stat().st_mode) == 0o600


def test_what_killed_writers_had_begun_is_removed(course):
    lab, backup = f"{LAB}/.pruning.ipynb.x1.part", ".gradebook-2026.db.x1.part"
    begun = [
        course.root / f".{name}.x1.part"
        for name in ("gradebook.db", "writer.json", "roster.csv", "deadlines.csv")
    ]
    begun += [folder / lab for folder in (course.source, course.release, course.outcomes, course.cache)]
    begun += [folder / "ada" / lab for folder in (course.submitted, course.autograded)]
    begun += [
        course.root / ".gradebook.db.x1.part-journal",
        course.backups / backup,
        course.backups / f"{backup}-journal",
    ]
    others = [
        course.feedback / "ada" / lab,
        course.exports / ".marks.csv.x1.part",
        course.root / ".secret.7.part",
    ]
    others += [course.root / f".{name}.x1.part" for name in (".gitignore", "nbgrader_config.py")]
    left = everything_in(course)
    for file in (*begun, *others):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("half")
    with open_book(course):
        assert not [file for file in begun if file.exists()]
    assert all(file.exists() for file in others)
    for file in others:
        os.utime(file, (0, 0))
    with open_book(course):
        pass
    assert everything_in(course) == left


def everything_in(course):
    return {path for path in course.root.rglob("*") if path.is_file() and path.name != ".writer.lock"}


def test_a_damaged_gradebook_is_not_written_to(course):
    with open_book(course) as book:
        book.write(entry())
        backup = book.backup()
    content = bytearray(course.gradebook.read_bytes())
    content[8192:40960] = bytes(32768)
    course.gradebook.write_bytes(content)
    with pytest.raises(EfflabError, match=f"damaged.*{backup.name} in its place"), open_book(course):
        pass
    assert course.gradebook.read_bytes() == content
    shutil.copy(backup, course.gradebook)
    with open_book(course) as book:
        assert book.write(entry()).kind == "same"


def test_a_name_that_is_no_folder_name_is_refused(book, course):
    for name in ("../ada", "", ".ada", "-ada", "a b", "a" * 65, "a/b", "ä"):
        with pytest.raises(EfflabError, match="a student's id"):
            book.write(entry(name))
    assert not (course.root / "ada").exists()


def test_a_lab_that_was_not_prepared_is_named(tmp_path):
    with open_book(Course.create(tmp_path / "new")) as book, pytest.raises(EfflabError, match="prepare it"):
        book.write(entry())


def test_names_of_the_roster_are_kept(book, course):
    book.enrol("ada", "Ada", "Lovelace", "ada@example.org")
    book.write(entry())
    book.write(entry(first_name="Augusta", outcome=outcome("all")))
    with reading(course) as database:
        row = database.execute("SELECT first_name, last_name, email FROM student").fetchone()
    assert tuple(row) == ("Augusta", "Lovelace", "ada@example.org")


def penalty(course, student="ada"):
    query = """SELECT late_submission_penalty FROM submitted_notebook AS notebook
        JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id WHERE student_id = ?"""
    with reading(course) as database:
        return database.execute(query, (student,)).fetchone()[0]


def late(course, setting='c.LateSubmissionPlugin.penalty_method = "zero"\n'):
    with course.config.open("a") as stream:
        stream.write(setting)


def test_late_submissions_lose_nothing_unless_the_course_says_so(course):
    with open_book(course) as book:
        book.prepare(LAB_SOURCES, due={LAB: WHEN - timedelta(hours=1)})
        book.write(entry())
    assert penalty(course) is None
    late(course)
    with open_book(course) as book:
        assert book.write(entry()).other == ("late penalty",)
        book.write(entry("bob", timestamp=WHEN - timedelta(hours=1)))
        book.write(entry("eve", due=WHEN + timedelta(days=1)))
        book.write(entry("dan", due=WHEN - timedelta(days=1)))
    assert penalty(course) == 30.0
    assert [penalty(course, name) for name in ("bob", "eve", "dan")] == [None, None, 30.0]


def test_a_plugin_of_the_course_gives_the_penalty(course):
    (course.root / "my_penalties.py").write_text(
        "from nbgrader.plugins import BasePlugin\n"
        "class Hourly(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return total_seconds_late / 3600\n"
    )
    late(course, 'c.AssignLatePenalties.plugin_class = "my_penalties.Hourly"\n')
    with open_book(course) as book:
        book.prepare(LAB_SOURCES, due={LAB: WHEN - timedelta(hours=3)})
        book.write(entry())
        book.write(entry("bob", outcome=outcome("all")))
    assert penalty(course) == 3.0
    assert penalty(course, "bob") == 0.0


def test_a_broken_setting_is_named(course):
    late(course, 'c.AssignLatePenalties.plugin_class = "nowhere.Rule"\n')
    with open_book(course) as book, pytest.raises(EfflabError, match="rule for late submissions"):
        book.write(entry())


def changed_lab(monkeypatch, change):
    """Lab 01 as if its source had been edited."""
    import copy

    original, read = labs.find(LAB), labs.read
    source = copy.deepcopy(original.source)
    change(source)
    edited = dataclasses.replace(original, source=source, released=nb.release(source))
    monkeypatch.setattr(labs, "read", lambda lab: edited if lab.name == LAB else read(lab))
    return edited


def without(name):
    def change(source):
        source.cells = [cell for cell in source.cells if nb.grade_id(cell) != name]

    return change


def test_points_and_cells_of_a_lab_may_change_after_submissions(book, course, monkeypatch):
    book.write(entry(answers={ANSWER: "Because."}))
    by_hand(course, ANSWER, 2.0)

    def change(source):
        without("pruning-2-explain")(source)
        for cell in source.cells:
            if nb.grade_id(cell) == "pruning-1":
                cell.metadata["nbgrader"]["points"] = 7
            if nb.grade_id(cell) == "pruning-3-explain":
                cell.metadata["nbgrader"]["grade_id"] = "pruning-3-new"

    changed_lab(monkeypatch, change)
    book.prepare(LAB_SOURCES)
    found = marks(course)
    assert found[ANSWER] == (None, 2.0, 0)
    assert found["pruning-3-new"] == (None, None, 1)
    assert not {"pruning-2-explain", "pruning-3-explain"} & set(found)
    book.write(entry(answers={ANSWER: "Because."}))
    assert marks(course)["pruning-3-new"] == (0.0, None, 0)
    assert marks(course)[ANSWER] == (None, 2.0, 0)


def test_a_lab_that_changed_since_it_was_prepared_is_named(book, course, monkeypatch):
    book.write(entry())
    before = everything(course)

    def change(source):
        for cell in source.cells:
            if nb.grade_id(cell) == "pruning-3-explain":
                cell.metadata["nbgrader"]["grade_id"] = "pruning-3-new"

    changed_lab(monkeypatch, change)
    with pytest.raises(EfflabError, match="does not know pruning-3-new of 01-pruning: prepare the lab again"):
        book.write(entry())
    assert everything(course) == before


def test_a_removed_cell_with_points_by_hand_is_not_dropped_unasked(book, course, monkeypatch):
    book.write(entry(answers={ANSWER: "Because."}))
    by_hand(course, ANSWER, 2.0, "Good.")
    before = everything(course)
    changed_lab(monkeypatch, without(ANSWER))
    with pytest.raises(EfflabError, match=r"pruning-1-explain.*2 scores or comments.*discard_manual"):
        book.prepare(LAB_SOURCES)
    assert everything(course) == before
    book.prepare(LAB_SOURCES, discard_manual=True)
    assert ANSWER not in marks(course) and "pruning-1" in marks(course)


def test_no_rubric_or_answer_is_released(book, course, monkeypatch):
    stray = course.release / LAB / "notes.md"
    stray.write_text("the answer")
    book.prepare(LAB_SOURCES)
    assert not stray.exists()
    for text in labs.find(LAB).rubrics.values():
        assert text not in "".join(cell.source for cell in notebook().cells)


OLDEST_SETTING = "c.HTMLExporter.sanitize_html = True"


def test_settings_of_an_earlier_release_are_renewed_unless_their_owner_changed_them(tmp_path, monkeypatch):
    course = Course.create(tmp_path / "course")
    earlier = config.text().replace(OLDEST_SETTING, "# c.HTMLExporter")
    monkeypatch.setattr(config, "EARLIER", {hashlib.sha256(earlier.encode()).hexdigest()})
    for make in (Course.open, Course.create):
        for written in (earlier, earlier.replace("\n", "\r\n")):
            course.config.write_bytes(written.encode())
            make(course.root)
            assert course.config.read_text() == config.text()
        course.config.write_text(earlier + "c.Mine.own = 1\n")
        make(course.root)
        assert course.config.read_text().endswith("c.Mine.own = 1\n")


def test_the_first_settings_that_were_written_are_known():
    # What the first release of the autograder wrote, by its hash; the present text is none of the earlier ones.
    assert len(config.EARLIER) >= 4
    assert not config.outdated(config.text().encode())
    assert hashlib.sha256(config.text().encode()).hexdigest() == PRESENT, (
        "add the old hash to config.EARLIER, the new one here"
    )


def test_only_notebooks_are_laid_where_the_formgrader_serves_them(course, tmp_path):
    from nbgrader.utils import ignore_patterns
    from traitlets.config.loader import PyFileConfigLoader

    settings = PyFileConfigLoader(course.config.name, path=str(course.root)).load_config().CourseDirectory
    names = [
        "pruning.ipynb",
        "timestamp.txt",
        "EVIL.HTML",
        "a.xht",
        "b.SVG",
        "c.shtml",
        "d.Js",
        "secret",
        ".x.ipynb",
    ]
    for name in names:
        (tmp_path / name).touch()
    ignored = ignore_patterns(settings.ignore, settings.include)(str(tmp_path), names)
    assert set(names) - set(ignored) == {"pruning.ipynb", "timestamp.txt"}
