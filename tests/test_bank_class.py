"""The whole bank in one batch with honest neighbours, twice in different order: nobody gains, nobody else loses, nothing is left."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from autograder import bank, build
from autograder import notebook as nb
from autograder.bank import batches as orders
from autograder.bank import running, traces
from autograder.bank.searching import SIGNS
from autograder.case import load
from autograder.gradebook import Course

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

CASES = {lab.name: load(lab) for lab in nb.find(build.ROOT)}


@pytest.fixture(scope="module")
def scratch():
    """A folder for temporary files alone, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
    before, tempfile.tempdir = os.environ.get("TMPDIR"), None
    os.environ["TMPDIR"] = str(folder)
    yield folder
    tempfile.tempdir = None
    os.environ.pop("TMPDIR")
    if before is not None:
        os.environ["TMPDIR"] = before
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def batches(scratch, tmp_path_factory):
    """The batch in both orders, a sample of it, the neighbours alone, and what was found on the machine afterwards."""
    if shutil.which("bwrap") is None:
        reason = "bubblewrap is not installed (Debian: apt-get install bubblewrap)"
        (pytest.fail if os.environ.get("EFFLAB_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    course = Course.create(tmp_path_factory.mktemp("bank") / "course").root
    (course / "gradebook.db").write_bytes(b"a gradebook")
    with traces.adopting():
        running.grade(
            bank.submissions(CASES["01-pruning"], ["untouched"]), CASES, workers=1
        )  # imports leave byte code
        watched = (
            course,
            build.ROOT / "labs",
            build.ROOT / "solutions",
            build.ROOT / "autograder" / "checks",
        )
        before = traces.look(*watched)
        some = orders.everything(CASES)
        runs = {
            "by two workers": running.grade(orders.shuffled(some, 1), CASES, workers=2),
            "in another order": running.grade(orders.shuffled(some, 2), CASES, workers=2),
            "in one process": running.grade(orders.shuffled(orders.sample(some), 3), CASES, workers=1),
            "neighbours alone": running.grade(orders.shuffled(orders.neighbours(some), 4), CASES, workers=2),
        }
        found = traces.left(before, *watched)
    # pytest's own folder, and the one that importing torch makes, are nobody's leavings.
    left = [
        one.name for one in scratch.iterdir() if not one.name.startswith(("pytest-of-", "torchinductor_"))
    ]
    return runs, found, left


def test_each_submission_gets_what_it_must(batches):
    runs, _, _ = batches
    wrong = {name: running.problems(run) for name, run in runs.items()}
    assert not any(wrong.values()), wrong


def test_no_batch_stops(batches):
    runs, _, _ = batches
    asked = {f"{one.lab}/{one.name}" for one in orders.everything(CASES)}
    assert set(runs["by two workers"]) == set(runs["in another order"]) == asked
    assert len(runs["in one process"]) == len(asked) // orders.SHARE
    for run in runs.values():
        assert all(one.refusal or not one.outcome.failure for one in run.values())


def test_the_neighbours_of_hostile_ones_get_the_same_points(batches):
    runs, _, _ = batches
    alone = orders.points(runs["neighbours alone"])
    assert len(alone) > 40
    assert orders.points(runs["by two workers"]) == orders.points(runs["in another order"]) == alone
    some = orders.points(runs["in one process"])
    assert len(some) > 10
    assert some == {name: alone[name] for name in some}


def test_nothing_of_the_checks_was_seen(batches):
    """Searches print what they find; and the course's secret, its seeds and names of hidden functions are nowhere."""
    runs, _, _ = batches
    for run in runs.values():
        for one in run.values():
            for cell in one.outcome.cells if one.outcome else ():
                text = str(cell.outputs)
                assert "BANK-FOUND" not in text, (one.submission.name, text[:2000])
                assert running.SECRET not in text
                if one.submission.name not in {"searches-texts", "searches-processes", "searches-memory"}:
                    assert not [sign for sign in SIGNS if sign in text]


def test_nothing_is_left_behind(batches):
    _, found, temporary = batches
    assert found == []
    assert temporary == []
