"""The files: read and checked, merged, written whole."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from efflab.errors import EfflabError
from efflab.files import write_atomic
from efflab.paper import suggestion
from efflab.results._record import SCALES, TOPIC, Result, Spread
from efflab.tables import TextTable, quantity

FORMAT = 1
_TIMED = {"s", "ms", "us", "µs", "ns", "min", "GFLOP/s", "GB/s", "images/s", "samples/s"}
_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """The folder results are written to.

    Returns:
        ``EFFLAB_RESULTS`` where set, else ``results/`` of the checkout, else the user's own data folder.
    """
    return _folders()[0]


def _folders() -> tuple[Path, ...]:
    """Where results are looked for, the folder to write to first."""
    if chosen := os.environ.get("EFFLAB_RESULTS"):
        return (Path(chosen),)
    if (_PACKAGE.parent / "pyproject.toml").exists():
        return (_PACKAGE.parent / "results",)
    import platformdirs  # noqa: PLC0415 - needed by an installed wheel alone

    return (Path(platformdirs.user_data_dir("efflab", appauthor=False)) / "results", _PACKAGE / "_recorded")


def topics() -> tuple[str, ...]:
    """The topics that have results."""
    return tuple(sorted({path.stem for place in _folders() for path in place.glob("*.json")}))


def _check_topic(topic: str) -> None:
    if not TOPIC.fullmatch(topic):
        raise EfflabError(f"topic must be a name such as 'pruning', got {topic!r}")


def _load(path: Path) -> tuple[dict[tuple[str, str], Result], dict[str, dict[str, Any]]]:
    """Read and check one file: records by (id, scale), series by name and scale."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["format"]
        records = [Result(**entry) for entry in content["records"]] if version == FORMAT else []
        lines = {name: dict(by_scale) for name, by_scale in content["series"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EfflabError(f"{path} is no file of results: {error}") from error
    if version != FORMAT:
        raise EfflabError(f"{path} has format {version!r}, this efflab reads format {FORMAT}")
    return {(one.id, one.scale): one for one in records}, lines


def _find(topic: str) -> Path:
    _check_topic(topic)
    for place in _folders():
        if (path := place / f"{topic}.json").exists():
            return path
    known = ", ".join(topics()) or "none yet"
    raise EfflabError(
        f"there are no results of topic {topic!r} (recorded: {known}); `efflab reproduce {topic}` makes them"
    )


def read(topic: str) -> tuple[Result, ...]:
    """All records of a topic, sorted by id, the most faithful scale first.

    Raises:
        EfflabError: the topic has no results, or its file is damaged.
    """
    records, _ = _load(_find(topic))
    return tuple(sorted(records.values(), key=_order))


def _order(result: Result) -> tuple[str, int]:
    return result.id, SCALES.index(result.scale)


def get(topic: str, id: str, scale: str | None = None) -> Result:  # noqa: A002 - the published name of the key
    """One record.

    Args:
        topic: the topic.
        id: the record's id.
        scale: ``"smoke"``, ``"cpu"`` or ``"full"``; None takes the most faithful that is recorded.

    Raises:
        EfflabError: there is no such record.
    """
    records = read(topic)
    for one in records:
        if one.id == id and scale in {None, one.scale}:
            return one
    at = f" at scale {scale!r}" if scale else ""
    raise EfflabError(
        f"topic {topic!r} has no result {id!r}{at}{suggestion(id, [one.id for one in records])}"
    )


def series(topic: str, name: str, scale: str | None = None) -> Any:
    """The points of a figure, as they were written.

    Args:
        topic: the topic.
        name: the series' name.
        scale: the scale of the run; None takes the most faithful that is recorded.

    Raises:
        EfflabError: there is no such series.
    """
    _, lines = _load(_find(topic))
    for wanted in SCALES if scale is None else (scale,):
        if wanted in lines.get(name, {}):
            return lines[name][wanted]
    known = ", ".join(sorted(lines)) or "none"
    raise EfflabError(f"topic {topic!r} has no series {name!r}; its series are {known}")


def write(topic: str, records: Iterable[Result], series: Mapping[str, Any] | None = None) -> Path:
    """Merge records and series into the topic's file, all of them or none.

    A record replaces the one with the same id and scale; a series the one with the same name and scale, its scale
    being that of the records it comes with. Everything else in the file stays.

    Args:
        topic: the topic; every record must belong to it.
        records: the measured figures.
        series: JSON values by name, such as ``{"tradeoff": {"kept_pct": [8, 10], "error": [1.6, 1.5]}}``.

    Returns:
        The file written.

    Raises:
        EfflabError: a record of another topic or twice the same, series beside records of several scales, a value
            that JSON cannot hold, or a damaged file, which is left as it is.
    """
    _check_topic(topic)
    new = list(records)
    _check_batch(topic, new, series or {})
    path = folder() / f"{topic}.json"
    known, lines = _load(path) if path.exists() else ({}, {})
    known |= {(one.id, one.scale): one for one in new}
    for name, points in (series or {}).items():
        lines.setdefault(name, {})[new[0].scale] = points
    return write_atomic(path, _dump(topic, known.values(), lines))


def _check_batch(topic: str, new: Sequence[Result], series: Mapping[str, Any]) -> None:
    keys = [(one.id, one.scale) for one in new]
    for one in new:
        if one.topic != topic:
            raise EfflabError(f"result {one.id} belongs to topic {one.topic!r}, not to {topic!r}")
        if keys.count((one.id, one.scale)) > 1:
            raise EfflabError(f"result {topic}/{one.id} comes twice at scale {one.scale!r}")
    if series and len({one.scale for one in new}) != 1:
        raise EfflabError("series take the scale of the records they come with: give records of one scale")


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    """Timings to four significant digits: more would only be noise in a diff."""
    if entry["unit"] not in _TIMED:
        return entry

    def four(value: Any) -> Any:
        if isinstance(value, list):
            return [four(one) for one in value]
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return entry | {"measured": four(entry["measured"]), "spread": four(entry["spread"])}


def _dump(topic: str, records: Iterable[Result], lines: Mapping[str, Any]) -> str:
    """JSON that diffs well: sorted, one record a block, a list of numbers on one line."""
    content = {
        "format": FORMAT,
        "topic": topic,
        "records": [_rounded(one.to_dict()) for one in sorted(records, key=_order)],
        "series": {name: dict(sorted(lines[name].items())) for name in sorted(lines)},
    }
    try:
        return _layout(content, "") + "\n"
    except (TypeError, ValueError) as error:
        raise EfflabError(f"results of {topic!r} hold what JSON cannot: {error}") from error


def _layout(value: Any, indent: str) -> str:
    """JSON text of ``value``; only objects and lists of containers take several lines."""
    deeper = indent + "  "
    if isinstance(value, Mapping) and value:
        inner = [f"{json.dumps(str(key))}: {_layout(part, deeper)}" for key, part in value.items()]
        return "{\n" + ",\n".join(deeper + line for line in inner) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(part, Mapping | list | tuple) for part in value):
        inner = [_layout(part, deeper) for part in value]
        return "[\n" + ",\n".join(deeper + line for line in inner) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def table(topic: str, scale: str | None = None) -> TextTable:
    """The topic's records as a table for terminal and notebook: published, measured, and whether the bar holds.

    Args:
        topic: the topic.
        scale: only records of this scale; None shows all.

    Raises:
        EfflabError: the topic has no results.
    """
    columns = ("figure", "paper", "measured", "unit", "spread", "bar", "holds", "scale")
    chosen = [one for one in read(topic) if scale in {None, one.scale}]
    rows = [
        (one.id, one.paper, one.measured, one.unit, _spread(one.spread), one.bar, one.holds, one.scale)
        for one in chosen
    ]
    return TextTable.of(columns, rows, caption=f"Results of {topic}")


def _spread(spread: Spread) -> str | None:
    if spread is None:
        return None
    return f"±{quantity(spread)}" if not isinstance(spread, tuple) else " ".join(map(quantity, spread))
