"""Loops over weights, positions and gaps, compiled by Numba; each is plain Python under ``.py_func``."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.sparse._masks import lowest_bit, nonzero_mask, without_lowest_bit

Gaps = NDArray[Any]
"""uint8 or uint16."""
Positions = NDArray[np.int64]
Words = NDArray[Any]

BLOCK = 4096
_0, _1, _8, _64 = (np.uint64(n) for n in (0, 1, 8, 64))


@njit(cache=True, nogil=True)
def count_nonzero(words: Words, matters: np.uint64) -> np.int64:
    """How many words have any of the bits ``matters``."""
    count = np.int64(0)
    for i in range(words.size):
        count += np.int64((np.uint64(words[i]) & matters) != _0)
    return count


@njit(inline="always")
def _find(words: Words, start: int, stop: int, matters: np.uint64, found: NDArray[np.uint32]) -> np.uint64:
    """Write which of ``words[start:stop]`` are not zero, counted from ``start``, and say how many.

    Eight places at a time are written whether they hold or not, since a branch that cannot be foretold costs more.
    """
    count, base = _0, _0
    whole = start + (stop - start) // 64 * 64
    for first in range(start, whole, 64):
        mask = nonzero_mask(words, np.uint64(first), matters)
        at = count
        while mask:
            for place in range(8):
                found[at + np.uint64(place)] = base + lowest_bit(mask)
                count += np.uint64(mask != _0)
                mask = without_lowest_bit(mask)
            at += _8
        base += _64
    for i in range(whole, stop):
        found[count] = i - start
        count += np.uint64((np.uint64(words[i]) & matters) != _0)
    return count


@njit(cache=True, nogil=True)
def relative(  # noqa: PLR0917 - compiled functions take their arguments by position
    words: Words, matters: np.uint64, bits: int, gaps: Gaps, values: Words, state: Positions
) -> None:
    """Write gaps and values of the words that are not zero, fillers included, until all are or there is no room.

    Args:
        words: bits of all weights, flat.
        matters: the bits that make a weight other than zero (all but a float's sign).
        bits: width of a gap.
        gaps: room for entries.
        values: the same.
        state: (3,) words read, entries written, and the place after the last entry; zeros to begin with.
    """
    found = np.empty(BLOCK + 8, np.uint32)
    width, filler, zero = np.uint64(bits), np.uint64((1 << bits) - 1), words.dtype.type(0)
    entry, place = np.uint64(state[1]), np.uint64(state[2])
    for start in range(state[0], words.size, BLOCK):
        stop = min(start + BLOCK, words.size)
        if np.int64(entry) + BLOCK + ((stop - np.int64(place)) >> bits) >= gaps.size:
            break
        for j in range(_find(words, start, stop, matters, found)):
            at = np.uint64(start) + np.uint64(found[np.uint64(j)])
            zeros = at - place
            place = at + _1
            fillers = zeros >> width
            # One filler is written before it is known whether there is any.
            gaps[entry] = filler
            values[entry] = zero
            if fillers > _1:
                for more in range(1, np.int64(fillers)):
                    gaps[entry + np.uint64(more)] = filler
                    values[entry + np.uint64(more)] = zero
            entry += fillers
            gaps[entry] = zeros & filler
            values[entry] = words[at]
            entry += _1
        state[0], state[1], state[2] = stop, np.int64(entry), np.int64(place)


@njit(cache=True, nogil=True)
def gaps_between(positions: Positions, bits: int, gaps: Gaps, fillers: NDArray[np.bool_]) -> int:
    """Write the gaps between positions, and which of them are fillers.

    Returns:
        How many entries there are; -1 where positions do not rise, and -2 where there is no room.
    """
    filler = (1 << bits) - 1
    entry, place = 0, 0
    for i in range(positions.size):
        zeros = positions[i] - place
        if zeros < 0:
            return -1
        place = positions[i] + 1
        count = zeros >> bits
        if entry + count >= gaps.size:
            return -2
        for _ in range(count):
            gaps[entry] = filler
            fillers[entry] = True
            entry += 1
        gaps[entry] = zeros & filler
        fillers[entry] = False
        entry += 1
    return entry


@njit(cache=True, nogil=True)
def accumulate(gaps: Gaps, positions: Positions) -> None:
    """Write where gaps lead: cumsum(gap + 1) - 1."""
    at = np.int64(-1)
    for entry in range(gaps.size):
        at += np.int64(gaps[entry]) + 1
        positions[entry] = at


@njit(cache=True, nogil=True)
def scatter(gaps: Gaps, values: Words, flat: Words) -> int:
    """Write values where their gaps lead.

    Returns:
        -1, or the first entry that leads beyond ``flat``, at which it stops.
    """
    place, size = _0, np.uint64(flat.size)
    for entry in range(gaps.size):
        at = place + np.uint64(gaps[entry])
        place = at + _1
        if at >= size:
            return entry
        flat[at] = values[entry]
    return -1


def precompile() -> None:
    """Compile every loop for the arrays that the package's functions give it, so that no call has to."""
    places, flags = "int64[::1]", "boolean[::1]"
    for width in (8, 16, 32, 64):
        words = f"uint{width}[::1]"
        count_nonzero.compile(f"({words}, uint64)")
        relative.compile(f"({words}, uint64, int64, uint8[::1], {words}, {places})")
        scatter.compile(f"(uint8[::1], {words}, {words})")
    for gaps in ("uint8[::1]", "uint16[::1]"):
        gaps_between.compile(f"({places}, int64, {gaps}, {flags})")
        accumulate.compile(f"({gaps}, {places})")
