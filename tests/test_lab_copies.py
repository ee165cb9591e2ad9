"""The student's copies: answers carried over, nothing overwritten; handing in."""

import copy
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efflab.errors import EfflabError
from efflab.lab import carry_over, handin, inspect, my_labs, submit
from efflab.lab.notebooks import dump, fingerprints, load, source

STUB = 'def mask(w):\n    raise NotImplementedError("Task 1.1")'


def cell(kind: str, name: str, text: str, **metadata) -> dict:
    made = {"cell_type": kind, "id": name, "metadata": metadata, "source": text}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def graded(grade_id: str, *, solution: bool, grade: bool, locked: bool) -> dict:
    return {"grade_id": grade_id, "solution": solution, "grade": grade, "locked": locked, "schema_version": 3}


def release(stub: str = STUB, title: str = "# Pruning") -> dict:
    """A tiny released lab: title, prediction, task, check, written answer."""
    return {
        "cells": [
            cell("markdown", "title", title),
            cell("code", "guess", "value = None", tags=["predict"]),
            cell(
                "code",
                "task",
                stub,
                nbgrader=graded("pruning-1-solution", solution=True, grade=False, locked=False),
            ),
            cell(
                "code",
                "check",
                "check()",
                nbgrader=graded("pruning-1", solution=False, grade=True, locked=True),
            ),
            cell(
                "markdown",
                "why",
                "YOUR ANSWER HERE",
                nbgrader=graded("pruning-1-explain", solution=True, grade=True, locked=False),
            ),
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def sources(notebook: dict) -> list[str]:
    return [source(one) for one in notebook["cells"]]


def answered() -> dict:
    """A student's copy: everything answered, one own cell, one check edited."""
    mine = copy.deepcopy(release())
    mine["cells"][1]["source"] = ["value = ", "37"]
    mine["cells"][2]["source"] = "def mask(w):\n    return abs(w) > 1"
    mine["cells"][3]["source"] = "pass  # edited"
    mine["cells"][4]["source"] = "Because small weights matter little."
    mine["cells"].insert(2, cell("code", "own", "import math"))
    return mine


def write(path: Path, notebook: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(notebook))
    return path


@pytest.fixture
def course(tmp_path: Path) -> Path:
    write(tmp_path / "labs/01-pruning/pruning.ipynb", release())
    (tmp_path / "labs/01-pruning/weights.csv").write_text("1,2")
    return tmp_path


@pytest.mark.parametrize("known", [True, False])
def test_answers_go_into_the_new_release_and_its_own_text_stays(known: bool) -> None:
    new = release(title="# Pruning, second edition")
    found = carry_over(answered(), new, released=fingerprints(release()) if known else None)
    assert sources(found.notebook) == [
        "# Pruning, second edition",
        "value = 37",
        "import math",
        "def mask(w):\n    return abs(w) > 1",
        "check()",
        "Because small weights matter little.",
    ]
    assert found.added == 1
    assert not found.homeless
    assert new == release(title="# Pruning, second edition")
    nbformat.validate(nbformat.from_dict(found.notebook))


def test_a_stub_left_alone_becomes_the_new_stub() -> None:
    new = release(stub='def mask(w, sparsity):\n    raise NotImplementedError("Task 1.1")')
    found = carry_over(release(), new, released=fingerprints(release()))
    assert found.notebook == new
    assert not found.carried


def test_a_cell_that_both_changed_keeps_the_answer_and_shows_the_new_start() -> None:
    new = release(stub="def mask(w, sparsity): ...")
    found = carry_over(answered(), new, released=fingerprints(release()))
    assert found.changed == ("grade:pruning-1-solution",)
    texts = sources(found.notebook)
    place = texts.index("def mask(w):\n    return abs(w) > 1")
    assert "def mask(w, sparsity): ..." in texts[place + 1]
    nbformat.validate(nbformat.from_dict(found.notebook))


def test_an_answer_without_a_place_is_kept_at_the_end() -> None:
    new = release()
    del new["cells"][2:4]
    found = carry_over(answered(), new, released=fingerprints(release()))
    assert found.homeless == ("grade:pruning-1-solution",)
    assert "abs(w)" in sources(found.notebook)[-1]
    assert "nbgrader" not in found.notebook["cells"][-1]["metadata"]


def test_answers_are_found_by_grade_id_where_an_editor_renewed_the_cell_ids() -> None:
    mine = answered()
    for number, one in enumerate(mine["cells"]):
        one["id"] = f"new{number}"
    found = carry_over(mine, release())
    assert "def mask(w):\n    return abs(w) > 1" in sources(found.notebook)
    assert "value = 37" in sources(found.notebook)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12), min_size=5, max_size=8
    ),
    st.randoms(),
)
def test_no_text_of_the_student_is_ever_lost(texts: list[str], random) -> None:
    mine = release()
    mine["cells"] += [cell("code", f"own{i}", "") for i in range(len(texts) - 5)]
    random.shuffle(mine["cells"])
    unlocked = [one for one in mine["cells"] if one["id"] != "check"]
    for one, text in zip(unlocked, texts, strict=False):
        one["source"] = text
    new = release(title="# Other")
    new["cells"] = [one for one in new["cells"] if random.random() < 0.7]
    found = carry_over(mine, new, released=fingerprints(release()))
    kept = sources(found.notebook)
    for one in unlocked:
        if source(one).strip() and source(one) not in sources(release()):
            assert kept.count(source(one)) >= 1
    names = [one["id"] for one in found.notebook["cells"]]
    assert len(set(names)) == len(names)


