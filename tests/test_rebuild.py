"""What a student's notebook becomes: the student's work in the released lab, whatever was done to the rest."""

import copy
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from autograder import notebook as nb
from autograder import rebuild
from autograder.build import ROOT

SOLVED = "def first(x):\n    return x + 1"


def released_lab():
    return nb.release(
        nb.read(
            """---
kernelspec: {name: efflab, display_name: efflab, language: python}
---

# Lab

```{code-cell} ipython3
:tags: [setup]
import math
```

### Build

```{code-cell} ipython3
:nbgrader: {"grade_id": "toy-1-solution", "solution": true}
def first(x):
    # STUB: raise NotImplementedError("Task 1.1: write first.")
    ### BEGIN SOLUTION
    return x + 1
    ### END SOLUTION


def second(x):
    # STUB: raise NotImplementedError("Task 1.2: write second.")
    ### BEGIN SOLUTION
    return x + 2
    ### END SOLUTION
```

### Check

```{code-cell} ipython3
:nbgrader: {"grade_id": "toy-1", "grade": true, "points": 3}
:tags: [check]
print(first(1))
```

```{code-cell} ipython3
:tags: [measure]
measured = 7
```

+++

### Explain

+++ {"nbgrader": {"grade_id": "toy-1-explain", "grade": true, "solution": true, "points": 2}}

A model answer.

+++

### Build

```{code-cell} ipython3
:nbgrader: {"grade_id": "toy-2-solution", "solution": true}
def third(x):
    # STUB: raise NotImplementedError("Task 2.1: write third.")
    ### BEGIN SOLUTION
    return x + 3
    ### END SOLUTION
```

```{code-cell} ipython3
:nbgrader: {"grade_id": "toy-2", "grade": true, "points": 3}
print(third(1))
```

The end.
"""
        )
    )


RELEASED = released_lab()


def index(name):
    return next(i for i, cell in enumerate(RELEASED.cells) if nb.grade_id(cell) == name)


def by_name(notebook, name):
    return next(cell for cell in notebook.cells if nb.grade_id(cell) == name)


def student(**sources):
    """The released lab with some cells written; `toy_1_solution=...`."""
    notebook = copy.deepcopy(RELEASED)
    for name, source in sources.items():
        by_name(notebook, name.replace("_", "-")).source = source
    return notebook


def raw(notebook):
    return json.dumps(notebook).encode()


def built(notebook):
    result = rebuild.rebuild(raw(notebook), RELEASED)
    nb.validate(result.notebook)
    kept = [cell for cell in result.notebook.cells if not cell.id.startswith("added-")]
    assert [cell.id for cell in kept] == [cell.id for cell in RELEASED.cells]
    assert [cell.metadata for cell in kept] == [cell.metadata for cell in RELEASED.cells]
    for cell, given in zip(kept, RELEASED.cells, strict=True):
        assert cell.cell_type == given.cell_type
        assert cell.source == given.source or nb.is_answer(given) or nb.is_solution(given)
    again = rebuild.rebuild(nb.to_bytes(result.notebook), RELEASED)
    assert again.notebook == result.notebook
    return result


def kinds(result):
    return sorted(flag.kind for flag in result.flags)


def forget_ids(notebook):
    """As an editor leaves it that drops what it does not know."""
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"new{i}"
        cell.metadata.pop("nbgrader", None)
    return notebook


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_the_released_notebook_is_itself():
    result = built(RELEASED)
    assert result.notebook == RELEASED
    assert not result.notes
    assert not result.flags


@pytest.mark.parametrize("lab", nb.find(ROOT), ids=lambda lab: lab.name)
def test_every_lab_is_itself(lab):
    released = nb.release(nb.read(lab.source.read_text(encoding="utf-8")))
    result = rebuild.rebuild(nb.to_bytes(released), released)
    assert result.notebook == released
    assert not result.notes and not result.flags


