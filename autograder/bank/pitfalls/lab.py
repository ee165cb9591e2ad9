"""A small lab, once for plain nbgrader with its tests in the notebook, once for this autograder with hidden checks.

One function, magnitude pruning; a grade cell of 5 points with a visible and a hidden assertion, and one of 4 points with
partial credit, whose last line is the score.
"""

from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.tasks import Check, Student, expect, task

NAME = "00-prune"
FULL = 9.0
SOLUTION = """
import numpy as np


def prune(w, s):
    order = np.argsort(np.abs(w), axis=None, kind="stable")
    pruned = w.copy()
    pruned.flat[order[: round(s * w.size)]] = 0
    return pruned
"""
STUB = """
import numpy as np


def prune(w, s):
    raise NotImplementedError("Task 1: write prune.")
"""
_VISIBLE = """
w = np.array([[3.0, -4.0], [1.0, -2.0]])
np.testing.assert_allclose(prune(w, 0.5), [[3.0, -4.0], [0.0, 0.0]])
"""
HIDDEN_SIGN = "np.linspace(-5, 6.3, 100)"
"""Text of the hidden test of nbgrader's lab, by which a leak is known."""
_HIDDEN = f"""
### BEGIN HIDDEN TESTS
w = {HIDDEN_SIGN}.reshape(10, 10)
np.testing.assert_allclose(prune(w, 0.9), np.where(np.abs(w) >= np.sort(np.abs(w), axis=None)[90], w, 0))
### END HIDDEN TESTS
"""
_PARTIAL = """
w = np.linspace(-1, 2, 50)
score = np.float64(0.0)
if prune(w, 0.5).shape == w.shape:
    score += 2.0
if np.count_nonzero(prune(w, 0.5)) == 25:
    score += 2.0
score
"""


def for_nbgrader() -> NotebookNode:
    """The source notebook as an instructor of nbgrader would write it, hidden tests inside."""
    solution = (
        STUB.replace("    raise", "    ### BEGIN SOLUTION\n    raise").rstrip() + "\n    ### END SOLUTION\n"
    )
    cells = [
        _cell(solution, "prune-1-solution", solution=True),
        _cell(_VISIBLE + _HIDDEN, "prune-1", points=5),
        _cell(_PARTIAL, "prune-2", points=4),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return _notebook(cells, metadata)


def for_efflab() -> NotebookNode:
    """The released notebook of the same lab, whose hidden checks stand in this module."""
    released = nb.release(_source())
    assert HIDDEN_SIGN not in str(released)
    return released


def _source() -> NotebookNode:
    body = SOLUTION.replace(
        "    order =",
        '    # STUB: raise NotImplementedError("Task 1: write prune.")\n    ### BEGIN SOLUTION\n    order =',
    )
    cells = [
        _cell(body.rstrip() + "\n    ### END SOLUTION\n", "prune-1-solution", solution=True),
        _cell(_VISIBLE, "prune-1", points=5),
        _cell(_PARTIAL, "prune-2", points=4),
    ]
    return _notebook(cells, {"efflab": {}})


def _cell(source: str, grade_id: str, *, points: int = 0, solution: bool = False) -> NotebookNode:
    meta: dict[str, Any] = {
        "grade_id": grade_id, "grade": bool(points), "locked": bool(points), "solution": solution,
        "schema_version": 3, "task": False, "cell_type": "code",
    }  # fmt: skip
    metadata = {"nbgrader": meta | ({"points": points} if points else {})}
    cell: NotebookNode = nbformat.v4.new_code_cell(source.strip("\n"), id=grade_id, metadata=metadata)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return cell


def _notebook(cells: list[NotebookNode], metadata: dict[str, Any]) -> NotebookNode:
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=metadata)  # type: ignore[no-untyped-call]  # as above
    return notebook


def oracle(w: np.ndarray[Any, Any], s: float) -> np.ndarray[Any, Any]:
    """By brute force: one after the other, the smallest in magnitude goes."""
    kept = np.ones(w.shape, bool)
    for _ in range(round(s * w.size)):
        kept.flat[np.argmin(np.where(kept, np.abs(w), np.inf))] = False
    return np.where(kept, w, 0.0)


@task("prune-1", points=5)
def prunes(student: Student, rng: np.random.Generator) -> None:
    """The smallest magnitudes are zero, all others as they were. Hint: sort the absolute values."""
    for sparsity in (0.5, 0.9):
        w = rng.normal(size=(10, 10))
        expect.close(student.call("prune", w, sparsity), oracle(w, sparsity), "the pruned weights")


@task("prune-2", points=4)
def keeps_shape_and_number(student: Student, rng: np.random.Generator) -> float:
    """Half of the points for the shape, half for the number of zeros. Hint: round(s * n) weights go."""
    w = rng.normal(size=50)
    got = np.asarray(student.call("prune", w, 0.5))
    return 0.5 * float(got.shape == w.shape) + 0.5 * float(np.count_nonzero(got) == 25)


CHECKS: tuple[Check, ...] = (prunes, keeps_shape_and_number)
