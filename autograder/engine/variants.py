"""Checks that ask for the student's own variant: ``def check(student, rng, variant)``.

The variant is a public number that `efflab.lab.variants.variant` gives the student at home, so a task can say "use the layer
sizes of your variant" and its check can know which those are. Other checks are left as they are.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence

from autograder.tasks import Check

PARAMETER = "variant"


def bind(checks: Sequence[Check], variant: str) -> tuple[Check, ...]:
    """The checks, those with a parameter ``variant`` given the number.

    Args:
        checks: as `autograder.tasks.load` gives them.
        variant: as `autograder.job.Job.variant` has it; 0 where it is empty (a lab without variants).
    """
    number = int(variant or 0)
    return tuple(
        dataclasses.replace(check, function=functools.partial(_asking(check.function), variant=number))
        if PARAMETER in inspect.signature(check.function).parameters
        else check
        for check in checks
    )


def _asking(function: Callable[..., float | None]) -> Callable[..., float | None]:
    """The function as one of any parameters."""
    return function
