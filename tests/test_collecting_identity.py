"""Whose it is: the outermost folder, zip or file that stands for a student, whatever that student wrote below it."""

import json
import os

import pytest
from test_collecting import CLASS, LABS, PRUNING, collect, fill, moment, notebook, pack, packed, who

from autograder import collecting, roster
from autograder.collecting import shares

MALLORY = roster.Student("mallory", "Mallory", "Malice", "mallory@example.org", canvas_id="103", sid="3003")
ALL = roster.Roster((*CLASS.students, MALLORY))
EVIL = notebook(text="evil")
STAMPED = "ada+01-pruning+2026-11-23 10:00:00.000001 UTC"
METADATA = "submission_1:\n  :submitters:\n  - :name: Ada\n    :sid: {}\n"

# What looks like ada's below mallory's own place.
BELOW = {
    "canvas": {"ada_101_2_pruning.ipynb": EVIL},
    "canvas-zip": {"lovelaceada_101_2_x.zip": packed({"pruning.ipynb": EVIL})},
    "blackboard": {"ps1_ada_attempt_2026-11-23-10-00-00_pruning.ipynb": EVIL},
    "exchange": {f"{STAMPED}/pruning.ipynb": EVIL},
    "nbgrader": {"ada/01-pruning/pruning.ipynb": EVIL},
    "nbgrader-in-place": {"submitted/ada/01-pruning/pruning.ipynb": EVIL},
    "gradescope": {
        "submission_metadata.yml": METADATA.format("3001"),
        "submission_1/pruning.ipynb": EVIL,
    },
    "gradescope-by-id": {
        "assignment_5_export/submission_metadata.yml": METADATA.format("ada"),
        "assignment_5_export/submission_1/pruning.ipynb": EVIL,
    },
    "folder": {"ada/pruning.ipynb": EVIL},
    "file": {"ada.ipynb": EVIL},
    "file-of-lab": {"pruning-ada.ipynb": EVIL},
    "zip": {"ada.zip": packed({"ada/01-pruning/pruning.ipynb": EVIL, "pruning.ipynb": EVIL})},
}
# Where a platform, or the instructor, puts mallory's and ada's own; %s is what mallory wrote.
NBGRADER = ("ada/01-pruning/pruning.ipynb", "mallory/01-pruning/%s")
PLACES = {
    "nbgrader": NBGRADER,
    "course": tuple(f"submitted/{one}" for one in NBGRADER),
    "folders": ("ada/pruning.ipynb", "mallory/%s"),
    "exchange": (f"{STAMPED}/pruning.ipynb", f"{STAMPED.replace('ada', 'mallory')}/%s"),
    "canvas-unpacked": ("lovelaceada_101_8_pruning.ipynb", "malicemallory_103_9_work/%s"),
    "by-lab": ("01-pruning/ada/pruning.ipynb", "01-pruning/mallory/%s"),
}
ZIPS = {
    "canvas": ("lovelaceada_101_8_pruning.ipynb", "malicemallory_103_9_work.zip"),
    "nbgrader": ("ada/01-pruning/pruning.ipynb", "mallory/01-pruning/work.zip"),
    "folders": ("ada/pruning.ipynb", "mallory/01-pruning-20261120-100000.zip"),
    "zips": ("ada.ipynb", "mallory.zip"),
    "blackboard": (
        "ps1_ada_attempt_2026-11-23-10-00-00_pruning.ipynb",
        "ps1_mallory_attempt_2026-11-23-10-00-00_ada_attempt_2026-11-23-11-00-00.zip",
    ),
}
ROSTERS = pytest.mark.parametrize("people", [ALL, None], ids=["roster", "no-roster"])


def alone(found, ids=("ada", "101")):
    """Ada's is what she handed in, and what mallory did is nobody else's."""
    taken = collecting.last(found.attempts)
    assert [one.notebook for one in taken if one.student in ids] == [PRUNING], found.problems
    assert {one.student for one in taken} <= {*ids, "mallory", "103", "submission_2"}


