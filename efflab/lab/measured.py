"""Recorded results beside a student's own, and the open challenge's scale."""

import html
from collections.abc import Mapping
from typing import Any, Literal

from efflab.errors import EfflabError
from efflab.lab.cards import card, notice
from efflab.lab.dots import Dot, bounds, positions, svg, with_unit
from efflab.lab.predictions import as_number
from efflab.tables import TextTable, quantity
from efflab.viz.output import Output


def recorded(topic: str, *ids: str, mine: Mapping[str, Any] | None = None, caption: str = "") -> None:
    """Show what efflab measured and what the paper reports, beside what you measured.

    Args:
        topic: the topic whose results to read, ``"pruning"``.
        *ids: the results' ids.
        mine: your own numbers by id, in the results' units; adds a column.
        caption: a line above the table.

    A result that is not recorded here gives a one-line notice instead of a row. A column that would be empty is left out.
    """
    from efflab import results  # noqa: PLC0415 - a notebook that shows no results need not load them

    found, missing = [], []
    for one in ids:
        try:
            found.append(results.get(topic, one))
        except EfflabError:
            missing.append(one)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        notice(f"No recorded result {topic}/{missing[0]}{more} to show.", once=False)
    if not found:
        return
    own = {key: as_number(value, f"mine[{key!r}]") for key, value in (mine or {}).items()}
    columns: dict[str, list[Any]] = {
        "figure": [one.id for one in found],
        "yours": [own.get(one.id) for one in found],
        "efflab": [one.measured for one in found],
        "spread": [_spread(one.spread) for one in found],
        "paper": [one.paper for one in found],
        "unit": [one.unit or None for one in found],
    }
    told = {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}
    rows = list(zip(*told.values(), strict=True))
    table = TextTable.of(list(told), rows, caption=caption, note=_provenance(found))
    Output(table._repr_html_(), str(table)).show()


def _spread(spread: Any) -> str | None:
    if spread is None:
        return None
    return " ".join(map(quantity, spread)) if isinstance(spread, tuple) else f"±{quantity(spread)}"


def _provenance(found: list[Any]) -> str:
    """How the recorded figures came about, each distinct account once."""
    accounts = [f"{one.command or 'measured'} ({one.scale}, {one.machine}, {one.date})" for one in found]
    sources = dict.fromkeys(part for one in found for part in one.source.split("; ") if part)
    cited = [f"paper: {'; '.join(sources)}"] if sources else []
    return "; ".join(dict.fromkeys([*(f"efflab: {account}" for account in accounts), *cited]))


def scale_score(value: float, start: float, goal: float, *, log: bool = False) -> float:
    """How far a figure of merit has come from ``start`` to ``goal``, from 0 to 1.

    Args:
        value: the figure of merit.
        start: worth 0; larger than ``goal`` where less is better.
        goal: worth 1.
        log: whether the way is measured in orders of magnitude (all three above 0).

    Returns:
        The score, held in [0, 1].

    Raises:
        EfflabError: ``start`` equals ``goal``, or a logarithm does not exist.

    >>> scale_score(20_000, start=40_000, goal=10_000, log=True)
    0.5
    """
    if start == goal:
        raise EfflabError(f"start and goal must differ, got {start}")
    if log and min(value, start, goal) <= 0:
        raise EfflabError(f"log=True needs values above 0, got {value}, {start} and {goal}")
    low, high = min(start, goal), max(start, goal)
    (place,) = positions([value], low, high, log=log)
    return place if goal > start else 1 - place


def challenge(
    title: str,
    value: Any,
    *,
    references: Mapping[str, float],
    unit: str = "",
    better: Literal["higher", "lower"] = "higher",
    holds: bool = True,
    condition: str = "",
) -> None:
    """Show where your figure of merit stands among the reference points.

    Args:
        title: the challenge, ``"Smallest file at 98 % accuracy"``.
        value: your figure of merit.
        references: by name, the points to compare with (the dense network, efflab, the paper).
        unit: of all values.
        better: which way is better.
        holds: whether the challenge's condition is met (``accuracy >= 98``); if not, the result does not count.
        condition: the condition in words.

    Raises:
        EfflabError: a value is no finite number, or ``better`` is neither word.
    """
    if better not in {"higher", "lower"}:
        raise EfflabError(f"better must be 'higher' or 'lower', got {better!r}")
    own = as_number(value, "value")
    points = {name: as_number(point, f"references[{name!r}]") for name, point in references.items()}
    kind = "mine" if holds else "bad"
    dots = [Dot("you", own, kind), *(Dot(name, point) for name, point in points.items())]
    dots.sort(key=lambda dot: dot.value, reverse=better == "higher")
    low, high = bounds([dot.value for dot in dots], None, None)
    log = low > 0 and high / low > 5
    beaten = [name for name, point in points.items() if (own > point if better == "higher" else own < point)]
    verdict = _verdict(beaten, holds=holds, condition=condition)
    rows = [(dot.label, with_unit(dot.value, unit)) for dot in dots]
    text = card("good" if holds else "bad", title, rows, [verdict]).text
    drawing = svg(dots, unit=unit, low=low, high=high, log=log)
    note = f"{better} is better{', logarithmic scale' if log else ''}"
    body = f"<strong>{html.escape(title)}</strong> <small>({note})</small>{drawing}<div>{html.escape(verdict)}</div>"
    Output(f'<div style="margin:0.4em 0">{body}</div>', text).show()


def _verdict(beaten: list[str], *, holds: bool, condition: str) -> str:
    if not holds:
        return f"The condition is not met, so this does not count yet: {condition or 'see the task'}."
    better = f"Better than {', '.join(beaten)}." if beaten else "No reference point is beaten yet."
    return f"{better} Condition met: {condition}." if condition else better
