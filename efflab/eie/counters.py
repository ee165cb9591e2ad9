"""What a run of the machine counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

PerPE = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counters:
    """Counts of one batch, or the sums of several.

    Every cycle of a PE is one of four: ``pes x cycles = entries + empty + hazards + starved``.

    Attributes:
        pes: N.
        cycles: from the first row's scan to the end of the last PE's work.
        broadcasts: non-zero inputs, each sent to all PEs.
        entries: entries processed, padding zeros included.
        padding: padding zeros among them.
        empty: PE-cycles spent on a column without an entry, whose two pointers had to be read to know it.
        hazards: PE-cycles that an entry waited for the sum before it; none with a bypass.
        starved: PE-cycles without work because the queue was empty.
        blocked: cycles in which a non-zero input waited since some queue was full.
        scan_cycles: cycles of the scan up to the last non-zero input: one for each, and one for each row of zeros.
        busy: (N,) entries that each PE processed.
        pointer_reads: reads of the pointer SRAM, one of either bank for each PE and broadcast.
        spmat_reads: rows read from the matrix SRAM; a row that is held is not read again.
        codebook_reads: codes looked up, one an entry.
        act_reads: register reads: each input once for the scan, and an accumulator for each entry.
        act_writes: register writes: an accumulator for each entry.
        act_sram_reads: activations read from SRAM, where a vector is longer than the register files.
        act_sram_writes: activations written there.
        queue_pushes: entries put into queues.
        queue_pops: entries taken from them.
        writebacks: outputs that went through ReLU and became the next layer's inputs.
        batches: batches of inputs.
        fill: cycles that the pipeline takes to empty after each batch, not in ``cycles``.
    """

    pes: int
    cycles: int = 0
    broadcasts: int = 0
    entries: int = 0
    padding: int = 0
    empty: int = 0
    hazards: int = 0
    starved: int = 0
    blocked: int = 0
    scan_cycles: int = 0
    busy: PerPE = field(default_factory=lambda: np.zeros(1, np.int64))
    pointer_reads: int = 0
    spmat_reads: int = 0
    codebook_reads: int = 0
    act_reads: int = 0
    act_writes: int = 0
    act_sram_reads: int = 0
    act_sram_writes: int = 0
    queue_pushes: int = 0
    queue_pops: int = 0
    writebacks: int = 0
    batches: int = 0
    fill: int = 0

    def __post_init__(self) -> None:
        if self.busy.size != self.pes:
            object.__setattr__(self, "busy", np.zeros(self.pes, np.int64))

    @property
    def real_work(self) -> int:
        """Entries that are weights."""
        return self.entries - self.padding

    @property
    def balance(self) -> float:
        """Load-balance efficiency: 1 - bubble cycles / total cycles; 1 where nothing was done."""
        return self.entries / (self.pes * self.cycles) if self.cycles else 1.0

    @property
    def theoretical_cycles(self) -> float:
        """Cycles of PEs that share the entries evenly and never wait."""
        return self.entries / self.pes

    def __add__(self, other: Self) -> Self:
        """Sum two runs of one machine, one after the other."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        return type(self)(self.pes, **sums)

    @classmethod
    def total(cls, pes: int, parts: Iterable[Self]) -> Self:
        """Sum any number of runs."""
        whole = cls(pes)
        for part in parts:
            whole += part
        return whole

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counters) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.pes, self.cycles, self.entries, self.broadcasts))


_SUMMED = tuple(field.name for field in fields(Counters) if field.name != "pes")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else int(value)
