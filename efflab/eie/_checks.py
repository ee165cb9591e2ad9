"""Checks that several modules share, each with one sentence for who made the mistake."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError

FLOAT32_MAX = float(np.finfo(np.float32).max)


def array(name: str, values: ArrayLike) -> NDArray[Any]:
    """Values as an array.

    Raises:
        EfflabError: rows of different lengths.
    """
    try:
        return np.asarray(values)
    except ValueError:
        raise EfflabError(f"{name} must be an array, and has rows of different lengths") from None


def whole(name: str, value: object, least: int, high: int | None = None, why: str = "") -> int:
    """A whole number of Python's or NumPy's.

    Raises:
        EfflabError: it is none, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise EfflabError(f"{name} must be a whole number, got {value!r}")
    if high is None and value < least:
        raise EfflabError(f"{name} is {value:,}, and must be at least {least}{why}")
    if high is not None and not least <= value <= high:
        raise EfflabError(f"{name} is {value:,}, and must be from {least} to {high:,}{why}")
    return int(value)


def generator(seed: int | np.random.Generator) -> np.random.Generator:
    """NumPy's generator of a seed.

    Raises:
        EfflabError: the seed is no whole number from 0.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(whole("seed", seed, 0))


def single(name: str, values: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers in float32.

    Raises:
        EfflabError: one is too large for it.
    """
    largest = float(np.abs(values).max(initial=0))
    if largest > FLOAT32_MAX:
        raise EfflabError(
            f"{name} must be at most {FLOAT32_MAX:.3g} in float32, and the largest is {largest:.3g}"
        )
    return values.astype(np.float32)
