"""Predictions: a number to commit to before anything runs, and the gap to what was measured."""

import datetime as dt
import html
import math
from typing import Any

from efflab.errors import EfflabError
from efflab.lab.cards import card
from efflab.lab.dots import Dot, bounds, svg, with_unit
from efflab.viz.output import Output

Entry = dict[str, Any]


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def as_number(value: Any, name: str) -> float:
    """A number of any kind (tensor, array of one, Python's) as a finite float.

    Raises:
        EfflabError: it is no finite number.
    """
    plain = _scalar(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise EfflabError(f"{name} must be one number, got {value!r}")
    number = float(plain)
    if not math.isfinite(number):
        raise EfflabError(f"{name} must be a finite number, got {number}")
    return number


def _scalar(value: Any) -> Any:
    """What a tensor or array of one element holds; anything else as it is."""
    try:
        return value.item() if hasattr(value, "item") else value
    except (TypeError, ValueError, RuntimeError):
        return value


def check_range(value: Any, low: float | None, high: float | None, unit: str) -> float:
    """A predicted value, checked.

    Raises:
        EfflabError: it is no number, or outside ``low`` to ``high``.
    """
    number = as_number(value, "value")
    if (low is not None and number < low) or (high is not None and number > high):
        ends = [with_unit(end, unit) if end is not None else "any" for end in (low, high)]
        raise EfflabError(f"value must lie between {ends[0]} and {ends[1]}, got {with_unit(number, unit)}")
    return number


def sound(entry: Any) -> bool:
    """Whether an entry read from a file is one: a student may have edited it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("later", []), list):
        return False
    given = [entry[name] for name in ("prediction",) if name in entry] + entry.get("later", [])
    values = [one.get("value") if isinstance(one, dict) else None for one in given]
    return all(isinstance(value, int | float) for value in [*values, entry.get("measured", 0)])


def commit(entry: Entry, value: float, time: str) -> Entry:
    """Put a prediction into a task's entry.

    Before measuring, a new value replaces the old one, which is kept under ``"earlier"``. After measuring the first
    prediction stands for ever, and the new value is noted under ``"later"``.

    Args:
        entry: what is known of the task so far.
        value: the predicted number.
        time: when it was given.

    Returns:
        The new entry; the given one is not changed.
    """
    given = {"value": value, "time": time}
    if "measured" in entry:
        known = [one["value"] for one in (entry.get("prediction"), *entry.get("later", [])) if one]
        return entry if value in known else entry | {"later": [*entry.get("later", []), given]}
    first = entry.get("prediction")
    if first is None:
        return entry | {"prediction": given}
    if first["value"] == value:
        return entry
    return entry | {"prediction": given, "earlier": [*entry.get("earlier", []), first]}


def measure(entry: Entry, value: float, time: str) -> Entry:
    """Note what was measured; the time of the first measurement stays."""
    return entry | {"measured": value, "measured_at": entry.get("measured_at", time)}


def told(task: str, entry: Entry) -> Output | None:
    """What is known of a prediction, as a box; None where there is none yet."""
    unit, first = entry.get("unit", ""), entry.get("prediction")
    later = entry.get("later", [])
    if first is None and not later:
        return None
    lines = (
        [f"You predict {with_unit(first['value'], unit)} ({first.get('time', 'no time')})."] if first else []
    )
    lines += [
        f"Given after measuring: {with_unit(one['value'], unit)} ({one.get('time', 'no time')})."
        for one in later
    ]
    return card("note", f"{task}: {entry.get('question', '')}", (), lines)


def asking(task: str, entry: Entry) -> Output:
    """The question, with the plain way to answer it."""
    low, high = entry.get("low"), entry.get("high")
    between = f" between {low:g} and {high:g}" if low is not None and high is not None else ""
    unit = f" (in {entry['unit']})" if entry.get("unit") else ""
    line = f"Your prediction: a number{between}{unit}. Commit to it by giving value=... in this cell."
    return card("note", f"{task}: {entry['question']}", (), [line])


def gap_sentence(predicted: float, measured: float, unit: str, *, log: bool) -> str:
    """How far a prediction was off, in words.

    >>> gap_sentence(40.0, 30.0, "%", log=False)
    'Your prediction was 10 percentage points too high.'
    """
    if predicted == measured:
        return "Your prediction was exact."
    side = "high" if predicted > measured else "low"
    if log and predicted > 0 and measured > 0:
        factor = max(predicted / measured, measured / predicted)
        return f"Your prediction was too {side} by a factor of {factor:.3g}."
    gap = abs(predicted - measured)
    return f"Your prediction was {with_unit(gap, 'percentage points' if unit == '%' else unit)} too {side}."


def gap(task: str, entry: Entry) -> Output:
    """Prediction beside measurement, as a picture and in words.

    Args:
        task: the task's id.
        entry: with ``"measured"``; without a prediction it says so and shows the measurement alone.
    """
    unit, log, measured = entry.get("unit", ""), bool(entry.get("log")), entry["measured"]
    first = entry.get("prediction")
    if first is None:
        line = f"You did not predict. Measured: {with_unit(measured, unit)}."
        return card("note", f"{task}: {entry.get('question', 'measured')}", (), [line])
    predicted = first["value"]
    sentence = gap_sentence(predicted, measured, unit, log=log)
    rows = [("predicted", with_unit(predicted, unit)), ("measured", with_unit(measured, unit))]
    text = card("note", f"{task}: {entry.get('question', '')}", rows, [sentence]).text
    low, high = bounds([predicted, measured], entry.get("low"), entry.get("high"))
    dots = [Dot("predicted", predicted), Dot("measured", measured, "mine")]
    drawing = svg(dots, unit=unit, low=low, high=high, log=log and low > 0, join=True)
    head = html.escape(f"{task}: {entry.get('question', '')}")
    body = f'<div style="margin:0.4em 0"><strong>{head}</strong>{drawing}<div>{html.escape(sentence)}</div></div>'
    return Output(body, text)
