"""What a wrong answer most likely comes from: the lab's own list first, then slips that every lab sees."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from efflab.lab.differences import Array, as_array, first_difference

NOTHING = "Your function returned nothing: is the `return` missing?"
_NEAR = 1e-6


def named(got: Any, misconceptions: Mapping[str, Any], tolerance: float) -> list[str]:
    """The sentences of the misconceptions that give just this answer.

    Args:
        got: the student's answer.
        misconceptions: by sentence, the value that the misconception gives, or a function that says whether an answer
            is one of its.
        tolerance: as for the check itself.

    Returns:
        The matching sentences, in the given order.
    """
    return [
        sentence for sentence, value in misconceptions.items() if _matches(got, value, max(tolerance, _NEAR))
    ]


def _matches(got: Any, value: Any, tolerance: float) -> bool:
    try:
        if callable(value):
            return bool(value(got))
        return first_difference(got, value, tolerance) is None
    except Exception:  # noqa: BLE001 - an answer that breaks the comparison is not this misconception
        return False


def common(got: Any, expected: Any, tolerance: float) -> list[str]:
    """The first of the common slips that turns the expected value into this answer, as a sentence; none if none does."""
    if got is None:
        return [NOTHING]
    if callable(got) and not callable(expected):
        return ["A function came instead of its result: is the call, with its parentheses, missing?"]
    near = max(tolerance, _NEAR)
    if _among_others(got, expected, near):
        return ["The right value is there, but in a tuple with others: return it alone."]
    left, right = as_array(got), as_array(expected)
    if left is None or right is None or left.size == 0 or left.dtype.kind == "O" or right.dtype.kind == "O":
        return []
    return next(([sentence] for test, sentence in _SLIPS if _tells(test, left, right, near)), [])


def _among_others(got: Any, expected: Any, tolerance: float) -> bool:
    if not isinstance(got, tuple) or isinstance(expected, tuple | list):
        return False
    return any(first_difference(part, expected, tolerance) is None for part in got)


def _tells(
    test: Callable[[Array, Array, float], bool], got: Array, expected: Array, tolerance: float
) -> bool:
    with np.errstate(all="ignore"):
        return test(got, expected, tolerance)


def _same(got: Array, expected: Array, tolerance: float) -> bool:
    return first_difference(got, expected, tolerance) is None


def _all_nan(got: Array, expected: Array, _: float) -> bool:
    return (
        got.dtype.kind == "f"
        and bool(np.isnan(got).all())
        and not bool(np.isnan(expected.astype(float)).all())
    )


def _inverted(got: Array, expected: Array, _: float) -> bool:
    flags = all(set(np.unique(one).tolist()) <= {0, 1} for one in (got, expected))
    return (
        flags
        and got.shape == expected.shape
        and got.size > 1
        and bool((got.astype(int) == 1 - expected.astype(int)).all())
    )


def _transposed(got: Array, expected: Array, tolerance: float) -> bool:
    return got.ndim == 2 and expected.ndim == 2 and _same(got.T, expected, tolerance)


def _reshaped(got: Array, expected: Array, tolerance: float) -> bool:
    return (
        got.shape != expected.shape
        and got.size == expected.size
        and _same(got.ravel(), expected.ravel(), tolerance)
    )


def _negated(got: Array, expected: Array, tolerance: float) -> bool:
    return got.dtype.kind in "if" and expected.dtype.kind in "if" and _same(-got, expected, tolerance)


def _times(factor: float) -> Callable[[Array, Array, float], bool]:
    def test(got: Array, expected: Array, tolerance: float) -> bool:
        numbers = got.dtype.kind in "iuf" and expected.dtype.kind in "iuf" and got.shape == expected.shape
        if not numbers or not math.isfinite(factor):
            return False
        scaled = expected.astype(float) * factor
        return bool(np.any(scaled)) and bool(
            np.allclose(got.astype(float), scaled, rtol=max(tolerance, 1e-9), atol=0)
        )

    return test


_SLIPS: tuple[tuple[Callable[[Array, Array, float], bool], str], ...] = (
    (_all_nan, "Every value is NaN: is there a division of zero by zero, or a root of a negative number?"),
    (_inverted, "Every value is the other way round: true and false, or kept and removed, are exchanged."),
    (_transposed, "The values are right but transposed: rows and columns are exchanged."),
    (_reshaped, "The values are right; only the shape is not."),
    (_negated, "Every value has the wrong sign."),
    (_times(100), "Every value is 100 times too large: percent where a fraction is asked for?"),
    (_times(0.01), "Every value is 100 times too small: a fraction where percent is asked for?"),
    (_times(2), "Every value is exactly twice what is expected."),
    (_times(0.5), "Every value is exactly half of what is expected."),
    (_times(8), "Every value is 8 times too large: bits where bytes are asked for?"),
    (_times(0.125), "Every value is 8 times too small: bytes where bits are asked for?"),
)