def test_copies_are_made_once_and_kept(course: Path) -> None:
    (first,) = my_labs(course)
    assert (first.state, first.notebook) == ("new", course / "my-labs/01-pruning/pruning.ipynb")
    assert first.notebook.read_bytes() == (course / "labs/01-pruning/pruning.ipynb").read_bytes()
    assert (course / "my-labs/01-pruning/weights.csv").read_text() == "1,2"
    write(first.notebook, answered())
    (second,) = my_labs(course)
    assert (second.state, second.offer) == ("kept", None)
    assert load(first.notebook) == answered()


def test_a_newer_release_is_offered_beside_the_answers(course: Path) -> None:
    mine = write(my_labs(course)[0].notebook, answered())
    before = mine.read_bytes()
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Second edition"))
    (found,) = my_labs(course)
    assert (found.state, found.offer.name) == ("offered", "pruning.new-release.ipynb")
    assert "4 answers carried over" in found.note
    assert mine.read_bytes() == before
    offered = sources(load(found.offer))
    assert offered[0] == "# Second edition"
    assert "def mask(w):\n    return abs(w) > 1" in offered
    (again,) = my_labs(course)
    assert (again.state, again.offer) == ("kept", found.offer)

    found.offer.write_text(found.offer.read_text().replace("import math", "import cmath"))
    edited = found.offer.read_bytes()
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Third edition"))
    (third,) = my_labs(course)
    assert third.offer.name == "pruning.new-release-2.ipynb"
    assert (mine.read_bytes(), found.offer.read_bytes()) == (before, edited)


def test_an_accepted_offer_becomes_the_copy(course: Path) -> None:
    mine = write(my_labs(course)[0].notebook, answered())
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Second edition"))
    my_labs(course)[0].offer.replace(mine)
    assert my_labs(course)[0].state == "kept"
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Third edition"))
    offered = sources(load(my_labs(course)[0].offer))
    assert offered[0] == "# Third edition"
    assert "# Second edition" not in offered
    assert "value = 37" in offered


def test_an_untouched_copy_is_simply_renewed(course: Path) -> None:
    my_labs(course)
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Second edition"))
    (course / "labs/01-pruning/weights.csv").write_text("3,4")
    (found,) = my_labs(course)
    assert found.state == "updated"
    assert sources(load(found.notebook))[0] == "# Second edition"
    assert (course / "my-labs/01-pruning/weights.csv").read_text() == "3,4"


def test_a_data_file_that_the_student_changed_stays(course: Path) -> None:
    my_labs(course)
    (course / "my-labs/01-pruning/weights.csv").write_text("mine")
    (course / "labs/01-pruning/weights.csv").write_text("3,4")
    my_labs(course)
    assert (course / "my-labs/01-pruning/weights.csv").read_text() == "mine"


