"""One measured figure with what is needed to judge and repeat it."""

import dataclasses
import datetime as dt
import math
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from efflab.errors import EfflabError
from efflab.paper import Figure

SCALES = ("full", "cpu", "smoke")  # the most faithful first: what `get` prefers
TOPIC = re.compile(r"[a-z][a-z0-9_-]*")
_ID = re.compile(r"[a-z0-9][a-z0-9._+-]*(/[a-z0-9][a-z0-9._+-]*)*")

Spread = float | tuple[float, ...] | None


@dataclass(frozen=True)
class Result:
    """One measured figure.

    Attributes:
        topic: the topic it belongs to, ``"pruning"``.
        id: its name within the topic, lower case with slashes, ``"lenet5/conv1/weights_pct"``.
        measured: the value, in ``unit``.
        unit: ``"%"``, ``"weights"``, ``"ms"``, ``"x"``; empty for a pure number.
        paper: the published value in the same unit, or None.
        bar: what was promised, in words, or None.
        holds: whether the bar is met; None exactly where there is no bar.
        goal: what would be better still, in words, or None.
        source: where the published value stands.
        command: the command that measures this figure again.
        seeds: the seeds of the runs that went into it.
        spread: one number (standard deviation) or several (one value a seed, or lower and upper quartile).
        scale: ``"smoke"``, ``"cpu"`` or ``"full"``.
        data: the data set, or an empty string.
        machine: processor, cores, memory and system; never a name of a host or a user.
        versions: the versions of Python and the packages that matter.
        date: day of the run, ``YYYY-MM-DD``.
    """

    topic: str
    id: str
    measured: float
    unit: str
    paper: float | None = None
    bar: str | None = None
    holds: bool | None = None
    goal: str | None = None
    source: str = ""
    command: str = ""
    seeds: tuple[int, ...] = ()
    spread: Spread = None
    scale: str = "cpu"
    data: str = ""
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", tuple(self.seeds))
        if isinstance(self.spread, Sequence):
            object.__setattr__(self, "spread", tuple(self.spread))
        for problem in _problems(self):
            raise EfflabError(f"result {self.topic}/{self.id}: {problem}")

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON holds it, its keys in the published order."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


@dataclass(frozen=True)
class Measured:
    """What a topic's ``reproduce.run`` returns, for :func:`write`.

    Attributes:
        records: the measured figures.
        series: the points of figures, JSON values by name.
    """

    records: tuple[Result, ...]
    series: Mapping[str, Any] = field(default_factory=dict)


def _plain(value: Any) -> Any:
    """Tuples and mappings as JSON's lists and objects."""
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _problems(one: Result) -> Iterable[str]:
    """What is wrong with a record, a sentence each."""
    texts = ("topic", "id", "unit", "source", "command", "scale", "data", "machine", "date")
    wrong = [name for name in texts if not isinstance(getattr(one, name), str)]
    if wrong:
        return [f"{name} must be a text, got {getattr(one, name)!r}" for name in wrong]
    spread = one.spread if isinstance(one.spread, tuple) else (one.spread or 0.0,)
    rules = (
        (TOPIC.fullmatch(one.topic), f"topic must be a name such as 'pruning', got {one.topic!r}"),
        (_ID.fullmatch(one.id), f"id must be lower case such as 'lenet5/conv1/weights', got {one.id!r}"),
        (_is_number(one.measured), f"measured must be a finite number, got {one.measured!r}"),
        (
            one.paper is None or _is_number(one.paper),
            f"paper must be a finite number or None, got {one.paper!r}",
        ),
        (
            (one.bar is None) == (one.holds is None),
            f"bar and holds go together, got bar={one.bar!r} and holds={one.holds!r}",
        ),
        (one.holds in {True, False, None}, f"holds must be True, False or None, got {one.holds!r}"),
        (one.scale in SCALES, f"scale must be one of {', '.join(SCALES)}, got {one.scale!r}"),
        (all(isinstance(seed, int) for seed in one.seeds), f"seeds must be integers, got {one.seeds!r}"),
        (all(map(_is_number, spread)), f"spread must be finite numbers, got {one.spread!r}"),
        (
            all(isinstance(text, str) for pair in one.versions.items() for text in pair),
            f"versions must map names to texts, got {dict(one.versions)!r}",
        ),
        (
            not one.date or re.fullmatch(r"\d{4}-\d\d-\d\d", one.date),
            f"date must be written YYYY-MM-DD, got {one.date!r}",
        ),
    )
    return [sentence for holds, sentence in rules if not holds]


def machine() -> str:
    """Describe this machine: processor, cores, memory, system. No name of host or user.

    Returns:
        For instance ``"Intel(R) Xeon(R) Processor, 2 cores, 23 GiB, Linux"``.
    """
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    parts = [_processor(), f"{cores or 1} cores", _memory(), platform.system()]
    return ", ".join(part for part in parts if part)


def _processor() -> str:
    """The processor's model, as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", info.read_text(errors="replace"), re.MULTILINE)
        if named:
            return named[1].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    """Memory in GiB, or an empty string where the system does not say."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return ""


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, efflab, torch, numpy and of ``packages``, without importing them."""
    found = {"python": platform.python_version()}
    for name in ("efflab", "torch", "numpy", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def record(
    topic: str,
    id: str,  # noqa: A002 - the published name of the key
    measured: float,
    unit: str,
    *,
    paper: float | Figure | None = None,
    source: str = "",
    packages: Sequence[str] = (),
    **others: Any,
) -> Result:
    """Make a :class:`Result` and fill in machine, versions and today's date.

    Args:
        topic: the topic, ``"pruning"``.
        id: the figure's name within the topic.
        measured: the value in ``unit``.
        unit: its unit.
        paper: the published value, or the :class:`efflab.paper.Figure` itself, which then gives ``source`` too.
        source: where the published value stands.
        packages: names of further packages whose versions matter.
        **others: the remaining fields of :class:`Result`.

    Returns:
        The record.

    Raises:
        EfflabError: a field does not hold what it should.
    """
    if isinstance(paper, Figure):
        source = source or paper.reference
        paper = paper.value
    filled: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(*packages),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    return Result(topic, id, measured, unit, paper=paper, source=source, **(filled | others))
