"""The machine cycle by cycle with everything that moves: inputs, queues, pointers, entries, sums.

Source: ISCA 2016, section IV and figure 4. In one cycle, in this order: each PE's ALU moves its stages on; each PE processes
one entry of the column that it has, or takes the next input from its queue and begins with it; the scan hands the next
non-zero input to all queues, unless one is full. An entry passes ``FILL`` more stages after the cycle that processes it.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.eie._arithmetic import rounded
from efflab.eie.machine import ALU_STAGES, FILL

Ints = NDArray[Any]
Numbers = NDArray[Any]
"""int64, or float32."""
PE = Any
"""A record of ``element_dtype``: the registers and counters of one processing element."""

IDLE, ENTRY, PADDING, EMPTY, WAIT = range(5)
STATES = ("idle", "entry", "padding zero", "empty column", "wait for a sum")
"""What a PE does in a cycle."""

# Cycles from an entry's processing to its last four stages.
_LOOK, _MULTIPLY, _ADD, _WRITE = range(FILL - len(ALU_STAGES) + 1, FILL + 1)
_SLOTS = FILL + 1

_REGISTERS = (
    "column", "address", "end", "place", "hollow", "waiting", "touched", "held", "base", "head", "tail",
)  # fmt: skip
COUNTERS = (
    "entries", "padding", "empty", "waits", "starved", "pushes", "pops", "pointer_reads", "matrix_reads", "codebook_reads",
    "sum_reads", "sum_writes",
)  # fmt: skip


def element_dtype(kind: Any) -> np.dtype[Any]:
    """Registers of a PE: where it is in its column, counters, and what its ALU has of the last entries.

    ``address`` to ``end`` is what is left of the column, ``place`` the accumulator of the entry processed last, ``touched``
    that of the cycle before (-1 for none), ``held`` the first address of the row that was read last. The ALU's registers are rings over cycles.
    """
    whole = [(name, np.int64) for name in (*_REGISTERS, *COUNTERS)]
    ring = (_SLOTS,)
    numbers = [
        ("act", kind),
        ("total", kind),
        *((name, kind, ring) for name in ("in_act", "weight", "product", "operand")),
    ]
    return np.dtype([*whole, *numbers, ("in_place", np.int64, ring), ("in_code", np.int64, ring)])


class Record(NamedTuple):
    """Room for a trace, (cycles, pes) or (cycles,); none where there are no rows."""

    state: NDArray[np.uint8]
    queue: NDArray[np.uint16]
    column: Ints
    row: Ints
    code: NDArray[np.uint8]
    sent: Ints
    blocked: NDArray[np.bool_]


@njit(cache=True, nogil=True, error_model="numpy")
def _alu(  # noqa: PLR0917 - compiled functions take their arguments by position
    pe: PE,
    k: int,
    pes: int,
    slots: Any,
    table: Numbers,
    sums: Numbers,
    bypass: bool,
    shift: int,
    low: Any,
    high: Any,
) -> None:
    """Move a PE's arithmetic on by a cycle: write, add, multiply, look up, each for the entry that has come so far.

    ``slots`` are the places of the entries that are written, added, multiplied and looked up, and of this cycle's entry.
    """
    write, add, multiply, look, enter = slots
    written, place = pe.in_place[write], pe.in_place[add]
    if written >= 0:
        sums[written * pes + k] = pe.total
        pe.sum_writes += 1
    if place >= 0:
        before = pe.total if bypass and place == written else pe.operand[add]
        pe.total = min(max(before + rounded(pe.product[add], shift), low), high)
    place = pe.in_place[multiply]
    if place >= 0:
        pe.operand[multiply] = sums[place * pes + k]
        pe.product[multiply] = pe.weight[multiply] * pe.in_act[multiply]
        pe.sum_reads += 1
    if pe.in_place[look] >= 0:
        pe.weight[look] = table[pe.in_code[look]]
        pe.codebook_reads += 1
    pe.in_place[enter] = -1


@njit(cache=True, nogil=True, error_model="numpy")
def _slots(cycle: int) -> tuple[int, int, int, int, int]:
    """Where a cycle finds the entries of its stages."""
    return (
        (cycle - _WRITE) % _SLOTS,
        (cycle - _ADD) % _SLOTS,
        (cycle - _MULTIPLY) % _SLOTS,
        (cycle - _LOOK) % _SLOTS,
        cycle % _SLOTS,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _take(pe: PE, j: int, value: Any, begin: int, end: int) -> None:
    """Take an input from a PE's queue, with its two pointers."""
    pe.column, pe.act = j, value
    pe.address, pe.end, pe.place = begin, end, -1
    pe.hollow = begin == end
    pe.pops += 1
    pe.pointer_reads += 2


@njit(cache=True, nogil=True, error_model="numpy")
def _process(pe: PE, slot: int, per_row: int, v: Ints, z: Ints) -> int:
    """Send a PE's next entry on its way through the ALU.

    Returns:
        What the PE does in this cycle.
    """
    if pe.waiting:
        pe.waiting = 0
        pe.waits += 1
        return WAIT
    if pe.hollow:
        pe.hollow = 0
        pe.empty += 1
        return EMPTY
    address = pe.address
    if not pe.held <= address < pe.held + per_row:
        pe.held = address - address % per_row
        pe.matrix_reads += 1
    code = v[pe.base + address]
    pe.place += np.int64(z[pe.base + address]) + 1
    pe.in_place[slot] = pe.place
    pe.in_code[slot] = code
    pe.in_act[slot] = pe.act
    pe.address = address + 1
    pe.entries += 1
    if code > 0:
        return ENTRY
    pe.padding += 1
    return PADDING


