"""The machine cycle by cycle with everything that moves: inputs, queues, pointers, entries, sums.

Source: ISCA 2016, section IV and figure 4. In one cycle, in this order: each PE's pipeline moves on; each PE processes
one entry of the column that it has, or takes the next input from its queue and begins with it; the scan hands the next
non-zero input to all queues, unless one is full. An entry passes ``FILL`` more stages after the cycle that processes it.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.eie._arithmetic import rounded
from efflab.eie.machine import FILL
from efflab.eie.registers import EMPTY, ENTRY, IDLE, PADDING, WAIT, Record

Ints = NDArray[Any]
Numbers = NDArray[Any]
"""int64, or float32."""
PE = Any
"""A record of ``element_dtype``: the registers and counters of one processing element."""

# The functions of one PE become part of the loop over all of them, and take few arrays: each call counts their references.


@njit(inline="always")
def _advance(  # noqa: PLR0917 - compiled functions take their arguments by position
    pe: PE, k: int, pes: int, table: Numbers, sums: Numbers, bypass: bool, shift: int, low: Any, high: Any
) -> None:
    """Move a PE's pipeline on by a cycle, its last stage first, so that each stage reads what the one before had.

    A sum that is written in a cycle can be read in the same; one that is still in the adder comes by the bypass.
    """
    written = pe.write_place
    if written >= 0:
        sums[written * pes + k] = pe.total
        pe.sum_writes += 1
    pe.write_place = pe.add_place
    if pe.add_place >= 0:
        before = pe.total if bypass and pe.add_place == written else pe.operand
        pe.total = min(max(before + rounded(pe.product, shift), low), high)
    pe.add_place = pe.multiply_place
    if pe.multiply_place >= 0:
        pe.operand = sums[pe.multiply_place * pes + k]
        pe.product = pe.weight * pe.multiply_act
        pe.sum_reads += 1
    pe.multiply_place, pe.multiply_act = pe.look_place, pe.look_act
    if pe.look_place >= 0:
        pe.weight = table[pe.look_code]
        pe.codebook_reads += 1
    pe.look_place, pe.look_code, pe.look_act = pe.read_place, pe.read_code, pe.read_act
    pe.read_place = -1


@njit(inline="always")
def _take(pe: PE, k: int, queue_index: Ints, queue_act: Numbers, pointers: Ints) -> None:
    """Take the next input from a PE's queue, and read its two pointers."""
    j = queue_index[k, pe.head]
    pe.column, pe.act = j, queue_act[k, pe.head]
    pe.head = pe.head + 1 if pe.head + 1 < queue_index.shape[1] else 0
    pe.address, pe.end, pe.place = pointers[k, j], pointers[k, j + 1], -1
    pe.hollow = pe.address == pe.end
    pe.pops += 1
    pe.pointer_reads += 2


@njit(inline="always")
def _process(pe: PE, per_row: int, v: Ints, z: Ints) -> int:
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
    code = v[pe.origin + address]
    pe.place += np.int64(z[pe.origin + address]) + 1
    pe.read_place, pe.read_code, pe.read_act = pe.place, code, pe.act
    pe.address = address + 1
    pe.entries += 1
    if code > 0:
        return ENTRY
    pe.padding += 1
    return PADDING


@njit(inline="always")
def _has_work(pe: PE) -> bool:
    return bool(pe.hollow > 0 or pe.address < pe.end)


@njit(inline="always")
def _waiting(pe: PE, slots: int) -> int:
    """Inputs in a PE's queue."""
    return int(pe.tail - pe.head if pe.tail >= pe.head else pe.tail - pe.head + slots)


@njit(inline="always")
def _send(j: int, value: Any, elements: Any, queue_index: Ints, queue_act: Numbers) -> None:
    """Put an input into all queues."""
    for k in range(queue_index.shape[0]):
        pe = elements[k]
        queue_index[k, pe.tail], queue_act[k, pe.tail] = j, value
        pe.tail = pe.tail + 1 if pe.tail + 1 < queue_index.shape[1] else 0
        pe.pushes += 1


@njit(inline="always")
def _leading(inputs: Numbers, row: int, after: int, pes: int) -> int:
    """The first PE beyond ``after`` whose input in a row is not zero, -1 without one: what the detection tree finds."""
    found = -1
    for k in range(after + 1, min(pes, inputs.size - row * pes)):
        if inputs[row * pes + k] != 0:
            found = k
            break
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def run_batch(  # noqa: C901, PLR0912, PLR0917 - one cycle from top to bottom, and as above
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
    pes, slots = queue_index.shape
    traced = record.state.shape[0] > 0
    row, after, passed, left = 0, -1, 0, np.count_nonzero(inputs)
    cycle, more = begun, False
    while left > 0 or more:
        more, full = False, False
        for k in range(pes):
            pe = elements[k]
            _advance(pe, k, pes, table, sums, bypass, shift, low, high)
            state = IDLE
            if not _has_work(pe) and pe.head != pe.tail:
                _take(pe, k, queue_index, queue_act, pointers)
                pe.waiting = not bypass and pe.hollow == 0 and pe.touched == z[pe.origin + pe.address]
            if _has_work(pe):
                state = _process(pe, per_row, v, z)
            else:
                pe.starved += 1
            pe.touched = pe.place if IDLE < state < EMPTY else -1
            waiting = _waiting(pe, slots)
            full |= waiting >= depth if depth > 0 else _has_work(pe)
            more |= waiting > 0 or _has_work(pe)
            if traced:
                record.state[cycle, k] = state
                if state != IDLE:
                    record.column[cycle, k] = pe.column
                if IDLE < state < EMPTY:
                    record.row[cycle, k] = pe.place * pes + k
                    record.code[cycle, k] = pe.read_code
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
                _send(start + j, inputs[j], elements, queue_index, queue_act)
                if traced:
                    record.sent[cycle] = start + j
                scan[0] += 1
                scan[2] += 1 + passed
                passed, left, more, after = 0, left - 1, True, found
                if _leading(inputs, row, found, pes) < 0:
                    row, after = row + 1, -1
        if traced:
            for k in range(pes):
                record.queue[cycle, k] = _waiting(elements[k], slots)
        cycle += 1
    for _ in range(FILL):
        for k in range(pes):
            _advance(elements[k], k, pes, table, sums, bypass, shift, low, high)
    return cycle - begun
