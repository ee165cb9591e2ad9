"""The class as our table, Canvas's export or Gradescope's roster has it."""

import pytest

from autograder import roster
from efflab.errors import EfflabError

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lab 01 (991)\r\n"
    ",,,,,Manual Posting\r\n"
    "    Points Possible,,,,,30.0\r\n"
    '"Lovelace, Ada",101,u-1,ada@example.org,Section 1,\r\n'
    '"Noether, Emmy",102,u-2,emmy,"Section 1, Section 2",7\r\n'
    '"Student, Test",999,,0f0f0f,Section 1,\r\n'
)
GRADESCOPE = (
    "First Name,Last Name,SID,Email,Role\nAda,Lovelace,3001,ada@example.org,Student\n"
    "Emmy,Noether,,emmy@example.org,Student\nKarl,Prof,1,karl@example.org,Instructor\n"
)


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(tmp_path, text, encoding="utf-8"):
    return roster.read(write(tmp_path, text, encoding))


def refused(tmp_path, text, encoding="utf-8"):
    with pytest.raises(EfflabError) as caught:
        read(tmp_path, text, encoding)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_our_columns_in_any_order(tmp_path):
    found = read(tmp_path, "email,id,last_name,first_name,sid\na@x.org,ada,Lovelace,Ada,7\n").students
    assert found == (roster.Student("ada", "Ada", "Lovelace", "a@x.org", sid="7"),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_what_spreadsheets_write(tmp_path, encoding, mark):
    text = f'id{mark}last_name\r\nada{mark}"Love{mark}lace"\r\n{mark}\r\n\r\n'
    (found,) = read(tmp_path, text, encoding).students
    assert (found.id, found.last_name) == ("ada", f"Love{mark}lace")


def test_canvas(tmp_path):
    ada, emmy = read(tmp_path, CANVAS).students
    assert (ada.id, ada.first_name, ada.last_name, ada.canvas_id) == (
        "ada@example.org",
        "Ada",
        "Lovelace",
        "101",
    )
    assert (emmy.id, emmy.section, emmy.email) == ("emmy", "Section 1, Section 2", "")
    assert ada.email == "ada@example.org" and ada.canvas_name == "Lovelace, Ada"


def test_canvas_without_sis_columns_and_with_one_name(tmp_path):
    (found,) = read(tmp_path, "Student,ID,Section\nAda Lovelace,101,1\n").students
    assert (found.id, found.first_name, found.last_name) == ("101", "Ada", "Lovelace")


def test_gradescope(tmp_path):
    ada, emmy = read(tmp_path, GRADESCOPE).students
    assert (ada.id, ada.sid, ada.first_name) == ("3001", "3001", "Ada")
    assert emmy.id == "emmy@example.org"


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("101", "ada@example.org"),
        ("U-1", "ada@example.org"),
        ("ADA@example.org", "ada@example.org"),
        ("ada", "ada@example.org"),
        ("lovelaceada", "ada@example.org"),
        ("Émmy Noether", "emmy"),
        ("nobody", None),
        ("", None),
    ],
)
def test_match_by_any_id(tmp_path, name, student):
    found = read(tmp_path, CANVAS).match(name)
    assert (found.id if found else None) == student


def test_a_name_of_two_is_nobodys(tmp_path):
    found = read(tmp_path, "id,first_name,last_name\na1,Ada,Lovelace\na2,Ada,Lovelace\n")
    assert found.match("lovelaceada") is None
    assert found.match("a2").id == "a2"


def test_one_number_of_two_kinds_is_told_apart(tmp_path):
    found = read(tmp_path, "id,canvas_id,sid\nada,7,8\nemmy,8,7\n")
    assert found.match("8", kinds=("canvas_id",)).id == "emmy"
    assert found.match("8", kinds=("sid",)).id == "ada"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "columns a, b"),
        ("id\nada\nADA\n", "line 3: id 'ADA' stands in line 2"),
        ("id,sid\nada,1\nemmy,1\n", "sid '1'"),
        ("id\n../x\n", "line 2: the student's id is '../x'"),
        ("id\n.x\n", "'.x'"),
        ("id\n-x\n", "'-x'"),
        (f"id\n{'x' * 65}\n", "1 to 64"),
        ("id,email\n,a@x\n", "is nothing"),
        ("id,id\na,b\n", "column 'id' twice"),
        ("id\nada,emmy\n", "2 values came for 1"),
        ('id\n"ada\n', "it is no CSV"),
        ("id\nad\0a\n", "NUL"),
    ],
)
def test_what_cannot_be_a_roster(tmp_path, text, words):
    assert words in refused(tmp_path, text)


def test_a_spreadsheets_own_encoding_is_named(tmp_path):
    assert "CSV UTF-8" in refused(tmp_path, "id,last_name\nada,M\xfcller\n", "cp1252")


def test_a_missing_file(tmp_path):
    with pytest.raises(EfflabError, match="cannot be read"):
        roster.read(tmp_path / "no.csv")