@ROSTERS
@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("place", PLACES)
def test_below_a_folder(tmp_path, place, below, people):
    honest, own = PLACES[place]
    hostile = {own % name: content for name, content in BELOW[below].items()}
    fill(tmp_path / "inbox", **{honest: PRUNING}, **hostile)
    alone(collect(tmp_path / "inbox", roster=people))
    pack(tmp_path / "inbox.zip", {honest: PRUNING, **hostile})
    alone(collect(tmp_path / "inbox.zip", roster=people))


@ROSTERS
@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("place", ZIPS)
def test_in_a_zip(tmp_path, place, below, people):
    honest, own = ZIPS[place]
    files = {
        honest: PRUNING,
        own: packed({**BELOW[below], "manifest.json": json.dumps({"lab": "01-pruning"})}),
    }
    alone(collect(fill(tmp_path / "inbox", **files), roster=people))
    pack(tmp_path / "inbox.zip", files)
    alone(collect(tmp_path / "inbox.zip", roster=people))


@ROSTERS
@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("below", BELOW)
def test_in_gradescopes_folders(tmp_path, below, zipped, metadata, people):
    root = "assignment_5_export"
    own = {"work.zip": packed(BELOW[below])} if zipped else BELOW[below]
    files = {f"{root}/submission_2/{name}": content for name, content in own.items()}
    listed = METADATA.replace("_1", "_11").format("3001") + METADATA.replace("_1", "_2").format("3003")
    files[f"{root}/submission_metadata.yml"] = listed if metadata else "["
    pack(tmp_path / "e.zip", {f"{root}/submission_11/pruning.ipynb": PRUNING, **files})
    own_ids = ("ada", "3001") if metadata else ("submission_11",)
    found = collect(tmp_path / "e.zip", roster=people)
    taken = collecting.last(found.attempts)
    assert [one.notebook for one in taken if one.student in own_ids] == [PRUNING]
    assert {one.student for one in taken} <= {*own_ids, "mallory", "3003", "submission_2"}


def test_who_is_not_in_the_roster_is_nobody_in_it(tmp_path):
    """Mallory's folder lies beside those of students, so that it is a student's too."""
    fill(tmp_path, **{"emmy/pruning.ipynb": PRUNING, "mallory/ada/pruning.ipynb": EVIL})
    assert who(collect(tmp_path)) == [("emmy", "01-pruning"), ("mallory", "01-pruning")]
    fill(tmp_path / "b", **{"mallory/01-pruning/ada.ipynb": EVIL})
    assert who(collect(tmp_path / "b")) == [("mallory", "01-pruning")]


@ROSTERS
def test_one_students_own_folder_as_the_source(tmp_path, people):
    fill(tmp_path / "submitted" / "mallory", **BELOW["canvas"], **BELOW["nbgrader"])
    found = collect(tmp_path / "submitted" / "mallory", roster=people)
    assert {one.student for one in found.attempts} == {"mallory"}


def test_one_students_own_zip_as_the_source(tmp_path):
    pack(tmp_path / "mallory.zip", {**BELOW["canvas"], **BELOW["nbgrader"]})
    assert {one.student for one in collect(tmp_path / "mallory.zip", roster=ALL).attempts} == {"mallory"}


@pytest.mark.parametrize("name", ["inbox", "downloads", "week3"])
def test_a_folder_that_lies_alone_holds_the_class(tmp_path, name):
    fill(tmp_path / "x", **{f"{name}/{one}/pruning.ipynb": PRUNING for one in ("ada", "emmy")})
    expected = [("ada", "01-pruning"), ("emmy", "01-pruning")]
    assert who(collect(tmp_path / "x")) == who(collect(tmp_path / "x", roster=None)) == expected


def test_folders_of_sections_are_told_without_a_roster(tmp_path):
    names = [f"{section}/{one}/pruning.ipynb" for section in ("a", "b") for one in ("ada", "emmy")]
    fill(tmp_path, **dict.fromkeys(names, PRUNING))
    found = collect(tmp_path, roster=None)
    assert {one.student for one in found.attempts} == {"a", "b"}
    assert sum("if it holds the work of ada and others" in one for one in found.problems) == 2
    assert {one.student for one in collect(tmp_path).attempts} == {"ada", "emmy"}


