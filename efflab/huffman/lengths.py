"""From counts to the lengths of an optimal prefix code, and from lengths to canonical code words.

Sources: D. A. Huffman, 1952; J. van Leeuwen, "On the Construction of Huffman Trees", ICALP 1976 (two queues instead of a
heap); L. Larmore and D. Hirschberg, 1990 (package-merge).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.huffman._errors import HuffmanError

MAX_SIZE = 1 << 16
"""The largest alphabet."""

MAX_LENGTH = 24
"""The longest code word that streams may hold, in bits."""

Lengths = NDArray[np.uint8]
Counts = NDArray[np.int64] | NDArray[np.float64]

# The sum over a tree's packages must stay exact in int64, whatever the depth.
_LARGEST_TOTAL = 1 << 56


def entropy(counts: ArrayLike) -> float:
    """Shannon entropy, H = -sum p log2 p: the bits a symbol that no code of single symbols goes below.

    Args:
        counts: how often each symbol occurs (or its probability), at least 0.

    Returns:
        Bits a symbol; 0 for no symbols at all.
    """
    weights = _checked(counts).astype(np.float64)
    weights = weights[weights > 0]
    p = weights / weights.sum() if weights.size else weights
    return float(-(p * np.log2(p)).sum()) + 0.0


def code_lengths(counts: ArrayLike, limit: int | None = None) -> Lengths:
    """Lengths in bits of an optimal prefix code.

    Args:
        counts: (size,) how often each symbol occurs, at least 0; at most 65,536 symbols.
        limit: longest length allowed; the result is optimal among the codes that obey it.

    Returns:
        (size,) lengths; 0 for a symbol that does not occur, and 1 where only one does. Among the codes of the same
        total length, one with the smallest longest length.

    Raises:
        HuffmanError: where more symbols occur than ``limit`` bits can tell apart.
        EfflabError: where counts are negative, NaN or too many.
    """
    weights = _checked(counts)
    lengths = np.zeros(weights.size, np.uint8)
    used = np.flatnonzero(weights)
    if limit is not None and used.size > 1 << max(limit, 0):
        raise HuffmanError(f"limit is {limit} bits, which cannot tell {used.size:,} symbols apart")
    if used.size < 2:
        lengths[used] = 1
        return lengths
    order = used[np.argsort(weights[used], kind="stable")]
    lengths[order] = _sorted_lengths(weights[order], limit)
    return lengths


def _sorted_lengths(weights: Counts, limit: int | None) -> Lengths:
    from efflab.huffman import _kernels  # noqa: PLC0415 - Numba loads only where a code is made

    depths: Lengths = _kernels.two_queues(weights)
    if limit is None or int(depths[0]) <= limit:
        return depths
    limited: Lengths = _kernels.package_merge(weights, limit)
    return limited


def canonical_codes(lengths: ArrayLike) -> NDArray[np.uint32]:
    """Code words for given lengths, in order of (length, symbol).

    Args:
        lengths: (size,) bits of each symbol's word, 0 for a symbol without one, at most 32.

    Returns:
        (size,) words as numbers; the word of a symbol of length n is the lowest n bits, most significant first.

    Raises:
        HuffmanError: where the lengths are over-full (the sum of 2^-length exceeds 1).
    """
    bits = _checked(lengths, "lengths").astype(np.int64)
    if bits.size and int(bits.max()) > 32:
        raise HuffmanError(f"a length is {int(bits.max())} bits, and words have at most 32")
    order = np.argsort(bits, kind="stable")
    order = order[bits[order] > 0]
    # Left-aligned in 32 bits, each word is the sum of the spans of those before it.
    spans = np.int64(1) << (32 - bits[order])
    starts = np.cumsum(spans) - spans
    if order.size and int(starts[-1] + spans[-1]) > 1 << 32:
        raise HuffmanError("the lengths are over-full: no prefix code has them")
    codes = np.zeros(bits.size, np.uint32)
    codes[order] = starts >> (32 - bits[order])
    return codes


def kraft_sum(lengths: ArrayLike) -> float:
    """Sum of 2^-length over the symbols that have a word: at most 1 for a prefix code, 1 for a complete one."""
    bits = _checked(lengths, "lengths").astype(np.float64)
    return float(np.exp2(-bits[bits > 0]).sum())


def mean_length(counts: ArrayLike, lengths: ArrayLike) -> float:
    """Bits a symbol of counted symbols under a code; 0 for no symbols at all."""
    weights = _checked(counts).astype(np.float64)
    bits = _checked(lengths, "lengths").astype(np.float64)
    if weights.size != bits.size:
        raise HuffmanError(f"counts are of {weights.size:,} symbols, lengths of {bits.size:,}")
    return float((weights * bits).sum() / weights.sum()) if weights.any() else 0.0


def _checked(values: ArrayLike, name: str = "counts") -> Counts:
    """A vector of int64 or float64, at least 0."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.size > MAX_SIZE or array.dtype.kind not in "biuf":
        raise HuffmanError(
            f"{name} must be one number for each of at most {MAX_SIZE:,} symbols, and came as shape {array.shape} of {array.dtype}"
        )
    if not bool((array >= 0).all()):
        raise HuffmanError(f"{name} must be at least 0, and hold {array.min()}")
    if array.dtype.kind == "f":
        if not bool(np.isfinite(array).all()):
            raise HuffmanError(f"{name} must be finite, and hold {array.max()}")
        return array.astype(np.float64)
    if float(array.sum(dtype=np.float64)) > _LARGEST_TOTAL:
        raise HuffmanError(f"{name} sum to more than 2^56")
    return array.astype(np.int64)
