"""The paper's LSTM and its published times: the table of matrices, taken apart and put together again.

Source: S. Han et al., "ESE", FPGA 2017. The rows of the table are marked as unverified in ``efflab.paper``: they were not read in a
source, and hold together among each other and with the figures that were.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from efflab import paper
from efflab.ese._checks import names
from efflab.ese.channel import product_of_counts
from efflab.ese.machine import Machine, machine_or_paper
from efflab.ese.run import StepRun
from efflab.ese.schedule import PAPER

NAMES = ("Wix", "Wfx", "Wcx", "Wox", "Wir", "Wfr", "Wcr", "Wor", "Wym")
TOTAL = "total"


@dataclass(frozen=True)
class Matrix:
    """A row of the table.

    Attributes:
        name: the matrix.
        rows: outputs.
        columns: inputs.
        density: stored entries over the size, padding included.
    """

    name: str
    rows: int
    columns: int
    density: float

    @property
    def size(self) -> int:
        """Weights of the dense matrix."""
        return self.rows * self.columns

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def lane(self, pes: int) -> int:
        """Stored entries of one processing element."""
        return round(self.density * self.size / pes)


def published(name: str, column: str) -> float:
    """A cell of the table, ``published("Wix", "real_time")``."""
    return paper.get(f"ese/matrices/{name.lower()}/{column}").value


def table() -> tuple[Matrix, ...]:
    """The nine matrices."""
    return tuple(
        Matrix(
            name,
            int(published(name, "rows")),
            int(published(name, "columns")),
            published(name, "density_pct") / 100,
        )
        for name in NAMES
    )


def theoretical_us(machine: Machine | None = None) -> float:
    """Time of a step if every element were always at work, from shapes and densities alone, µs."""
    machine = machine_or_paper(machine)
    return sum(one.density * one.size for one in table()) / (machine.pes * machine.clock_mhz)


def drawn(lane: int, shape: tuple[int, int], pes: int, generator: np.random.Generator) -> NDArray[np.int32]:
    """Draw how many entries each processing element has in each column, ``lane`` of them in all, at random places.

    Args:
        lane: entries of each element.
        shape: rows and columns of the matrix; the rows must be a multiple of ``pes``.
        pes: processing elements.
        generator: where the places come from.

    Returns:
        (columns, pes) entries.
    """
    rows, columns = shape
    own = rows // pes
    counts = np.empty((columns, pes), np.int32)
    for k in range(pes):
        places = generator.choice(own * columns, lane, replace=False, shuffle=False)
        counts[:, k] = np.bincount(places // own, minlength=columns)
    return counts


def simulated(
    seed: int = 0,
    machine: Machine | None = None,
    *,
    overlaps: Iterable[str] | None = PAPER,
    ample: bool = False,
) -> StepRun:
    """A step of the paper's LSTM at its published densities, with entries at random places and equal loads.

    Args:
        seed: of the places.
        machine: the machine; the paper's by default.
        overlaps: see ``simulate``.
        ample: see ``simulate``.
    """
    machine = machine_or_paper(machine)
    on = None if overlaps is None else names("overlaps", overlaps)
    generator = np.random.default_rng(seed)
    products = []
    for one in table():
        counts = drawn(one.lane(machine.pes), one.shape, machine.pes, generator)
        products.append(product_of_counts(counts, one.shape, machine, one.name))
    return StepRun(tuple(products), machine, on, ample)


@dataclass(frozen=True)
class Identity:
    """A cell of the table computed from others.

    Attributes:
        name: the matrix, or ``total``.
        column: the column, as in ``efflab.paper``.
        computed: what follows from the other cells.
        figure: what is published.
    """

    name: str
    column: str
    computed: float
    figure: paper.Figure

    @property
    def agrees(self) -> bool:
        """Whether it prints as published."""
        return self.figure.agrees(self.computed)


def identities(machine: Machine | None = None) -> tuple[Identity, ...]:
    """What the table's cells say about each other.

    An entry has 16 bits. Theoretical time is entries over elements and clock; operations are two for each entry and channel; performance
    is operations over real time; the equivalents are those of the dense matrix.
    """
    machine = machine_or_paper(machine)
    sizes = {one.name: one.size for one in table()}
    found = []
    for name, size in {**sizes, TOTAL: sum(sizes.values())}.items():
        entries = published(name, "compressed") * 8 / (machine.weight_bits + machine.index_bits)
        operations = 2 * entries * machine.channels / 1e9
        dense = 2 * size * machine.channels / 1e9
        seconds = published(name, "real_time") / 1e6
        computed = {
            "density_pct": 100 * entries / size,
            "theoretical_time": entries / (machine.pes * machine.clock_mhz),
            "operations": operations,
            "performance": operations / seconds,
            "equivalent_operations": dense,
            "equivalent_performance": dense / seconds,
        }
        found += [
            Identity(name, column, value, paper.get(f"ese/matrices/{name.lower()}/{column}"))
            for column, value in computed.items()
        ]
    return tuple(found)


def words(machine: Machine | None = None) -> dict[str, float]:
    """By matrix, its published bytes in words of an entry for each element: whole numbers all."""
    machine = machine_or_paper(machine)
    return {name: published(name, "compressed") / machine.word_bytes for name in NAMES}
