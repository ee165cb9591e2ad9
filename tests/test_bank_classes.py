"""The class that grading is timed on: its composition, and that its honest members are right however they write."""

from collections import Counter

import nbformat
import pytest

from autograder import build, tasks
from autograder import notebook as nb
from autograder.bank import classes
from autograder.case import load
from autograder.namespace import Namespace

CASE = load(next(lab for lab in nb.find(build.ROOT) if lab.name == "01-pruning"))


def test_a_class_has_its_shares_and_no_two_notebooks_alike():
    handed = list(classes.of(CASE, 20))
    assert Counter(one.kind for one in handed) == {"honest": 16, "partial": 3, "broken": 1}
    assert len({one.notebook for one in handed}) == len({one.student for one in handed}) == 20
    assert [one.kind for one in classes.of(CASE, 20)] == [one.kind for one in handed]
    assert Counter(one.kind for one in classes.of(CASE, 12))["broken"] == 1


@pytest.mark.parametrize("kind", ["honest", "partial"])
def test_honest_members_are_right_and_partial_ones_are_not(kind):
    checks = [check for check in CASE.checks if check.task != "pruning-challenge"]
    full = sum(check.points for check in checks)
    chosen = [one for one in classes.of(CASE, 20) if one.kind == kind][:2]
    for one in chosen:
        notebook = nb.graded(nbformat.reads(one.notebook.decode(), 4))
        notebook.cells = [cell for cell in notebook.cells if not nb.is_check(cell)]
        with Namespace(notebook, CASE.data) as namespace:
            earned = sum(score.points for score in tasks.grade(checks, namespace.student(), "s"))
        assert (earned == full) is (kind == "honest"), one.student


def test_renaming_leaves_arguments_and_meaning():
    code = "def f(x, y):\n    # why\n    total = [x for x in y]\n    x = sum(total)\n    return x"
    written = classes.renamed(code)
    assert "my_total" in written
    assert "my_x" not in written
    for text in (code, written, classes.ast_formatted(code)):
        names: dict[str, object] = {}
        exec(text, names)
        assert names["f"](1, [2, 3]) == 5
