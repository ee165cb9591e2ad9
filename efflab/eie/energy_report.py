"""How energy, area and power by module show themselves."""

from dataclasses import dataclass
from typing import Any

from efflab.eie.machine import Machine
from efflab.tables import TextTable


@dataclass(frozen=True)
class Part:
    """What one kind of module takes.

    Attributes:
        name: of the module.
        each: what one of them takes.
        count: how many the chip has.
    """

    name: str
    each: float
    count: int

    @property
    def total(self) -> float:
        """What all of them take."""
        return self.each * self.count


@dataclass(frozen=True)
class _Parts:
    machine: Machine
    parts: tuple[Part, ...]

    _title = ""
    _each = ""
    _whole = ""
    _scale = 1.0

    @property
    def _total(self) -> float:
        return sum(part.total for part in self.parts) * self._scale

    def _rows(self) -> list[tuple[str, float, int, float, float]]:
        return [
            (
                part.name,
                part.each,
                part.count,
                part.total * self._scale,
                100 * part.total * self._scale / self._total,
            )
            for part in self.parts
        ]

    def table(self) -> TextTable:
        """One module, how many there are, all of them, and their share."""
        columns = ("module", f"one, {self._each}", "modules", f"all, {self._whole}", "%")
        rows: list[tuple[str | float | None, ...]] = [*self._rows(), ("chip", None, None, self._total, 100)]
        return TextTable.of(columns, rows, f"{self._title}: {self.machine}")

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self) -> Any:
        """Draw the modules as bars.

        Returns:
            The figure.
        """
        from efflab import viz  # noqa: PLC0415 - matplotlib is loaded by those who draw

        names, _, _, totals, shares = zip(*self._rows(), strict=True)
        columns = {f"{self._whole}": totals, "%": [round(share, 2) for share in shares]}
        return viz.layers(names, columns, title=f"{self._title}, {self.machine.pes} PEs")


class Area(_Parts):
    """The chip's area by module, in µm² of one module."""

    _title, _each, _whole, _scale = "Area", "µm²", "mm²", 1e-6

    @property
    def total_mm2(self) -> float:
        """The whole chip, in mm²."""
        return self._total


class Power(_Parts):
    """The chip's power by module at the activity of table II, in mW of one module."""

    _title, _each, _whole, _scale = "Power", "mW", "W", 1e-3

    @property
    def total_w(self) -> float:
        """The whole chip, in W."""
        return self._total


@dataclass(frozen=True)
class Spent:
    """Energy of one kind of module, in picojoule.

    Attributes:
        name: of the module.
        counted_pj: its reads, writes and operations, each at its own price.
        drawn_pj: its power for as long as the run takes.
    """

    name: str
    counted_pj: float
    drawn_pj: float


@dataclass(frozen=True)
class Energy:
    """Energy of a run by module, as the meter would show it and as its operations alone would add up to.

    Attributes:
        machine: that ran.
        time_us: how long it ran.
        modules: energy of each kind of module.
    """

    machine: Machine
    time_us: float
    modules: tuple[Spent, ...]

    @property
    def counted_uj(self) -> float:
        """Reads, writes and operations at the prices of the tables, in microjoule: no clock, no leakage, no control."""
        return sum(part.counted_pj for part in self.modules) / 1e6

    @property
    def drawn_uj(self) -> float:
        """Power times time, in microjoule."""
        return sum(part.drawn_pj for part in self.modules) / 1e6

    @property
    def total_uj(self) -> float:
        """What the paper calls the energy: power times time."""
        return self.drawn_uj

    @property
    def power_w(self) -> float:
        """Mean power, in W."""
        return self.drawn_uj / self.time_us if self.time_us else 0.0

    def table(self) -> TextTable:
        """Modules and their sum, in nanojoule."""
        rows = [
            (part.name, part.counted_pj / 1e3, part.drawn_pj / 1e3, self._share(part))
            for part in self.modules
        ]
        rows.append(("all", 1e3 * self.counted_uj, 1e3 * self.drawn_uj, 100.0))
        columns = ("module", "counted nJ", "power x time nJ", "%")
        note = f"{self.time_us:.4g} µs at {self.power_w:.3g} W"
        return TextTable.of(columns, rows, f"Energy on {self.machine}", note)

    def _share(self, part: Spent) -> float:
        return 100 * part.drawn_pj / (1e6 * self.drawn_uj) if self.drawn_uj else 0.0

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self) -> Any:
        """Draw both energies of each module as bars.

        Returns:
            The figure.
        """
        from efflab import viz  # noqa: PLC0415 - matplotlib is loaded by those who draw

        columns = {
            "counted (nJ)": [part.counted_pj / 1e3 for part in self.modules],
            "power x time (nJ)": [part.drawn_pj / 1e3 for part in self.modules],
        }
        return viz.layers([part.name for part in self.modules], columns, title="Energy of a run")
