"""The formgrader as an instructor meets it: a written answer is graded by hand in Chromium, and the total is right."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Watched, browser
from formgraders import formgrader
from playwright.sync_api import Response

from autograder import notebook as nb
from autograder.gradebook import rows
from autograder.gradebook.course import Course
from autograder.gradebook.serve import Server

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]
LAB = "00-measuring"
# The handlers of a page's fields are bound when its grades and comments have come, and its formulas take the focus once.
BOUND = """() => window.formgrader?.loaded && formgrader.grades.loaded && formgrader.comments.loaded
  && MathJax.loaded"""
ANSWER = "Bytes cost more than sums. <script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with one graded submission: the solved lab, with an answer that tries to run in the instructor's browser."""
    from typer.testing import CliRunner

    from autograder.cli import app

    root = Path(__file__).resolve().parents[1]
    folder = tmp_path_factory.mktemp("class")
    (lab,) = nb.find(root, [LAB])
    notebook = nb.read(lab.source.read_text())
    next(cell for cell in notebook.cells if nb.is_answer(cell)).source = ANSWER
    place = folder / "inbox" / "ada" / LAB / f"{lab.topic}.ipynb"
    place.parent.mkdir(parents=True)
    place.write_bytes(nb.to_bytes(notebook))
    ran = CliRunner().invoke(
        app, ["grade", str(folder / "inbox"), "--course", str(folder / "course"), "--workers", "1"]
    )
    assert ran.exit_code == 0, ran.output
    return Course.open(folder / "course")


@pytest.fixture
def server(course: Course) -> Iterator[Server]:
    with formgrader(course) as found:
        yield found


def saved(answer: Response, kind: str) -> bool:
    """Whether the server has taken in a field; the page reads from addresses that begin alike."""
    return answer.request.method == "PUT" and f"/formgrader/api/{kind}/" in answer.url and answer.ok


def test_a_written_answer_is_graded_by_hand_and_the_total_is_right(
    course: Course, server: Server, chromium: str
) -> None:
    (before,) = rows(course, LAB)
    assert before.needs_manual
    waiting = [task for task, (score, _) in before.tasks.items() if score is None]
    assert waiting
    with browser(chromium) as context:
        watched = Watched(context.new_page())
        page = watched.page
        # Each page has its list before it is left.
        page.goto(server.url, wait_until="networkidle")
        page.goto(f"{server.address}/formgrader/gradebook/{LAB}/measuring", wait_until="networkidle")
        page.get_by_role("link", name="Submission #1").first.click()
        # The rubric stands beside the answer.
        page.get_by_text("Rubric", exact=False).first.wait_for()
        page.locator("mjx-container").first.wait_for(state="attached")
        assert page.title() != "taken"
        assert page.locator("script", has_text="taken").count() == 0
        page.wait_for_function(BOUND)
        for task in waiting:
            score = page.locator(f'input.score[id="{task}"]')
            with page.expect_response(lambda answer: saved(answer, "grade")):
                score.fill("1.5")
                score.press("Tab")
        comment = page.locator("textarea").first
        with page.expect_response(lambda answer: saved(answer, "comment")):
            comment.fill("Which bytes?")
            comment.press("Tab")
        assert watched.foreign == [] and watched.errors == []
    (after,) = rows(course, LAB)
    assert not after.needs_manual
    assert after.total == before.total + 1.5 * len(waiting)
    assert {after.tasks[task][0] for task in waiting} == {1.5}
