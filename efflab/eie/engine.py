"""Running a layer: inputs to fixed point, batches through the machine, outputs back.

Source: ISCA 2016, section IV.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.eie import _checks, _kernels, event, scan
from efflab.eie.counters import Counters
from efflab.eie.cycle import count_cycles
from efflab.eie.fixed import MOST_SHIFT, Fixed, Formats
from efflab.eie.layer import Layer
from efflab.eie.machine import Machine
from efflab.eie.movement import first_sums, move, table_of
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
        out: format of sums and outputs; by default with as many places as the largest sum on the way allows.

    Returns:
        Counts, times and outputs.

    Raises:
        EfflabError: no layer, inputs of another length or not finite, or a layer that does not fit.

    >>> from efflab.eie import encode
    >>> run = simulate(encode([[0, 1.5], [-2, 0], [0, 1.5]], Machine(pes=2)), [1, 2])
    >>> run.output.tolist(), run.cycles
    ([3.0, -2.0, 3.0], 4)
    """
    if engine not in {"event", "cycle"}:
        raise EfflabError(f"engine must be 'event' or 'cycle', got {engine!r}")
    if not isinstance(layer, Layer | Pattern):
        raise EfflabError(
            f"layer must be encoded by efflab.eie.encode or be a Pattern, and is a {type(layer).__name__}"
        )
    machine = machine or (layer.machine if isinstance(layer, Layer) else Machine())
    inputs = checked_inputs(activations, layer.shape[1])
    if isinstance(layer, Pattern):
        count = event.run_counts if engine == "event" else count_cycles
        return Run(machine, _batches(layer, inputs, machine, count), layer.shape, engine=engine)
    layer = layer.on(machine)
    return run_in(layer, inputs, formats_for(layer, inputs, act, out), engine)


def run_in(layer: Layer, inputs: NDArray[np.float64], formats: Formats | None, engine: Engine) -> Run:
    """Run a layer on the machine that it is encoded for, in formats that are known; see ``simulate``."""
    held, machine = hold(inputs, formats), layer.machine
    if engine == "cycle":
        moved = move(layer, held, formats)
        return finish(layer, moved.sums, moved.counters, formats, engine)
    counters = _batches(layer.pattern, held, machine, event.run_counts)
    return finish(layer, _products(layer, held, formats), counters, formats, engine)


def chain(
    layers: Sequence[Layer], activations: ArrayLike, machine: Machine | None = None, engine: Engine = "event"
) -> tuple[Run, ...]:
    """Run several layers in a row.

    The outputs of one are the inputs of the next without a copy: source and destination registers are swapped, and the next
    layer takes the numbers in the format in which they were written back.

    Args:
        layers: each with as many inputs as the one before has outputs.
        activations: inputs of the first.
        machine: by default each layer's own.
        engine: as in ``simulate``.

    Returns:
        One run a layer.

    Raises:
        EfflabError: no layers, positions without weights, sizes that do not match, or ``simulate`` would refuse one.
    """
    if not layers:
        raise EfflabError("layers must hold at least one layer, and is empty")
    for number, one in enumerate(layers):
        if not isinstance(one, Layer):
            raise EfflabError(
                f"layers[{number}] must be encoded by efflab.eie.encode, and is a {type(one).__name__}: "
                "the next one takes its outputs"
            )
    for number, (before, after) in enumerate(pairwise(layers), 1):
        if before.shape[0] != after.shape[1]:
            raise EfflabError(
                f"layers[{number}] must have {before.shape[0]:,} inputs, the outputs of the one before, and has {after.shape[1]:,}"
            )
    runs: list[Run] = []
    values, act = _checks.array("activations", activations), None
    for layer in layers:
        run = simulate(layer, values, machine, engine, act=act)
        runs.append(run)
        assert run.output is not None
        values, act = run.output, run.act_format
    return tuple(runs)


def hold(inputs: NDArray[np.float64], formats: Formats | None) -> NDArray[Any]:
    """Inputs as the registers hold them."""
    return _checks.single("activations", inputs) if formats is None else formats.act.encode(inputs)


def finish(layer: Layer, sums: NDArray[Any], counters: Counters, formats: Formats | None, engine: str) -> Run:
    """Write the sums back, through ReLU where the layer has it."""
    raw = np.maximum(sums, 0) if layer.relu else sums
    output = raw.astype(np.float64) if formats is None else formats.out.decode(raw)
    return Run(layer.machine, counters, layer.shape, output, raw, formats, engine, layer.name)


