import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from conftest import skip_or_fail
from formgraders import ATTEMPTS, formgrader
from gradebook_fakes import LAB, WHEN, entry, notebook, outcome

from autograder import notebook as nb
from autograder.build import ROOT
from autograder.gradebook import Course, labs, open_book, rows
from autograder.gradebook.autograded import autograded, harmless
from autograder.job import CellOutcome

ANSWER = "pruning-1-explain"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HOSTILE = """<script>alert(1)</script>
<img src=x onerror=alert(2)> ![](https://example.org/seen.png)
[link](javascript:alert(3)) [data](data:text/html,<script>alert(4)</script>) <a href="JaVaScRiPt:alert(5)">x</a>
<svg onload=alert(6)><iframe src="https://example.org"></iframe><style>body{display:none}</style>
<div onclick="alert(7)" style="position:fixed">over</div> [file](evil.html) <form action="/formgrader/api"><input></form>

Honest *words* and $a < b$, `x < y`.
"""
HARMFUL = (
    "<script>alert",
    "<img",
    "javascript:",
    "data:text",
    "<svg",
    "<iframe",
    "<style>body",
    "<div onclick",
    "<form",
)


def store(course, student, raw):
    folder = course.submitted / student / LAB
    folder.mkdir(parents=True)
    (folder / "pruning.ipynb").write_bytes(raw)
    (folder / "timestamp.txt").write_text(f"{WHEN:%Y-%m-%d %H:%M:%S.%f} UTC")


def duplicated():
    made = notebook({ANSWER: "Because."})
    index = next(i for i, cell in enumerate(made.cells) if nb.grade_id(cell) == "pruning-1-solution")
    copied = json.loads(json.dumps(made.cells[index]))
    made.cells.insert(index, nb.nbformat.from_dict(copied | {"id": "again"}))
    return json.dumps(made).encode()


