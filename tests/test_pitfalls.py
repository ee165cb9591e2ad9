"""The table of what nbgrader gives for known submissions: our side in full, two rows of nbgrader's."""

import pytest

from autograder.bank import pitfalls, running
from autograder.bank.pitfalls import ROWS, Answer, lab, ours, plain
from autograder.inprocess import InProcess
from autograder.tasks import grade


def answers(**changes):
    return {row.id: Answer(points=row.expected[1], seconds=1.0, **changes.get(row.id, {})) for row in ROWS}


def test_the_small_lab_gives_the_same_points_in_both_forms():
    names: dict[str, object] = {}
    exec(lab.SOLUTION, names)
    assert sum(score.points for score in grade(lab.CHECKS, InProcess(names), "s")) == lab.FULL
    for cell in lab.for_nbgrader().cells[1:]:
        exec(cell.source, names)
    assert names["score"] == 4
    assert lab.HIDDEN_SIGN in str(lab.for_nbgrader())
    assert lab.HIDDEN_SIGN not in str(lab.for_efflab())


def test_a_row_holds_only_with_its_points_and_without_harm_to_others():
    row = ROWS[0]
    assert pitfalls.holds(row, Answer(9, 1.0))
    assert not pitfalls.holds(row, Answer(8, 1.0))
    assert not pitfalls.holds(row, Answer(9, 1.0, leaked=True))
    assert not pitfalls.holds(row, Answer(9, 1.0, stopped=1))


def test_records_and_series_name_every_row_on_both_sides():
    theirs, mine = answers(reads={"leaked": True}), answers()
    found = {one.id: one for one in pitfalls.records(ROWS, theirs, mine)}
    assert found["pitfalls/held/efflab"].measured == len(ROWS)
    assert found["pitfalls/held/efflab"].holds
    assert found["pitfalls/held/nbgrader"].measured == len(ROWS) - 1
    series = pitfalls.series(theirs, mine)
    assert [line[0] for line in series["rows"]] == [row.words for row in ROWS]
    by_words = dict(zip((row.id for row in ROWS), series["rows"], strict=True))
    assert by_words["reads"][2:] == ["0 in 1.0 s; a hidden test was read", "0 in 1.0 s"]
    assert by_words["patched"][1] == "0 to 2"
    assert "hidden test was read" in str(pitfalls.table(theirs, mine))


@pytest.mark.slow
def test_every_row_is_graded_as_it_should_be_here(bwrap):
    found = ours.grade(list(ROWS), limits=running.SMALL)
    assert {row.id: found[row.id] for row in ROWS if not pitfalls.holds(row, found[row.id])} == {}


@pytest.mark.slow
def test_plain_nbgrader_pays_for_a_patch_and_not_for_a_warning():
    rows = [row for row in ROWS if row.id in {"patched", "warns"}]
    found = plain.grade(rows)
    assert found["patched"].points == lab.FULL
    assert found["warns"].points == 0