@pytest.mark.parametrize("lost", ["removed", "damaged"])
def test_without_its_record_no_copy_is_touched(course: Path, lost: str) -> None:
    mine = write(my_labs(course)[0].notebook, answered())
    record = course / "my-labs/.efflab/releases.json"
    if lost == "removed":
        record.unlink()
    else:
        record.write_text("{")
    before = mine.read_bytes()
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Second edition"))
    (found,) = my_labs(course)
    assert found.state == "offered"
    assert mine.read_bytes() == before
    assert "value = 37" in sources(load(found.offer))


def test_a_damaged_copy_is_left_alone_and_a_fresh_one_offered(course: Path) -> None:
    mine = my_labs(course)[0].notebook
    mine.write_text('{"cells": [')
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Second edition"))
    (found,) = my_labs(course)
    assert mine.read_text() == '{"cells": ['
    assert "without your answers" in found.note
    assert sources(load(found.offer))[0] == "# Second edition"


def test_no_labs_no_copies(tmp_path: Path) -> None:
    with pytest.raises(EfflabError, match="there are no labs in"):
        my_labs(tmp_path)


@pytest.fixture
def mine(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EFFLAB_STUDENT", raising=False)
    return write(my_labs(course)[0].notebook, answered())


def test_submit_makes_one_zip_with_checksums(mine: Path, course: Path) -> None:
    (course / "my-labs/passport.jsonl").write_text("{}\n")
    (course / "my-labs/.efflab/01-pruning.json").write_text("{}")
    first, second = submit(mine), submit(mine)
    assert first != second
    assert first.parent == course / "my-labs/handed-in"
    with zipfile.ZipFile(first) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert set(content) == {"pruning.ipynb", "passport.jsonl", "01-pruning.json", "manifest.json"}
    assert content["pruning.ipynb"] == mine.read_bytes()
    manifest = json.loads(content.pop("manifest.json"))
    assert manifest["lab"] == "01-pruning"
    assert manifest["sha256"] == {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    assert str(course) not in json.dumps(manifest)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda cells: cells.pop(4), "lacks the cells pruning-1:"),
        (lambda cells: cells.append(copy.deepcopy(cells[3])), "holds pruning-1-solution more than once"),
    ],
)
def test_submit_names_cells_that_are_missing_or_doubled(mine: Path, damage, words: str) -> None:
    broken = answered()
    damage(broken["cells"])
    write(mine, broken)
    with pytest.raises(EfflabError, match=words):
        submit(mine)
    assert submit(mine, anyway=True).exists()


def test_an_offer_is_handed_in_under_the_released_name(mine: Path, course: Path) -> None:
    write(course / "labs/01-pruning/pruning.ipynb", release(title="# Second edition"))
    offer = my_labs(course)[0].offer
    with zipfile.ZipFile(submit(offer)) as archive:
        assert sources(json.loads(archive.read("pruning.ipynb")))[0] == "# Second edition"


def test_a_large_notebook_goes_without_its_outputs(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handin, "MAX_BYTES", 20_000)
    large = answered()
    large["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50_000}]
    write(mine, large)
    with zipfile.ZipFile(submit(mine)) as archive:
        sent = json.loads(archive.read("pruning.ipynb"))
    assert sent["cells"][1]["outputs"] == []
    assert sources(sent) == sources(answered())
    large["cells"][1]["source"] = "x" * 50_000
    write(mine, large)
    with pytest.raises(EfflabError, match="without its outputs, at most"):
        submit(mine)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"cells": 3}', '{"cells": [1]}', '{"cells": []}', "[" * 100_000]
)
def test_what_is_no_notebook_is_refused_in_one_sentence(mine: Path, content: str) -> None:
    mine.write_text(content)
    with pytest.raises(EfflabError):
        submit(mine)


def test_a_notebook_alone_is_recognised_by_its_tasks(tmp_path: Path) -> None:
    report = inspect(write(tmp_path / "downloaded.ipynb", answered()))
    assert (report.lab, report.intact) == ("01-pruning", True)
    with pytest.raises(EfflabError, match="there is no notebook"):
        inspect(tmp_path / "absent.ipynb")


def test_running_before_handing_in_names_the_cells_that_fail(mine: Path) -> None:
    notebook = release()
    notebook["cells"][3]["source"] = "mask(1)"
    notebook["cells"].append(cell("code", "long", "1 / 0", tags=["measure"]))
    write(mine, notebook)
    report = inspect(mine, run=True)
    assert report.failed == (("pruning-1", "NotImplementedError: Task 1.1"),)
    shutil.rmtree(mine.parent)
