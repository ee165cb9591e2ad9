"""The students' bundle: what is in it, what is not, the same bytes twice, and a branch made without a trace."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder import leaks
from autograder import notebook as nb
from autograder.build import LeakError
from autograder.cli import app
from autograder.release import branch, bundle, folder, project, scan, zipped
from efflab.errors import EfflabError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def files():
    return bundle.files(ROOT)


def test_the_bundle_holds_what_a_student_needs_and_nothing_else(files):
    for path in (
        "labs/01-pruning/pruning.ipynb",
        "efflab/__init__.py",
        "efflab/data/digits.npz",
        "results/pruning.json",
        "tools/setup.py",
        "tools/torch_build.py",
        "requirements.lock",
        "environment.yml",
        "LICENSE",
        "LICENSE-TEXT.md",
        "DATA.md",
        "Makefile",
        "README.md",
        "pyproject.toml",
    ):
        assert files[path], path
    tops = {path.split("/")[0] for path in files}
    assert not tops & {"autograder", "solutions", "tests", "benchmarks", ".ci", "book", "course", "my-labs"}
    assert not [path for path in files if "__pycache__" in path or path.endswith(".pyc")]
    assert "efflab/cli/instructor.py" not in files


def test_settings_name_only_what_is_there(files):
    settings = tomllib.loads(files["pyproject.toml"].decode())
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(settings["project"]["optional-dependencies"]) == {"student"}
    assert (
        settings["project"]["optional-dependencies"]["student"]
        == ours["project"]["optional-dependencies"]["student"]
    )
    assert settings["project"]["scripts"] == {"efflab": "efflab.cli:main"}
    assert settings["project"]["dependencies"] == ours["project"]["dependencies"]
    assert settings["tool"] == {"hatch": ours["tool"]["hatch"]}
    for name in ("readme", "license-files"):
        value = settings["project"][name]
        for file in [value] if isinstance(value, str) else value:
            assert file in files


def test_the_targets_of_the_bundle_need_nothing_else(files, tmp_path):
    text = files["Makefile"].decode()
    (tmp_path / "Makefile").write_text(text)
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in shown.splitlines()] == list(project.TARGETS)
    assert "autograder" not in text
    assert "tests" not in text


def test_an_answer_in_the_bundle_is_found(files):
    lab = nb.find(ROOT, ["01-pruning"])[0]
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    index = leaks.book_index(ROOT)
    secret = next(
        region
        for cell in source.cells
        if nb.is_solution(cell)
        for region in nb.regions(cell.source)
        if index.search(region)
    )
    with pytest.raises(LeakError, match=r"efflab/new\.py, file: holds"):
        scan.scan(ROOT, {"efflab/new.py": secret.encode()})
    with pytest.raises(LeakError, match=r"solutions/x\.md is not for students"):
        scan.scan(ROOT, {"solutions/x.md": b""})
    with pytest.raises(LeakError, match="a marker of the lab's source"):
        scan.scan(ROOT, {"notes.txt": b"### BEGIN SOLUTION"})


def test_the_zip_is_the_same_twice_and_unpacks_in_one_folder(files, tmp_path):
    first = zipped.write(files, tmp_path / "a.zip").read_bytes()
    assert first == zipped.pack(dict(reversed(files.items())))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {zipped.TOP}
        assert archive.read(f"{zipped.TOP}/README.md") == files["README.md"]


def test_a_folder_keeps_what_is_not_ours(tmp_path):
    target = tmp_path / "out"
    folder.write({"a/b.txt": b"1", "c.txt": b"2"}, target)
    (target / "own.txt").write_text("mine")
    folder.write({"a/b.txt": b"3"}, target)
    assert (target / "a/b.txt").read_bytes() == b"3"
    assert not (target / "c.txt").exists()
    assert (target / "own.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").touch()
    with pytest.raises(EfflabError, match="needs a new or empty folder"):
        folder.write({"a": b""}, other)


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        done = subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    git("config", "user.name", "A")
    git("config", "user.email", "a@example.org")
    (tmp_path / "kept.txt").write_text("one")
    git("add", "kept.txt")
    git("commit", "-q", "-m", "First")
    (tmp_path / "kept.txt").write_text("two")
    (tmp_path / "staged.txt").write_text("three")
    git("add", "staged.txt")
    return tmp_path, git


def test_a_branch_is_made_beside_what_is_checked_out(repository):
    root, git = repository
    before = git("status", "--porcelain"), git("rev-parse", "HEAD"), git("ls-files", "-s")
    first = branch.commit(root, "students", {"labs/a.txt": b"a", "b.txt": b"b"})
    assert git("ls-tree", "-r", "--name-only", "students").split() == ["b.txt", "labs/a.txt"]
    assert branch.commit(root, "students", {"labs/a.txt": b"a", "b.txt": b"b"}) == first
    second = branch.commit(root, "students", {"b.txt": b"c"})
    assert git("rev-parse", "students", "students^").split() == [second, first]
    assert git("show", "students:b.txt") == "c"
    assert (git("status", "--porcelain"), git("rev-parse", "HEAD"), git("ls-files", "-s")) == before


def test_wrong_branches_are_refused(repository, tmp_path_factory):
    root, git = repository
    git("branch", "work")
    for name, words in (
        ("main", "is checked out"),
        ("work", "no release"),
        ("-x", "cannot be"),
        ("a..b", "cannot be"),
    ):
        with pytest.raises(EfflabError, match=words):
            branch.commit(root, name, {"a": b""})
    with pytest.raises(EfflabError, match="needs a git repository"):
        branch.commit(tmp_path_factory.mktemp("plain"), "students", {})


def test_release_fills_the_gradebook_and_writes_the_bundle(tmp_path, files, monkeypatch):
    monkeypatch.setattr(bundle, "files", lambda root: files)
    arguments = ["release", "--course", str(tmp_path / "course"), "--zip", str(tmp_path / "b.zip")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "b")])
    assert result.exit_code == 0, result.output
    assert "releasing" in result.stderr
    (line,) = [line for line in result.stdout.splitlines() if " 01-pruning " in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["01-pruning", "6", "40", "10", "-"]
    assert (tmp_path / "b.zip").read_bytes() == zipped.pack(files)
    assert (tmp_path / "b" / "labs/01-pruning/pruning.ipynb").is_file()
    assert (tmp_path / "course" / "release" / "01-pruning" / "pruning.ipynb").is_file()
    assert (tmp_path / "course" / "gradebook.db").is_file()


@pytest.mark.slow
def test_the_unpacked_bundle_prepares_the_labs(files, tmp_path):
    zipped.write(files, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extractall(tmp_path)
    root = tmp_path / zipped.TOP
    code = "import sys; sys.path.insert(0, '.'); from efflab.cli import main; sys.argv[0] = 'efflab'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "lab", "--check-only"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"JUPYTER_CONFIG_DIR": str(tmp_path / "config")},
    )
    assert done.returncode == 0, done.stderr
    assert (root / "my-labs" / "01-pruning" / "pruning.ipynb").is_file()
    plan = subprocess.run(
        [sys.executable, "tools/setup.py", "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert "extras: student" in plan.stdout, plan.stderr