def test_solution_and_answer_come_from_the_student():
    result = built(student(toy_1_solution=SOLVED, toy_1_explain="Because."))
    assert by_name(result.notebook, "toy-1-solution").source == SOLVED
    assert by_name(result.notebook, "toy-1-explain").source == "Because."
    assert not result.notes and not result.flags


def test_magics_stay():
    text = "%matplotlib inline\n!ls\ndef first(x):\n    return x"
    assert by_name(built(student(toy_1_solution=text)).notebook, "toy-1-solution").source == text


def test_sources_as_lists_of_lines_outputs_and_attachments():
    notebook = json.loads(raw(student(toy_1_solution=SOLVED)))
    cell = notebook["cells"][index("toy-1-solution")]
    cell["source"] = cell["source"].splitlines(keepends=True)
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    cell["execution_count"] = 7
    notebook["cells"][0]["attachments"] = {"a.svg": {"image/svg+xml": "<script>"}}
    result = rebuild.rebuild(json.dumps(notebook).encode(), RELEASED)
    done = by_name(result.notebook, "toy-1-solution")
    assert (done.source, done.outputs, done.execution_count) == (SOLVED, [], None)
    assert "attachments" not in result.notebook.cells[0]


def test_added_cells_stay_between_their_neighbours_without_what_they_claim():
    notebook = student(toy_1_solution=SOLVED)
    helper = new_code_cell(
        "import os", metadata={"nbgrader": {"grade_id": "mine", "grade": True, "points": 99}}
    )
    notebook.cells.insert(index("toy-1-solution"), helper)
    notebook.cells.insert(0, new_markdown_cell("My name"))
    notebook.cells.append(new_raw_cell("raw"))
    notebook.cells.append(new_code_cell("  "))
    result = built(notebook)
    texts = sources(result.notebook)
    assert texts[0] == "My name"
    assert texts[texts.index("import os") + 1] == SOLVED
    assert len(texts) == len(RELEASED.cells) + 2
    added = result.notebook.cells[texts.index("import os")]
    assert added.metadata == {"efflab": {"origin": "student"}}
    assert kinds(result) == ["forged-cell"]
    assert "'mine'" in result.flags[0].sentence


def test_an_added_cell_cannot_take_a_released_id():
    notebook = student()
    stolen = new_markdown_cell("mine")
    stolen["id"] = RELEASED.cells[index("toy-1-solution")].id
    notebook.cells.append(stolen)
    result = built(notebook)
    assert len({cell.id for cell in result.notebook.cells}) == len(result.notebook.cells)
    assert by_name(result.notebook, "toy-1-solution").source == RELEASED.cells[index("toy-1-solution")].source


def test_deleted_cells_are_put_back():
    notebook = student(toy_2_solution="def third(x):\n    return 5")
    del notebook.cells[index("toy-1-solution") : index("toy-1") + 1]
    result = built(notebook)
    assert "toy-1-solution was not in the notebook" in " ".join(result.notes)
    assert kinds(result) == ["deleted-check"]
    assert result.flags[0].task == "toy-1"


def test_everything_deleted():
    result = built(new_notebook())
    assert result.notebook == RELEASED
    assert "nothing-found" in kinds(result)


def test_edited_checks_and_given_cells_change_nothing():
    notebook = student(toy_1="pass")
    notebook.cells[1].source = "import math\nmath.pi = 3"
    result = built(notebook)
    assert result.notebook == RELEASED
    assert kinds(result) == ["edited-check", "edited-given"]
    assert any("'import math'" in note and "new cell" in note for note in result.notes)


def test_given_cells_of_another_release_are_the_students_code():
    notebook = student()
    notebook.cells.insert(3, new_code_cell("x = 'old'", metadata={"tags": ["measure", "given"]}))
    result = built(notebook)
    assert result.notes == (
        "A code cell is marked as given, but not by this release of the lab; taken as your own code.",
    )
    assert "x = 'old'" in [
        c.source for c in rebuild.cells(result.notebook, RELEASED) if c.origin == "student"
    ]


