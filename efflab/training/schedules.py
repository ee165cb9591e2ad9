"""Learning-rate schedules: functions from the fraction of training done, in [0, 1), to a factor of the learning rate."""

import math
from collections.abc import Callable

from efflab.errors import EfflabError

Schedule = Callable[[float], float]


def constant(_fraction: float) -> float:
    """The learning rate as given.

    >>> constant(0.7)
    1.0
    """
    return 1.0


def cosine(fraction: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter, ICLR 2017, equation 5, one cycle).

    >>> cosine(0.0), round(cosine(0.5), 6)
    (1.0, 0.5)
    """
    return 0.5 * (1 + math.cos(math.pi * fraction))


def step(fraction: float) -> float:
    """A tenth after half of the training, a hundredth after three quarters (He et al., CVPR 2016, section 4.2).

    >>> step(0.49), step(0.5), step(0.75)
    (1.0, 0.1, 0.01)
    """
    return 1.0 if fraction < 0.5 else 0.1 if fraction < 0.75 else 0.01


SCHEDULES: dict[str, Schedule] = {"constant": constant, "cosine": cosine, "step": step}


def by_name(schedule: str | Schedule) -> Schedule:
    """The function that ``schedule`` names, or ``schedule`` itself where it is one.

    Raises:
        EfflabError: no such name.
    """
    if callable(schedule):
        return schedule
    if schedule not in SCHEDULES:
        raise EfflabError(f"schedule is {schedule!r}, expected one of {', '.join(SCHEDULES)} or a function")
    return SCHEDULES[schedule]
