"""Where two values first differ, in words: tensors, arrays, numbers, texts, and lists and dictionaries of them."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from efflab.lab.cards import loaded

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Difference:
    """The first place where two values differ.

    Attributes:
        sentence: what differs, where, and both values.
        kind: ``"nothing"`` (None came), ``"type"``, ``"shape"``, ``"length"``, ``"keys"`` or ``"value"``.
        detail: how much differs besides, or an empty string.
    """

    sentence: str
    kind: str
    detail: str = ""


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a torch tensor, without importing torch to find out."""
    torch = loaded("torch")
    return torch is not None and isinstance(value, torch.Tensor)  # type: ignore[attr-defined]  # a module as object


def as_array(value: Any) -> Array | None:
    """A tensor, array, number or even list of numbers as a NumPy array; None where ``value`` is none of these."""
    if is_tensor(value):
        return _from_tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    if isinstance(value, bool | int | float | complex):
        return np.asarray(value)
    if isinstance(value, list | tuple):
        return _from_list(value)
    return None


def _from_tensor(value: Any) -> Array:
    import torch  # noqa: PLC0415 - a tensor came, so torch is loaded

    plain = value.detach().cpu().resolve_conj().resolve_neg()
    if plain.is_quantized:
        plain = plain.dequantize()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    array: Array = plain.numpy()
    return array


def _from_list(value: Any) -> Array | None:
    """A list as an array where all its parts are numbers and its rows are equally long."""
    parts = [as_array(part) for part in value]
    if any(part is None or part.dtype.kind not in "biufc" for part in parts):
        return None
    if len({part.shape for part in parts if part is not None}) > 1:
        return None
    return np.asarray([part for part in parts if part is not None])


def describe(value: Any) -> str:
    """What a value is, in one line or a few: kind, shape and type first, then its content, long ones abridged."""
    if value is None:
        return "None"
    if is_tensor(value) or isinstance(value, np.ndarray):
        array = as_array(value)
        assert array is not None
        kind = "tensor" if is_tensor(value) else "array"
        content = np.array2string(
            array, precision=6, threshold=40, edgeitems=3, separator=", ", max_line_width=88
        )
        return f"{kind} of shape {shape_text(array.shape)}, {dtype_name(value)}\n{content}"
    if isinstance(value, np.generic):
        return number(value.item())
    if isinstance(value, bool | int | float):
        return number(value)
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]} ..."


