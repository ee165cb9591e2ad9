"""A step of an LSTM on the accelerator: time, use, traffic and operations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.ese._checks import names
from efflab.ese.channel import Product, product
from efflab.ese.gates import matrices
from efflab.ese.graph import Schedule
from efflab.ese.machine import Machine, machine_or_paper
from efflab.ese.schedule import PAPER, Work, lstm_schedule, period
from efflab.tables import TextTable


@dataclass(frozen=True)
class StepRun:
    """One step, of many that follow each other.

    Attributes:
        products: the sparse products, in the order in which they are made.
        machine: the machine.
        overlaps: which overlaps are on.
        ample: whether memory is taken to have everything in time.
    """

    products: tuple[Product, ...]
    machine: Machine
    overlaps: tuple[str, ...] | None = PAPER
    ample: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Cells, inputs and outputs of the LSTM."""
        shapes = {one.name: one.shape for one in self.products}
        return {"hidden": shapes["Wix"][0], "inputs": shapes["Wix"][1], "outputs": shapes["Wir"][1]}

    @property
    def work(self) -> dict[str, Work]:
        """Cycles of each matrix, for ``lstm_schedule``."""
        fetches = 0 if self.ample else 1
        return {
            one.name: Work(
                one.cycles, fetches * one.lane, fetches * self.machine.words(8 * one.pointer_bytes)
            )
            for one in self.products
        }

    def scheduled(self, steps: int = 1) -> Schedule:
        """So many steps from the first fetch to the last store."""
        return lstm_schedule(self.work, self.machine, **self.sizes, steps=steps, overlaps=self.overlaps)

    @cached_property
    def schedule(self) -> Schedule:
        """One step from its first fetch to its last store."""
        return self.scheduled()

    @cached_property
    def _two(self) -> Schedule:
        return self.scheduled(2)

    @property
    def cycles(self) -> int:
        """Cycles of a step among many."""
        return period(self.schedule, self._two)

    @property
    def time_us(self) -> float:
        """Time of a step among many, µs; all channels finish one in it."""
        return self.cycles / self.machine.clock_mhz

    @property
    def theoretical_us(self) -> float:
        """Time if every element were always at work, µs."""
        return sum(one.theoretical_us for one in self.products)

    def state_us(self, name: str) -> float:
        """How long a state of the controller lasts in a step among many, from its first task to the next state's, µs.

        Raises:
            EfflabError: there is no such state.
        """
        starts: dict[str, int] = {}
        for slot in self._two.slots:
            starts[slot.state] = min(slot.start, starts.get(slot.state, slot.start))
        names = list(starts)
        if (wanted := f"{name} (2)") not in starts:
            raise EfflabError(
                f"there is no state {name!r}; the states are {', '.join(n for n in names if '(2)' in n)}"
            )
        return (starts[names[names.index(wanted) + 1]] - starts[wanted]) / self.machine.clock_mhz

    @property
    def entries(self) -> int:
        """Stored entries of all matrices, padding and filling included, which the paper counts as operations."""
        return sum(one.stored for one in self.products)

    @property
    def weights(self) -> int:
        """Weights of the dense matrices."""
        return sum(one.shape[0] * one.shape[1] for one in self.products)

    @property
    def gops(self) -> float:
        """GOP/s: a multiplication and an addition for each entry and channel."""
        return 2 * self.entries * self.machine.channels / self.time_us / 1000

    @property
    def equivalent_tops(self) -> float:
        """TOP/s that a machine without sparsity would need to be as fast."""
        return 2 * self.weights * self.machine.channels / self.time_us / 1e6

    @property
    def utilisation(self) -> float:
        """Share of the step in which an element works on an entry."""
        return sum(one.entries for one in self.products) / (self.machine.pes * self.cycles)

    @property
    def traffic(self) -> dict[str, int]:
        """Bytes that a step moves: weights, pointers, and the vectors of all channels."""
        sizes = self.sizes
        values = (sizes["inputs"] + sizes["outputs"]) * self.machine.channels
        return {
            "weights": sum(one.bytes for one in self.products),
            "pointers": sum(one.pointer_bytes for one in self.products),
            "vectors": -(-values * self.machine.activation_bits // 8),
        }

    @property
    def bandwidth_gb_s(self) -> float:
        """GB/s that memory gives on average."""
        return sum(self.traffic.values()) / self.time_us / 1000

    def table(self) -> TextTable:
        """By matrix, in the manner of the paper's table."""
        channels = self.machine.channels
        rows = []
        for one in self.products:
            state = self.state_us(one.name)
            cells = one.shape[0] * one.shape[1]
            rows.append(
                (one.name, one.shape[0], one.shape[1], f"{100 * one.density:.1f}", one.bytes, f"{one.theoretical_us:.2f}",
                 f"{one.time_us:.2f}", f"{state:.2f}", f"{2 * one.stored * channels / state / 1000:.0f}", f"{2 * cells * channels / state / 1000:.0f}")
            )  # fmt: skip
        head = (
            "matrix",
            "rows",
            "columns",
            "density %",
            "bytes",
            "theoretical µs",
            "product µs",
            "state µs",
            "GOP/s",
            "equivalent GOP/s",
        )
        return TextTable.of(head, rows, "A step by matrix", self._note())

    def _note(self) -> str:
        return (
            f"a step takes {self.time_us:.1f} µs for {self.machine.channels} channels: {self.gops:.0f} GOP/s, "
            f"{self.equivalent_tops:.2f} TOP/s equivalent, {self.bandwidth_gb_s:.1f} GB/s, elements busy {self.utilisation:.0%} of it"
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self, ax: Any = None) -> Any:
        """The step as a Gantt chart."""
        return self.schedule.plot(ax)


def simulate(
    source: nn.Module | Mapping[str, Tensor | ArrayLike],
    machine: Machine | None = None,
    *,
    layer: int | None = None,
    reverse: bool = False,
    overlaps: Iterable[str] | None = PAPER,
    ample: bool = False,
) -> StepRun:
    """Run a step of an LSTM on the accelerator.

    Args:
        source: an LSTM (see ``matrices``), or its matrices by the paper's names; only where they are zero matters.
        machine: the machine; the paper's by default.
        layer: which layer of a ``torch.nn.LSTM`` of several; see ``matrices``.
        reverse: whether to take the layer's direction from the last frame to the first.
        overlaps: what the schedule overlaps, of ``OVERLAPS``; the paper's by default, all where None.
        ample: take memory to have everything in time.

    Returns:
        The step, one of many that follow each other.

    Raises:
        EfflabError: no LSTM, several layers of which none is chosen, matrices that do not fit each other, no machine, or an unknown
            overlap.

    >>> import torch
    >>> from efflab.ese.lstm import LSTM
    >>> run = simulate(LSTM(16, 64, proj_size=32))
    >>> run.entries == run.weights
    True
    """
    machine = machine_or_paper(machine)
    on = None if overlaps is None else names("overlaps", overlaps)
    if isinstance(source, nn.Module):
        named: Mapping[str, Tensor | ArrayLike] = matrices(source, layer, reverse=reverse)
    elif not isinstance(source, Mapping):
        raise EfflabError(
            f"source must be an LSTM, or a dictionary of its matrices by the paper's names, got {type(source).__name__}"
        )
    elif layer is not None or reverse:
        raise EfflabError(
            "layer and reverse choose among a module's matrices, and source is a dictionary of matrices"
        )
    else:
        named = source
    made = [product(matrix, machine, name) for name, matrix in named.items()]
    run = StepRun(tuple(made), machine, on, ample)
    check_shapes(made)
    run.scheduled()
    return run


def check_shapes(products: Sequence[Product]) -> None:
    """Raise an ``EfflabError`` where matrices do not make an LSTM."""
    shapes = {one.name: one.shape for one in products}
    for name in ("Wix", "Wir"):
        if name not in shapes:
            raise EfflabError(
                f"an LSTM's matrices are Wix, Wfx, Wcx, Wox, Wir, Wfr, Wcr, Wor and Wym; {name} is missing"
            )
    (hidden, inputs), outputs = shapes["Wix"], shapes["Wir"][1]
    for name, shape in shapes.items():
        expected = (outputs, hidden) if name == "Wym" else (hidden, inputs if name.endswith("x") else outputs)
        if shape != expected:
            raise EfflabError(f"{name} must have shape {expected} beside the other matrices, and has {shape}")
    if "Wym" not in shapes and outputs != hidden:
        raise EfflabError(
            f"without Wym the LSTM's outputs are its {hidden} cells, and Wir has {outputs} columns"
        )
