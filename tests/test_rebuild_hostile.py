"""Files that are no notebooks, or notebooks made to hurt: a clear sentence, or the released lab."""

import copy
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell
from test_rebuild import RELEASED, SOLVED, built, by_name, forget_ids, index, kinds, raw, student

from autograder import notebook as nb
from autograder import rebuild

CELL = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "x = 1"}


def notebook_of(*cells, **more):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells} | more).encode()


def unreadable(content):
    with pytest.raises(rebuild.Unreadable) as caught:
        rebuild.rebuild(content, RELEASED)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hello", "cannot be read as JSON"),
        (b'{"cells": [', "cannot be read as JSON"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"\0" * 100, "cannot be read as JSON"),
        (b"[]", "a list where a notebook"),
        (b"7", "a number where a notebook"),
        (b"null", "null where a notebook"),
        (b"{}", "nbformat 'None'"),
        (b'{"nbformat": 5, "cells": []}', "nbformat '5'"),
        (b'{"nbformat": 2, "worksheets": []}', "nbformat '2'"),
        (b'{"nbformat": true, "cells": []}', "nbformat 'True'"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b'{"nbformat": 3}', "no list of cells"),
        (b'{"nbformat": 4, "cells": {}}', "no list of cells"),
        (b'{"nbformat": 4, "cells": [], "cells": []}', "'cells' twice"),
        (b'{"nbformat": 4, "n": ' + b"9" * 5000 + b"}", "cannot be read as JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[" + b"[]," * 1_000_001, "lists and objects"),
        (notebook_of(*[CELL] * 5001), "5001 cells"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_notebook_is_said_in_a_sentence(content, words):
    assert words in unreadable(content)


def test_a_large_file_is_not_parsed():
    assert "20.0 MiB; at most 20 MiB" in unreadable(b"[" * (rebuild.MAX_BYTES + 1))


def test_nan_in_outputs_and_a_byte_order_mark_are_harmless():
    content = notebook_of({**CELL, "outputs": [{"data": float("nan")}, {"data": float("inf")}]})
    result = rebuild.rebuild(b"\xef\xbb\xbf" + content, RELEASED)
    assert result.notebook.cells[0].source == "x = 1"


@pytest.mark.parametrize(
    "cell",
    [
        7,
        None,
        [],
        {},
        {"cell_type": "task", "source": ""},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 7},
        {"cell_type": "code", "source": ["a", 7]},
        {"cell_type": ["code"], "source": ""},
    ],
)
def test_a_cell_that_is_none_is_left_out_with_a_word(cell):
    result = rebuild.rebuild(notebook_of(cell, CELL), RELEASED)
    assert "1 cell of the file could not be read" in result.notes[0]
    assert len(result.notebook.cells) == len(RELEASED.cells) + 1


@pytest.mark.parametrize("metadata", [7, None, [], {"nbgrader": 7}, {"nbgrader": {"grade_id": ["a"]}}])
@pytest.mark.parametrize("name", [7, None, "", "../../x", "x" * 500, {"a": 1}])
def test_metadata_and_ids_of_any_type(metadata, name):
    result = rebuild.rebuild(notebook_of({**CELL, "metadata": metadata, "id": name}), RELEASED)
    nb.validate(result.notebook)
    assert result.notebook.cells[0].source == "x = 1"


def test_a_cell_that_is_too_long_is_left_out():
    result = built(student(toy_1_solution="x" * 500_001, toy_2_solution="def third(x):\n    return 1"))
    assert "500000 characters" in result.notes[0]
    assert by_name(result.notebook, "toy-2-solution").source == "def third(x):\n    return 1"


def test_text_that_no_file_can_hold():
    content = notebook_of({**CELL, "source": "a = '\ud800'"})
    assert rebuild.rebuild(content, RELEASED).notebook.cells[0].source == "a = '?'"


def test_names_are_found_in_lines_of_any_length():
    built(student(toy_1_solution="a" * 400_000 + " " * 50_000 + ":"))


def test_nothing_that_a_name_could_do_reaches_the_notebook():
    evil = copy.deepcopy(CELL)
    evil["metadata"] = {
        "tags": ["measure"],
        "efflab": {"origin": "given"},
        "nbgrader": {"grade_id": "<script>", "grade": True},
    }
    result = rebuild.rebuild(notebook_of(evil), RELEASED)
    assert result.notebook.cells[0].metadata == {"efflab": {"origin": "student"}}
    assert rebuild.cells(result.notebook, RELEASED)[0].origin == "student"


def test_many_copies_of_every_cell():
    notebook = student(toy_1_solution=SOLVED)
    notebook.cells = notebook.cells * 300
    result = built(notebook)
    assert len(result.notebook.cells) == len(RELEASED.cells)
    assert by_name(result.notebook, "toy-1-solution").source == SOLVED


def test_many_versions_of_one_cell_are_counted():
    notebook = student()
    for number in range(30):
        version = copy.deepcopy(by_name(RELEASED, "toy-2-solution"))
        version.source = f"def third(x):\n    return {number}"
        notebook.cells.insert(0, version)
    result = built(notebook)
    assert kinds(result) == ["duplicated-cell"] and "30 times" in result.flags[0].sentence
    assert by_name(result.notebook, "toy-2-solution").source.endswith("return 0")


