"""What a sweep finds: a point a machine, the front of those that no other beats, and the CSV file that keeps them."""

import csv
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from efflab.eie.machine import Machine
from efflab.errors import EfflabError
from efflab.files import write_atomic

PARAMETERS = tuple(field.name for field in fields(Machine))
VARIED = ("pes", "fifo", "index_bits", "precision", "sram_width", "clock_mhz", "bypass", "regs")
"""Parameters of the machine that a grid may vary."""
FIXED = tuple(name for name in PARAMETERS if name not in VARIED)
"""The others, which are the same for all machines of a file."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """One machine's figures over all layers.

    Args:
        layers: a checksum of the layers and their inputs, which tells sweeps apart.
        pes: and the further parameters of the machine.
        fits: whether every layer fits into its memories; where one does not, no figure is known.
        cycles: of all vectors of all layers, one after the other.
        time_us: of the same.
        energy_uj: of the same.
        area_mm2: of the machine.
        balance: entries per PE and cycle over all layers, from 0 to 1.
    """

    layers: str
    pes: int
    fifo: int
    index_bits: int
    code_bits: int
    precision: str
    sram_width: int
    clock_mhz: float
    bypass: bool
    regs: int
    spmat_kb: float
    ptr_kb: float
    technology_nm: int
    fits: bool
    cycles: float = 0.0
    time_us: float = 0.0
    energy_uj: float = 0.0
    area_mm2: float = 0.0
    balance: float = 0.0


def key(one: Machine | Point) -> Key:
    """All parameters of a machine."""
    return tuple(getattr(one, name) for name in PARAMETERS)


def pareto(points: Iterable[Point], *names: str) -> list[Point]:
    """The points that no other one beats: none is at most as large in every figure named and smaller in one.

    Args:
        points: of a sweep; machines that do not fit are left out.
        *names: figures, smaller is better; ``time_us`` and ``energy_uj`` by default.

    Returns:
        The points left, by their first figure; of several with the same figures the first.
    """
    figures = names or ("time_us", "energy_uj")

    def measured(one: Point) -> list[float]:
        # Energies of one machine at two clocks differ in their last digits by rounding alone.
        return [float(f"{getattr(one, name):.12g}") for name in figures]

    front: list[tuple[list[float], Point]] = []
    usable = [(measured(one), one) for one in points if one.fits]
    for own, one in sorted(usable, key=lambda pair: pair[0]):
        # Whatever beats it comes before it, and is in the front or beaten itself by one that is.
        if not any(all(a <= b for a, b in zip(other, own, strict=True)) for other, _ in reversed(front)):
            front.append((own, one))
    return [one for _, one in front]


class Table:
    """The CSV file of a sweep: a line a point, written when the point is known.

    Args:
        path: of the file; None keeps points in memory alone.
        done: points by the parameters of their machine, to which others are added.
    """

    def __init__(self, path: str | os.PathLike[str] | None, done: dict[Key, Point]) -> None:
        self.path, self.done = None if path is None else Path(path), done

    def __enter__(self) -> Self:
        if self.path is not None:
            # What an interrupted line left is not taken over.
            write_atomic(self.path, HEADER + "".join(map(_line, map(_cells, self.done.values()))))
            self.stream = self.path.open("a", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.stream.close()

    def add(self, points: Iterable[Point]) -> None:
        """Keep points."""
        for point in points:
            self.done[key(point)] = point
            if self.path is not None:
                self.stream.write(_line(_cells(point)))
        if self.path is not None:
            self.stream.flush()


def _cells(point: Point) -> list[Any]:
    return list(asdict(point).values())


def _line(cells: Iterable[Any]) -> str:
    return ",".join(str(cell) for cell in cells) + "\n"


HEADER = _line(field.name for field in fields(Point))


def read(path: Path, layers: str, machines: Collection[Machine]) -> dict[Key, Point]:
    """Read the points of a file; a line that was cut off is left out.

    Args:
        path: the file, which need not be there.
        layers: checksum of the layers and inputs that the sweep is over.
        machines: of the sweep.

    Raises:
        EfflabError: the file is none of a sweep, or of one over other layers, or over machines with other fixed parameters.
    """
    if not path.exists():
        return {}
    text = path.read_bytes().decode("utf-8", errors="replace")
    if not text.startswith(HEADER) and not HEADER.startswith(text):
        raise EfflabError(f"{path} is no file of a sweep: {_beginning(text)}; name another file")
    reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    points = [point for line in reader if (point := _point(line)) is not None]
    if any(point.layers != layers for point in points):
        raise EfflabError(f"{path} holds a sweep over other layers or inputs: name another file")
    _check_fixed(path, points, machines)
    return {key(point): point for point in points}


def _beginning(text: str) -> str:
    """What a file begins with, as far as it can be shown."""
    first = text.partition("\n")[0].rstrip("\r")
    if not first.isprintable() or "\N{REPLACEMENT CHARACTER}" in first or len(first) > 200:
        return "it holds no table"
    return f"its columns are {', '.join(first.split(','))}"


def _check_fixed(path: Path, points: Sequence[Point], machines: Collection[Machine]) -> None:
    """Refuse points of machines that the sweep could not have: they would stand between its own unnoticed."""
    for name in FIXED:
        wanted = {getattr(machine, name) for machine in machines}
        others = {getattr(point, name) for point in points} - wanted
        if others:
            raise EfflabError(
                f"{path} holds a sweep with {name} {_listed(others)}, and this one has {_listed(wanted)}: name another file"
            )


def _listed(values: set[Any]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values))


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
