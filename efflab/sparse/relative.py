"""Positions told by the gaps between them, in few bits each.

Source: S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, section 2 and figure 2. The convention is that of the
authors' released files: an entry stands gap + 1 places after the one before, the first of all counts from place -1, and
where a gap takes more bits than there are, a filler of value 0 stands 2^bits places on.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError

Gaps = NDArray[Any]
"""uint8 or uint16."""
Positions = NDArray[np.int64]

# Below this many values NumPy takes less than a millisecond, and compiling loops for their dtype takes longer.
LARGE = 1 << 14


@dataclass(frozen=True, eq=False)
class Relative:
    """An array as its non-zero values and the gaps before them, fillers included.

    Attributes:
        gaps: (entries,) zeros between an entry and the one before, below 2^bits.
        values: (entries,) the values in C order; 0 for a filler.
        shape: shape of the array; zeros after its last non-zero value are not stored.
        bits: width of a gap.
    """

    gaps: Gaps
    values: NDArray[Any]
    shape: tuple[int, ...]
    bits: int

    def __post_init__(self) -> None:
        _check_bits(self.bits)
        if self.gaps.shape != self.values.shape or self.gaps.ndim != 1:
            raise EfflabError(
                f"gaps and values must be of one length, and have shapes {self.gaps.shape} and {self.values.shape}"
            )

    @property
    def entries(self) -> int:
        """Stored entries, fillers included."""
        return self.gaps.size

    @property
    def fillers(self) -> int:
        """Entries that hold 0 and only bridge a long gap."""
        return self.entries - int(np.count_nonzero(self.values))

    @property
    def size(self) -> int:
        """Elements of the array."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def density(self) -> float:
        """Non-zero values per element, from 0 to 1."""
        return (self.entries - self.fillers) / self.size if self.size else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of the two arrays in memory."""
        return self.gaps.nbytes + self.values.nbytes

    def stored_bits(self, value_bits: int | None = None) -> int:
        """Bits on disk without Huffman coding, as the paper counts: every entry takes its value and its gap.

        Args:
            value_bits: width of a value, for values that stand for entries of a code book; by default their dtype's.
        """
        width = 8 * self.values.itemsize if value_bits is None else value_bits
        return self.entries * (width + self.bits)

    def positions(self) -> Positions:
        """(entries,) flat index of each entry."""
        return absolute_index(self.gaps)

    def dense(self) -> NDArray[Any]:
        """Give the array back.

        Raises:
            EfflabError: where the gaps lead beyond the array.
        """
        flat = np.zeros(self.size, self.values.dtype)
        words = _as_words(self.values, self.bits)
        if words is None or self.gaps.dtype != np.uint8:
            places = self.positions()
            self._check_end(int(places[-1]) if places.size else -1)
            flat[places] = self.values
        else:
            from efflab.sparse import _kernels  # noqa: PLC0415 - Numba loads only where it is needed

            if _kernels.scatter(self.gaps, words, flat.view(words.dtype)) >= 0:
                self._check_end(int(self.positions()[-1]))
        return flat.reshape(self.shape)

    def _check_end(self, last: int) -> None:
        if last >= self.size:
            raise EfflabError(f"the gaps lead to position {last:,}, and the array has {self.size:,} elements")


def to_relative(array: ArrayLike, bits: int) -> Relative:
    """Keep the values of an array that are not zero, and the gaps between them.

    Args:
        array: any shape and dtype, taken in C order; -0.0 is a zero, NaN is not.
        bits: width of a gap, 1 to 16.

    Returns:
        The entries; fillers where ``2^bits`` zeros or more stand in a row, none after the last non-zero value.
    """
    _check_bits(bits)
    dense = np.asarray(array)
    flat = dense.ravel()
    words = _as_words(flat, bits)
    if words is None:
        places = np.flatnonzero(flat)
        gaps, filler = relative_index(places, bits)
        values = np.zeros(gaps.size, dense.dtype)
        values[~filler] = flat[places]
    else:
        gaps, found = _from_words(words, _matters(dense.dtype), bits)
        values = found.view(dense.dtype)
    return Relative(gaps, values, dense.shape, bits)


def _as_words(values: NDArray[Any], bits: int) -> NDArray[Any] | None:
    """Numbers as the unsigned integers that have their bits, for the compiled loops; None where NumPy has to do."""
    native = values.dtype.isnative and values.dtype.kind in "biuf" and values.dtype.itemsize <= 8
    return values.view(f"u{values.dtype.itemsize}") if native and bits <= 8 and values.size >= LARGE else None


def _matters(dtype: np.dtype[Any]) -> np.uint64:
    """The bits that make a number other than zero: all, but a float's sign."""
    return np.uint64((1 << (8 * dtype.itemsize - (dtype.kind == "f"))) - 1)