@st.composite
def shuffled(draw):
    """A notebook whose cells were moved, deleted, copied and edited, ids lost or not."""
    notebook = student(
        toy_1_solution=draw(st.sampled_from([SOLVED, "", "def second(x):\n    return first(x)"])),
        toy_1_explain=draw(st.sampled_from(["Because.", "", nb.PROMPT])),
    )
    for _ in range(draw(st.integers(0, 3))):
        source = draw(st.sampled_from(["helper = 1", "def third(x): return 3", SOLVED + " ", "x = 1"]))
        kind = draw(st.sampled_from(["code", "markdown", "raw"]))
        cell = new_code_cell(source)
        cell.cell_type = kind
        notebook.cells.insert(draw(st.integers(0, len(notebook.cells))), cell)
    chosen = draw(st.lists(st.integers(0, len(notebook.cells) - 1), max_size=25))
    moved = draw(st.booleans())
    kept = chosen if moved else sorted(chosen)
    notebook.cells = [copy.deepcopy(notebook.cells[i]) for i in kept]
    for cell in notebook.cells:
        if draw(st.integers(0, 9)) == 0:
            cell.source = draw(
                st.sampled_from(["edited", "def first(x): return 9", "", RELEASED.cells[1].source])
            )
        if draw(st.integers(0, 9)) == 0:
            cell.metadata["nbgrader"] = {
                "grade_id": draw(st.sampled_from(["toy-1", "toy-2-solution", "new"]))
            }
    return forget_ids(notebook) if draw(st.booleans()) else notebook


SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(shuffled())
def test_whatever_is_moved_the_released_cells_stand_in_their_order(notebook):
    result = built(notebook)
    students = [cell.source for cell in result.notebook.cells if cell.id.startswith("added-")]
    known = {cell.source for cell in notebook.cells}
    assert set(students) <= known


@SETTINGS
@given(shuffled())
def test_what_the_student_wrote_into_a_solution_is_never_lost(notebook):
    """Every text under a solution's grade id runs, unless it is the stub or said twice."""
    solutions = {"toy-1-solution", "toy-2-solution"}
    stubs = {by_name(RELEASED, name).source for name in solutions}
    result = built(notebook)
    there = {cell.source.strip() for cell in result.notebook.cells}
    for cell in notebook.cells:
        if nb.grade_id(cell) in solutions and cell.source.strip() and cell.source not in stubs:
            assert cell.source.strip() in there


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "cell_type", "source", "metadata", "nbgrader", "grade_id", "id", "nbformat", "a"]
            ),
            inner | st.sampled_from(["code", "markdown", 4, 3, "toy-1", "toy-1-solution"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


def readable(content):
    try:
        result = rebuild.rebuild(content, RELEASED)
    except rebuild.Unreadable:
        return
    nb.validate(result.notebook)


@SETTINGS
@given(JSON)
def test_any_json(value):
    readable(json.dumps(value).encode())


@SETTINGS
@given(st.lists(JSON, max_size=5), st.sampled_from([3, 4, 4.0, "4"]))
def test_any_cells(values, version):
    readable(json.dumps({"nbformat": version, "cells": values, "worksheets": values}).encode())


@SETTINGS
@given(st.binary(max_size=60))
def test_any_bytes(content):
    readable(content)


@SETTINGS
@given(st.data())
def test_any_damage_of_a_real_file(data):
    content = bytearray(raw(student(toy_1_solution=SOLVED)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    readable(bytes(content))


def test_added_cells_of_a_shuffled_notebook_run_once():
    notebook = student()
    notebook.cells.insert(index("toy-1"), new_code_cell("helper = 1"))
    notebook.cells.reverse()
    assert [cell.source for cell in built(notebook).notebook.cells].count("helper = 1") == 1


def test_cells_with_thousands_of_made_up_ids_are_told_a_few_times():
    cells = [CELL | {"metadata": {"nbgrader": {"grade_id": f"made-up-{number}"}}} for number in range(2000)]
    result = rebuild.rebuild(notebook_of(*cells), RELEASED)
    assert 0 < kinds(result).count("forged-cell") <= 20
    assert len(result.notes) < 200


GIVEN = next(cell for cell in RELEASED.cells if "setup" in nb.tags(cell))


@pytest.mark.parametrize(
    "text",
    [
        "from " + "a" * 490_000 + "(",
        "import " + "." * 490_000 + "\\",
        "from" + " " * 490_000 + "(",
        "(" * 490_000,
    ],
    ids=["letters", "dots", "spaces", "parentheses"],
)
def test_a_line_made_to_be_searched_forever_is_read_at_once(text):
    cells = [CELL | {"id": GIVEN.id, "source": f"{text}\nimport fractions\n{number}"} for number in range(5)]
    start = time.process_time()
    rebuilt = rebuild.rebuild(notebook_of(*cells), RELEASED)
    # What grows with the square of the line takes minutes for each of them.
    assert time.process_time() - start < 10
    assert any(cell.source == "import fractions" for cell in rebuilt.notebook.cells)


def test_more_text_than_a_class_can_wait_for_is_refused():
    words = unreadable(notebook_of(*[CELL | {"source": "x" * 490_000}] * 11))
    assert "5390000 characters" in words
    rebuild.rebuild(notebook_of(*[CELL | {"source": "x" * 490_000}] * 10), RELEASED)