def test_imports_in_a_given_cell_are_kept():
    notebook = student()
    notebook.cells[1].source = "import os.path as p\nimport math\nfrom re import (\n    sub)\nmath.pi = 3"
    result = built(notebook)
    assert sources(result.notebook)[1:3] == ["import math", "import os.path as p"]
    assert result.notebook.cells[2].metadata == {"efflab": {"origin": "student"}}
    assert "is imported after it" in result.notes[0]


def test_measuring_cells_may_be_played_with():
    notebook = student()
    next(cell for cell in notebook.cells if "measure" in nb.tags(cell)).source = "measured = 8"
    assert not built(notebook).notes


def test_changed_metadata_change_nothing_and_are_seen():
    notebook = student()
    by_name(notebook, "toy-1").metadata.nbgrader.points = 99
    by_name(notebook, "toy-1").metadata["tags"] = ["measure"]
    by_name(notebook, "toy-2-solution").metadata["tags"] = ["measure"]
    result = built(notebook)
    assert kinds(result) == ["forged-metadata"]
    assert [c.task for c in rebuild.cells(result.notebook, RELEASED) if c.origin == "check"] == [
        "toy-1",
        "toy-2",
    ]


def test_words_in_a_given_text_are_kept_beside_it():
    notebook = student()
    notebook.cells[0].source = "# Lab\nI think that it is so."
    texts = sources(built(notebook).notebook)
    assert texts[0].startswith("# Lab") and "I think" not in texts[0]
    assert texts[1] == "# Lab\nI think that it is so."


class TestDuplicates:
    def test_a_copy_by_accident_is_dropped(self):
        notebook = student(toy_1_solution=SOLVED)
        notebook.cells.append(copy.deepcopy(by_name(notebook, "toy-1-solution")))
        result = built(notebook)
        assert len(result.notebook.cells) == len(RELEASED.cells)
        assert not result.flags

    def test_the_stub_never_wins(self):
        notebook = student(toy_1_solution=SOLVED)
        notebook.cells.append(copy.deepcopy(RELEASED.cells[index("toy-1-solution")]))
        assert by_name(built(notebook).notebook, "toy-1-solution").source == SOLVED

    def test_the_last_version_wins_and_the_first_runs_before_it(self):
        notebook = student(toy_1_solution=SOLVED)
        later = copy.deepcopy(by_name(notebook, "toy-1-solution"))
        later.source = "def first(x):\n    return x + 100"
        notebook.cells.append(later)
        result = built(notebook)
        texts = sources(result.notebook)
        assert texts.index(SOLVED) + 1 == texts.index(later.source)
        assert by_name(result.notebook, "toy-1-solution").source == later.source
        assert kinds(result) == ["duplicated-cell"] and result.flags[0].task == "toy-1"

    def test_a_cell_split_in_two_keeps_both_halves(self):
        notebook = student(toy_1_solution=SOLVED)
        half = copy.deepcopy(by_name(notebook, "toy-1-solution"))
        half.source = "def second(x):\n    return 2"
        notebook.cells.insert(index("toy-1-solution") + 1, half)
        texts = sources(built(notebook).notebook)
        assert SOLVED in texts and half.source in texts

    def test_a_copy_used_for_a_helper_does_not_win(self):
        notebook = student(toy_1_solution=SOLVED)
        helper = copy.deepcopy(by_name(notebook, "toy-1-solution"))
        helper.source = "print(first(3))"
        notebook.cells.append(helper)
        result = built(notebook)
        assert by_name(result.notebook, "toy-1-solution").source == SOLVED
        texts = sources(result.notebook)
        assert texts.index(helper.source) == texts.index(SOLVED) + 1

    def test_a_copied_check_is_dropped(self):
        notebook = student()
        notebook.cells.append(copy.deepcopy(by_name(notebook, "toy-1")))
        assert built(notebook).notebook == RELEASED


