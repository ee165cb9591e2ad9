"""Submissions as each platform hands them out: whose, of which lab, when, and which attempt counts."""

import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autograder import collecting, roster
from autograder import notebook as nb
from autograder.collecting import Attempt
from efflab.errors import EfflabError
from efflab.lab import handin

LABS = (nb.Lab("00-measuring", Path("measuring.md")), nb.Lab("01-pruning", Path("pruning.md")))
ADA = roster.Student("ada", "Ada", "Lovelace", "ada@example.org", canvas_id="101", sid="3001")
EMMY = roster.Student("emmy", "Emmy", "Noether", "emmy@example.org", canvas_id="102", sid="3002")
CLASS = roster.Roster((ADA, EMMY))


def notebook(topic="pruning", text="x"):
    metadata = {"nbgrader": {"grade_id": f"{topic}-1-solution", "solution": True}}
    cell = {"cell_type": "code", "metadata": metadata, "source": text}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}).encode()


PRUNING = notebook()


def fill(folder, **files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def pack(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes() if isinstance(path, Path) else path.getvalue()


def packed(files):
    return pack(io.BytesIO(), files)


def collect(source, *, roster=CLASS, lab=None, labs=LABS, strict=False):
    return collecting.collect(source, labs=labs, roster=roster, lab=lab, strict=strict)


def who(found):
    return [(one.student, one.lab) for one in found.attempts]


def moment(*parts):
    return datetime(*parts, tzinfo=UTC)


SUBMITTED = {
    "ada/01-pruning/pruning.ipynb": PRUNING,
    "ada/01-pruning/timestamp.txt": "2026-11-23 10:00:00.5 UTC\n",
    "ada/00-measuring/measuring.ipynb": notebook("measuring"),
    "emmy/01-pruning/pruning.ipynb": PRUNING,
    "emmy/01-pruning/timestamp.txt": "yesterday",
}


class TestNbgrader:
    def check(self, found):
        assert not found.problems
        assert who(found) == [("ada", "00-measuring"), ("ada", "01-pruning"), ("emmy", "01-pruning")]
        assert found.attempts[1].timestamp == datetime(2026, 11, 23, 10, 0, 0, 500000, tzinfo=UTC)
        assert found.attempts[1].notebook == PRUNING
        assert found.attempts[2].timestamp is None
        assert "no time that can be read" in found.attempts[2].notes[0]

    def test_its_folder(self, tmp_path):
        self.check(collect(fill(tmp_path / "submitted", **SUBMITTED)))

    def test_without_a_roster(self, tmp_path):
        self.check(collect(fill(tmp_path / "submitted", **SUBMITTED), roster=None))

    def test_a_zip_of_it(self, tmp_path):
        pack(tmp_path / "class.zip", {f"submitted/{name}": one for name, one in SUBMITTED.items()})
        self.check(collect(tmp_path / "class.zip"))

    def test_one_student(self, tmp_path):
        fill(tmp_path / "submitted", **SUBMITTED)
        assert who(collect(tmp_path / "submitted" / "ada")) == [
            ("ada", "00-measuring"),
            ("ada", "01-pruning"),
        ]

    def test_of_one_lab_the_other_is_passed_over(self, tmp_path):
        found = collect(fill(tmp_path / "submitted", **SUBMITTED), labs=LABS[1:], lab="01-pruning")
        assert who(found) == [("ada", "01-pruning"), ("emmy", "01-pruning")]
        assert not found.problems

    def test_its_exchange(self, tmp_path):
        name = "ada+01-pruning+2026-11-23 10:00:00.000001 UTC+abc/pruning.ipynb"
        (one,) = collect(fill(tmp_path / "inbound", **{name: PRUNING})).attempts
        assert one.student == "ada"
        assert one.timestamp == datetime(2026, 11, 23, 10, 0, 0, 1, tzinfo=UTC)

    def test_names_as_its_zip_collect_has_them(self, tmp_path):
        name = "ps1_ada_attempt_2026-11-23-10-00-00_pruning.ipynb"
        (one,) = collect(fill(tmp_path / "downloads", **{name: PRUNING})).attempts
        assert (one.student, one.timestamp) == ("ada", moment(2026, 11, 23, 10))
        assert "UTC" in one.notes[0]


class TestCanvas:
    def test_a_zip_of_submissions(self, tmp_path):
        files = {
            "noetheremmy_102_5009_pruning-2.ipynb": notebook(text="third"),
            "noetheremmy_102_5008_pruning-1.ipynb": notebook(text="second"),
            "lovelaceada_LATE_101_5002_my work.ipynb": PRUNING,
            "lovelaceada_LATE_101_5003_notes.pdf": b"%PDF",
        }
        pack(tmp_path / "submissions.zip", files)
        found = collect(tmp_path / "submissions.zip")
        assert who(found) == [("ada", "01-pruning"), ("emmy", "01-pruning"), ("emmy", "01-pruning")]
        assert found.attempts[0].timestamp is None and "late" in found.attempts[0].notes[0]
        assert [b"third" in one.notebook for one in collecting.last(found.attempts)] == [False, True]

    def test_who_handed_in_no_notebook(self, tmp_path):
        files = {
            "lovelaceada_101_1_work.pdf": b"",
            "noetheremmy_102_2_x.py": b"",
            "noetheremmy_102_3_pruning.ipynb": PRUNING,
        }
        pack(tmp_path / "s.zip", files)
        found = collect(tmp_path / "s.zip")
        assert who(found) == [("emmy", "01-pruning")]
        assert found.problems == (
            "s.zip/lovelaceada_101_1_work.pdf is no notebook, and no other file of 101 is one.",
        )

    def test_the_name_where_the_number_is_not_known(self, tmp_path):
        people = roster.Roster((roster.Student("ada", "Ada", "Lovelace"),))
        pack(tmp_path / "s.zip", {"lovelaceada_7_8_pruning.ipynb": PRUNING})
        assert who(collect(tmp_path / "s.zip", roster=people)) == [("ada", "01-pruning")]

    def test_without_a_roster_the_number_is_the_student(self, tmp_path):
        pack(tmp_path / "s.zip", {"lovelaceada_101_8_pruning.ipynb": PRUNING})
        assert who(collect(tmp_path / "s.zip", roster=None)) == [("101", "01-pruning")]

    @pytest.mark.parametrize("name", ["anon_1a2B3_8_pruning.ipynb", "LATE_anon_1a2B3_8_pruning.ipynb"])
    def test_anonymous(self, tmp_path, name):
        pack(tmp_path / "s.zip", {name: PRUNING})
        found = collect(tmp_path / "s.zip")
        assert who(found) == [("anon_1a2B3", "01-pruning")]
        assert "not in the roster" in found.problems[0]

    def test_a_zip_in_it_that_efflab_made(self, tmp_path):
        made = {
            "pruning.ipynb": PRUNING,
            "passport.json": b"{}",
            "timestamp.txt": b"1999-01-01 00:00:00 UTC",
            "manifest.json": json.dumps(
                {"lab": "01-pruning", "made": "2026-11-20T10:00:00+00:00", "sha256": {}}
            ),
        }
        files = {"lovelaceada_101_9_01-pruning-20261120-100000.zip": packed(made)}
        pack(tmp_path / "submissions.zip", files)
        (one,) = collect(tmp_path / "submissions.zip").attempts
        assert (one.student, one.timestamp) == ("ada", moment(2026, 11, 20, 10))
        assert "student's own machine" in one.notes[0]

    def test_downloads_in_a_folder(self, tmp_path):
        pack(tmp_path / "one.zip", {"lovelaceada_101_8_pruning.ipynb": PRUNING})
        pack(tmp_path / "two.zip", {"noetheremmy_102_9_x.zip": packed({"pruning.ipynb": PRUNING})})
        assert who(collect(tmp_path)) == [("ada", "01-pruning"), ("emmy", "01-pruning")]


class TestGradescope:
    METADATA = """\
submission_11:
  :submitters:
  - :name: Ada Lovelace
    :sid: 3001
    :email: ada@example.org
  :created_at: 2026-11-23 10:00:00.123456000 Z
  :score: !ruby/object:BigDecimal 18:0.1e1
  :history: []
submission_12:
  :submitters:
  - :name: Emmy Noether
    :sid:
    :email: emmy@example.org
  - :name: Ada Lovelace
    :sid: '3001'
    :email: ada@example.org
  :created_at: '2026-11-22T10:00:00+01:00'
"""

    def test_an_export(self, tmp_path):
        root = "assignment_5_export"
        files = {
            f"{root}/submission_11/pruning.ipynb": PRUNING,
            f"{root}/submission_11/submission_metadata.yml": "submission_11: {}",
            f"{root}/submission_11/timestamp.txt": "1999-01-01 00:00:00 UTC",
            f"{root}/submission_12/work/pruning.ipynb": PRUNING,
            f"{root}/submission_metadata.yml": self.METADATA,
        }
        pack(tmp_path / "export.zip", files)
        found = collect(tmp_path / "export.zip")
        assert not found.problems
        assert [(one.student, one.timestamp) for one in found.attempts] == [
            ("ada", datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)),
            ("ada", moment(2026, 11, 22, 9)),
            ("emmy", moment(2026, 11, 22, 9)),
        ]
        assert collecting.last(found.attempts)[0].timestamp.day == 23
        assert "group" in found.attempts[1].notes[0]

    @pytest.mark.parametrize(
        "text", ["[", "a: &a [*a]", "- 1", "[" * 5000, "!!python/object/apply:os.getcwd []", "a: 99999-99-99"]
    )
    def test_metadata_that_cannot_be_read_or_make_no_sense(self, tmp_path, text):
        files = {"e/submission_metadata.yml": text, "e/submission_1/pruning.ipynb": PRUNING}
        pack(tmp_path / "export.zip", files)
        found = collect(tmp_path / "export.zip")
        assert who(found) == [("submission_1", "01-pruning")]
        assert found.problems


class TestPlain:
    @pytest.mark.parametrize(
        "name",
        [
            "ada/pruning.ipynb",
            "ada/work/pruning.ipynb",
            "ada_pruning.ipynb",
            "01-pruning_ada.ipynb",
            "pruning-ada@example.org.ipynb",
            "week 3/ada/01-pruning.ipynb",
            "ada.ipynb",
            "ADA.IPYNB",
            "01-pruning/ada.ipynb",
            "ada/01-pruning-20261120-100000.zip/pruning.ipynb",
        ],
    )
    def test_names(self, tmp_path, name):
        found = collect(fill(tmp_path / "inbox", **{name: PRUNING}))
        assert who(found) == [("ada", "01-pruning")]

    @pytest.mark.parametrize(
        ("name", "student"),
        [
            ("ada/pruning.ipynb", "ada"),
            ("ada_pruning.ipynb", "ada"),
            ("ada.ipynb", "ada"),
            ("ada/my pruning.ipynb", "ada"),
        ],
    )
    def test_names_without_a_roster(self, tmp_path, name, student):
        assert who(collect(fill(tmp_path / "inbox", **{name: PRUNING}), roster=None)) == [
            (student, "01-pruning")
        ]

    def test_one_notebook(self, tmp_path):
        fill(tmp_path, **{"inbox/ada.ipynb": PRUNING})
        assert who(collect(tmp_path / "inbox" / "ada.ipynb")) == [("ada", "01-pruning")]

    def test_the_later_file_counts(self, tmp_path):
        fill(tmp_path, **{"ada/pruning.ipynb": notebook(text="later"), "ada/pruning (1).ipynb": PRUNING})
        os.utime(tmp_path / "ada/pruning (1).ipynb", (1, 1))
        assert b"later" in collecting.last(collect(tmp_path).attempts)[0].notebook

    def test_nobodys(self, tmp_path):
        found = collect(fill(tmp_path / "inbox", **{"pruning.ipynb": PRUNING}), roster=None)
        assert not found.attempts
        assert "does not say whose it is" in found.problems[0]

    def test_the_lab_by_name_where_the_content_is_damaged(self, tmp_path):
        found = collect(fill(tmp_path / "inbox", **{"ada/pruning.ipynb": b"{", "emmy/x.ipynb": b"{"}))
        assert who(found) == [("ada", "01-pruning")]
        assert "does not say of which lab" in found.problems[0]
        assert len(collect(tmp_path / "inbox", lab="01-pruning").attempts) == 2

    def test_another_lab_than_expected(self, tmp_path):
        fill(
            tmp_path,
            **{"ada/pruning.ipynb": notebook("measuring"), "emmy/pruning.ipynb": notebook("quantum")},
        )
        found = collect(tmp_path, lab="01-pruning")
        assert not found.attempts
        assert "is a notebook of 00-measuring; 01-pruning was expected" in found.problems[0]
        assert "it has cells such as quantum-1-solution" in found.problems[1]

    def test_who_is_not_in_the_roster(self, tmp_path):
        fill(tmp_path, **{"inbox/zoe/pruning.ipynb": PRUNING})
        found = collect(tmp_path / "inbox")
        assert who(found) == [("zoe", "01-pruning")] and "zoe, who is not in the roster" in found.problems[0]
        assert not collect(tmp_path / "inbox", strict=True).attempts

    def test_nothing(self, tmp_path):
        assert "holds no notebook" in collect(tmp_path).problems[0]
        with pytest.raises(EfflabError, match="there is no file or folder"):
            collect(tmp_path / "no")
        fill(tmp_path, **{"x.pdf": b"%PDF"})
        with pytest.raises(EfflabError, match="expected a folder, a zip or a notebook"):
            collect(tmp_path / "x.pdf")


class TestHandedIn:
    def test_the_zip_of_efflab_submit(self, tmp_path):
        fill(tmp_path / "my-labs" / "01-pruning", **{"pruning.ipynb": PRUNING})
        made = handin.submit(tmp_path / "my-labs/01-pruning/pruning.ipynb", folder=tmp_path / "inbox" / "ada")
        (one,) = collect(tmp_path / "inbox").attempts
        assert (one.student, one.lab, one.notebook) == ("ada", "01-pruning", PRUNING)
        assert abs((one.timestamp - datetime.now(UTC)).total_seconds()) < 600
        assert len(one.notes) == 1
        assert "does not say whose" in collect(made, roster=None).problems[0]

    def test_a_notebook_changed_after_packing(self, tmp_path):
        manifest = {
            "lab": "01-pruning",
            "made": "2999-01-01T00:00:00+00:00",
            "sha256": {"pruning.ipynb": "0" * 64},
        }
        pack(tmp_path / "ada.zip", {"pruning.ipynb": PRUNING, "manifest.json": json.dumps(manifest)})
        (one,) = collect(tmp_path / "ada.zip").attempts
        assert one.timestamp is None
        assert "was changed" in one.notes[0]


class TestStore:
    def test_and_back(self, tmp_path):
        first = Attempt("ada", "01-pruning", b"one", moment(2026, 1, 1), "a")
        second = Attempt("ada", "01-pruning", b"two", moment(2026, 1, 2), "b")
        (path,) = collecting.store([second, first], tmp_path)
        assert path == tmp_path / "ada/01-pruning/pruning.ipynb"
        assert path.read_bytes() == b"two"
        assert path.with_name("timestamp.txt").read_text() == "2026-01-02 00:00:00.000000 UTC\n"
        assert collecting.store([first], tmp_path) == []
        assert path.read_bytes() == b"two"
        (again,) = collect(tmp_path, roster=None, lab="01-pruning").attempts
        assert (again.student, again.timestamp) == ("ada", second.timestamp)

    def test_a_later_file_without_a_time_counts(self):
        first = Attempt("ada", "01-pruning", b"one", moment(2026, 1, 1), "a")
        second = Attempt("ada", "01-pruning", b"two", None, "b")
        assert collecting.last([first, second]) == [second]
        assert collecting.last([second, first]) == [first]

    def test_a_time_that_nbgrader_reads(self, tmp_path):
        from nbgrader.utils import parse_utc

        collecting.store([Attempt("ada", "01-pruning", b"", moment(2026, 1, 2, 3, 4, 5), "a")], tmp_path)
        text = (tmp_path / "ada/01-pruning/timestamp.txt").read_text().strip()
        assert parse_utc(text) == moment(2026, 1, 2, 3, 4, 5).replace(tzinfo=None)

    def test_an_attempt_without_a_time_leaves_no_older_one(self, tmp_path):
        for time in (moment(2026, 1, 1), None):
            collecting.store([Attempt("ada", "01-pruning", b"x", time, "a")], tmp_path)
        assert not (tmp_path / "ada/01-pruning/timestamp.txt").exists()

    @pytest.mark.parametrize(
        ("student", "lab"),
        [("../x", "01-pruning"), ("", "01-pruning"), ("ada", "../01-x"), ("ada", "x"), (".", "01-x")],
    )
    def test_names_that_lead_elsewhere(self, tmp_path, student, lab):
        with pytest.raises(EfflabError, match="cannot store"):
            collecting.store([Attempt(student, lab, b"", None, "")], tmp_path)

    def test_a_link_in_the_way(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "submitted").mkdir()
        (tmp_path / "submitted" / "ada").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(EfflabError, match="symbolic link"):
            collecting.store([Attempt("ada", "01-pruning", b"", None, "")], tmp_path / "submitted")
        assert not list((tmp_path / "elsewhere").iterdir())