def formats_for(
    layer: Layer, inputs: NDArray[np.float64], act: Fixed | None = None, out: Fixed | None = None
) -> Formats | None:
    """Choose the formats of a layer's products, one for all of its vectors.

    Where a product has so many places more than the largest sum that they cannot be shifted out, the weights get fewer:
    every product then rounds to 0, as it does with all places.

    Args:
        layer: on its machine.
        inputs: (columns,) or (vectors, columns).
        act: of the inputs, where it is known.
        out: of the outputs, where it is known.

    Returns:
        None in floating point.
    """
    bits = layer.machine.bits
    if layer.machine.precision == "float32":
        return None
    weight = Fixed.fitting(float(np.abs(layer.codebook).max()), bits)
    act = act or Fixed.fitting(float(np.abs(inputs).max(initial=0)), bits)
    places = weight.fraction + act.fraction
    if out is None:
        largest = max(exact_sums(layer, vector)[1] for vector in np.atleast_2d(inputs))
        fitting = Fixed.fitting(largest, bits).fraction
        out = Fixed(bits, min(fitting, places))  # a product has no more places to give
        weight = Fixed(bits, min(weight.fraction, out.fraction + MOST_SHIFT - act.fraction))
    return Formats(weight, act, out)


def exact_sums(layer: Layer, inputs: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The outputs before ReLU in double precision, and the largest magnitude that an accumulator has on the way."""
    p, sums = layer.pattern, np.zeros(layer.shape[0]) if layer.bias is None else layer.bias.copy()
    first = float(np.abs(sums).max())
    largest = _kernels.accumulate_float(p.starts, p.rows, layer.codes, layer.codebook, inputs, sums)
    return sums, max(first, largest)


def _products(layer: Layer, held: NDArray[Any], formats: Formats | None) -> NDArray[Any]:
    """Add up the outputs before ReLU, as the accumulators hold them."""
    p, sums, table = layer.pattern, first_sums(layer, formats), table_of(layer, formats)
    if formats is None:
        _kernels.accumulate_float(p.starts, p.rows, layer.codes, table, held, sums)
    else:
        low, high = formats.out.low, formats.out.high
        _kernels.accumulate(p.starts, p.rows, layer.codes, table, held, sums, formats.shift, low, high)
    return sums


def _batches(
    pattern: Pattern, held: NDArray[Any], machine: Machine, count: Callable[..., Counters]
) -> Counters:
    """Count batch after batch."""
    pes, bits = machine.pes, machine.index_bits
    parts = []
    for start, active in scan.batches(held, machine.batch):
        columns = active + start
        ends = None if machine.bypass else pattern.ends_of(columns, pes, bits)
        parts.append(
            count(pattern.counts_of(columns, pes, bits), scan.gaps(active, pes), machine.depth, ends)
        )
    timed = Counters.total(pes, parts)
    return timed + _rest(pattern, np.flatnonzero(held), machine, timed.entries)


def _rest(pattern: Pattern, active: scan.Indices, machine: Machine, entries: int) -> Counters:
    """Count what does not depend on time: padding, reads of the matrix SRAM, scan, write-back."""
    pes, bits = machine.pes, machine.index_bits
    (rows, columns), registers = pattern.shape, pes * machine.regs
    reads = np.zeros(pes, np.int64)
    _kernels.matrix_reads(*pattern.addresses(active, pes, bits), machine.entries_per_row, reads)
    return Counters(
        pes,
        padding=entries - int(pattern.real[active].sum()),
        spmat_reads=int(reads.sum()),
        act_reads=columns,
        act_sram_reads=columns if columns > registers else 0,
        act_sram_writes=rows if rows > registers else 0,
        writebacks=rows,
    )


def checked_inputs(activations: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Inputs as numbers, one an input of the layer."""
    values = _checks.array("activations", activations)
    if values.shape != (columns,):
        raise EfflabError(
            f"activations must have shape ({columns},), one an input of the layer, and have {values.shape}"
        )
    return _finite(values)


def checked_vectors(vectors: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Several vectors of inputs as numbers, (vectors, columns)."""
    values = _checks.array("vectors", vectors)
    if values.ndim != 2 or values.shape[1] != columns or not len(values):
        raise EfflabError(
            f"vectors must have shape (vectors, {columns}), at least one, and have {values.shape}"
        )
    return _finite(values)


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind not in "buif":
        raise EfflabError(f"activations must be numbers, and are {values.dtype}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise EfflabError("activations must be finite numbers, and some are not")
    return values