def test_downloads_of_a_class_are_told_without_a_roster(tmp_path):
    inner = packed({"lovelaceada_101_8_pruning.ipynb": PRUNING})
    fill(tmp_path, **{"hw1.zip": inner, "hw2.zip": inner})
    found = collect(tmp_path, roster=None)
    assert (
        len(found.problems) == 2 and "the work of lovelaceada_101_8_pruning and others" in found.problems[0]
    )
    assert {one.student for one in collect(tmp_path).attempts} == {"ada"}


class TestNamesThatCanBeChanged:
    def test_a_name_of_canvas_where_the_number_is_another(self, tmp_path):
        pack(tmp_path / "s.zip", {"lovelaceada_101_8_x.ipynb": PRUNING, "lovelaceada_999_9_x.ipynb": EVIL})
        found = collect(tmp_path / "s.zip")
        assert {one.student: one.notebook for one in found.attempts} == {"ada": PRUNING, "999": EVIL}

    def test_two_users_with_one_name(self, tmp_path):
        people = roster.Roster((roster.Student("ada", "Ada", "Lovelace"),))
        pack(tmp_path / "s.zip", {"lovelaceada_101_8_x.ipynb": PRUNING, "lovelaceada_999_9_x.ipynb": EVIL})
        found = collect(tmp_path / "s.zip", roster=people)
        assert [one.notebook for one in found.attempts] == [PRUNING]
        assert "second user of Canvas" in found.problems[0]

    def test_an_id_that_ends_like_anothers(self, tmp_path):
        people = roster.Roster((*CLASS.students, roster.Student("x_ada")))
        fill(tmp_path, **{"ps1_x_ada_attempt_2026-11-23-10-00-00_pruning.ipynb": EVIL})
        assert who(collect(tmp_path, roster=people)) == [("x_ada", "01-pruning")]


class TestTimes:
    STAMP = "2026-11-25 10:00:00 UTC"

    @pytest.mark.parametrize(
        "name", ["sub/pruning.ipynb", "sub/01-pruning/pruning.ipynb", "work.zip", "pruning (1).ipynb"]
    )
    def test_no_file_below_ones_own_folder_comes_earlier(self, tmp_path, name):
        inner = packed({"pruning.ipynb": EVIL, "timestamp.txt": "2026-11-01 10:00:00 UTC"})
        fill(
            tmp_path / "submitted",
            **{
                "ada/01-pruning/pruning.ipynb": PRUNING,
                "ada/01-pruning/timestamp.txt": self.STAMP,
                f"ada/01-pruning/{name}": inner if name.endswith("zip") else EVIL,
                "ada/01-pruning/sub/timestamp.txt": "2026-11-01 10:00:00 UTC",
            },
        )
        for people in (CLASS, None):
            found = collect(tmp_path / "submitted", roster=people)
            assert {one.timestamp for one in found.attempts} == {moment(2026, 11, 25, 10)}


