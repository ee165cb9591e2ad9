"""Every mutant and honest variant of the labs, as a student would hand it in, through the real sandbox."""

import pytest

from autograder import build
from autograder import notebook as nb
from autograder.bank import __main__ as command
from autograder.bank import killing
from autograder.case import load

CASES = [load(lab) for lab in nb.find(build.ROOT)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_mutant_dies_and_every_honest_variant_lives(case, bwrap):
    losses = killing.losses(case)
    mutants = case.mutants()
    assert len(mutants) >= 60
    assert [one.name for one in mutants if losses[one.name] <= 0] == []
    assert {one.name: losses[one.name] for one in case.honest() if losses[one.name] > 0} == {}


def test_a_variant_that_goes_the_wrong_way_breaks_its_bar():
    case = CASES[0]
    losses = {one.name: 0.0 if one.honest else 1.0 for one in case.variants}
    right = {one.id: one for one in command.mutant_records(case, losses)}
    assert right[f"mutants/{case.name}/kill_rate"].measured == 100
    assert all(one.holds is not False for one in right.values())
    losses |= {case.mutants()[0].name: 0.0, case.honest()[0].name: 0.5}
    wrong = {one.id: one for one in command.mutant_records(case, losses)}
    assert not wrong[f"mutants/{case.name}/kill_rate"].holds
    assert not wrong[f"mutants/{case.name}/accepted"].holds
