"""What the page gets of a run of the EIE machine: how many entries each PE has for each non-zero input, coded.

The counts become words of a Huffman code (:mod:`efflab.huffman`), some four bits a PE and input; the rest is base64 text.
"""

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab import eie
from efflab.eie import engine, scan
from efflab.errors import EfflabError
from efflab.huffman import HuffmanCode
from efflab.huffman.varints import varint
from efflab.viz.timeline import Timeline
from efflab.viz.widgets import whole

MOST_BYTES, MOST_PES, MOST_DEPTH = 200_000, 256, 4096

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PlayedCounts:
    """What the figure shows of a run: entry counts, and what the captions need.

    Attributes:
        real: (columns, pes) entries with a weight.
        padding: (columns, pes) padding zeros.
        gaps: (columns,) rows of zeros before each non-zero input.
        depth: places of a queue, 0 for none.
        batches: non-zero inputs of each batch.
        clashes: (columns, pes) 1 where a slice's first entry needs the sum that the slice before wrote last.
        indices: (columns,) places of the non-zero inputs.
        values: (columns,) the non-zero inputs.
        outputs: (rows,) the output vector.
    """

    real: Numbers
    padding: Numbers
    gaps: Numbers
    depth: int
    batches: tuple[int, ...]
    clashes: Numbers
    indices: Numbers | None = None
    values: NDArray[np.float64] | None = None
    outputs: NDArray[np.float64] | None = None

    @cached_property
    def timeline(self) -> Timeline:
        """When everything happens."""
        return Timeline.of(self.real + self.padding, self.gaps, self.depth, self.batches, self.clashes)


def of_layer(layer: Any, activations: ArrayLike, machine: eie.Machine | None) -> PlayedCounts:
    """Count the entries of a layer's run.

    Args:
        layer: a layer, its pattern alone, or a trace, which has its own activations.
        activations: (columns,) inputs.
        machine: the layer's own by default, or the published one for a pattern.

    Raises:
        EfflabError: ``layer`` is something else, or :func:`efflab.eie.simulate` refuses.
    """
    if isinstance(layer, eie.Trace):
        held, formats = layer.held, layer.run.formats
        inputs = held.astype(np.float64) if formats is None else formats.act.decode(held)
        return of_pattern(layer.layer.pattern, inputs, held, layer.run.machine, layer.run.output)
    if not isinstance(layer, eie.Layer | eie.Pattern):
        raise EfflabError(f"layer must be an efflab.eie Layer, Pattern or Trace, got {type(layer).__name__}")
    run = eie.simulate(layer, activations, machine)
    pattern = layer if isinstance(layer, eie.Pattern) else layer.pattern
    inputs = np.asarray(activations, np.float64)
    held = engine.hold(inputs, run.formats)
    values = None if np.asarray(activations).dtype == bool else inputs
    return of_pattern(pattern, values, held, run.machine, run.output)


def of_pattern(
    pattern: eie.Pattern,
    inputs: NDArray[np.float64] | None,
    held: NDArray[Any],
    machine: eie.Machine,
    outputs: NDArray[np.float64] | None,
) -> PlayedCounts:
    """Count the entries of the columns whose inputs, as the registers hold them, are not zero."""
    pes, bits = whole("number of PEs", machine.pes, 1, MOST_PES), machine.index_bits
    parts = list(scan.batches(held, machine.batch))
    active = np.concatenate([start + places for start, places in parts])
    column = np.repeat(np.arange(pattern.shape[1]), pattern.real)
    places = column * pes + pattern.rows % pes
    real = np.bincount(places, minlength=pattern.shape[1] * pes).reshape(-1, pes)[active]
    entries = pattern.counts(pes, bits)[active]
    clashes = np.zeros_like(real)
    if not machine.bypass:
        first, last = (one[active] for one in pattern.ends(pes, bits))
        clashes[1:] = (first[1:] == last[:-1]) & (first[1:] >= 0)
    return PlayedCounts(
        real,
        entries - real,
        np.concatenate([scan.gaps(places, pes) for _, places in parts]).astype(np.int64),
        machine.depth,
        tuple(places.size for _, places in parts),
        clashes,
        active,
        None if inputs is None else inputs[active],
        outputs,
    )


