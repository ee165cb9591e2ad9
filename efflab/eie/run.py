"""What one layer's run gives: counts, outputs, times."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efflab.eie.counters import Counters
from efflab.eie.fixed import Fixed, Formats
from efflab.eie.machine import Machine
from efflab.tables import TextTable


@dataclass(frozen=True, eq=False)
class Run:
    """One layer on one vector of inputs.

    Args:
        machine: that it ran on.
        counters: what it counted.
        shape: rows and columns of the matrix.
        output: (rows,) what was written back, as numbers; None for positions without weights.
        raw: the same as the registers hold them, integers or float32.
        formats: of weights, inputs and outputs; None in floating point.
        engine: ``"event"`` or ``"cycle"``.
        name: of the layer.
    """

    machine: Machine
    counters: Counters
    shape: tuple[int, int]
    output: NDArray[np.float64] | None = None
    raw: NDArray[Any] | None = None
    formats: Formats | None = None
    engine: str = "event"
    name: str = ""

    @property
    def cycles(self) -> int:
        """Cycles until the last PE is done, the emptying of the pipeline not included."""
        return self.counters.cycles

    @property
    def time_us(self) -> float:
        """Microseconds of all cycles, the emptying of the pipeline included: the paper's actual time."""
        return (self.counters.cycles + self.counters.fill) / self.machine.clock_mhz

    @property
    def theoretical_us(self) -> float:
        """Microseconds of PEs that share the entries, padding included, evenly and never wait: the paper's theoretical time."""
        return self.counters.theoretical_cycles / self.machine.clock_mhz

    @property
    def balance(self) -> float:
        """Load-balance efficiency: entries per PE and cycle, the paper's 1 - bubble cycles / total cycles."""
        return self.counters.balance

    @property
    def act_format(self) -> Fixed | None:
        """The format of the outputs, in which the next layer takes them."""
        return self.formats.out if self.formats else None

    def table(self) -> TextTable:
        """The run in rows."""
        c = self.counters
        return TextTable.of(
            ("", "value"),
            [
                ("time µs", self.time_us),
                ("theoretical time µs", self.theoretical_us),
                ("load balance %", 100 * self.balance),
                ("cycles", c.cycles),
                ("broadcasts", c.broadcasts),
                ("cycles a broadcast waited", c.blocked),
                ("entries", c.entries),
                ("padding zeros among them", c.padding),
                ("PE-cycles on empty columns", c.empty),
                ("PE-cycles with an empty queue", c.starved),
                ("PE-cycles on accumulator hazards", c.hazards),
                ("rows read from the matrix SRAM", c.spmat_reads),
            ],
            caption=f"{self.name or 'layer'} of {self.shape[0]:,} x {self.shape[1]:,} on {self.machine}",
        )

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return f"Run({self.name or 'layer'} {self.shape[0]}x{self.shape[1]}, {self.cycles:,} cycles, {self.time_us:.2f} µs)"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self, ax: Any = None) -> Any:
        """Draw each PE's entries, and what its other cycles went to.

        Args:
            ax: axes to draw on; None makes a figure.

        Returns:
            The figure.
        """
        from efflab.viz.styles import canvas  # noqa: PLC0415 - drawing needs matplotlib

        with canvas(ax) as (figure, axes, colours):
            pes = np.arange(self.machine.pes)
            axes.bar(pes, self.counters.busy, width=1.0, color=colours.kept, label="entries")
            axes.axhline(self.cycles, color=colours.text, linewidth=1, label="cycles")
            axes.set(
                xlabel="PE",
                ylabel="cycles",
                title=f"{self.name or 'Layer'}: balance {100 * self.balance:.1f} %",
            )
            axes.legend()
        return figure