SUBMISSIONS = {
    "ada": nb.to_bytes(notebook({ANSWER: "Because.", "pruning-2-explain": HOSTILE})),
    "bob": b'{"cells": [',
    "cy": duplicated(),
    "dan": nb.to_bytes(notebook()),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    course = Course.create(tmp_path_factory.mktemp("course") / "course")
    with open_book(course) as book:
        book.prepare(nb.find(ROOT))
    for student, raw in SUBMISSIONS.items():
        store(course, student, raw)
    return course


@pytest.fixture
def course(template, tmp_path):
    shutil.copytree(template.root, tmp_path / "course")
    return Course.open(tmp_path / "course")


def nbgrader(course, *command):
    """An nbgrader command as a person runs it in the course folder."""
    ran = subprocess.run(
        [sys.executable, "-m", "nbgrader", *command],
        cwd=course.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


# What the formgrader shows.


def test_nothing_of_a_student_runs_in_the_formgrader():
    from autograder.nbgrading.harmless import markdown

    page = markdown(HOSTILE)
    assert not [mark for mark in HARMFUL if mark in page]
    assert 'href="evil.html"' not in page and "style=" not in page.replace("&lt;", "")
    assert "<em>words</em>" in page and "<code>x &lt; y</code>" in page


def test_a_long_text_is_cut_and_its_blanks_are_few():
    from autograder.nbgrading.harmless import markdown

    page = markdown("a" + " " * 500_000 + "b\n\n" + "word " * 50_000)
    assert "left out here" in page
    assert len(page) < 30_000


@pytest.mark.parametrize("name", ["http://a.org", "https://a.org/b?c=d", "mailto:a@b.org"])
def test_links_to_the_web_stay(name):
    from autograder.nbgrading.harmless import markdown

    assert f'<a href="{name}">x</a>' in markdown(f"[x]({name})")


@pytest.mark.parametrize(
    "command", [r"\href", r"\\href", r"&#92;href", r"\&#104;ref", r"\<wbr>href", r"\<!-- -->href"]
)
def test_formulas_make_no_links(command):
    """In the text as a browser reads it, neighbouring strings joined as MathJax joins them."""
    from bs4 import BeautifulSoup

    from autograder.nbgrading.harmless import markdown

    page = markdown(f"$ {command}{{javascript:alert(1)}}{{x}} $ and $\\mathrm{{d}}x \\hrefs$")
    text = BeautifulSoup(page, "html.parser").get_text()
    assert not re.search(r"\\href\b", text) and "javascript" in text
    assert r"\mathrm{d}x \hrefs" in text


def test_outputs_are_text_and_png_alone():
    hostile = {
        "text/html": "<script>",
        "application/javascript": "alert(1)",
        "image/svg+xml": "<svg onload=x>",
    }
    broken = {"image/png": '"><script>alert(1)</script>'}
    forged = {"image/png": "PHN2ZyBvbmxvYWQ9eD4="}
    outputs = [
        {"output_type": "display_data", "data": hostile, "metadata": {"a": 1}},
        {"output_type": "display_data", "data": hostile | {"text/plain": ["a", "b"]}, "metadata": {}},
        {"output_type": "execute_result", "data": {"image/png": PNG + "\n"}, "execution_count": 1},
        {"output_type": "display_data", "data": broken},
        {"output_type": "display_data", "data": forged},
        {"output_type": "stream", "name": "evil", "text": "x" * 200_000},
        {"output_type": "error", "ename": "E", "evalue": 3, "traceback": ["a", 1]},
        {"output_type": "update_display_data", "data": {"text/plain": "x"}},
    ]
    shown = harmless(outputs)
    assert [one["output_type"] for one in shown] == ["display_data", "display_data", "stream", "error"]
    assert shown[0]["data"] == {"text/plain": "ab"}
    assert shown[1]["data"] == {"image/png": PNG}
    assert shown[2]["name"] == "stdout" and len(shown[2]["text"]) < 110_000
    assert shown[3]["traceback"] == ["a", ""]


def test_the_formgrader_shows_verdicts_and_rubrics():
    ran = (CellOutcome("d10f068d", "error", message="It raised ValueError."),)
    shown = autograded(entry(outcome=outcome(["keeps_the_largest"], cells=ran)), labs.find(LAB))
    cells = {nb.grade_id(cell): (index, cell) for index, cell in enumerate(shown.cells)}
    check = cells["pruning-1"][1]
    text = "".join(output.text for output in check.outputs)
    assert "of 6 points" in text and "FAILED keeps_the_largest" in text and "That is wrong." in text
    for name, rubric in labs.find(LAB).rubrics.items():
        beside = shown.cells[cells[name][0] + 1]
        assert nb.tags(beside) == {"rubric"} and rubric in beside.source
    assert shown == autograded(entry(outcome=outcome(["keeps_the_largest"], cells=ran)), labs.find(LAB))


def test_metadata_of_a_student_are_not_shown():
    made = entry()
    made.rebuilt.metadata["widgets"] = {"state": "<script>"}
    made.rebuilt.cells[0].metadata["collapsed"] = "<script>"
    assert "<script>" not in json.dumps(autograded(made, labs.find(LAB)))


# The commands.


def test_generate_assignment_releases_the_lab_as_the_repository_does(course):
    released = (course.release / LAB / "pruning.ipynb").read_bytes()
    shutil.rmtree(course.release / LAB)
    nbgrader(course, "generate_assignment", LAB, "--force")
    assert len(list(course.backups.glob("*.db"))) == 1
    assert (course.release / LAB / "pruning.ipynb").read_bytes() == released
    assert [path.name for path in (course.release / LAB).iterdir()] == ["pruning.ipynb"]


@pytest.fixture
def fake(monkeypatch):
    """The engine, told in advance what it finds; the rest of the path is real."""
    from autograder import engine

    def found(job, **_):
        written = sum(cell.origin == "student" for cell in job.cells)
        return outcome(
            ["keeps_the_largest"] if written % 2 else [], cells=(CellOutcome(job.cells[0].id, "ok"),)
        )

    monkeypatch.setattr(engine, "outcome", found)


def by_nbgrader(course):
    """What ``nbgrader autograde`` does, in this process."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader(course.config.name, path=str(course.root)).load_config()
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    return api.autograde(LAB, "*")


def by_autograder(course):
    """What ``autograder grade`` does with the submitted folder, without a cluster."""
    from autograder.engine import batch
    from autograder.nbgrading import reading

    with open_book(course) as book:
        for submission in batch.submitted(course, [labs.find(LAB).lab]):
            work = batch.prepare(submission, course.secret_key())
            book.write(batch.entry(work, reading.outcome(course, work), batch.People(course)))


def dump(course):
    """Marks and comments, without the ids that nbgrader draws."""
    from autograder.gradebook.table import reading

    cells = """
        JOIN base_cell AS cell ON cell.id = cell_id JOIN submitted_notebook AS notebook ON notebook.id = {0}.notebook_id
        JOIN submitted_assignment AS submission ON submission.id = notebook.assignment_id ORDER BY 1, 2"""
    queries = [
        f"SELECT student_id, cell.name, auto_score, manual_score, needs_manual_grade FROM grade {cells.format('grade')}",
        f"SELECT student_id, cell.name, auto_comment FROM comment {cells.format('comment')}",
        "SELECT * FROM efflab_answer ORDER BY 1, 2, 3",
        "SELECT student_id, timestamp, extension FROM submitted_assignment ORDER BY 1",
        "SELECT * FROM student ORDER BY 1",
    ]
    with reading(course) as database:
        return [[tuple(row) for row in database.execute(query)] for query in queries]


def files(course):
    found = [path for folder in (course.autograded, course.outcomes) for path in sorted(folder.rglob("*"))]
    return {str(path.relative_to(course.root)): path.read_bytes() for path in found if path.is_file()}


@pytest.mark.usefixtures("fake")
def test_both_paths_give_the_same_gradebook(course, tmp_path):
    shutil.copytree(course.root, tmp_path / "other")
    other = Course.open(tmp_path / "other")
    result = by_nbgrader(course)
    assert result["success"], result
    by_autograder(other)
    assert dump(course) == dump(other)
    assert files(course) == files(other)
    assert rows(course, LAB) == rows(other, LAB)


@pytest.mark.usefixtures("fake")
def test_the_gradebook_is_copied_before_a_process_first_writes_into_it(course):
    before = dump(course)
    for _ in range(2):
        assert by_nbgrader(course)["success"]
        (copy,) = course.backups.glob("*.db")
    after = dump(course)
    shutil.copy(copy, course.gradebook)
    assert dump(course) == before != after


@pytest.mark.usefixtures("fake")
def test_one_broken_submission_costs_nobody_else(course):
    assert by_nbgrader(course)["success"]
    found = {row.student: row for row in rows(course, LAB)}
    assert list(found) == ["ada", "bob", "cy", "dan"]
    assert not found["bob"].graded and found["bob"].needs_manual
    assert all(found[name].graded for name in ("ada", "cy", "dan"))
    assert found["cy"].tasks["pruning-2"] == (5.0, 5.0)


@pytest.mark.usefixtures("fake")
def test_grading_again_keeps_what_a_person_gave(course):
    by_nbgrader(course)
    from test_gradebook import by_hand, marks

    by_hand(course, ANSWER, 2.0, "Good.")
    assert by_nbgrader(course)["success"]
    assert marks(course)[ANSWER] == (None, 2.0, 0)


@pytest.mark.slow
def test_the_real_engine_gives_the_same_on_both_paths(course, tmp_path):
    from autograder import sandbox
    from efflab.errors import EfflabError

    try:
        sandbox.choose(None).close()
    except EfflabError as error:
        skip_or_fail(f"no sandbox works: {error}")
    source = labs.find(LAB).source
    solved = nb.nbformat.from_dict(json.loads(json.dumps(source)))
    solved.cells = [cell for cell in solved.cells if not nb.tags(cell) & nb.PRIVATE_TAGS]
    shutil.rmtree(course.submitted)
    store(course, "ada", nb.to_bytes(solved))
    store(course, "bob", SUBMISSIONS["bob"])
    shutil.copytree(course.root, tmp_path / "other")
    other = Course.open(tmp_path / "other")
    nbgrader(course, "autograde", LAB)
    assert len(list(course.backups.glob("*.db"))) == 1
    by_autograder(other)
    assert dump(course) == dump(other)
    ada, bob = rows(course, LAB)
    assert [score for score, _ in ada.tasks.values() if score is not None] == [6.0, 5.0, 3.0, 5.0, 7.0, 4.0]
    assert not bob.graded


# The formgrader.


def test_a_written_answer_is_graded_in_the_formgrader(course):
    with open_book(course) as book:
        book.write(entry(answers={ANSWER: "Because.", "pruning-2-explain": HOSTILE}))
    with formgrader(course) as server:

        def ask(path, method="GET", body=None):
            request = urllib.request.Request(
                server.address + path,
                method=method,
                headers={"Authorization": f"token {server.token}"},
                data=None if body is None else json.dumps(body).encode(),
            )
            with urllib.request.urlopen(request, timeout=180) as reply:
                return reply.read().decode()

        listed = json.loads(ask("/formgrader/api/assignments"))
        assert [one["name"] for one in listed] == [lab.name for lab in nb.find(ROOT)]
        (ada,) = json.loads(ask(f"/formgrader/api/submitted_notebooks/{LAB}/pruning"))
        page = ask(f"/formgrader/submissions/{ada['id']}/")
        shown = page[page.index('id="notebook-container"') :]
        assert "Honest <em>words</em>" in shown
        assert not [mark for mark in HARMFUL if mark in shown]
        rubric = labs.find(LAB).rubrics[ANSWER].split()[:6]
        assert " ".join(rubric) in " ".join(shown.split())
        grades = json.loads(ask(f"/formgrader/api/grades?submission_id={ada['id']}"))
        grade = next(one for one in grades if one["name"] == ANSWER)
        ask(f"/formgrader/api/grade/{grade['id']}", "PUT", {"manual_score": 1.5})
        said = json.loads(ask(f"/formgrader/api/comments?submission_id={ada['id']}"))
        comment = next(one for one in said if one["name"] == ANSWER)
        ask(f"/formgrader/api/comment/{comment['id']}", "PUT", {"manual_comment": "Name the scale."})
        # The buttons: a file that cannot be read, and feedback.
        done = json.loads(ask(f"/formgrader/api/submission/{LAB}/bob/autograde", "POST"))
        assert done["success"], done
        done = json.loads(ask(f"/formgrader/api/assignment/{LAB}/ada/generate_feedback", "POST"))
        assert done["success"], done
        with pytest.raises(urllib.error.HTTPError):
            ask("/api/kernels", "POST", {"name": "python3"})
    found = {row.student: row for row in rows(course, LAB)}
    assert found["ada"].tasks[ANSWER] == (1.5, 2.0) and found["ada"].total == 31.5
    assert not found["bob"].graded and found["bob"].needs_manual
    text = (course.feedback / "ada" / LAB / "pruning.html").read_text()
    assert "Name the scale." in text and "1.5 of 2" in text
    assert not any(rubric in text for rubric in labs.find(LAB).rubrics.values())


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_formgrader_ends_with_the_command(course, end):
    code = f"from autograder.gradebook import Course; from autograder.gradebook.serve import serve\nserve(Course.open({str(course.root)!r}), 0, False)"
    for _ in range(ATTEMPTS):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        if said := process.stdout.readline():
            break
        process.communicate()
    with process:
        address = said.split()[-1]
        with urllib.request.urlopen(address, timeout=180) as page:
            assert b"formgrade" in page.read()
        process.send_signal(end)
        assert process.wait(timeout=60) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)


def test_a_port_that_is_taken_is_named(course):
    from autograder.gradebook.serve import running
    from efflab.errors import EfflabError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(EfflabError, match=f"port {number}"), running(course, number):
            pass
