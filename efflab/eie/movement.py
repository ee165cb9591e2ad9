"""Loading a layer into the machine of :mod:`efflab.eie.datapath`, and reading off what came out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efflab.eie import datapath, registers
from efflab.eie._checks import single
from efflab.eie.counters import Counters
from efflab.eie.fixed import Formats
from efflab.eie.layer import Layer
from efflab.eie.machine import FILL


@dataclass(frozen=True, eq=False)
class Moved:
    """What a run left behind: the sums before ReLU, the counts, and the room for the trace as it was filled."""

    sums: NDArray[Any]
    counters: Counters
    record: registers.Record


def move(layer: Layer, held: NDArray[Any], formats: Formats | None, cycles: int = 0) -> Moved:
    """Run a layer cycle by cycle.

    Args:
        layer: encoded for the machine that it runs on.
        held: (columns,) inputs as the registers hold them.
        formats: of the numbers; None in floating point.
        cycles: how many the trace has room for; 0 for none.
    """
    machine, kind = layer.machine, np.float32 if formats is None else np.int64
    pes, batch = machine.pes, machine.batch
    v, z = (np.concatenate([getattr(element, name) for element in layer.csc.elements]) for name in "vz")
    pointers = np.stack([element.p for element in layer.csc.elements])
    elements, slots = _elements(layer, kind), max(machine.fifo, 2)
    queue_index, queue_act = np.zeros((pes, slots), np.int64), np.zeros((pes, slots), kind)
    table, sums = table_of(layer, formats), first_sums(layer, formats)
    scan, record = np.zeros(3, np.int64), _room(cycles, pes)
    shift, low, high = _arithmetic(formats)
    done, starts = 0, range(0, held.size, batch)
    for start in starts:
        done += datapath.run_batch(
            held[start : start + batch], start, done, machine.depth, machine.bypass, machine.entries_per_row, shift, low, high,
            v, z, pointers, table, sums, elements, queue_index, queue_act, scan, record,
        )  # fmt: skip
    return Moved(sums, _counters(elements, scan, done, len(starts), layer), record)


def _arithmetic(formats: Formats | None) -> tuple[int, Any, Any]:
    """Places that a product loses, least and greatest sum."""
    if formats is None:
        return 0, np.float32(-np.inf), np.float32(np.inf)
    return formats.shift, formats.out.low, formats.out.high


def table_of(layer: Layer, formats: Formats | None) -> NDArray[Any]:
    """The codebook as the ALU reads it."""
    return single("weights", layer.codebook) if formats is None else formats.weight.encode(layer.codebook)


def first_sums(layer: Layer, formats: Formats | None) -> NDArray[Any]:
    """What the accumulators begin with."""
    bias = np.zeros(layer.shape[0]) if layer.bias is None else layer.bias
    return single("bias", bias) if formats is None else formats.out.encode(bias)


def _elements(layer: Layer, kind: Any) -> NDArray[Any]:
    """Idle PEs."""
    elements = np.zeros(layer.machine.pes, registers.element_dtype(kind)).view(np.recarray)
    elements.origin = np.append(0, np.cumsum(layer.entries))[:-1]
    elements.touched = elements.place = -1
    elements.held = -layer.machine.entries_per_row
    for stage in registers.STAGES:
        elements[f"{stage}_place"] = -1
    return elements


def _room(cycles: int, pes: int) -> registers.Record:
    return registers.Record(
        state=np.zeros((cycles, pes), np.uint8),
        queue=np.zeros((cycles, pes), np.uint16),
        column=np.full((cycles, pes), -1, np.int32),
        row=np.full((cycles, pes), -1, np.int32),
        code=np.zeros((cycles, pes), np.uint8),
        sent=np.full(cycles, -1, np.int32),
        blocked=np.zeros(cycles, np.bool_),
    )


def _counters(elements: Any, scan: NDArray[Any], cycles: int, batches: int, layer: Layer) -> Counters:
    """What was counted, and what the layer's size alone tells."""
    machine, (rows, columns) = layer.machine, layer.shape
    room = machine.pes * machine.regs
    total = {name: int(elements[name].sum()) for name in registers.COUNTERS}
    return Counters(
        pes=machine.pes,
        cycles=cycles,
        broadcasts=int(scan[0]),
        entries=total["entries"],
        padding=total["padding"],
        empty=total["empty"],
        hazards=total["waits"],
        starved=total["starved"],
        blocked=int(scan[1]),
        scan_cycles=int(scan[2]),
        busy=np.array(elements["entries"]),
        pointer_reads=total["pointer_reads"],
        spmat_reads=total["matrix_reads"],
        codebook_reads=total["codebook_reads"],
        act_reads=total["sum_reads"] + columns,
        act_writes=total["sum_writes"],
        act_sram_reads=columns if columns > room else 0,
        act_sram_writes=rows if rows > room else 0,
        queue_pushes=total["pushes"],
        queue_pops=total["pops"],
        writebacks=rows,
        batches=batches,
        fill=FILL * batches,
    )
