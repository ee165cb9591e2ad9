"""A run as it went: what every PE, every queue and the scan did in each cycle."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.eie import registers
from efflab.eie.engine import checked_inputs, finish, formats_for, hold, simulate
from efflab.eie.fixed import Fixed, Formats
from efflab.eie.layer import Layer
from efflab.eie.machine import Machine
from efflab.eie.movement import first_sums, move, table_of
from efflab.eie.run import Run
from efflab.errors import EfflabError
from efflab.tables import TextTable

MOST_CYCLES = 100_000
"""Cycles of the longest trace that is made unasked."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened in each cycle of a run, from 0; the emptying of the pipeline comes after the last.

    Args:
        run: what it gave.
        layer: that ran.
        held: (columns,) its inputs as the registers held them.
        state: (cycles, pes) what each PE did, a place in ``STATES``.
        queue: (cycles, pes) inputs that waited in each queue at the end of the cycle.
        column: (cycles, pes) the input that each PE worked on, -1 for none.
        row: (cycles, pes) the output to which it added, -1 for none.
        code: (cycles, pes) code of the weight; 0 for padding, and where there is none.
        sent: (cycles,) the input that was broadcast, -1 for none.
        blocked: (cycles,) whether a broadcast waited since some queue was full.
    """

    run: Run
    layer: Layer
    held: NDArray[Any]
    state: NDArray[np.uint8]
    queue: NDArray[np.uint16]
    column: NDArray[np.int32]
    row: NDArray[np.int32]
    code: NDArray[np.uint8]
    sent: NDArray[np.int32]
    blocked: NDArray[np.bool_]

    @property
    def cycles(self) -> int:
        """How many there are."""
        return len(self.state)

    @property
    def pes(self) -> int:
        """Processing elements."""
        return self.run.machine.pes

    def sums(self, cycle: int) -> NDArray[Any]:
        """Add up what the entries processed before a cycle give: the outputs as they grow.

        Args:
            cycle: from 0, which gives what the sums begin with, to ``cycles``, which gives the outputs before ReLU.

        Returns:
            (rows,) numbers.

        Raises:
            EfflabError: there is no such cycle.
        """
        if not 0 <= cycle <= self.cycles:
            raise EfflabError(f"cycle is {cycle:,}, and must be from 0 to {self.cycles:,}")
        formats, sums = self.run.formats, first_sums(self.layer, self.run.formats)
        table = table_of(self.layer, formats)
        for rows, columns, codes in zip(
            self.row[:cycle], self.column[:cycle], self.code[:cycle], strict=True
        ):
            at = np.flatnonzero(rows >= 0)  # one entry a PE, so that no row comes twice
            sums[rows[at]] = _added(sums[rows[at]], table[codes[at]] * self.held[columns[at]], formats)
        return sums.astype(np.float64) if formats is None else formats.out.decode(sums)

    def table(self, first: int = 0, last: int | None = None) -> TextTable:
        """Write cycles in rows: what was sent, and for each PE the input, the row it adds to, and what waits.

        ``3>6 +2`` is an entry of input 3 that adds to row 6 while two inputs wait; ``_`` instead of the row is a padding
        zero, ``-`` an empty column, ``!`` a wait for the sum before, ``.`` a PE without work.

        Args:
            first: the first cycle.
            last: the cycle after the last; by default the end.
        """
        columns = ("cycle", "sent", *(f"PE {k}" for k in range(self.pes)))
        rows = [
            (str(t), "full" if self.blocked[t] else _or_dot(int(self.sent[t])), *map(self._cell, [t] * self.pes, range(self.pes)))
            for t in range(first, self.cycles if last is None else min(last, self.cycles))
        ]  # fmt: skip
        return TextTable(columns, tuple(rows))

    def _cell(self, t: int, k: int) -> str:
        state, waiting = int(self.state[t, k]), int(self.queue[t, k])
        signs = {
            registers.ENTRY: f">{self.row[t, k]}",
            registers.PADDING: ">_",
            registers.EMPTY: "-",
            registers.WAIT: "!",
        }
        text = f"{self.column[t, k]}{signs[state]}" if state else "."
        return f"{text} +{waiting}" if waiting else text

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return f"Trace({self.cycles:,} cycles of {self.pes} PEs)"

    def _repr_html_(self) -> str:
        return self.table(last=50)._repr_html_()


def trace(
    layer: Layer,
    activations: ArrayLike,
    machine: Machine | None = None,
    most_cycles: int = MOST_CYCLES,
    *,
    act: Fixed | None = None,
    out: Fixed | None = None,
) -> Trace:
    """Run a layer cycle by cycle and write down what happens.

    Args:
        layer: encoded by ``encode``.
        activations: (columns,) inputs.
        machine: by default the one that the layer is encoded for.
        most_cycles: a longer run is refused before it is made.
        act: format of the inputs, as in ``simulate``.
        out: format of the outputs, as in ``simulate``.

    Raises:
        EfflabError: the run is too long, or ``simulate`` would refuse it.

    >>> from efflab.eie import encode
    >>> print(trace(encode([[0, 1.5], [-2, 0], [0, 1.5]], Machine(pes=2)), [1, 2]))
    cycle  sent  PE 0   PE 1
    ─────  ────  ─────  ──────
    0      0     . +1   . +1
    1      1     0- +1  0>1 +1
    2      .     1>0    1-
    3      .     1>2    .
    """
    if not isinstance(layer, Layer):
        raise EfflabError(f"layer must be encoded by efflab.eie.encode, and is a {type(layer).__name__}")
    machine = machine or layer.machine
    cycles = simulate(layer, activations, machine, act=act, out=out).cycles
    if cycles > most_cycles:
        raise EfflabError(
            f"the trace has {cycles:,} cycles of {machine.pes} PEs, and most_cycles is {most_cycles:,}: "
            "take fewer inputs or rows, or allow more"
        )
    layer, inputs = layer.on(machine), checked_inputs(activations, layer.shape[1])
    formats = formats_for(layer, inputs, act, out)
    held = hold(inputs, formats)
    moved = move(layer, held, formats, cycles)
    return Trace(finish(layer, moved.sums, moved.counters, formats, "cycle"), layer, held, *moved.record)


def _added(sums: NDArray[Any], products: NDArray[Any], formats: Formats | None) -> NDArray[Any]:
    """Sums with one product each, by the rule of :mod:`efflab.eie.fixed`."""
    if formats is None:
        added: NDArray[Any] = sums + products
        return added
    terms = (products + ((1 << formats.shift) >> 1)) >> formats.shift
    clipped: NDArray[Any] = np.clip(sums + terms, formats.out.low, formats.out.high)
    return clipped


def _or_dot(number: int) -> str:
    return "." if number < 0 else str(number)