def number(value: Any) -> str:
    """One value, short but never rounded to look like another."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def shape_text(shape: Any) -> str:
    """A shape as Python writes a tuple."""
    return str(tuple(int(n) for n in shape))


def dtype_name(value: Any) -> str:
    """The name of a value's number type: ``"float32"``, ``"bool"``; of another value its type's name."""
    if hasattr(value, "dtype"):
        return str(value.dtype).removeprefix("torch.")
    return type(value).__name__


def first_difference(  # noqa: PLR0911 - one return a kind of value
    got: Any, expected: Any, tolerance: float = 0.0, where: str = ""
) -> Difference | None:
    """Compare two values and name the first place where they differ.

    Numbers are compared by value, whatever holds them: a tensor equals an array and a list of the same numbers. Two
    NaN are equal. Floating-point numbers of unlike width are compared in the narrower one.

    Args:
        got: what came.
        expected: what was expected.
        tolerance: numbers may differ by ``tolerance * max(1, |expected|)``.
        where: path of the value inside a larger one, for the sentence.

    Returns:
        The first difference, or None where the values agree.

    >>> first_difference([1, 2, 4], [1, 2, 3]).sentence
    'at [2]: expected 3, got 4'
    """
    at = f"at {where}: " if where else ""
    if got is None and expected is not None:
        return Difference(f"{at}expected {_kind(expected)}, got None", "nothing")
    left, right = as_array(got), as_array(expected)
    if left is not None and right is not None and "O" not in left.dtype.kind + right.dtype.kind:
        return _arrays(left, right, tolerance, where)
    if isinstance(expected, Mapping):
        return _mappings(got, expected, tolerance, where)
    if isinstance(expected, list | tuple):
        return _sequences(got, expected, tolerance, where)
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type) and type(got) is type(expected):
        return _mappings(_fields(got), _fields(expected), tolerance, where)
    if (left is None) != (right is None):
        return Difference(f"{at}expected {_kind(expected)}, got {_kind(got)}", "type")
    if not _plainly_equal(got, expected):
        return Difference(f"{at}expected {_short(expected)}, got {_short(got)}", "value")
    return None


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _plainly_equal(got: Any, expected: Any) -> bool:
    try:
        return bool(got == expected)
    except Exception:  # noqa: BLE001 - an __eq__ that fails says "not equal", whatever it raises
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _kind(value: Any) -> str:
    """What sort of value it is, for a sentence."""
    if is_tensor(value) or isinstance(value, np.ndarray):
        return f"a {'tensor' if is_tensor(value) else 'array'} of shape {shape_text(value.shape)}"
    if isinstance(value, bool | int | float | np.generic):
        return f"the number {number(value)}"
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _arrays(got: Array, expected: Array, tolerance: float, where: str) -> Difference | None:
    at = f"at {where}: " if where else ""
    if got.shape != expected.shape:
        sentence = f"{at}expected shape {shape_text(expected.shape)}, got shape {shape_text(got.shape)}"
        return Difference(sentence, "shape")
    wrong = unequal(got, expected, tolerance)
    if not wrong.any():
        return None
    index = np.unravel_index(int(wrong.argmax()), wrong.shape)
    place = where + (f"[{', '.join(str(int(i)) for i in index)}]" if index else "")
    values = f"expected {number(expected[index])}, got {number(got[index])}"
    return Difference(f"at {place}: {values}" if place else values, "value", _extent(got, expected, wrong))


def unequal(got: Array, expected: Array, tolerance: float) -> Array:
    """Where two arrays of one shape differ, as booleans.

    Args:
        got: any numeric array.
        expected: an array of the same shape.
        tolerance: numbers may differ by ``tolerance * max(1, |expected|)``.
    """
    if {got.dtype.kind, expected.dtype.kind} <= set("biu") and not tolerance:
        return np.asarray(got != expected)
    if got.dtype.kind == expected.dtype.kind == "f":
        narrow = min(got.dtype, expected.dtype, key=lambda dtype: dtype.itemsize)
        got, expected = got.astype(narrow), expected.astype(narrow)
    wide = np.complex128 if "c" in got.dtype.kind + expected.dtype.kind else np.float64
    with np.errstate(all="ignore"):
        g, e = got.astype(wide), expected.astype(wide)
        near = np.abs(g - e) <= tolerance * np.maximum(1.0, np.abs(e))
        same = (g == e) | (np.isnan(g) & np.isnan(e))
    return np.asarray(~(near | same))


def _extent(got: Array, expected: Array, wrong: Array) -> str:
    """How many values differ, and by how much at most."""
    parts = [f"{int(wrong.sum())} of {wrong.size} values differ"] if wrong.size > 1 else []
    if got.dtype.kind in "iuf" and expected.dtype.kind in "iuf":
        with np.errstate(all="ignore"):
            gaps = np.abs(got.astype(np.float64) - expected.astype(np.float64))[wrong]
        finite = gaps[np.isfinite(gaps)]
        if finite.size:
            parts.append(f"the largest difference is {float(finite.max()):.3g}")
    if missing := int((np.isnan(got) & ~np.isnan(expected)).sum()) if _floats(got, expected) else 0:
        parts.append(f"{missing} {'is' if missing == 1 else 'are'} not a number (NaN)")
    return ", ".join(parts)


def _floats(*arrays: Array) -> bool:
    return all(array.dtype.kind in "biufc" for array in arrays)


def _mappings(got: Any, expected: Mapping[Any, Any], tolerance: float, where: str) -> Difference | None:
    at = f"at {where}: " if where else ""
    if not isinstance(got, Mapping):
        return Difference(f"{at}expected a dictionary, got {_kind(got)}", "type")
    for names, verb in (
        ([k for k in expected if k not in got], "missing"),
        ([k for k in got if k not in expected], "unexpected"),
    ):
        if names:
            return Difference(
                f"{at}{verb} key{'s' * (len(names) > 1)} {', '.join(map(repr, names[:5]))}", "keys"
            )
    for key, value in expected.items():
        if found := first_difference(got[key], value, tolerance, f"{where}[{key!r}]"):
            return found
    return None


def _sequences(got: Any, expected: Any, tolerance: float, where: str) -> Difference | None:
    at = f"at {where}: " if where else ""
    if (
        isinstance(got, str | bytes)
        or not hasattr(got, "__len__")
        or not hasattr(got, "__getitem__")
        or isinstance(got, Mapping)
    ):
        return Difference(f"{at}expected a {type(expected).__name__}, got {_kind(got)}", "type")
    if not math.isclose(len(got), len(expected), abs_tol=0.5):
        return Difference(f"{at}expected {len(expected)} items, got {len(got)}", "length")
    for index, value in enumerate(expected):
        if found := first_difference(got[index], value, tolerance, f"{where}[{index}]"):
            return found
    return None