class TestLostIds:
    def test_solutions_by_what_they_define_and_answers_by_their_place(self):
        notebook = forget_ids(student(toy_1_solution=SOLVED, toy_1_explain="Because."))
        result = built(notebook)
        assert by_name(result.notebook, "toy-1-solution").source == SOLVED
        assert by_name(result.notebook, "toy-1-explain").source == "Because."
        assert len(result.notebook.cells) == len(RELEASED.cells)
        assert len(result.notes) == 2 and not result.flags

    def test_by_cell_id(self):
        notebook = student(toy_1_solution=SOLVED)
        for cell in notebook.cells:
            cell.metadata.pop("nbgrader", None)
        result = built(notebook)
        assert by_name(result.notebook, "toy-1-solution").source == SOLVED
        assert not result.notes

    def test_a_solution_in_a_cell_of_its_own(self):
        notebook = student()
        notebook.cells.insert(2, new_code_cell(SOLVED))
        result = built(notebook)
        assert by_name(result.notebook, "toy-1-solution").source == SOLVED
        assert "the code that defines first, second was taken" in result.notes[0]

    def test_a_solution_written_into_a_check(self):
        notebook = student(toy_1=SOLVED + "\nprint(first(1))")
        assert by_name(built(notebook).notebook, "toy-1-solution").source.startswith(SOLVED)

    def test_two_versions_run_in_their_order(self):
        notebook = student()
        notebook.cells.append(new_code_cell("def third(x):\n    return 1"))
        notebook.cells.append(new_code_cell("def third(x):\n    return 2"))
        texts = sources(built(notebook).notebook)
        assert texts.index("def third(x):\n    return 1") + 1 == texts.index("def third(x):\n    return 2")
        assert "The end." in texts[-1]

    def test_an_answer_below_its_empty_cell(self):
        notebook = student()
        notebook.cells.insert(index("toy-1-explain") + 1, new_markdown_cell("Because."))
        result = built(notebook)
        assert by_name(result.notebook, "toy-1-explain").source == "Because."
        assert len(result.notebook.cells) == len(RELEASED.cells)

    def test_another_kind_of_cell(self):
        notebook = student(toy_1_solution=SOLVED)
        cell = by_name(notebook, "toy-1-solution")
        cell.cell_type = "raw"
        result = built(notebook)
        assert by_name(result.notebook, "toy-1-solution").source == SOLVED
        assert "was a raw cell" in result.notes[0]


class TestCells:
    def test_who_wrote_what_for_which_task(self):
        notebook = student(toy_1_solution=SOLVED)
        measure = next(i for i, cell in enumerate(notebook.cells) if "measure" in nb.tags(cell))
        notebook.cells.insert(measure + 1, new_code_cell("mine = measured"))
        notebook.cells.append(new_code_cell("last = 1"))
        found = rebuild.cells(built(notebook).notebook, RELEASED)
        assert [(cell.source.splitlines()[0], cell.origin, cell.task) for cell in found] == [
            ("import math", "given", ""),
            ("def first(x):", "student", "toy-1"),
            ("print(first(1))", "check", "toy-1"),
            ("mine = measured", "student", "toy-2"),
            ("def third(x):", "student", "toy-2"),
            ("print(third(1))", "check", "toy-2"),
            ("last = 1", "student", ""),
        ]
        assert len({cell.id for cell in found}) == len(found)

    def test_given_text_comes_from_the_release(self):
        notebook = copy.deepcopy(RELEASED)
        by_name(notebook, "toy-1").source = "forged"
        assert "forged" not in {cell.source for cell in rebuild.cells(notebook, RELEASED)}


def test_a_notebook_of_format_3():
    old = nbformat.convert(student(toy_1_solution=SOLVED), 3)
    result = rebuild.rebuild(json.dumps(old).encode(), RELEASED)
    assert by_name(result.notebook, "toy-1-solution").source == SOLVED
    assert "old format 3" in result.notes[0]
