"""How many bytes each stage leaves, counted as the paper's tables 2 to 5 count.

Source: ICLR 2016, section 3 (equation 1: codes and codebook), section 2 (relative index with padding zeros), section 4
(Huffman codes of weights and index). Biases are left out there, and so they are here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError

WORD_BITS = 32
INDEX_BITS = range(1, 17)


@dataclass(frozen=True)
class StageSizes:
    """One layer, or several together, in the terms of the paper's tables.

    Args:
        name: of the layer.
        weights: n, of the dense layer.
        kept: weights that are not zero.
        fillers: padding zeros of the relative index, each stored as a weight.
        clusters: k, entries of the codebook; 0 where weights are not shared.
        codebook_bytes: four bytes a centroid.
        code_bits: bits of all codes at fixed width (P+Q).
        index_code_bits: bits of all relative indices at fixed width (P+Q).
        huffman_code_bits: bits of all codes, Huffman-coded (P+Q+H).
        huffman_index_bits: bits of all relative indices, Huffman-coded (P+Q+H).
    """

    name: str
    weights: int
    kept: int
    fillers: float
    clusters: int
    codebook_bytes: float
    code_bits: float
    index_code_bits: float
    huffman_code_bits: float
    huffman_index_bits: float

    @property
    def entries(self) -> float:
        """Stored weights: those kept, and the fillers."""
        return self.kept + self.fillers

    @property
    def weights_percent(self) -> float:
        """Weights kept, in percent: the tables' column P."""
        return _percent(self.kept, self.weights)

    @property
    def weight_bits(self) -> float:
        """Bits of a stored weight at fixed width: P+Q."""
        return self._mean(self.code_bits)

    @property
    def index_bits(self) -> float:
        """Bits of a relative index at fixed width: P+Q."""
        return self._mean(self.index_code_bits)

    @property
    def weight_bits_huffman(self) -> float:
        """Mean bits of a stored weight: P+Q+H."""
        return self._mean(self.huffman_code_bits)

    @property
    def index_bits_huffman(self) -> float:
        """Mean bits of a relative index: P+Q+H."""
        return self._mean(self.huffman_index_bits)

    @property
    def dense_bytes(self) -> float:
        """Four bytes a weight."""
        return self.weights * WORD_BITS / 8

    @property
    def pruned_bytes(self) -> float:
        """Pruned alone (P): four bytes a stored weight, and its relative index.

        The paper's rate of pruning counts the weights without their index, which is ``weights_percent``.
        """
        return (self.entries * WORD_BITS + self.index_code_bits) / 8

    @property
    def quantized_bytes(self) -> float:
        """Pruned and shared (P+Q): codes, relative index, codebook."""
        return (self.code_bits + self.index_code_bits) / 8 + self.codebook_bytes

    @property
    def huffman_bytes(self) -> float:
        """Pruned, shared and Huffman-coded (P+Q+H); the code's own table is not counted, as in the paper."""
        return (self.huffman_code_bits + self.huffman_index_bits) / 8 + self.codebook_bytes

    @property
    def rate_percent(self) -> float:
        """Size after P+Q, in percent of the dense one: the tables' "compress rate"."""
        return _percent(self.quantized_bytes, self.dense_bytes)

    @property
    def rate_percent_huffman(self) -> float:
        """Size after P+Q+H, in percent of the dense one."""
        return _percent(self.huffman_bytes, self.dense_bytes)

    def _mean(self, bits: float) -> float:
        return bits / self.entries if self.entries else 0.0


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def stage_sizes(
    name: str,
    weights: int,
    kept: int,
    *,
    bits: int,
    index_bits: int = 0,
    weight_bits_huffman: float | None = None,
    index_bits_huffman: float | None = None,
    fillers: float = 0,
    clusters: int | None = None,
) -> StageSizes:
    """Count the bytes of a layer from what a table says of it.

    Args:
        name: of the layer.
        weights: n, of the dense layer.
        kept: weights that are not zero.
        bits: of a code at fixed width; 32 for weights that are not shared.
        index_bits: of a relative index at fixed width; 0 for a layer stored without one.
        weight_bits_huffman: mean bits of a Huffman-coded weight; as at fixed width by default.
        index_bits_huffman: the same of a Huffman-coded relative index.
        fillers: padding zeros; see ``expected_fillers``.
        clusters: k; 2^bits by default.

    Returns:
        The sizes at every stage.

    Raises:
        EfflabError: more weights kept than there are, or bits out of range.

    >>> layer = stage_sizes("ip1", 235_000, 18_800, bits=6, index_bits=5)
    >>> round(layer.rate_percent, 2), round(layer.weights_percent)
    (2.78, 8)
    """
    if not 0 <= kept <= weights:
        raise EfflabError(f"kept must be between 0 and the {weights} weights of layer {name!r}, got {kept}")
    if not (0 <= bits <= WORD_BITS and 0 <= index_bits <= WORD_BITS):
        raise EfflabError(
            f"bits and index_bits of layer {name!r} must be between 0 and {WORD_BITS}, got {bits} and {index_bits}"
        )
    shared = bits < WORD_BITS
    k = (2**bits if shared else 0) if clusters is None else clusters
    entries = kept + fillers
    weight_bits = bits if weight_bits_huffman is None else weight_bits_huffman
    gap_bits = index_bits if index_bits_huffman is None else index_bits_huffman
    return StageSizes(
        name, weights, kept, fillers, k, k * WORD_BITS / 8, entries * bits, entries * index_bits,
        entries * weight_bits, entries * gap_bits,
    )  # fmt: skip


