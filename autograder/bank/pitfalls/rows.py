"""The rows of the table "What nbgrader gives for known submissions"."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.bank.pitfalls import lab

_INPUT = "\n\ndef prune(w, s):\n    return w\n"


@dataclass(frozen=True)
class Row:
    """A submission of the table.

    Attributes:
        id: its name in the results.
        words: what the submission is.
        expected: what it should earn: the least and the most.
        solution: the solution cell's code; ``{loot}`` in it stands for a path that the submission writes to.
        edit: changes the notebook after the solution was filled in.
        copies: how many students hand it in at once.
    """

    id: str
    words: str
    expected: tuple[float, float]
    solution: str = lab.SOLUTION
    edit: Callable[[NotebookNode], None] = field(default=lambda _: None, compare=False)
    copies: int = 1

    def notebook(self, released: NotebookNode, loot: str) -> NotebookNode:
        """The submission, made of a released lab."""
        notebook = copy.deepcopy(released)
        cell = next(cell for cell in notebook.cells if nb.grade_id(cell) == "prune-1-solution")
        cell.source = self.solution.replace("{loot}", loot).strip("\n")
        self.edit(notebook)
        return notebook


def _double(notebook: NotebookNode) -> None:
    twin = copy.deepcopy(notebook.cells[0])
    twin["id"] = "twin"  # as JupyterLab gives it
    notebook.cells.insert(1, twin)


def _delete_test(notebook: NotebookNode) -> None:
    notebook.cells = [cell for cell in notebook.cells if nb.grade_id(cell) != "prune-1"]


def _other_kernel(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"] = {"name": "my-env", "display_name": "Mine", "language": "python"}


_PATCH = """
import numpy as np

np.testing.assert_allclose = lambda *a, **k: None
np.count_nonzero = lambda *a, **k: 25
"""
_LOOT = """
import glob
import os
import numpy as np


def prune(w, s):
    history = globals().get("In", [""])
    books = [one for up in ("", "../", "../../", "../../../") for one in glob.glob(up + "*.db")]
    for _ in range(2):
        with open("{loot}", "w") as file:
            file.write(history[-1] + chr(10) + repr(books))
    os._exit(1)
"""

ROWS: tuple[Row, ...] = (
    Row("correct", "correct", (9, 9)),
    Row("patched", "returns its input, replaces `np.testing.assert_allclose` and `np.count_nonzero` by constants", (0, 2), _PATCH + _INPUT),
    Row("warns", "correct, but emits one `warnings.warn`", (9, 9), lab.SOLUTION.replace("    order", "    import warnings\n    warnings.warn('slow')\n    order")),
    Row("partial", "returns its input (partial cell worth 2 of 4)", (2, 2), "import numpy as np" + _INPUT),
    Row("loops", "`prune` loops forever", (0, 0), "import numpy as np\n\n\ndef prune(w, s):\n    while True:\n        pass\n"),
    Row("exits", "`prune` calls `os._exit(1)`", (0, 0), "import os\nimport numpy as np\n\n\ndef prune(w, s):\n    os._exit(1)\n"),
    Row("reads", "`prune` writes `In[-1]` and the places of databases to a file, then exits", (0, 0), _LOOT),
    Row("doubled", "solution cell duplicated, handed in before two correct ones", (9, 9), edit=_double),
    Row("deleted", "first test cell deleted, wrong solution", (0, 2), "import numpy as np" + _INPUT, edit=_delete_test),
    Row("kernel", "unknown kernelspec", (9, 9), edit=_other_kernel),
    Row("copies", "6 copies graded at once", (9, 9), copies=6),
)  # fmt: skip