def given(real: ArrayLike, padding: ArrayLike, gaps: ArrayLike, depth: int, **more: Any) -> PlayedCounts:
    """Check counts that a caller brings; see :meth:`EiePlayer.of_counts`."""
    entries = _counted("real", real)
    shape = entries.shape
    columns = shape[0]
    whole("number of PEs", shape[1], 1, MOST_PES)
    sizes = [columns] if more["batches"] is None else list(more["batches"])
    if sum(sizes) != columns or min(sizes, default=0) < 0:
        raise EfflabError(f"batches must be sizes that sum to {columns} non-zero inputs, got {sizes}")
    clashes, indices, values, outputs = (more[name] for name in ("clashes", "indices", "values", "outputs"))
    return PlayedCounts(
        entries,
        _counted("padding", padding, shape),
        _counted("gaps", gaps, (columns,)),
        whole("depth", depth, 0, MOST_DEPTH),
        tuple(int(size) for size in sizes),
        np.zeros(shape, np.int64) if clashes is None else _counted("clashes", clashes, shape),
        None if indices is None else _counted("indices", indices, (columns,)),
        None if values is None else _finite("values", values, (columns,)),
        None if outputs is None else _finite("outputs", outputs, (np.size(outputs),)),
    )


def _counted(name: str, numbers: ArrayLike, shape: tuple[int, ...] | None = None) -> Numbers:
    """Whole numbers from 0 to 65,535, or any for ``indices``, of a shape; of any table where none is given."""
    array = np.asarray(numbers)
    if shape is None and (array.ndim != 2 or array.shape[1] == 0):
        raise EfflabError(f"{name} must be of shape (non-zero inputs, PEs), got {array.shape}")
    if shape is not None and array.shape != shape:
        raise EfflabError(f"{name} must be of shape {shape}, as real is, got {array.shape}")
    most = {"indices": 2**31 - 1, "gaps": 2**31 - 1, "clashes": 1}.get(name, 2**16 - 1)
    if array.size and not (array.dtype.kind in "biu" and array.min() >= 0 and array.max() <= most):
        raise EfflabError(
            f"{name} must be whole numbers from 0 to {most:,}, got {array.dtype} {array.ravel()[:8]}"
        )
    if name == "indices" and (np.diff(array.astype(np.int64)) <= 0).any():
        raise EfflabError(f"indices must be increasing, got {array[:8]}")
    return array.astype(np.int64)


def _finite(name: str, numbers: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.asarray(numbers, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise EfflabError(f"{name} must be finite numbers of shape {shape}, got {array.shape}")
    return array


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _varints(numbers: Numbers) -> str:
    return _base64(b"".join(varint(one) for one in numbers.tolist()))


def _scaled(numbers: NDArray[np.float64] | None, kind: str) -> tuple[str, float]:
    """Numbers as signed integers of the largest magnitude, and that."""
    if numbers is None:
        return "", 0.0
    largest = float(np.abs(numbers).max(initial=0.0))
    levels = np.rint(numbers / (largest or 1.0) * np.iinfo(kind).max)
    return _base64(levels.astype(kind).tobytes()), largest


def embedded(played: PlayedCounts) -> dict[str, Any]:
    """Give the traits that the page gets.

    Raises:
        EfflabError: they take more than 200 kB.
    """
    columns, pes = played.real.shape
    keys = (played.real << 32 | played.padding << 16 | played.clashes).ravel()
    kinds, labels = np.unique(keys, return_inverse=True)
    if kinds.size > 1 << 16:
        raise EfflabError(f"the counts must have at most 65,536 different values, got {kinds.size:,}")
    code = HuffmanCode.of(labels) if labels.size else HuffmanCode(np.zeros(0, np.uint8))
    values, largest = _scaled(played.values, "<i2")
    skips = np.empty(0, np.int64) if played.indices is None else np.diff(played.indices, prepend=-1) - 1
    traits = {
        "pes": pes,
        "depth": played.depth,
        "columns": columns,
        "batches": list(played.batches),
        "kinds": [[key >> 32, key >> 16 & 0xFFFF, key & 0xFFFF] for key in kinds.tolist()],
        "lengths": code.lengths.tolist(),
        "counts": _base64(code.encode(labels, streams=1)) if labels.size else "",
        "gaps": _varints(played.gaps),
        "skips": _varints(skips),
        "values": values,
        "largest": largest,
        "outputs": _scaled(played.outputs, "i1")[0],
    }
    size = len(json.dumps(traits))
    if size > MOST_BYTES:
        raise EfflabError(
            f"the counts of {columns:,} non-zero inputs in {pes} PEs take {size / 1000:,.0f} kB in the page, and at most "
            f"{MOST_BYTES // 1000} kB are embedded: play fewer inputs, such as the first {columns * MOST_BYTES // size:,}"
        )
    return traits
