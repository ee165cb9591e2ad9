"""What a hidden check expects, said in words: each function passes silently or raises `Failed` with one sentence.

The sentence goes into the student's feedback. It names what was looked at (``what``) and how the answer differs; it
never shows the check's source. NaN equals NaN, and dtypes do not matter unless `dtype` asks for them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Failed(Exception):  # noqa: N818 - a verdict, not an error of the program
    """An answer that is not what was expected; the message is for the student."""


def true(condition: object, sentence: str) -> None:
    """Expect a condition of the check's own making; ``sentence`` says what should hold.

    Raises:
        Failed: the condition is false.
    """
    if not condition:
        raise Failed(sentence)


def array(got: Any, what: str = "the answer") -> Array:
    """Expect numbers in an array (a list of numbers will do).

    Returns:
        The answer as an array.

    Raises:
        Failed: it is something else.
    """
    if not _holds_numbers(got):
        raise Failed(f"{what} should be an array of numbers, but is {_kind(got)}.")
    try:
        result = np.asarray(got)
    except ValueError:
        raise Failed(f"{what} should be an array of numbers, but its rows differ in length.") from None
    if result.dtype.kind not in "biufc":
        raise Failed(f"{what} should be an array of numbers, but is {_kind(got)}.")
    return result


def number(got: Any, what: str = "the answer") -> float:
    """Expect one finite number (an array with a single element will do).

    Returns:
        The number.

    Raises:
        Failed: it is something else.
    """
    values = array(got, what)
    if values.size != 1 or values.dtype.kind == "c":
        raise Failed(f"{what} should be one number, but is {_kind(got)}.")
    value = float(values.reshape(()))
    if not math.isfinite(value):
        raise Failed(f"{what} should be a finite number, but is {value}.")
    return value


def shape(got: Any, expected: Sequence[int], what: str = "the answer") -> Array:
    """Expect an array of a certain shape.

    Returns:
        The answer as an array.

    Raises:
        Failed: the shape differs, or it is no array.
    """
    values = array(got, what)
    if values.shape != tuple(expected):
        raise Failed(f"{what} should have shape {tuple(expected)}, but has {values.shape}.")
    return values


def dtype(got: Any, kind: str, what: str = "the answer") -> Array:
    """Expect an array of a kind of number: ``"bool"``, ``"int"``, ``"float"`` or NumPy's exact name of a dtype.

    Returns:
        The answer as an array.

    Raises:
        Failed: it is of another kind.
    """
    values = array(got, what)
    kinds = {"bool": "b", "int": "iu", "float": "f"}
    fits = values.dtype.kind in kinds[kind] if kind in kinds else values.dtype.name == kind
    if not fits:
        raise Failed(f"{what} should be of dtype {kind}, but is of dtype {values.dtype.name}.")
    return values


def equal(got: Any, expected: Any, what: str = "the answer") -> None:
    """Expect exactly this value: shapes and every element, through lists, tuples and dicts.

    Raises:
        Failed: something differs; the sentence says where first.
    """
    _compare(got, expected, what, 0.0, 0.0)


def close(
    got: Any, expected: Any, what: str = "the answer", *, rtol: float = 1e-5, atol: float = 1e-7
) -> None:
    """Expect this value within ``atol + rtol * abs(expected)``.

    Raises:
        Failed: something differs by more; the sentence says where first.
    """
    _compare(got, expected, what, rtol, atol)


def scale(value: Any, worst: float, best: float, what: str = "the figure") -> float:
    """Where a figure of merit stands between ``worst`` (0) and ``best`` (1), for a check that returns partial credit.

    Returns:
        A fraction in [0, 1].

    Raises:
        Failed: it is no finite number.
    """
    fraction = (number(value, what) - worst) / (best - worst)
    return min(1.0, max(0.0, fraction))


def _compare(got: Any, expected: Any, what: str, rtol: float, atol: float) -> None:
    if isinstance(expected, Mapping):
        _compare_dicts(got, expected, what, rtol, atol)
    elif isinstance(expected, (list, tuple)) and not _is_numbers(expected):
        _compare_sequences(got, expected, what, rtol, atol)
    elif expected is None or isinstance(expected, (str, bytes)) or _is_long(expected):
        if type(got) is not type(expected) or got != expected:
            raise Failed(f"{what} should be {_short(expected)}, but is {_short(got)}.")
    else:
        _compare_arrays(array(got, what), np.asarray(expected), what, rtol, atol)


def _compare_dicts(got: Any, expected: Mapping[Any, Any], what: str, rtol: float, atol: float) -> None:
    if not isinstance(got, dict):
        raise Failed(f"{what} should be a dict, but is {_kind(got)}.")
    for key in expected:
        if key not in got:
            raise Failed(f"{what} has no entry for {_short(key)}.")
    for key in got:
        if key not in expected:
            raise Failed(f"{what} has an entry for {_short(key)}, which was not expected.")
    for key, value in expected.items():
        _compare(got[key], value, f"{what}, entry {_short(key)},", rtol, atol)


def _compare_sequences(got: Any, expected: Sequence[Any], what: str, rtol: float, atol: float) -> None:
    if not isinstance(got, (list, tuple, np.ndarray)):
        raise Failed(f"{what} should be a list or tuple, but is {_kind(got)}.")
    if len(got) != len(expected):
        raise Failed(f"{what} should have {len(expected)} elements, but has {len(got)}.")
    for index, (one, other) in enumerate(zip(got, expected, strict=True)):
        _compare(one, other, f"{what}, element {index},", rtol, atol)


def _compare_arrays(got: Array, expected: Array, what: str, rtol: float, atol: float) -> None:
    if got.shape != expected.shape:
        raise Failed(f"{what} should have shape {expected.shape}, but has {got.shape}.")
    if rtol == atol == 0.0:
        same = (got == expected) | (_isnan(got) & _isnan(expected))
    else:
        same = np.isclose(_wide(got), _wide(expected), rtol=rtol, atol=atol, equal_nan=True)
    if np.all(same):
        return
    wrong = np.argwhere(~same)
    place = tuple(int(i) for i in wrong[0])
    where = f" at index {place}" if place else ""
    count = f"; {len(wrong)} of {got.size} values differ" if got.size > 1 else ""
    raise Failed(f"{what}{where} is {_figure(got[place])}, expected {_figure(expected[place])}{count}.")


def _is_long(value: Any) -> bool:
    """A whole number that no dtype of NumPy holds."""
    return type(value) is int and value.bit_length() > 63


def _isnan(values: Array) -> Array:
    return np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, bool)


def _wide(values: Array) -> Array:
    """Floats wide enough that a comparison of float16 or of integers cannot overflow."""
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _is_numbers(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(v, (int, float, complex, np.generic)) for v in values)


def _holds_numbers(value: Any) -> bool:
    """Whether nothing but numbers is in it: NumPy would make all texts of a list as long as the longest of them."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif not isinstance(item, (int, float, complex, np.generic, np.ndarray)):
            return False
    return True


def _kind(value: Any) -> str:
    if value is None:
        return "None (is a return missing?)"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"


def _figure(value: Any) -> str:
    return str(value) if value.dtype.kind == "b" else f"{value:.6g}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
