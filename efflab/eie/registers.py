"""The registers of a processing element, and the room for what they do."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from efflab.eie.machine import FILL

Ints = NDArray[Any]

IDLE, ENTRY, PADDING, EMPTY, WAIT = range(5)
STATES = ("idle", "entry", "padding zero", "empty column", "wait for a sum")
"""What a PE does in a cycle."""

_REGISTERS = (
    "column", "address", "end", "place", "hollow", "waiting", "touched", "held", "origin", "head", "tail",
)  # fmt: skip
COUNTERS = (
    "entries", "padding", "empty", "waits", "starved", "pushes", "pops", "pointer_reads", "matrix_reads", "codebook_reads",
    "sum_reads", "sum_writes",
)  # fmt: skip
STAGES = ("read", "look", "multiply", "add", "write")
assert len(STAGES) == FILL


def element_dtype(kind: Any) -> np.dtype[Any]:
    """Lay out the registers of a PE: where it is in its column, counters, and what each stage of its pipeline holds.

    ``address`` to ``end`` is what is left of the column, ``place`` the accumulator of the entry processed last, ``touched``
    that of the cycle before (-1 for none), ``held`` the first address of the row that was read last. A stage without an
    entry has the place -1.
    """
    whole = (*_REGISTERS, *COUNTERS, *(f"{stage}_place" for stage in STAGES), "read_code", "look_code")
    numbers = ("act", "read_act", "look_act", "multiply_act", "weight", "product", "operand", "total")
    return np.dtype([*((name, np.int64) for name in whole), *((name, kind) for name in numbers)])


class Record(NamedTuple):
    """Room for a trace, (cycles, pes) or (cycles,); none where there are no rows."""

    state: NDArray[np.uint8]
    queue: NDArray[np.uint16]
    column: Ints
    row: Ints
    code: NDArray[np.uint8]
    sent: Ints
    blocked: NDArray[np.bool_]
