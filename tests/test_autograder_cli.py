"""The ``autograder`` command: quick help, errors as sentences, and a class from its folder to the gradebook."""

import copy
import csv
import dataclasses
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import engine_fakes
import pytest
from test_engine import fakes  # noqa: F401 - the fixture replaces the sandbox
from typer.testing import CliRunner

from autograder import engine, tasks
from autograder import notebook as nb
from autograder.cli import app, options
from autograder.job import Flag, Outcome
from efflab.cli import instructor

LAB = "01-pruning"


def run(*arguments, status=0, **more):
    result = CliRunner().invoke(app, [str(one) for one in arguments], **more)
    assert result.exit_code == status, result.output + repr(result.exception)
    return result


def test_help_lists_every_command_and_imports_nothing_large():
    script = (
        "import sys\nfrom autograder.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "large = {'torch', 'numpy', 'jupytext', 'nbformat', 'nbgrader', 'distributed'} & set(sys.modules)\n"
        "print('large:', sorted(large))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "large: []" in done.stdout
    for command in (
        "release",
        "grade",
        "regrade",
        "feedback",
        "export",
        "report",
        "serve",
        "forget",
        "doctor",
    ):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    "program", [["-m", "autograder"], ["-c", "from efflab.cli.instructor import main; main()"]]
)
def test_module_and_script_are_the_same_command(program, tmp_path):
    done = subprocess.run(
        [sys.executable, *program, "grade", "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=options.ROOT if program[0] == "-m" else tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "FOLDER_OR_ZIP" in done.stdout


def test_without_the_repository_the_script_says_where_it_is(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        instructor.main()
    assert end.value.code == 1
    assert "pip install -e .[instructor]" in capsys.readouterr().err


def test_completion_offers_the_labs():
    done = subprocess.run(
        [sys.executable, "-c", "from autograder.cli import app; app(prog_name='autograder')"],
        env=os.environ
        | {
            "_AUTOGRADER_COMPLETE": "complete_bash",
            "COMP_WORDS": "autograder grade --lab 01",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [LAB]


def test_mistakes_are_one_sentence_and_debug_shows_more(tmp_path):
    for arguments, words in (
        (["grade", "--course", tmp_path / "none"], "there is no course in"),
        (["grade", "--lab", "99"], "no lab is called '99'"),
        (["report", "--course", tmp_path / "none"], "there is no course in"),
    ):
        result = run(*arguments, status=1)
        assert result.stderr.startswith("autograder: ")
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert CliRunner().invoke(app, ["--debug", *map(str, arguments)]).exception is not None
    assert run("grade", "--workers", "0", status=2).stdout == ""


@pytest.fixture(scope="module")
def solved():
    """The solved lab as a student's file."""
    lab = nb.find(options.ROOT, [LAB])[0]
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    released = engine.released(LAB).notebook
    answers = {nb.grade_id(cell): cell.source for cell in source.cells if nb.is_solution(cell)}
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        if nb.is_solution(cell):
            cell.source = answers[nb.grade_id(cell)]
    return notebook


@pytest.fixture
def handed_in(solved, tmp_path):
    """A folder of three: one good, one different, one that is no notebook."""
    other = copy.deepcopy(solved)
    next(cell for cell in other.cells if nb.is_solution(cell)).source = "raise_ = 1"
    for student, content in (("ada", nb.to_bytes(solved)), ("bob", nb.to_bytes(other)), ("eve", b"{broken")):
        path = tmp_path / "in" / student / LAB / "pruning.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        path.with_name("timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    return tmp_path / "in"


def grader(points):
    """A runner that gives the same share of every check's points to whoever defines the first function."""

    def grade(job, checks, sandbox, *, progress=None):
        good = not any("raise_" in cell.source for cell in job.cells)
        scores = {}
        for check in checks:
            earned = check.points * points if good else 0.0
            result = tasks.CheckResult(
                check.name, check.words, earned, check.points, "" if good else "Not so."
            )
            scores.setdefault(check.task, []).append(result)
        flags = () if good else (Flag("odd", "It is odd."),)
        found = tuple(tasks.TaskScore(name, tuple(results)) for name, results in scores.items())
        return Outcome("", job.lab, found, sandbox=sandbox.name, flags=flags)

    return grade


def test_a_folder_is_graded_once_and_a_broken_file_stops_nobody(handed_in, tmp_path, monkeypatch):
    runner = sys.modules["autograder.sandbox.runner"]
    monkeypatch.setattr(runner, "grade", grader(1.0))
    course, dates = tmp_path / "course", tmp_path / "dates.csv"
    dates.write_text(
        f"lab,student,due\n{LAB},,2026-02-01T00:00:00+00:00\n{LAB},bob,2026-04-01T00:00:00+00:00\n"
    )
    arguments = ("--course", course, "--workers", "1", "--json")
    first = run("grade", handed_in, "--deadlines", dates, *arguments, status=1)
    found = json.loads(first.stdout)
    assert {key: found[key] for key in ("graded", "new", "failed", "flagged", "late")} == {
        "graded": 2,
        "new": 2,
        "failed": 1,
        "flagged": 1,
        "late": 2,
    }
    assert {line["student"] for line in found["attention"]} == {"bob", "eve"}
    again = json.loads(run("grade", *arguments, status=1).stdout)
    assert (again["unchanged"], again["changed"], again["failed"]) == (2, 0, 1)
    assert (course / "submitted" / "ada" / LAB / "pruning.ipynb").is_file()
    assert len(list((course / "backups").iterdir())) >= 1

    monkeypatch.setattr(runner, "grade", grader(0.5))
    kept = json.loads(run("grade", *arguments, status=1).stdout)
    assert kept["unchanged"] == 2  # from the cache
    shown = json.loads(run("regrade", "--force", *arguments, status=1).stdout)
    moved = [line for line in shown["changes"] if line["task"]]
    assert {line["student"] for line in moved} == {"ada"}
    assert all(float(line["now"]) == float(line["before"]) / 2 for line in moved)
    outcome = course / "outcomes" / LAB / "ada.json"
    before = outcome.read_bytes()
    asked = run("regrade", "--course", course, "--workers", "1", input="n\n", status=1)
    assert "Nothing was written" in asked.stderr
    assert outcome.read_bytes() == before
    run("regrade", "--course", course, "--workers", "1", "--yes", status=1)
    assert Outcome.from_json(outcome.read_text()).points == Outcome.from_json(before.decode()).points / 2


def test_a_regrade_that_is_declined_leaves_the_course_as_it_was(handed_in, tmp_path, monkeypatch):
    """The lab's points, its due date and two of its files are other ones now, and one student's scores would change."""
    runner = sys.modules["autograder.sandbox.runner"]
    monkeypatch.setattr(runner, "grade", grader(1.0))
    shutil.rmtree(handed_in / "eve")
    course = tmp_path / "course"
    run("grade", handed_in, "--course", course, "--workers", "1")
    with sqlite3.connect(course / "gradebook.db") as database:
        database.execute("UPDATE grade_cells SET max_score = 99")
    database.close()
    for folder in ("source", "release"):
        (course / folder / LAB / "pruning.ipynb").write_text("an earlier lab")
    (course / "deadlines.csv").write_text(f"lab,student,due\n{LAB},,2026-02-01T00:00:00+00:00\n")
    monkeypatch.setattr(runner, "grade", grader(0.5))
    arguments = ("regrade", "--course", course, "--workers", "1")
    before = standing(course)
    for more, said in ((("--force",), "Write these"), (("--dry-run",), "Nothing was written")):
        asked = run(*arguments, *more, input="n\n")
        assert said in asked.output and "keeps_the_largest" in asked.output
        assert table(asked.stdout)["changed"] == "1" and table(asked.stdout)["written"] == "0"
        assert standing(course) == before
    written = run(*arguments, input="y\n")
    assert table(written.stdout)["written"] == "1"
    after = standing(course)
    assert (99.0,) in before["gradebook"][0] and (99.0,) not in after["gradebook"][0]
    assert {name for name in after if after[name] != before.get(name)} >= {
        f"{folder}/{LAB}/pruning.ipynb" for folder in ("source", "release", "autograded/ada")
    }
    assert table(run(*arguments).stdout) == {
        "graded again": "2", "new": "0", "changed": "0", "unchanged": "2", "failed": "0", "written": "0"
    }  # fmt: skip


def standing(course):
    """The gradebook, and every file but the cache's."""
    with closing(sqlite3.connect(course / "gradebook.db")) as database:
        points = database.execute("SELECT max_score FROM grade_cells").fetchall()
        found = {"gradebook": [points, list(database.iterdump())]}
    left_out = {"cache", "gradebook.db", ".writer.lock"}
    files = [path for path in course.rglob("*") if path.is_file()]
    named = {path.relative_to(course): path for path in files}
    return found | {
        str(name): path.read_bytes() for name, path in named.items() if name.parts[0] not in left_out
    }


def table(text):
    """The last table of an output, of one row, by its columns."""
    lines = [line for line in text.splitlines() if line.startswith(("┃", "│"))]
    head, row = ([cell.strip() for cell in re.split("[┃│]", line)[1:-1]] for line in lines[-2:])
    return dict(zip(head, row, strict=True))


def test_the_summary_shows_what_needs_a_person(handed_in, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["autograder.sandbox.runner"], "grade", grader(1.0))
    shutil.rmtree(handed_in / "eve")
    result = run("grade", handed_in, "--course", tmp_path / "course", "--workers", "1")
    assert "It is odd." in result.stdout
    assert "needs a person" in result.stdout
    only = json.loads(
        run("grade", "--course", tmp_path / "course", "--student", "ada", "--workers", "1", "--json").stdout
    )
    assert [one["student"] for one in only["submissions"]] == ["ada"]


def test_an_interruption_keeps_what_is_done(handed_in, tmp_path, monkeypatch):
    whole, seen = grader(1.0), []

    def interrupted(job, checks, sandbox, *, progress=None):
        seen.append(job)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return whole(job, checks, sandbox)

    shutil.rmtree(handed_in / "eve")
    runner, course = sys.modules["autograder.sandbox.runner"], tmp_path / "course"
    monkeypatch.setattr(runner, "grade", interrupted)
    stopped = run("grade", handed_in, "--course", course, "--workers", "1", status=130)
    assert "interrupted" in stopped.stderr
    assert [path.stem for path in (course / "outcomes" / LAB).iterdir()] == ["ada"]
    monkeypatch.setattr(runner, "grade", whole)
    resumed = json.loads(run("grade", "--course", course, "--workers", "1", "--json").stdout)
    assert (resumed["unchanged"], resumed["new"]) == (1, 1)


def test_no_sandbox_is_refused_and_control_characters_stay_out_of_the_terminal():
    from autograder.cli import show

    assert show.plain("a\x1b[2Jb\n\u202e") == "a [2Jb  "
    assert engine_fakes.choose(None).name == "fake"


def test_trouble_of_the_machine_takes_no_grade_away(handed_in, tmp_path, monkeypatch):
    shutil.rmtree(handed_in / "eve")
    runner, course = sys.modules["autograder.sandbox.runner"], tmp_path / "course"
    monkeypatch.setattr(runner, "grade", grader(1.0))
    run("grade", handed_in, "--course", course, "--workers", "1")
    before = (course / "outcomes" / LAB / "ada.json").read_bytes()

    def broken(job, checks, sandbox, *, progress=None):
        raise OSError("no room left")

    monkeypatch.setattr(runner, "grade", broken)
    found = json.loads(
        run("grade", "--course", course, "--workers", "1", "--force", "--json", status=1).stdout
    )
    assert (found["failed"], found["changed"]) == (2, 0)
    assert all("no room left" in line["why"] for line in found["attention"])
    assert (course / "outcomes" / LAB / "ada.json").read_bytes() == before


def test_a_folder_that_is_no_students_stops_nobody(handed_in, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["autograder.sandbox.runner"], "grade", grader(1.0))
    shutil.rmtree(handed_in / "eve")
    course = tmp_path / "course"
    run("grade", handed_in, "--course", course, "--workers", "1")
    shutil.copytree(course / "submitted" / "ada", course / "submitted" / "a b; c")
    found = json.loads(run("grade", "--course", course, "--workers", "1", "--json", status=1).stdout)
    assert (found["unchanged"], found["failed"]) == (2, 1)
    assert any("the gradebook did not take it" in line["why"] for line in found["attention"])


def test_the_whole_way_on_the_fake_sandbox(handed_in, tmp_path, monkeypatch):
    shutil.rmtree(handed_in / "eve")
    monkeypatch.setattr(sys.modules["autograder.sandbox.runner"], "grade", grader(1.0))
    course = ("--course", tmp_path / "course")
    assert "nothing is graded yet" in run("export", "-o", tmp_path / "x.csv", *made(course), status=1).stderr
    run("grade", handed_in, *course, "--workers", "1")
    told = run("export", "-o", tmp_path / "marks.csv", *course)
    assert table(told.stdout)["lab"] == LAB and table(told.stdout)["graded"] == "2"
    assert "exporting" in told.stderr
    lines = (tmp_path / "marks.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["student", "ada", "bob"]
    run("export", "--format", "gradescope", "-o", tmp_path / "results", "--lab", "pruning", *course)
    assert len(list((tmp_path / "results").rglob("*.json"))) == 2
    pages = run("feedback", *course)
    assert "2 pages" in pages.stdout and table(pages.stdout) == {"lab": LAB, "pages": "2", "failed": "0"}
    report = run("report", *course)
    assert "Nothing here changed a score" in report.stdout and "reading" in report.stderr
    assert table(report.stdout)["submissions"] == table(report.stdout)["graded"] == "2"
    told = run("report", *course, "-o", tmp_path / "report.html")
    assert table(told.stdout)["flags"] == "1"
    assert "ada" in (tmp_path / "report.html").read_text()
    kept = run("forget", "--student", "ada", *course, input="n\n", status=1)
    assert "Nothing was deleted" in kept.stderr
    run("forget", "--student", "ada", "--yes", *course)
    assert not list((tmp_path / "course").rglob("*ada*"))
    run("export", "-o", tmp_path / "marks.csv", *course)
    assert "ada" not in (tmp_path / "marks.csv").read_text()


def test_export_and_report_keep_to_one_student(handed_in, tmp_path, monkeypatch):
    shutil.rmtree(handed_in / "eve")
    monkeypatch.setattr(sys.modules["autograder.sandbox.runner"], "grade", grader(1.0))
    course = ("--course", tmp_path / "course")
    roster = "id,first_name,last_name,canvas_id\nada,Ada,L,1\nbob,Bob,M,2\n"
    (tmp_path / "class.csv").write_text(roster)
    run("grade", handed_in, *course, "--workers", "1", "--roster", tmp_path / "class.csv")
    for form in ("csv", "canvas", "gradescope"):
        run("export", "--format", form, "-o", tmp_path / form, "--student", "bob", *course)
    for form in ("csv", "canvas"):
        text = (tmp_path / form).read_text().lower()
        assert "bob" in text and "ada" not in text
    assert len(list((tmp_path / "gradescope").rglob("*.json"))) == 1
    flags = {
        name: table(run("report", "--student", name, *course).stdout)["flags"] for name in ("ada", "bob")
    }
    assert flags == {"ada": "0", "bob": "1"}
    for command in (("export", "-o", tmp_path / "none"), ("report",)):
        assert "nothing of eve is" in run(*command, "--student", "eve", *course, status=1).stderr


def made(course):
    """An empty course."""
    from autograder.gradebook import Course

    Course.create(course[1])
    return course


HOSTILE = "[bold]x[/] \x1b]0;title\x07\x1b[2J\x9b31m\u202egpj\r\n[link=https://evil]y"


def harmless(text):
    return all(sign.isprintable() or sign == "\n" for sign in text)


def test_nothing_of_a_student_acts_on_the_terminal(handed_in, tmp_path, monkeypatch):
    whole = grader(1.0)

    def hostile(job, checks, sandbox, *, progress=None):
        found = whole(job, checks, sandbox)
        return dataclasses.replace(found, flags=(Flag("odd", HOSTILE),), notes=(HOSTILE,))

    monkeypatch.setattr(sys.modules["autograder.sandbox.runner"], "grade", hostile)
    (handed_in / "\x1b[2J\u202e[red]evil.zip").write_bytes(b"no zip")
    (handed_in / "eve" / LAB / "pruning.ipynb").write_text('{"nbformat": "[red]\x9b31m\u202e"}')
    course = ("--course", tmp_path / "course")
    plain = run("grade", handed_in, *course, "--workers", "1", status=1)
    assert "[bold]x[/]" in plain.stdout and "[red]" in plain.stdout
    listed = run("grade", handed_in, *course, "--workers", "1", "--json", status=1)
    assert any(HOSTILE in line["why"] for line in json.loads(listed.stdout)["attention"])
    report = run("report", *course)
    assert "[bold]x[/]" in report.stdout
    regraded = run("regrade", *course, "--workers", "1", "--force", "--dry-run", status=1)
    for shown in (plain.stdout, listed.stdout, report.stdout, report.stderr, regraded.stdout):
        assert harmless(shown)
    wrong = run("grade", tmp_path / "a\x1b[2J\u202eb", *course, status=1)
    assert harmless(wrong.output) and wrong.stderr.count("\n") <= 2


def test_exported_names_are_no_formulas(handed_in, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["autograder.sandbox.runner"], "grade", grader(1.0))
    shutil.rmtree(handed_in / "eve")
    names = {"ada": "=HYPERLINK(1)", "bob": '@a"b,c\n=d'}
    with (tmp_path / "class.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("id", "first_name", "last_name", "canvas_id", "section"))
        table.writerows(
            (one, name, name, f"=1+{len(one) + ord(one[0])}", "+2") for one, name in names.items()
        )
    course = ("--course", tmp_path / "course")
    run("grade", handed_in, *course, "--workers", "1", "--roster", tmp_path / "class.csv")
    for form in ("csv", "canvas"):
        run("export", "--format", form, "-o", tmp_path / form, *course)
        with (tmp_path / form).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        cells = [cell for row in rows for cell in row]
        assert len({len(row) for row in rows}) == 1
        assert not [cell for cell in cells if cell.strip().startswith(("=", "+", "-", "@"))]
        assert not [cell for cell in cells if "\n" in cell or "\r" in cell]
        assert any("HYPERLINK" in cell for cell in cells)