def _from_words(words: NDArray[Any], matters: np.uint64, bits: int) -> tuple[Gaps, NDArray[Any]]:
    """Gaps and values of words; room is taken for what a sample of them leads to expect."""
    from efflab.sparse import _kernels  # noqa: PLC0415 - as above

    block = _kernels.BLOCK
    starts = range(0, words.size, 64 * block)
    seen = sum(int(_kernels.count_nonzero(words[start : start + block], matters)) for start in starts)
    expected = int(1.1 * seen * words.size / max(1, min(words.size, len(starts) * block)))
    state = np.zeros(3, np.int64)
    gaps, values = _room(expected + (words.size >> bits) + 2 * block, words.dtype, bits)
    _kernels.relative(words, matters, bits, gaps, values, state)
    if state[0] < words.size:
        entries, left = int(state[1]), words[int(state[0]) :]
        more = int(_kernels.count_nonzero(left, matters)) + (words.size >> bits) + 2 * block
        larger = _room(entries + more, words.dtype, bits)
        for old, new in zip((gaps, values), larger, strict=True):
            new[:entries] = old[:entries]
        gaps, values = larger
        _kernels.relative(words, matters, bits, gaps, values, state)
    # What is too much goes back at once, without a copy.
    gaps.resize(int(state[1]), refcheck=False)
    values.resize(int(state[1]), refcheck=False)
    return gaps, values


def _room(entries: int, dtype: np.dtype[Any], bits: int) -> tuple[Gaps, NDArray[Any]]:
    gaps: Gaps = np.empty(entries, np.uint8 if bits <= 8 else np.uint16)
    return gaps, np.empty(entries, dtype)


def relative_index(positions: ArrayLike, bits: int) -> tuple[Gaps, NDArray[np.bool_]]:
    """Turn rising positions into gaps.

    Args:
        positions: (n,) flat indices, strictly rising, the first at least 0.
        bits: width of a gap, 1 to 16.

    Returns:
        (entries,) gaps, uint8 for up to 8 bits, else uint16; and which entries are fillers.

    Raises:
        EfflabError: where positions do not rise.
    """
    _check_bits(bits)
    places = np.asarray(positions)
    if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
        raise EfflabError(
            f"positions must be a vector of integers, and came as shape {places.shape} of {places.dtype}"
        )
    places = np.ascontiguousarray(places, np.int64)
    from efflab.sparse import _kernels  # noqa: PLC0415 - as above

    last = int(places[-1]) if places.size else 0
    gaps, _ = _room(places.size + (max(last, 0) >> bits) + 1, places.dtype, bits)
    fillers = np.empty(gaps.size, np.bool_)
    entries = int(_kernels.gaps_between(places, bits, gaps, fillers))
    if entries < 0:
        raise EfflabError("positions must rise strictly, from 0 on")
    return gaps[:entries], fillers[:entries]


def absolute_index(gaps: ArrayLike) -> Positions:
    """Turn gaps into positions: cumsum(gap + 1) - 1.

    Args:
        gaps: (entries,) at least 0.

    Returns:
        (entries,) flat indices, fillers included.
    """
    steps = np.asarray(gaps)
    if steps.dtype not in (np.uint8, np.uint16) or steps.ndim != 1:
        raise EfflabError(
            f"gaps must be a vector of uint8 or uint16, and came as shape {steps.shape} of {steps.dtype}"
        )
    from efflab.sparse import _kernels  # noqa: PLC0415 - as above

    places = np.empty(steps.size, np.int64)
    _kernels.accumulate(steps, places)
    return places


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= 16:
        raise EfflabError(f"bits is {bits}, and a gap has 1 to 16")
