"""Running a layer: inputs to fixed point, batches through the machine, outputs back.

Source: ISCA 2016, section IV.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.eie import _kernels, event, scan
from efflab.eie.counters import Counters
from efflab.eie.fixed import Fixed, Formats
from efflab.eie.layer import Layer
from efflab.eie.machine import Machine
from efflab.eie.pattern import Pattern
from efflab.eie.run import Run
from efflab.errors import EfflabError

Engine = Literal["event", "cycle"]


def simulate(
    layer: Layer | Pattern,
    activations: ArrayLike,
    machine: Machine | None = None,
    engine: Engine = "event",
    *,
    act: Fixed | None = None,
    out: Fixed | None = None,
) -> Run:
    """Run one layer on one vector.

    Args:
        layer: weights encoded by ``encode``, or their positions alone, of which only time is known.
        activations: (columns,) inputs; for positions what is not 0 or False is broadcast.
        machine: by default the one that the layer is encoded for; another one is encoded for first.
        engine: ``"event"`` follows the recurrence over broadcasts, ``"cycle"`` moves registers cycle by cycle; both give
            the same.
        act: format of the inputs; by default with as many places as the largest allows.
        out: format of sums and outputs; by default with as many places as no sum on the way overflows with.

    Returns:
        Counts, times and outputs.

    Raises:
        EfflabError: inputs of another length or not finite, or a layer that does not fit.

    >>> from efflab.eie import encode
    >>> run = simulate(encode([[0, 1.5], [-2, 0], [0, 1.5]], Machine(pes=2)), [1, 2])
    >>> run.output.tolist(), run.cycles
    ([3.0, -2.0, 3.0], 4)
    """
    if engine not in {"event", "cycle"}:
        raise EfflabError(f"engine must be 'event' or 'cycle', got {engine!r}")
    machine = machine or (layer.machine if isinstance(layer, Layer) else Machine())
    inputs = _inputs(activations, layer.shape[1])
    if isinstance(layer, Pattern):
        counters = _events(layer, inputs, machine)
        return Run(machine, counters, layer.shape, engine=engine)
    layer = layer.on(machine)
    formats = formats_for(layer, inputs, act, out)
    held = inputs.astype(np.float32) if formats is None else formats.act.encode(inputs)
    raw = _products(layer, held, formats)
    counters = _events(layer.pattern, held, machine)
    if layer.relu:
        raw = np.maximum(raw, 0)
    output = raw.astype(np.float64) if formats is None else formats.out.decode(raw)
    return Run(machine, counters, layer.shape, output, raw, formats, engine, layer.name)


def formats_for(
    layer: Layer, inputs: NDArray[np.float64], act: Fixed | None = None, out: Fixed | None = None
) -> Formats | None:
    """Choose the formats of a layer's product with these inputs; None in floating point."""
    bits = layer.machine.bits
    if layer.machine.precision == "float32":
        return None
    weight = Fixed.fitting(float(np.abs(layer.codebook).max()), bits)
    act = act or Fixed.fitting(float(np.abs(inputs).max(initial=0)), bits)
    if out is None:
        sums = np.zeros(layer.shape[0]) if layer.bias is None else layer.bias.copy()
        largest = float(np.abs(sums).max())
        p = layer.pattern
        largest = max(
            largest, _kernels.accumulate_float(p.starts, p.rows, layer.codes, layer.codebook, inputs, sums)
        )
        # Rounding may add half a place a product; one place in 2^-bits of the largest is more than enough room for few.
        out = Fixed.fitting(largest, bits)
        out = Fixed(
            bits, max(min(out.fraction, weight.fraction + act.fraction), weight.fraction + act.fraction - 62)
        )
    return Formats(weight, act, out)


def _products(layer: Layer, held: NDArray[Any], formats: Formats | None) -> NDArray[Any]:
    """Add up the outputs before ReLU, as the accumulators hold them."""
    p = layer.pattern
    if formats is None:
        sums = np.zeros(layer.shape[0], np.float32) if layer.bias is None else layer.bias.astype(np.float32)
        _kernels.accumulate_float(
            p.starts, p.rows, layer.codes, layer.codebook.astype(np.float32), held, sums
        )
        return sums
    raw = np.zeros(layer.shape[0], np.int64) if layer.bias is None else formats.out.encode(layer.bias)
    table = formats.weight.encode(layer.codebook)
    _kernels.accumulate(
        p.starts, p.rows, layer.codes, table, held, raw, formats.shift, formats.out.low, formats.out.high
    )
    return raw


def _events(pattern: Pattern, held: NDArray[Any], machine: Machine) -> Counters:
    """Count with the event engine."""
    pes, bits = machine.pes, machine.index_bits
    counts = pattern.counts(pes, bits)
    ends = None if machine.bypass else pattern.ends(pes, bits)
    parts = []
    for start, active in scan.batches(held, machine.batch):
        columns = active + start
        chosen = None if ends is None else (ends[0][columns], ends[1][columns])
        parts.append(event.run_counts(counts[columns], scan.gaps(active, pes), machine.depth, chosen))
    return Counters.total(pes, parts) + rest(pattern, np.flatnonzero(held), machine)


def rest(pattern: Pattern, active: scan.Indices, machine: Machine) -> Counters:
    """Count what does not depend on time: padding, reads of the matrix SRAM, scan, write-back."""
    pes, bits = machine.pes, machine.index_bits
    counts = pattern.counts(pes, bits)
    held = np.full(pes, -1, np.int64)
    rows, columns = pattern.shape
    return Counters(
        pes,
        padding=int(counts[active].sum(dtype=np.int64) - pattern.real[active].sum()),
        spmat_reads=int(
            _kernels.matrix_reads(active, pattern.offsets(pes, bits), counts, machine.entries_per_row, held)
        ),
        act_reads=columns,
        act_sram_reads=columns if columns > pes * machine.regs else 0,
        act_sram_writes=rows if rows > pes * machine.regs else 0,
        writebacks=rows,
    )


def _inputs(activations: ArrayLike, columns: int) -> NDArray[np.float64]:
    values = np.asarray(activations)
    if values.shape != (columns,):
        raise EfflabError(
            f"activations must have shape ({columns},), one an input of the layer, and have {values.shape}"
        )
    if values.dtype.kind not in "buif":
        raise EfflabError(f"activations must be numbers, and are {values.dtype}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise EfflabError("activations must be finite numbers, and some are not")
    return values