@njit(cache=True, nogil=True, error_model="numpy")
def _has_work(pe: PE) -> bool:
    return bool(pe.hollow > 0 or pe.address < pe.end)


@njit(cache=True, nogil=True, error_model="numpy")
def _waiting(pe: PE, ring: int) -> int:
    """Inputs in a PE's queue."""
    return int(pe.tail - pe.head if pe.tail >= pe.head else pe.tail - pe.head + ring)


@njit(cache=True, nogil=True, error_model="numpy")
def _leading(inputs: Numbers, row: int, after: int, pes: int) -> int:
    """The first PE beyond ``after`` whose input in a row is not zero, -1 without one: what the detection tree finds."""
    for k in range(after + 1, min(pes, inputs.size - row * pes)):
        if inputs[row * pes + k] != 0:
            return k
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def run_batch(  # noqa: C901, PLR0912, PLR0915, PLR0917 - one cycle, from top to bottom
    inputs: Numbers,
    start: int,
    begun: int,
    depth: int,
    bypass: bool,
    per_row: int,
    shift: int,
    low: Any,
    high: Any,
    v: Ints,
    z: Ints,
    pointers: Ints,
    table: Numbers,
    sums: Numbers,
    elements: Any,
    queue_index: Ints,
    queue_act: Numbers,
    scan: Ints,
    record: Record,
) -> int:
    """Run one batch until its last sum is written.

    Args:
        inputs: (at most the batch,) inputs in the source registers.
        start: index of the first.
        begun: cycles before this batch.
        depth: D, inputs that can wait in a queue.
        bypass: whether a sum goes straight to the next entry of its row.
        per_row: entries in a row of the matrix SRAM.
        shift: places that a product loses.
        low: least sum.
        high: greatest sum.
        v: (entries,) codes, a PE's after the other's.
        z: (entries,) counts of zeros.
        pointers: (pes, columns + 1) where columns begin in a PE's.
        table: weights of the codes.
        sums: (rows,) accumulators.
        elements: (pes,) records of ``element_dtype``, idle, with empty queues.
        queue_index: (pes, slots) rings of inputs that wait: their index.
        queue_act: (pes, slots) their value.
        scan: (3,) counters: inputs sent, cycles blocked, cycles that passed or sent.
        record: room for the trace.

    Returns:
        The cycles until the last PE was done; the pipeline takes ``FILL`` more.
    """
    pes, ring = queue_index.shape
    traced = record.state.shape[0] > 0
    row, after, passed, left = 0, -1, 0, np.count_nonzero(inputs)
    cycle, more = begun, False
    while left > 0 or more:
        more, full, slots = False, False, _slots(cycle)
        for k in range(pes):
            pe = elements[k]
            _alu(pe, k, pes, slots, table, sums, bypass, shift, low, high)
            state = IDLE
            if not _has_work(pe) and pe.head != pe.tail:
                j, value = queue_index[k, pe.head], queue_act[k, pe.head]
                pe.head = pe.head + 1 if pe.head + 1 < ring else 0
                _take(pe, j, value, pointers[k, j], pointers[k, j + 1])
                if not bypass and pe.hollow == 0 and pe.touched == z[pe.base + pe.address]:
                    pe.waiting = 1
            if _has_work(pe):
                state = _process(pe, slots[4], per_row, v, z)
            else:
                pe.starved += 1
            pe.touched = pe.place if state in {ENTRY, PADDING} else -1
            waiting = _waiting(pe, ring)
            full |= waiting >= depth if depth > 0 else _has_work(pe)
            more |= waiting > 0 or _has_work(pe)
            if traced:
                record.state[cycle, k] = state
                record.queue[cycle, k] = waiting
                if state != IDLE:
                    record.column[cycle, k] = pe.column
                if state in {ENTRY, PADDING}:
                    record.row[cycle, k] = pe.place * pes + k
                    record.code[cycle, k] = pe.in_code[slots[4]]
        if left > 0:
            found = _leading(inputs, row, after, pes)
            if found < 0:
                row, after, passed = row + 1, -1, passed + 1
            elif full:
                scan[1] += 1
                if traced:
                    record.blocked[cycle] = True
            else:
                j = row * pes + found
                for k in range(pes):
                    pe = elements[k]
                    queue_index[k, pe.tail], queue_act[k, pe.tail] = start + j, inputs[j]
                    pe.tail = pe.tail + 1 if pe.tail + 1 < ring else 0
                    pe.pushes += 1
                    if traced:
                        record.queue[cycle, k] += 1
                if traced:
                    record.sent[cycle] = start + j
                scan[0] += 1
                scan[2] += 1 + passed
                passed, left, more, after = 0, left - 1, True, found
                if _leading(inputs, row, found, pes) < 0:
                    row, after = row + 1, -1
        cycle += 1
    for drained in range(cycle, cycle + FILL):
        for k in range(pes):
            pe = elements[k]
            _alu(pe, k, pes, _slots(drained), table, sums, bypass, shift, low, high)
    for k in range(pes):
        elements[k].in_place[:] = -1
    return cycle - begun
