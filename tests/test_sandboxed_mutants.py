"""Every mutant and honest variant of the labs, as a student would hand it in, through the real sandbox."""

import dataclasses
import queue
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder import build, engine, rebuild, sandbox
from autograder import notebook as nb
from autograder.bank import sources
from autograder.bank.draft import Draft
from autograder.bank.running import SECRET
from autograder.case import load
from autograder.sandbox import runner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CASES = [load(lab) for lab in nb.find(build.ROOT)]


def hand_in(case, variant):
    """The job of a notebook in which all is solved, and one function is the variant."""
    draft = Draft(case).solve(*nb.tasks(case.source))
    draft.write(sources.cell_of(case, variant), sources.cell_source(case, variant))
    released = engine.released(case.name)
    rebuilt = rebuild.rebuild(draft.to_bytes(), released.notebook)
    return engine.job(released, rebuilt.notebook, secret=SECRET)


def lost(case, sandboxes, variant):
    """What the variant's own task loses; cells of later tasks are not run."""
    opened = sandboxes.get()
    try:
        job = hand_in(case, variant)
        end = max(i for i, cell in enumerate(job.cells) if cell.task == variant.task)
        job = dataclasses.replace(job, cells=job.cells[: end + 1])
        checks = [check for check in case.checks if check.task == variant.task]
        outcome = runner.grade(job, checks, opened)
        assert outcome.failure == ""
        return outcome.max_points - outcome.points
    finally:
        sandboxes.put(opened)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_mutant_dies_and_every_honest_variant_lives(case, bwrap):
    with sandbox.choose("bwrap") as one, sandbox.choose("bwrap") as other, ThreadPoolExecutor(2) as pool:
        sandboxes = queue.SimpleQueue()
        sandboxes.put(one)
        sandboxes.put(other)
        losses = list(pool.map(lambda variant: lost(case, sandboxes, variant), case.variants))
    results = {variant.name: loss for variant, loss in zip(case.variants, losses, strict=True)}
    mutants = [variant for variant in case.variants if not variant.honest]
    assert [v.name for v in mutants if results[v.name] <= 0] == []
    assert {v.name: results[v.name] for v in case.honest() if results[v.name] > 0} == {}
    assert len(mutants) >= 60
