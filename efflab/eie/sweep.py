"""Many machines on the same layers: time, energy and area of each, and which of them no other beats.

A sweep can be interrupted and taken up again: the lines of machines that are done are written at once.
"""

import itertools
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from efflab.eie.capacity import fits
from efflab.eie.energy_model import area, power
from efflab.eie.engine import checked_inputs, simulate
from efflab.eie.fixed import Fixed
from efflab.eie.machine import Machine
from efflab.eie.pattern import Pattern
from efflab.eie.sweep_figure import plot
from efflab.eie.sweep_points import PARAMETERS, VARIED, Point, Table, key, pareto, read
from efflab.eie.sweep_works import Work
from efflab.errors import EfflabError

__all__ = ["PARAMETERS", "VARIED", "Point", "Work", "check", "evaluate", "grid", "pareto", "plot", "sweep"]

MOST_MACHINES = 1_000_000
AT_ONCE = 8
"""Machines of different timing that a thread runs before it hands their points over."""
SCHEDULER_SECONDS = 10
"""How long a scheduler may take to answer."""

Batch = Sequence[Machine]


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


def check(machines: Iterable[Machine]) -> None:
    """Refuse machines whose area or power is not known.

    Raises:
        EfflabError: a memory without a size, or a width of the matrix SRAM for which no energy is published.
    """
    for machine in {(one.spmat_kb, one.ptr_kb, one.sram_width): one for one in machines}.values():
        area(machine)
        power(machine)


def evaluate(machines: Batch, works: Sequence[Work], layers: str = "") -> list[Point]:
    """Run all layers on some machines.

    Args:
        machines: to run on; quickest where they share PEs and width of index, whose entries are then counted once.
        works: the layers.
        layers: their checksum.

    Returns:
        One point a machine, in order.
    """
    sums = [_Sum() for _ in machines]
    for work in works:
        counted = _Counted(work)
        for machine, total in zip(machines, sums, strict=True):
            total.add(counted.on(machine))
    return [_point(machine, total, layers) for machine, total in zip(machines, sums, strict=True)]


class _Cycles(NamedTuple):
    """Of all vectors of a layer."""

    walked: float
    fill: float
    entries: float


class _Counted:
    """A layer's cycles on each machine that times it differently."""

    def __init__(self, work: Work) -> None:
        self.work = work
        # A pattern keeps what it counted; here that goes with the layer, and threads do not share it.
        self.pattern = replace(work.pattern, _kept={})
        self.numbers = work.vectors.dtype != np.bool_
        self.fitting: dict[Any, bool] = {}
        self.known: dict[Any, _Cycles] = {}

    def on(self, machine: Machine) -> _Cycles | None:
        """Count, or remember; None where the layer does not fit."""
        memories = (machine.pes, machine.index_bits, machine.capacity, machine.batch)
        if memories not in self.fitting:
            self.fitting[memories] = fits(self.pattern, machine)
        if not self.fitting[memories]:
            return None
        timing = (*_timing(machine), machine.precision if self.numbers else "")
        if timing not in self.known:
            self.known[timing] = _cycles(self.pattern, self.work, machine)
        return self.known[timing]


def _timing(machine: Machine) -> tuple[Any, ...]:
    """All that cycles depend on, beside which inputs are 0 in the machine's numbers."""
    return machine.index_bits, machine.pes, machine.depth, machine.batch, machine.bypass


def _cycles(pattern: Pattern, work: Work, machine: Machine) -> _Cycles:
    counts = [
        simulate(pattern, _active(vector, pattern, machine), machine).counters for vector in work.vectors
    ]
    sums = (sum(getattr(one, name) for one in counts) for name in ("cycles", "fill", "entries"))
    return _Cycles(*(work.scale * value for value in sums))


def _active(vector: Any, pattern: Pattern, machine: Machine) -> Any:
    """Which inputs are not 0 as the registers hold them."""
    if vector.dtype == np.bool_:
        return vector
    values = checked_inputs(vector, pattern.shape[1])
    if machine.precision == "float32":
        return values.astype(np.float32) != 0
    return Fixed.fitting(float(np.abs(values).max(initial=0)), machine.bits).encode(values) != 0


@dataclass
class _Sum:
    """Of a machine's layers."""

    fits: bool = True
    walked: float = 0.0
    fill: float = 0.0
    entries: float = 0.0

    def add(self, one: _Cycles | None) -> None:
        if one is None:
            self.fits = False
        else:
            self.walked, self.fill, self.entries = (
                self.walked + one.walked,
                self.fill + one.fill,
                self.entries + one.entries,
            )