class TestShares:
    def test_files_of_one_student_take_nothing_from_others(self, tmp_path):
        names = {f"ada/junk/{number}.txt": b"" for number in range(30_000)}
        pack(tmp_path / "class.zip", {**names, "ada/pruning.ipynb": PRUNING, "emmy/pruning.ipynb": PRUNING})
        found = collect(tmp_path / "class.zip")
        assert who(found) == [("ada", "01-pruning"), ("emmy", "01-pruning")] and not found.problems

    def test_a_folder_holds_a_part_of_what_the_one_above_may(self, tmp_path, monkeypatch):
        monkeypatch.setattr(collecting.files, "MAX_FILES", 40)
        monkeypatch.setattr(collecting.files, "LEAST", 2)
        files = {f"ada/{number:03}/pruning.ipynb": PRUNING for number in range(100)}
        found = collect(fill(tmp_path, **files, **{"emmy/pruning.ipynb": PRUNING}))
        assert who(found) == [("ada", "01-pruning")] * 10 + [("emmy", "01-pruning")]
        assert "ada holds more than 10 notebooks" in found.problems[0]

    def test_notebooks_that_are_opened(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shares, "MAX_OPENED", 3)
        files = {f"ada/{number}/pruning.ipynb": PRUNING for number in range(10)}
        found = collect(fill(tmp_path, **files, **{"emmy/pruning.ipynb": PRUNING}))
        assert who(found) == [("ada", "01-pruning")] * 3 + [("emmy", "01-pruning")]
        assert "at most 3 files" in found.problems[0]

    def test_bytes_that_are_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shares, "MAX_BYTES", len(PRUNING) + 1)
        inner = packed({f"{number}/pruning.ipynb": PRUNING for number in range(10)})
        pack(
            tmp_path / "s.zip", {"lovelaceada_101_2_x.zip": inner, "noetheremmy_102_3_pruning.ipynb": PRUNING}
        )
        found = collect(tmp_path / "s.zip")
        assert who(found)[-1] == ("emmy", "01-pruning") and len(found.attempts) < 4

    def test_times_and_manifests_that_are_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shares, "MAX_OPENED", 3)
        inner = packed({f"{number}/manifest.json": json.dumps({"lab": "x"}) for number in range(10)})
        files = {"ada.zip": inner, "emmy/pruning.ipynb": PRUNING, "emmy/timestamp.txt": TestTimes.STAMP}
        gathering = collecting.gathering.Gathering(labs=LABS, roster=CLASS, lab=None, strict=False)
        gathering.source(fill(tmp_path, **files))
        assert [one.timestamp for one in gathering.attempts.all] == [moment(2026, 11, 25, 10)]
        assert sum("at most 3 files" in one for one in gathering.problems.told()) == 8

    def test_problems_that_are_told(self, tmp_path):
        inner = packed({f"{number}/../pruning.ipynb": b"" for number in range(100)})
        found = collect(fill(tmp_path, **{"ada.zip": inner, "emmy.zip": packed({"/pruning.ipynb": b""})}))
        assert len(found.problems) == shares.MAX_PROBLEMS + 2
        assert any("emmy.zip" in one for one in found.problems)
        assert "has 80 more such problems" in found.problems[-1]

    def test_only_attempts_that_count_are_kept(self, tmp_path, monkeypatch):
        monkeypatch.setattr(collecting.gathering, "MAX_TOTAL", len(PRUNING) + len(EVIL) + 1)
        for number in range(5):
            name = f"ada/{number}/pruning.ipynb"
            fill(tmp_path, **{name: notebook(text=str(number)), "emmy/pruning.ipynb": EVIL})
            os.utime(tmp_path / name, (number, number))
        found = collect(tmp_path)
        assert (
            not found.problems
            and [len(one.notebook) > 0 for one in found.attempts] == [False] * 4 + [True] * 2
        )
        assert collecting.last(found.attempts)[0].notebook == notebook(text="4")

    def test_a_list_of_names_in_a_students_zip(self, tmp_path, monkeypatch):
        monkeypatch.setattr(collecting.archives, "MAX_DIRECTORY", 500)
        inner = packed({f"{number}.txt": b"" for number in range(100)})
        pack(tmp_path / "s.zip", {"ada.zip": inner, "emmy.zip": packed({"pruning.ipynb": PRUNING})})
        found = collect(tmp_path / "s.zip")
        assert who(found) == [("emmy", "01-pruning")] and "far more files" in found.problems[0]


def test_a_file_that_vanishes_while_a_folder_is_read(tmp_path, monkeypatch):
    fill(tmp_path, **{"ada/pruning.ipynb": PRUNING, "emmy/pruning.ipynb": PRUNING})
    original = os.scandir

    def scandir(path):
        entries = list(original(path))
        (tmp_path / "ada" / "pruning.ipynb").unlink(missing_ok=True)
        return entries

    monkeypatch.setattr(collecting.files.os, "scandir", scandir)
    found = collect(tmp_path)
    assert ("emmy", "01-pruning") in who(found)


def test_submitters_are_texts_and_numbers():
    """A list of lists of lists is short in the file and endless when it is written out."""
    lines = ["a: &a [x, x]"] + [
        f"b{i}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(12)
    ]
    text = "\n".join([*lines, "submission_1:", "  :submitters:", "  - :sid: *m", "    :email: e@example.org"])
    (one,) = collecting.gathering.gradescope.claims(text.encode())["submission_1"]
    assert one.own == "e@example.org"
