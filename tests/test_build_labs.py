"""From a lab's source to the student's notebook: nothing of the answers, the same bytes each time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder import build
from autograder import notebook as nb

SAMPLE = "00-sample"
HEADER = "---\nkernelspec:\n  name: efflab\n  display_name: efflab\n---\n\n"


@pytest.fixture
def repository(tmp_path, root):
    """A repository with the sample lab alone."""
    shutil.copytree(root / "tests" / "fixtures" / "solutions", tmp_path / "solutions")
    (tmp_path / "labs").mkdir()
    return tmp_path


@pytest.fixture
def source(repository):
    return nb.read((repository / "solutions" / SAMPLE / "sample.md").read_text())


def cell_of(notebook, grade_id):
    return next(cell for cell in notebook.cells if nb.grade_id(cell) == grade_id)


def test_a_release_holds_stubs_and_prompts_and_nothing_of_the_answers(source):
    released = nb.release(source)
    stub = cell_of(released, "sample-1-solution").source
    assert stub.endswith('    raise NotImplementedError("Task 1: write keep_largest (three lines).")')
    assert "Args:" in stub
    assert cell_of(released, "sample-1-explain").source == nb.PROMPT
    text = nb.to_bytes(released).decode()
    for secret in ("SOLUTION", "STUB", "argsort", "adds almost nothing", "One point for", "jupytext"):
        assert secret not in text
    assert released.metadata["kernelspec"]["name"] == "efflab"
    assert released.metadata["efflab"]["budget"]["seconds"] == 30
    assert "Why does magnitude tell so much?" in text


def test_graded_cells_keep_their_ids_whatever_their_text(source):
    released = nb.release(source)
    meta = '{"nbgrader": {"grade_id": "sample-1", "solution": true, "grade": true, "points": 1}}'
    changed = nb.read(f"{HEADER}+++ {meta}\n\nAnother text.")
    assert cell_of(changed, "sample-1").id == cell_of(released, "sample-1").id
    assert cell_of(released, "sample-1-solution").id == cell_of(source, "sample-1-solution").id
    ids = [cell.id for cell in released.cells]
    assert len(set(ids)) == len(ids)


def test_metadata_are_complete_and_accepted_by_nbgraders_own_schema(source):
    released = nb.release(source)
    nb.validate(released)
    check = nb.nbgrader(cell_of(released, "sample-1"))
    assert (check["locked"], check["grade"], check["solution"]) == (True, True, False)
    assert check["points"] == 3
    assert check["schema_version"] == 3
    assert nb.tasks(source) == {"sample-1": 3, "sample-2": 2}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION", "no '# STUB: ...' line"),
        ("def f():\n    # STUB: pass\n    ### BEGIN SOLUTION\n    return 1", "has no END SOLUTION"),
        ("def f():\n    return 1\n    ### END SOLUTION", "do not pair"),
        ("# STUB: pass\n### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "do not pair"),
        ("def f():\n    # STUB: pass\n    return 1", "has no BEGIN SOLUTION"),
    ],
)
def test_regions_that_do_not_pair_are_refused(code, words):
    with pytest.raises(nb.LabError, match=words):
        nb.strip(code)


def test_several_regions_and_expressions_are_stripped():
    code = "a = 1\n# STUB: b = ...\n### BEGIN SOLUTION\nb = 2\n### END SOLUTION\nif a:\n    # STUB: pass\n"
    code += "    ### BEGIN SOLUTION\n    c = 3\n    ### END SOLUTION\nd = 4"
    assert nb.strip(code) == "a = 1\nb = ...\nif a:\n    pass\nd = 4"
    assert nb.regions(code) == ["b = 2", "    c = 3"]


CELL = "```{{code-cell}} python\n:nbgrader: {meta}\n{body}\n```\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CELL.format(meta='{"grade_id": "a", "solution": true}', body="x = 1"), "a has no solution region"),
        (CELL.format(meta='{"grade": true, "grade_id": "a"}', body="x = 1"), "a has no points"),
        (CELL.format(meta='{"solution": true}', body="x = 1"), "no grade_id"),
        (
            CELL.format(meta='{"grade": true, "grade_id": "a", "points": 1}', body="x = 1") * 2,
            "more than one cell",
        ),
        ("```{code-cell} python\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n```", "no solution cell"),
        ('+++ {"nbgrader": {"solution": true, "grade_id": "a"}}\n\nText.', "not valid"),
    ],
)
def test_a_source_that_would_give_an_answer_away_or_cannot_be_graded_is_refused(text, words):
    with pytest.raises(nb.LabError, match=words):
        nb.release(nb.read(HEADER + text))


def test_a_second_build_changes_no_byte_and_check_names_every_difference(repository, capsys):
    arguments = ["--root", str(repository)]
    assert build.main(arguments) == 0
    released = repository / "labs" / SAMPLE / "sample.ipynb"
    first, when = released.read_bytes(), released.stat().st_mtime_ns
    nbformat.validate(nbformat.reads(first.decode(), as_version=4))
    assert sorted(p.name for p in (repository / "labs" / SAMPLE).rglob("*") if p.is_file()) == [
        "largest.txt",
        "sample.ipynb",
    ]
    assert build.main(arguments) == 0
    assert (released.read_bytes(), released.stat().st_mtime_ns) == (first, when)
    assert build.main([*arguments, "--check"]) == 0
    capsys.readouterr()

    released.write_bytes(first.replace(b"Two tasks", b"Three tasks"))
    (repository / "labs" / SAMPLE / "data" / "largest.txt").unlink()
    (repository / "labs" / SAMPLE / "solution.py").write_text("secret")
    assert build.main([*arguments, "--check"]) == 1
    told = capsys.readouterr().err
    assert "labs/00-sample/sample.ipynb differs from its source" in told
    assert "labs/00-sample/data/largest.txt is missing" in told
    assert "labs/00-sample/solution.py belongs to no lab source" in told
    assert build.main([*arguments, "sample"]) == 0
    assert build.main([*arguments, "--check"]) == 0
    assert released.read_bytes() == first


def test_the_bytes_do_not_depend_on_the_process(repository, root):
    code = (
        "import sys; from pathlib import Path; from autograder import build; "
        "sys.stdout.buffer.write(build.build(Path(sys.argv[1]), code={})['00-sample/sample.ipynb'])"
    )
    command = [sys.executable, "-c", code, str(repository)]
    other = subprocess.run(command, capture_output=True, check=True, cwd=root, env={"PYTHONHASHSEED": "7"})
    assert other.stdout == build.build(repository, code={})["00-sample/sample.ipynb"]


def test_a_leak_or_an_unknown_lab_writes_nothing(repository, capsys):
    path = repository / "solutions" / SAMPLE / "sample.md"
    assert build.main(["--root", str(repository), "nothing"]) == 1
    assert "no lab is called 'nothing'" in capsys.readouterr().err
    leaked = "\n```{code-cell} python\ndef hint(w, s):\n    d = int(round(s * w.size))\n"
    leaked += (
        '    o = np.argsort(np.abs(w), axis=None, kind="stable")\n    m = np.ones(w.size, dtype=bool)\n```\n'
    )
    path.write_text(path.read_text() + leaked)
    assert build.main(["--root", str(repository)]) == 1
    assert "holds the solution sample-1-solution of 00-sample" in capsys.readouterr().err
    assert not list((repository / "labs").iterdir())


def test_nbgrader_itself_finds_the_same_graded_cells(source, tmp_path):
    """The source is also a source in nbgrader's own sense: its release has our cells, ids, points and checksums."""
    pytest.importorskip("nbgrader")
    folder = tmp_path / "course" / "source" / "sample"
    folder.mkdir(parents=True)
    (folder / "sample.ipynb").write_bytes(nb.to_bytes(source))
    (tmp_path / "course" / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'x'\n"
    )
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "sample", "--create", "--force"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"HOME": str(tmp_path), "PATH": path, "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(
        command, cwd=tmp_path / "course", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads((tmp_path / "course" / "release" / "sample" / "sample.ipynb").read_text())
    ours = nb.release(source)

    def graded(cells):
        found = {c["metadata"]["nbgrader"]["grade_id"]: c for c in cells if "nbgrader" in c["metadata"]}
        return {name: {**c["metadata"]["nbgrader"], "id": c["id"]} for name, c in found.items()}

    mine, its = graded(ours.cells), graded(theirs["cells"])
    assert list(mine) == list(its)
    for name, meta in mine.items():
        keys = set(meta) - ({"checksum"} if meta["solution"] else set())  # our stubs have words of their own
        assert {key: its[name][key] for key in keys} == {key: meta[key] for key in keys}


def test_the_repositorys_labs_are_what_their_sources_say(root, capsys):
    assert build.main(["--root", str(root), "--check"]) == 0, capsys.readouterr().err
