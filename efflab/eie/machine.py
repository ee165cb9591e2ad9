"""The machine's parameters: processing elements, queues, memories, numbers, clock.

Source: S. Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016, section IV and
table II. The defaults are the published machine.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from efflab import paper
from efflab.eie._checks import whole
from efflab.errors import EfflabError

PRECISIONS = {"int8": 8, "int16": 16, "int32": 32, "float32": 32}
"""Bits of an activation, a weight of the codebook and an accumulator."""

ALU_STAGES = ("look the code up, add the zeros to the address", "read and multiply", "shift and add", "write")
"""Section IV: what becomes of an entry after it was read, a cycle each."""
FILL = len(("matrix read", *ALU_STAGES))
"""Cycles from the pointer read of a batch's last entry to the write of its sum, which no other work hides."""

BITS_PER_KB = 8 * 1024


def _published(name: str) -> int:
    return int(paper.get(f"eie/hardware/{name}").value)


POINTER_BITS = _published("pointer")
MOST_PES = 1 << 16


@dataclass(frozen=True)
class Machine:
    """N processing elements (PEs) behind one broadcast; element k owns the rows and inputs i with i mod N = k.

    Args:
        pes: N.
        fifo: the paper's "FIFO = N": slots of the ring in which broadcast inputs wait for a PE. One slot tells a full ring
            from an empty one, so that N - 1 are usable; with 1 a PE takes an input only when it can begin at once.
        index_bits: width of the count of zeros before an entry, 1 to 8.
        code_bits: width of a weight's code, 1 to 8; code 0 is the zero of the padding.
        precision: ``"int8"``, ``"int16"``, ``"int32"`` or ``"float32"``.
        sram_width: bits of one row of the matrix SRAM.
        clock_mhz: millions of cycles a second.
        bypass: whether a sum goes straight to the next entry of the same row; without, that entry waits a cycle.
        regs: activations in one PE's register file.
        spmat_kb: matrix SRAM of a PE; None for as much as a layer takes.
        ptr_kb: pointer SRAM of a PE; None for as much as a batch takes.
        technology_nm: of the process.

    Raises:
        EfflabError: a machine that cannot be.

    >>> machine = Machine()
    >>> machine.depth, machine.batch, machine.entries_per_row, machine.capacity
    (7, 4096, 8, 131072)
    """

    pes: int = _published("pes")
    fifo: int = _published("fifo_depth")
    index_bits: int = _published("index")
    code_bits: int = _published("weight")
    precision: str = "int16"
    sram_width: int = _published("spmat_width")
    clock_mhz: float = float(_published("clock"))
    bypass: bool = True
    regs: int = _published("act_registers")
    spmat_kb: float | None = _published("spmat_sram")
    ptr_kb: float | None = _published("ptr_sram")
    technology_nm: int = 45

    def __post_init__(self) -> None:
        for name, low, high, why in (
            ("pes", 1, MOST_PES, ""),
            ("fifo", 1, 1 << 20, ": a ring of N slots, of which N - 1 are usable"),
            ("index_bits", 1, 8, ": it counts up to 2^bits - 1 zeros"),
            ("code_bits", 1, 8, ": code 0 is the zero, the others are values"),
            ("sram_width", 1, 1 << 16, ""),
            ("regs", 1, 1 << 20, ""),
            ("technology_nm", 1, 1000, ""),
        ):
            object.__setattr__(self, name, whole(name, getattr(self, name), low, high, why))
        if not isinstance(self.bypass, bool | np.bool_):
            raise EfflabError(f"bypass must be True or False, got {self.bypass!r}")
        object.__setattr__(self, "bypass", bool(self.bypass))
        if not isinstance(self.precision, str) or self.precision not in PRECISIONS:
            raise EfflabError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        for name in ("clock_mhz", "spmat_kb", "ptr_kb"):
            value = getattr(self, name)
            optional = name != "clock_mhz"
            if value is None and optional:
                continue
            if not _positive(value):
                raise EfflabError(f"{name} must be above 0{' or None' if optional else ''}, got {value!r}")
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        if self.sram_width < self.entry_bits:
            raise EfflabError(
                f"sram_width is {self.sram_width} bits, and one entry takes {self.entry_bits}: "
                f"{self.code_bits} of code and {self.index_bits} of index"
            )
        if self.batch < 1:
            raise EfflabError(
                f"ptr_kb is {self.ptr_kb}, too little for the pointers of {self.pes} inputs, one a PE"
            )

    @property
    def depth(self) -> int:
        """D, the inputs that can wait in one PE's queue: one less than the ring's slots."""
        return self.fifo - 1

    @property
    def entry_bits(self) -> int:
        """Bits of one entry: code and count of zeros."""
        return self.code_bits + self.index_bits

    @property
    def entries_per_row(self) -> int:
        """Entries that one read of the matrix SRAM brings."""
        return self.sram_width // self.entry_bits

    @property
    def capacity(self) -> int | None:
        """Entries that one PE's matrix SRAM holds; None for no limit."""
        if self.spmat_kb is None:
            return None
        return int(self.spmat_kb * BITS_PER_KB) // self.sram_width * self.entries_per_row

    @property
    def pointers(self) -> int | None:
        """Pointers that one PE's pointer SRAM holds; None for no limit."""
        return None if self.ptr_kb is None else int(self.ptr_kb * BITS_PER_KB) // POINTER_BITS

    @property
    def batch(self) -> int:
        """Inputs of a batch: what the register files hold and the pointer SRAM has pointers for, in whole rows of N."""
        rows = self.regs if self.pointers is None else min(self.regs, (self.pointers - 1) // self.pes)
        return rows * self.pes

    @property
    def bits(self) -> int:
        """Bits of an activation."""
        return PRECISIONS[self.precision]

    def with_(self, **changes: Any) -> Self:
        """Make a machine that differs in some parameters.

        >>> Machine().with_(pes=256).batch
        16128
        """
        return replace(self, **changes)

    def __str__(self) -> str:
        return f"{self.pes} PEs, FIFO {self.fifo}, {self.precision}, {self.sram_width}-bit SRAM, {self.clock_mhz:g} MHz"


def _positive(value: object) -> bool:
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and bool(value > 0)
    )
