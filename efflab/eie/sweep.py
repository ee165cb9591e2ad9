"""Many machines on the same layers: time, energy and area of each, and which of them no other beats.

A sweep can be interrupted and taken up again: every machine's line is written when it is done.
"""

import csv
import itertools
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from efflab.eie.capacity import fits
from efflab.eie.engine import simulate
from efflab.eie.machine import Machine
from efflab.eie.pattern import Pattern
from efflab.errors import EfflabError
from efflab.files import write_atomic

VARIED = ("pes", "fifo", "index_bits", "precision", "sram_width", "clock_mhz", "bypass", "regs")
"""Parameters of the machine that a sweep may vary."""
MOST_MACHINES = 1_000_000


@dataclass(frozen=True, eq=False)
class Work:
    """A layer's weights and one vector of inputs.

    Args:
        name: of the layer.
        pattern: where its weights are.
        active: (columns,) inputs, or which of them are not 0.
    """

    name: str
    pattern: Pattern
    active: NDArray[Any]


@dataclass(frozen=True)
class Point:
    """One machine's figures over all layers.

    Args:
        layers: a checksum of the layers and their inputs, which tells sweeps apart.
        pes: and the further parameters of the machine.
        fits: whether every layer fits into its memories; where one does not, no figure is known.
        cycles: of all layers, one after the other.
        time_us: of all layers.
        energy_uj: of all layers.
        area_mm2: of the machine.
        balance: entries per PE and cycle over all layers, from 0 to 1.
    """

    layers: str
    pes: int
    fifo: int
    index_bits: int
    precision: str
    sram_width: int
    clock_mhz: float
    bypass: bool
    regs: int
    fits: bool
    cycles: int = 0
    time_us: float = 0.0
    energy_uj: float = 0.0
    area_mm2: float = 0.0
    balance: float = 0.0


def grid(base: Machine | None = None, **values: Iterable[Any]) -> list[Machine]:
    """Every combination of the values given for some of the parameters in ``VARIED``.

    Args:
        base: the machine that has all other parameters; the published one by default.
        **values: for each parameter the values it takes.

    Raises:
        EfflabError: a parameter that cannot be varied, one without values, or a machine that cannot be.

    >>> [machine.pes for machine in grid(pes=(16, 32), fifo=(8,))]
    [16, 32]
    """
    lists = {name: tuple(dict.fromkeys(chosen)) for name, chosen in values.items()}
    for name, chosen in lists.items():
        if name not in VARIED:
            raise EfflabError(f"{name} is no parameter that a sweep varies; those are {', '.join(VARIED)}")
        if not chosen:
            raise EfflabError(f"{name} has no values")
    count = int(np.prod([len(chosen) for chosen in lists.values()], dtype=object))
    if count > MOST_MACHINES:
        raise EfflabError(f"the grid has {count:,} machines, and a sweep has at most {MOST_MACHINES:,}")
    base = base or Machine()
    return [
        base.with_(**dict(zip(lists, chosen, strict=True))) for chosen in itertools.product(*lists.values())
    ]


def evaluate(machine: Machine, works: Sequence[Work], layers: str = "") -> Point:
    """Run all layers on one machine.

    Args:
        machine: to run on.
        works: the layers.
        layers: their checksum.
    """
    from efflab.eie.energy_model import area, energy  # noqa: PLC0415 - reads the published tables

    own = {"layers": layers} | {name: getattr(machine, name) for name in VARIED}
    if not all(fits(work.pattern, machine) for work in works):
        return Point(**own, fits=False)
    runs = [simulate(work.pattern, work.active, machine) for work in works]
    cycles = sum(run.counters.cycles + run.counters.fill for run in runs)
    entries, walked = (sum(getattr(run.counters, name) for run in runs) for name in ("entries", "cycles"))
    return Point(
        **own,
        fits=True,
        cycles=cycles,
        time_us=sum(run.time_us for run in runs),
        energy_uj=sum(energy(run).total_uj for run in runs),
        area_mm2=area(machine).total_mm2,
        balance=entries / (machine.pes * walked) if walked else 1.0,
    )


def sweep(
    works: Sequence[Work],
    machines: Sequence[Machine],
    *,
    path: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: str = "",
    progress: bool = True,
) -> list[Point]:
    """Run all layers on many machines.

    Args:
        works: the layers.
        machines: for example of ``grid``.
        path: a CSV file; machines that it holds already are not run again, others are added as they are done.
        workers: threads; as many as there are processors by default.
        scheduler: address of a ``dask.distributed`` scheduler (``tcp://...``) that runs the machines instead.
        progress: whether to show a bar.

    Returns:
        One point a machine, in order.

    Raises:
        EfflabError: there are no layers or machines, or the file is of another sweep.
    """
    if not works or not machines:
        raise EfflabError(f"a sweep takes layers and machines, got {len(works)} and {len(machines)}")
    layers = _checksum(works)
    done = _read(Path(path), layers) if path is not None else {}
    waiting = [machine for machine in dict.fromkeys(machines) if _key(machine) not in done]
    # Neighbours share what was counted for their number of PEs.
    waiting.sort(key=lambda machine: (machine.index_bits, machine.pes))
    one = partial(evaluate, works=works, layers=layers)
    results = _on_cluster(scheduler, one, waiting) if scheduler else _on_threads(works, one, waiting, workers)
    with _Table(path, done) as table, tqdm(total=len(waiting), unit="machine", disable=not progress) as bar:
        for point in results:
            table.add(point)
            bar.update()
    return [done[_key(machine)] for machine in machines]