def expected_fillers(weights: int, kept: int, index_bits: int) -> float:
    """Padding zeros that the relative index of a random mask needs, on average.

    A gap of 2^b zeros or more is spanned in steps of 2^b, so a layer of density d stores 1 / (1 - (1 - d)^(2^b)) times
    its weights.

    Args:
        weights: n, of the dense layer.
        kept: weights that are not zero.
        index_bits: b.

    >>> round(expected_fillers(235_000, 18_800, 5))
    1402
    """
    if not kept:
        return 0.0
    spanned = (1 - kept / weights) ** (2**index_bits)
    return float(kept * spanned / (1 - spanned))


def together(name: str, layers: Iterable[StageSizes]) -> StageSizes:
    """Sum layers up: the tables' last line."""
    parts = list(layers)
    counts = [
        sum(getattr(part, key) for part in parts) for key in StageSizes.__dataclass_fields__ if key != "name"
    ]
    return StageSizes(name, *counts)


def measured_sizes(name: str, weight: Tensor, bits: int, index_bits: int | str = "auto") -> StageSizes:
    """Count the bytes of a real layer: its codes and relative indices, and their Huffman codes.

    Args:
        name: of the layer.
        weight: pruned and shared, any shape; scanned row by row.
        bits: of a code at fixed width; 32 for weights that are not shared.
        index_bits: of a relative index; ``"auto"`` takes what is smallest at fixed width. A layer without zeros has none.

    Returns:
        The sizes at every stage; Huffman codes are those of the layer's own counts.
    """
    flat = weight.detach().flatten().cpu()
    positions = flat.nonzero().flatten().numpy()
    gaps = np.diff(positions, prepend=-1) - 1
    values, counts = np.unique(gaps, return_counts=True)
    shared = bits < WORD_BITS
    width = 0
    if positions.size < flat.numel():
        width = _best_width(values, counts, bits) if index_bits == "auto" else int(index_bits)
    fillers = int((counts * (values >> width)).sum()) if width else 0
    codes = np.zeros(0, np.int64)
    if shared and positions.size:
        codes = torch.unique(flat[positions], return_counts=True)[1].numpy()
    entries = positions.size + fillers
    code_bits = _huffman_bits([*codes.tolist(), fillers]) if shared else entries * bits
    return StageSizes(
        name, flat.numel(), positions.size, fillers, codes.size, codes.size * WORD_BITS / 8, entries * bits,
        entries * width, code_bits, _huffman_bits(_gap_counts(values, counts, width)) if width else 0,
    )  # fmt: skip


def _best_width(gaps: NDArray[np.int64], counts: NDArray[np.int64], bits: int) -> int:
    """Find the relative index that makes a layer smallest at fixed width; the narrower of two that are equal."""

    def cost(width: int) -> int:
        return int((counts * (1 + (gaps >> width))).sum()) * (bits + width)

    return min(INDEX_BITS, key=cost)


def _gap_counts(gaps: NDArray[np.int64], counts: NDArray[np.int64], width: int) -> list[int]:
    """Count the relative indices: of the weights, and of the fillers, whose index is the largest."""
    symbols = np.bincount(gaps & (2**width - 1), weights=counts, minlength=2**width).astype(np.int64)
    symbols[-1] += (counts * (gaps >> width)).sum()
    return [int(count) for count in symbols]


def _huffman_bits(counts: list[int]) -> float:
    """Bits of all symbols under the best code of their counts; one that is alone takes one bit each."""
    present = np.array([count for count in counts if count], np.int64)
    if present.size < 2:
        return float(present.sum())
    from efflab.huffman import code_lengths, mean_length  # noqa: PLC0415 - numba's cost, where it is needed

    mean = float(mean_length(present, code_lengths(present)))
    return 0.0 if math.isnan(mean) else mean * int(present.sum())