def _point(machine: Machine, total: _Sum, layers: str) -> Point:
    own: dict[str, Any] = {"layers": layers} | {name: getattr(machine, name) for name in PARAMETERS}
    own |= {
        name: float(own[name]) for name in ("clock_mhz", "spmat_kb", "ptr_kb")
    }  # as the file gives them back
    if not total.fits:
        return Point(**own, fits=False)
    cycles = total.walked + total.fill
    return Point(
        **own,
        fits=True,
        cycles=cycles,
        time_us=cycles / machine.clock_mhz,
        energy_uj=power(machine).total_w * cycles / machine.clock_mhz,
        area_mm2=area(machine).total_mm2,
        balance=total.entries / (machine.pes * total.walked) if total.walked else 1.0,
    )


def sweep(
    works: Sequence[Work],
    machines: Batch,
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
        EfflabError: there are no layers or machines, a machine has no published energy or area, the file is of another
            sweep, or no scheduler answers.
    """
    if not works or not machines:
        raise EfflabError(f"a sweep takes layers and machines, got {len(works)} and {len(machines)}")
    check(machines)
    layers = _checksum(works)
    done = read(Path(path), layers, machines) if path is not None else {}
    waiting = [machine for machine in dict.fromkeys(machines) if key(machine) not in done]
    threads = workers or os.cpu_count() or 1
    one = partial(evaluate, works=works, layers=layers)
    results = (
        _on_cluster(scheduler, one, _batches(waiting, AT_ONCE))
        if scheduler
        else _on_threads(one, waiting, threads)
    )
    with Table(path, done) as table, tqdm(total=len(waiting), unit="machine", disable=not progress) as bar:
        for points in results:
            table.add(points)
            bar.update(len(points))
    return [done[key(machine)] for machine in machines]


def _batches(machines: Batch, most: int) -> list[Batch]:
    """Machines that share what is counted for their PEs, with at most so many different timings."""
    found: list[Batch] = []
    ordered = sorted(machines, key=_timing)
    for _, alike in itertools.groupby(ordered, key=lambda machine: _timing(machine)[:2]):
        timings = [list(group) for _, group in itertools.groupby(alike, key=_timing)]
        found += [
            [machine for group in timings[at : at + most] for machine in group]
            for at in range(0, len(timings), most)
        ]
    return found


def _checksum(works: Sequence[Work]) -> str:
    """Tell the layers and inputs of one sweep from those of another."""
    value = 0
    for work in works:
        vectors = work.vectors
        words = f"{work.name} {work.pattern.shape} {vectors.shape} {vectors.dtype} {work.scale}"
        value = zlib.crc32(words.encode(), value)
        for part in (work.pattern.starts, work.pattern.rows, vectors):
            value = zlib.crc32(np.ascontiguousarray(part).data, value)
    return f"{value:08x}"


def _on_threads(one: Callable[[Batch], list[Point]], machines: Batch, threads: int) -> Iterator[list[Point]]:
    # The engine's loops are compiled and hold no lock, so that threads are enough, and share the layers.
    timings = len({_timing(machine) for machine in machines})
    batches = _batches(machines, min(AT_ONCE, -(-timings // threads)) or 1)
    pool = ThreadPoolExecutor(threads)
    try:
        for future in as_completed([pool.submit(one, batch) for batch in batches]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(
    address: str, one: Callable[..., list[Point]], batches: Sequence[Batch]
) -> Iterator[list[Point]]:
    try:
        from distributed import Client  # noqa: PLC0415 - only where there is a cluster
    except ModuleNotFoundError:
        raise EfflabError(
            "a scheduler takes dask.distributed: python -m pip install 'efflab[instructor]'"
        ) from None
    try:
        client = Client(address, timeout=SCHEDULER_SECONDS)
    except (OSError, ValueError) as error:
        raise EfflabError(
            f"no dask scheduler answers at {address} within {SCHEDULER_SECONDS} s: {' '.join(str(error).split())}"
        ) from None
    return _gathered(client, one, batches)


def _gathered(
    client: Any, one: Callable[..., list[Point]], batches: Sequence[Batch]
) -> Iterator[list[Point]]:
    from distributed import as_completed as completed  # noqa: PLC0415 - as above

    with client:
        # The layers travel once to each worker, not with every machine.
        shared = client.scatter(one, broadcast=True, hash=False)
        futures = [client.submit(_called, shared, batch, pure=False) for batch in batches]
        for future in completed(futures):
            yield future.result()


def _called(one: Callable[..., list[Point]], machines: Batch) -> list[Point]:
    return one(machines)