def pareto(points: Iterable[Point], *names: str) -> list[Point]:
    """The points that no other one beats: none is at most as large in every figure named and smaller in one.

    Args:
        points: of a sweep; machines that do not fit are left out.
        *names: figures, smaller is better; ``time_us`` and ``energy_uj`` by default.

    Returns:
        The points left, by their first figure.
    """
    figures = names or ("time_us", "energy_uj")
    usable = sorted(
        (one for one in points if one.fits), key=lambda one: [getattr(one, name) for name in figures]
    )
    values = np.array([[getattr(one, name) for name in figures] for one in usable]).reshape(
        len(usable), len(figures)
    )
    front = []
    for at, own in enumerate(values):
        beaten = (values <= own).all(1) & (values < own).any(1)
        if not beaten.any():
            front.append(usable[at])
    return front


def plot(points: Sequence[Point], ax: Any = None) -> Any:
    """Draw time against energy, the machines that no other beats joined by a line.

    Returns:
        The figure.
    """
    from efflab.viz.styles import canvas  # noqa: PLC0415 - drawing needs matplotlib

    usable = [one for one in points if one.fits]
    if not usable:
        raise EfflabError("no machine of the sweep holds every layer: there is nothing to draw")
    front = pareto(usable)
    with canvas(ax) as (figure, axes, colours):
        axes.scatter(
            [one.time_us for one in usable],
            [one.energy_uj for one in usable],
            s=14,
            color=colours.removed,
            label="machines",
        )
        axes.plot(
            [one.time_us for one in front], [one.energy_uj for one in front],
            color=colours.kept, marker="o", label="no other is faster and takes less",
        )  # fmt: skip
        for one in front:
            axes.annotate(f" {one.pes} PEs", (one.time_us, one.energy_uj), fontsize=8)
        axes.set(xscale="log", yscale="log", xlabel="time (µs)", ylabel="energy (µJ)")
        axes.legend()
    return figure


def _checksum(works: Sequence[Work]) -> str:
    """Tell the layers and inputs of one sweep from those of another."""
    value = 0
    for work in works:
        value = zlib.crc32(f"{work.name} {work.pattern.shape}".encode(), value)
        value = zlib.crc32(work.pattern.rows.tobytes(), zlib.crc32(work.pattern.starts.tobytes(), value))
        value = zlib.crc32((np.asarray(work.active) != 0).tobytes(), value)
    return f"{value:08x}"


def _on_threads(
    works: Sequence[Work], one: Callable[[Machine], Point], machines: Sequence[Machine], workers: int | None
) -> Iterator[Point]:
    # The engine's loops are compiled and hold no lock, so that threads are enough, and share the layers.
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        # Counting for a number of PEs is done once, before others ask for it.
        for _, own in itertools.groupby(machines, key=lambda machine: (machine.index_bits, machine.pes)):
            group = list(own)
            for work in works:
                work.pattern.counts(group[0].pes, group[0].index_bits)
            yield from pool.map(one, group)
            for work in works:
                work.pattern.forget()


def _on_cluster(address: str, one: Callable[..., Point], machines: Sequence[Machine]) -> Iterator[Point]:
    from distributed import Client, as_completed  # noqa: PLC0415 - only where there is a cluster

    with Client(address) as client:
        # The layers travel once to each worker, not with every machine.
        shared = client.scatter(one, broadcast=True, hash=False)
        futures = [client.submit(_called, shared, machine, pure=False) for machine in machines]
        for future in as_completed(futures):
            yield future.result()


def _called(one: Callable[..., Point], machine: Machine) -> Point:
    return one(machine)


def _key(machine: Machine | Point) -> tuple[Any, ...]:
    return tuple(getattr(machine, name) for name in VARIED)


class _Table:
    """The CSV file of a sweep: a line a point, written when the point is known."""

    def __init__(self, path: str | os.PathLike[str] | None, done: dict[tuple[Any, ...], Point]) -> None:
        self.path, self.done = None if path is None else Path(path), done

    def __enter__(self) -> Self:
        if self.path is not None:
            # What an interrupted line left is not taken over.
            write_atomic(
                self.path,
                "".join(map(_line, ([f.name for f in fields(Point)], *map(_cells, self.done.values())))),
            )
            self.stream = self.path.open("a", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.stream.close()

    def add(self, point: Point) -> None:
        self.done[_key(point)] = point
        if self.path is not None:
            self.stream.write(_line(_cells(point)))
            self.stream.flush()


def _cells(point: Point) -> list[Any]:
    return list(asdict(point).values())


def _line(cells: Iterable[Any]) -> str:
    return ",".join(str(cell) for cell in cells) + "\n"


def _read(path: Path, layers: str) -> dict[tuple[Any, ...], Point]:
    """The points of a file; a line that was cut off is left out."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    names = [f.name for f in fields(Point)]
    if reader.fieldnames is not None and list(reader.fieldnames) != names:
        raise EfflabError(f"{path} is no file of a sweep: its columns are {', '.join(reader.fieldnames)}")
    points = [point for line in reader if (point := _point(line)) is not None]
    if any(point.layers != layers for point in points):
        raise EfflabError(f"{path} holds a sweep over other layers or inputs: name another file")
    return {_key(point): point for point in points}


_READ: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: {"True": True, "False": False}.__getitem__,
}


def _point(line: Mapping[str, Any]) -> Point | None:
    try:
        return Point(**{f.name: _READ[f.type](line[f.name]) for f in fields(Point)})
    except (KeyError, TypeError, ValueError):
        return None
