"""Due dates with zones and extensions."""

from datetime import UTC, datetime

import pytest

from autograder import deadlines
from efflab.errors import EfflabError


def read(tmp_path, text):
    path = tmp_path / "deadlines.csv"
    path.write_text(text, encoding="utf-8")
    return deadlines.read(path)


def moment(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_a_zone_in_the_value_or_in_the_columns_name(tmp_path):
    found = read(
        tmp_path,
        "lab,student,due (Europe/Berlin)\n01-pruning,,2026-07-01 12:00\n01-pruning,Ada,2026-07-01T12:00:00Z\n",
    )
    assert found.due("01-pruning") == moment(2026, 7, 1, 10)
    assert found.due("01-pruning", "emmy") == moment(2026, 7, 1, 10)
    assert found.due("01-pruning", "ada") == moment(2026, 7, 1, 12)
    assert found.due("00-measuring", "ada") is None


@pytest.mark.parametrize("name", ["01-pruning", "pruning", "01"])
def test_a_lab_by_any_of_its_names(tmp_path, name):
    found = read(tmp_path, f"lab;due\n{name};2026-07-01T00:00+02:00\n")
    assert found.due("01-pruning", "ada") == moment(2026, 6, 30, 22)


def test_a_date_is_the_end_of_the_day(tmp_path):
    assert read(tmp_path, "lab,due (utc)\n01,2026-07-01\n").due("01-pruning") == moment(
        2026, 7, 1, 23, 59, 59
    )


def test_without_a_zone_it_is_the_machines(tmp_path):
    local = datetime(2026, 7, 1, 12).astimezone()
    assert read(tmp_path, "lab,due\n01,2026-07-01 12:00\n").due("01-pruning") == local


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lab,when\n01,2026-07-01\n", "columns lab, when"),
        ("lab,due\n01,tomorrow\n", "line 2: 'tomorrow' is no moment"),
        ("lab,due\n01,\n", "'' is no moment"),
        ("lab,due\n,2026-07-01\n", "line 2: the lab is missing"),
        ("lab,student,due\n01,ada,2026-07-01\n01,Ada,2026-07-02\n", "line 3: 01 ada has a due date already"),
        ("lab,due (Mars/Olympus)\n01,2026-07-01\n", "'mars/olympus' is not known"),
        ("lab,due\n01,0001-01-01T00:00:00+14:00\n", "is no moment"),
    ],
)
def test_what_cannot_be_read(tmp_path, text, words):
    with pytest.raises(EfflabError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
