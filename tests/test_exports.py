"""Marks as a table, as Canvas imports them, and as Gradescope's autograders report them."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import jsonschema
import pytest

from autograder import exports, roster
from autograder.exports import Row
from autograder.job import Outcome
from autograder.tasks import CheckResult, TaskScore
from efflab.errors import EfflabError

GRADED = Row(
    "ada",
    "Ada",
    "Lovelace",
    "ada@example.org",
    "01-pruning",
    tasks={"pruning-1": (2.5, 6.0), "pruning-1-explain": (0.0, 2.0), "pruning-2": (5.0, 5.0)},
    total=7.0,
    max=13.0,
    late_penalty=0.5,
    graded=True,
    timestamp=datetime(2026, 11, 23, 10, tzinfo=UTC),
)
WAITING = Row(
    "emmy",
    "Emmy",
    "Noether",
    "",
    "01-pruning",
    tasks={"pruning-1": (6.0, 6.0), "pruning-1-explain": (None, 2.0), "pruning-2": (1 / 3, 5.0)},
    total=19 / 3,
    max=13.0,
    needs_manual=True,
    graded=True,
)
MISSING = Row("zoe", lab="01-pruning", tasks={"pruning-1": (None, 6.0)}, max=13.0)
OUTCOME = Outcome(
    "key",
    "01-pruning",
    (
        TaskScore(
            "pruning-1",
            (
                CheckResult("keeps", "It keeps the largest.", 2.5, 3.0, "expected 4, got 5", "SECRET SOURCE"),
                CheckResult("ties", "Ties.", 0.0, 3.0, "<script>\x1b[31m"),
            ),
        ),
        TaskScore("pruning-2", (CheckResult("steps", "A step.", 5.0, 5.0),)),
    ),
    notes=("Cell x was not in the notebook.",),
)

# The format as "Autograder Specifications" describes it: required parts, types and allowed words.
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
TEST = {
    "type": "object",
    "required": ["score", "max_score", "name"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "max_score": {"type": "number"},
        "status": {"enum": ["passed", "failed"]},
        "name": {"type": "string"},
        "name_format": FORMAT,
        "number": {"type": "string"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "tags": {"type": "array", "items": {"type": "string"}},
        "visibility": VISIBILITY,
        "extra_data": {"type": "object"},
    },
}
RESULTS = {
    "type": "object",
    "required": ["tests"],
    "anyOf": [{"required": ["score"]}, {"properties": {"tests": {"minItems": 1}}}],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "items": TEST},
        "leaderboard": {"type": "array"},
    },
}


def table(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def records(path):
    header, *lines = table(path)
    return [dict(zip(header, line, strict=True)) for line in lines]


class TestTable:
    def test_every_mark_under_its_task(self, tmp_path):
        path = exports.write_csv([GRADED, WAITING, MISSING], tmp_path / "marks.csv")
        ada, emmy, zoe = records(path)
        assert (ada["student"], ada["total"], ada["max"], ada["late_penalty"]) == ("ada", "7", "13", "0.5")
        assert (ada["pruning-1"], ada["pruning-1-explain"]) == ("2.5", "0")
        assert ada["timestamp"] == "2026-11-23T10:00:00+00:00"
        assert (emmy["pruning-1-explain"], emmy["pruning-2"], emmy["needs_manual"]) == ("", "0.3333", "yes")
        assert (zoe["total"], zoe["pruning-1"], zoe["graded"], zoe["late_penalty"]) == ("", "", "no", "")

    def test_several_labs(self, tmp_path):
        other = Row(
            "ada", lab="00-measuring", tasks={"measuring-1": (4.0, 4.0)}, total=4.0, max=4.0, graded=True
        )
        first, second = records(exports.write_csv([other, GRADED], tmp_path / "marks.csv"))
        assert (first["measuring-1"], first["pruning-1"]) == ("4", "")
        assert (second["measuring-1"], second["pruning-2"]) == ("", "5")

    @pytest.mark.parametrize(
        "name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r\n=1", "＝1"]
    )
    def test_no_name_is_a_formula(self, tmp_path, name):
        (one,) = records(
            exports.write_csv([Row("ada", first_name=name, last_name='a"b,c\n;d')], tmp_path / "m.csv")
        )
        assert one["first_name"].startswith("'")
        assert one["last_name"] == 'a"b,c ;d'

    def test_a_failed_write_leaves_what_was_there(self, tmp_path):
        path = exports.write_csv([GRADED], tmp_path / "marks.csv")
        before = path.read_bytes()
        with pytest.raises(AttributeError):
            exports.write_csv([GRADED, None], path)
        assert path.read_bytes() == before
        assert [one.name for one in tmp_path.iterdir()] == ["marks.csv"]


class TestCanvas:
    CLASS = roster.Roster(
        (
            roster.Student(
                "ada", "Ada", "Lovelace", "", "101", "u-1", "ada@x", "Section 1", "", "Lovelace, Ada"
            ),
            roster.Student("emmy", "Emmy", "Noether", canvas_id="102"),
            roster.Student("zoe", canvas_id="103"),
            roster.Student("karl", "=1", "K", canvas_id="104"),
        )
    )

    def test_what_the_guides_describe(self, tmp_path):
        path = exports.write_canvas(
            [GRADED, WAITING, MISSING], self.CLASS, tmp_path / "c.csv", assignments={"01-pruning": 991}
        )
        header, points, *lines = table(path)
        assert header == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 01-pruning (991)"]
        assert points == ["    Points Possible", "", "", "", "", "13"]
        assert lines == [
            ["Lovelace, Ada", "101", "u-1", "ada@x", "Section 1", "7"],
            ["Noether, Emmy", "102", "", "", "", "6.3333"],
            ["zoe", "103", "", "", "", ""],
            ["K, =1", "104", "", "", "", ""],
        ]

    def test_it_can_be_read_as_a_roster_again(self, tmp_path):
        path = exports.write_canvas([GRADED], self.CLASS, tmp_path / "c.csv")
        again = roster.read(path).students
        assert [one.canvas_id for one in again] == ["101", "102", "103", "104"]
        assert table(path)[0][-1] == "Lab 01-pruning"

    def test_who_is_not_in_the_roster(self, tmp_path):
        with pytest.raises(EfflabError, match="does not have nobody"):
            exports.write_canvas([Row("nobody", lab="01-pruning")], self.CLASS, tmp_path / "c.csv")
        with pytest.raises(EfflabError, match="none of Canvas's ids"):
            exports.write_canvas([Row("ada")], roster.Roster((roster.Student("ada"),)), tmp_path / "c.csv")
        assert not list(tmp_path.iterdir())


class TestGradescope:
    @pytest.mark.parametrize("row", [GRADED, WAITING])
    @pytest.mark.parametrize("outcome", [OUTCOME, None])
    def test_what_the_specification_describes(self, row, outcome):
        results = exports.gradescope_results(outcome, row)
        jsonschema.validate(results, RESULTS)
        text = json.dumps(results)
        assert "SECRET" not in text and "\x1b" not in results["tests"][0]["output"]
        assert results["score"] == round(row.total, 4)

    def test_scores_words_and_verdicts(self):
        results = exports.gradescope_results(OUTCOME, GRADED, visibility="visible")
        first, explain, second = results["tests"]
        assert (first["score"], first["max_score"], first["status"]) == (2.5, 6.0, "failed")
        assert "It keeps the largest.\nexpected 4, got 5" in first["output"]
        assert explain["output"] == ""
        assert (second["status"], second["output"]) == ("passed", "A step.\nRight.")
        assert {one["visibility"] for one in results["tests"]} == {"visible"}
        assert "Cell x was not in the notebook." in results["output"]
        assert "0.5 points were subtracted" in results["output"]

    def test_what_nobody_graded_is_no_zero(self):
        results = exports.gradescope_results(None, WAITING)
        assert [one["name"] for one in results["tests"]] == ["pruning-1", "pruning-2"]
        assert "Not graded yet: pruning-1-explain." in results["output"]
        assert "score" not in exports.gradescope_results(None, MISSING)

    def test_much_output_is_cut(self):
        loud = Outcome("", "01-pruning", (), notes=("x" * 100_000,))
        assert len(exports.gradescope_results(loud, GRADED)["output"]) <= 10_000

    def test_files_in_a_folder_or_a_zip(self, tmp_path):
        rows, outcomes = [GRADED, WAITING, MISSING], {("01-pruning", "ada"): OUTCOME}
        exports.write_gradescope(rows, tmp_path / "g", outcomes=outcomes)
        exports.write_gradescope(rows, tmp_path / "g.zip", outcomes=outcomes)
        names = ["01-pruning/ada/results.json", "01-pruning/emmy/results.json"]
        with zipfile.ZipFile(tmp_path / "g.zip") as archive:
            assert archive.namelist() == names
            for name in names:
                content = json.loads(archive.read(name))
                jsonschema.validate(content, RESULTS)
                assert json.loads((tmp_path / "g" / name).read_text()) == content
        assert not (tmp_path / "g/01-pruning/zoe").exists()

    def test_what_cannot_be_written(self, tmp_path):
        with pytest.raises(EfflabError, match="cannot name a folder"):
            exports.write_gradescope([Row("../x", lab="01-pruning", graded=True)], tmp_path / "g")
        with pytest.raises(EfflabError, match="no visibility 'now'"):
            exports.gradescope_results(None, GRADED, visibility="now")
        (tmp_path / "file").write_text("")
        with pytest.raises(EfflabError, match="is a file"):
            exports.write_gradescope([GRADED], tmp_path / "file")


def test_by_the_formats_name(tmp_path):
    assert exports.write("csv", [GRADED], tmp_path / "a.csv").is_file()
    assert exports.write("canvas", [GRADED], tmp_path / "b.csv", roster=TestCanvas.CLASS).is_file()
    assert exports.write("gradescope", [GRADED], tmp_path / "c").is_dir()
    with pytest.raises(EfflabError, match="give the course a roster"):
        exports.write("canvas", [GRADED], tmp_path / "d.csv")
    with pytest.raises(EfflabError, match="csv, canvas, gradescope"):
        exports.write("moodle", [GRADED], tmp_path / "d.csv")
