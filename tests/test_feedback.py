import dataclasses
import html.parser
import re
import shutil

import pytest
from gradebook_fakes import LAB, entry, outcome

from autograder import feedback, leaks, tasks
from autograder import notebook as nb
from autograder.build import ROOT, LeakError
from autograder.gradebook import Course, labs, open_book
from autograder.job import CellOutcome, Flag, Outcome
from efflab.errors import EfflabError

ANSWER = "pruning-1-explain"
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    course = Course.create(tmp_path_factory.mktemp("course") / "course")
    with open_book(course) as book:
        book.prepare(nb.find(ROOT))
    return course


@pytest.fixture
def course(template, tmp_path):
    shutil.copytree(template.root, tmp_path / "course")
    return Course.open(tmp_path / "course")


def graded(course, *entries):
    with open_book(course) as book:
        for one in entries:
            book.write(one)


def text_of(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main>") :]).split())


class Elements(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "img", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


def test_a_page_says_what_was_expected_and_gives_the_hint(course):
    graded(course, entry(answers={ANSWER: "Because."}, outcome=outcome(["keeps_the_largest"])))
    (path,) = feedback.write(course, LAB, "ada")
    assert path == course.feedback / "ada" / LAB / "pruning.html"
    said = text_of(path.read_text())
    check = next(one for one in tasks.load("pruning") if one.name == "keeps_the_largest")
    expected, _, hint = " ".join(check.words.replace("`", "").split()).partition("Hint: ")
    assert expected.split(".")[0].split("<")[0].strip()[:40] in said
    assert hint.strip()[:25] in said and "That is wrong." in said
    assert "Because." in said and "Waits for your instructor" in said and "not final" in said
    assert "Complete" in said and "In part" in said


def test_a_hint_is_given_only_where_it_is_needed(course):
    graded(course, entry())
    assert "Hint:" not in feedback.page(course, LAB, "ada")


def test_points_and_comments_given_by_hand_are_on_the_page(course):
    from test_gradebook import by_hand

    graded(course, entry(answers={ANSWER: "Because."}))
    by_hand(course, ANSWER, 1.5, "Name the <scale>.")
    by_hand(course, "pruning-1", 5.0)
    page = feedback.page(course, LAB, "ada")
    said = text_of(page)
    assert "1.5 of 2" in said and "Name the &lt;scale&gt;." in said
    assert "5 of 6" in said and "The checks gave 6; your instructor changed the points." in said
    assert "30.5 of 40 points" in said


def test_a_page_is_one_file_that_loads_and_runs_nothing(course):
    graded(course, entry(answers={ANSWER: HOSTILE}, first_name=HOSTILE))
    page = feedback.page(course, LAB, "ada")
    elements = Elements(page)
    tags = {tag for tag, _ in elements.found}
    assert not elements.open
    assert not tags & {"script", "img", "link", "iframe", "object", "svg", "a", "form"}
    assert not [
        name
        for _, attrs in elements.found
        for name in attrs
        if name.startswith("on") or name in {"src", "href"}
    ]
    assert "default-src 'none'" in page and "url(" not in page and "@import" not in page
    assert ("html", {"lang": "en"}) in elements.found and "prefers-color-scheme: dark" in page
    assert "width=device-width" in page


def test_a_page_holds_no_check_and_nothing_for_the_instructor(course):
    result = outcome(["keeps_the_largest"], flags=(Flag("killed", "It killed its parent."),))
    scores = list(result.tasks)
    first = scores[0].results[0]
    secret = "Traceback: oracle(weight)"
    scores[0] = dataclasses.replace(
        scores[0], results=(dataclasses.replace(first, detail=secret), *scores[0].results[1:])
    )
    graded(course, entry(outcome=dataclasses.replace(result, tasks=tuple(scores), sandbox="none")))
    page = feedback.page(course, LAB, "ada")
    for hidden in ("Traceback", "killed", "sandbox", "oracle"):
        assert hidden not in page
    for rubric in labs.find(LAB).rubrics.values():
        assert rubric[:40] not in page
    assert leaks.scan_html("page", page, leaks.book_index()) == []


def checks_source():
    text = (ROOT / "autograder" / "checks" / "pruning.py").read_text()
    return text[text.index("    rng") if "    rng" in text else 2000 :][:1500]


def leaking(message):
    result = outcome(["keeps_the_largest"])
    first = result.tasks[0]
    results = tuple(
        dataclasses.replace(one, message=message) if not one.passed else one for one in first.results
    )
    return dataclasses.replace(result, tasks=(dataclasses.replace(first, results=results), *result.tasks[1:]))


def test_a_message_that_repeats_a_check_is_left_out(course):
    source = checks_source()
    assert leaks.scan_html("page", f"<pre>{source}</pre>", leaks.book_index())
    graded(course, entry(outcome=leaking(source)))
    page = feedback.page(course, LAB, "ada")
    assert "cannot be shown here" in page
    assert leaks.scan_html("page", page, leaks.book_index()) == []


def test_a_page_that_leaks_is_not_written(course):
    graded(course, entry(outcome=outcome(notes=(checks_source(),))))
    with pytest.raises(LeakError, match="feedback for ada"):
        feedback.write(course, LAB, ["ada"])
    assert not list(course.feedback.rglob("*.html"))


def test_a_student_may_quote_what_they_wrote(course):
    """An answer that happens to hold a secret came from the student; it costs nobody the page."""
    graded(course, entry(answers={ANSWER: checks_source()}))
    assert feedback.write(course, LAB)


def test_a_submission_that_could_not_be_read_gets_a_page(course):
    graded(course, entry(outcome=Outcome("", LAB, (), failure="The file <b> is no JSON."), rebuilt=None))
    said = text_of(feedback.page(course, LAB, "ada"))
    assert (
        "The file &lt;b&gt; is no JSON." in said and "This is no zero" in said and "of 40 points" not in said
    )


def test_cells_that_failed_are_named(course):
    solution = next(c for c in labs.find(LAB).released.cells if nb.grade_id(c) == "pruning-2-solution")
    ran = (
        CellOutcome(solution.id, "timeout", message="It ran for more than 30 s."),
        CellOutcome("gone", "ok"),
    )
    graded(course, entry(outcome=outcome(cells=ran, notes=("Cell x was not there.",))))
    said = text_of(feedback.page(course, LAB, "ada"))
    assert "Cell pruning-2-solution" in said and "more than 30 s" in said and "Cell x was not there." in said


def test_a_late_penalty_is_on_the_page(course):
    from datetime import timedelta

    from gradebook_fakes import WHEN

    with course.config.open("a") as stream:
        stream.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    graded(course, entry(due=WHEN - timedelta(days=1)))
    said = text_of(feedback.page(course, LAB, "ada"))
    assert "Handed in late" in said and "&minus;30" in said and "0 of 40 points" in said


def test_who_was_not_graded_is_named(course):
    graded(course, entry())
    with pytest.raises(EfflabError, match="bob was not graded"):
        feedback.write(course, LAB, ["bob"])
    (course.outcomes / LAB / "ada.json").write_text("{")
    with pytest.raises(EfflabError, match="damaged"):
        feedback.page(course, LAB, "ada")
