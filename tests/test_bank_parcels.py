"""Hostile names, links and archives: the honest neighbour is taken in as she is, and nobody becomes somebody else."""

import os

import pytest

from autograder import bank, build, collecting
from autograder import notebook as nb
from autograder.bank import parcels, traces
from autograder.case import load

LABS = nb.find(build.ROOT)
CASE = load(next(lab for lab in LABS if lab.name == parcels.LAB))
ADA, MALLORY = (one.make(CASE) for one in bank.submissions(CASE, ["without-the-challenge", "untouched"]))


@pytest.mark.parametrize("parcel", parcels.PARCELS, ids=lambda parcel: parcel.name)
def test_the_honest_neighbour_is_taken_in_and_nothing_else_happens(parcel, tmp_path):
    if parcel.name == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    (tmp_path / "in").mkdir()
    source = parcel.build(tmp_path / "in", ADA, MALLORY)
    before = traces.look()
    found = collecting.collect(source, labs=LABS)
    counted = {one.student: one for one in collecting.last(found.attempts)}
    assert counted[parcels.HONEST].notebook == ADA, found.problems
    assert set(counted) <= {parcels.HONEST, parcels.HOSTILE}, parcel.words
    assert counted.get(parcels.HOSTILE, counted[parcels.HONEST]).notebook in {ADA, MALLORY}
    assert b"root:" not in b"".join(one.notebook for one in found.attempts)
    written = collecting.store(list(counted.values()), tmp_path / "course" / "submitted")
    inside = (tmp_path / "course" / "submitted").resolve()
    assert all(path.resolve().is_relative_to(inside) and not path.is_symlink() for path in written)
    assert {path.parts[-3] for path in written if path.suffix == ".ipynb"} == set(counted)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["course", "in"]
    assert traces.look().since(before) == []


@pytest.mark.parametrize("parcel", parcels.PARCELS, ids=lambda parcel: parcel.name)
def test_what_cannot_be_taken_in_is_said_in_printable_sentences(parcel, tmp_path):
    found = collecting.collect(parcel.build(tmp_path, ADA, MALLORY), labs=LABS)
    assert all(problem.isprintable() for problem in found.problems)
    taken = {one.student for one in found.attempts}
    assert found.problems or parcels.HOSTILE in taken or parcel.name == "zip-of-many"
