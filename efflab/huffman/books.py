"""The lengths of a code as a few bytes; the layout stands in the package's docstring."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.huffman._errors import HuffmanError
from efflab.huffman.lengths import MAX_LENGTH, MAX_SIZE, Lengths, _checked

_WORDS = {1: "the code book ends too early", 2: "the code book holds no lengths of 1 to 24 bits", 3: "bits are left over after the code book"}  # fmt: skip

Numbers = NDArray[np.int64]


def pack_lengths(lengths: ArrayLike) -> bytes:
    """Write the lengths of a code.

    Args:
        lengths: (size,) bits of each symbol's word, 0 for an unused symbol, at most 24.

    Returns:
        The code book; about two bits a used symbol where lengths change smoothly from symbol to symbol.
    """
    bits = _checked(lengths, "lengths").astype(np.int64)
    if bits.size == 0:
        return b""
    if int(bits.max()) > MAX_LENGTH:
        raise HuffmanError(f"a length is {int(bits.max())} bits, and a code book holds at most {MAX_LENGTH}")
    used = bits[bits > 0]
    values, widths = _gamma(_runs(bits > 0))
    if used.size == bits.size:
        values, widths = np.ones(1, np.int64), np.ones(1, np.int64)
    else:
        values, widths = np.append(0, values), np.append(1, widths)
    change = np.diff(used)
    folded = np.where(change >= 0, 2 * change, -2 * change - 1)
    return _pack(
        np.concatenate([values, used[:1], np.ones_like(folded)]),
        np.concatenate([widths, np.full(min(used.size, 1), 5), folded + 1]),
    )


def _runs(used: NDArray[np.bool_]) -> Numbers:
    """Lengths of the runs of used and unused symbols in turn, the first plus 1."""
    ends = np.append(np.flatnonzero(used[1:] != used[:-1]) + 1, used.size)
    runs = np.diff(ends, prepend=0)
    runs = runs if used[0] else np.append(0, runs)
    runs[0] += 1
    return runs.astype(np.int64)


def _gamma(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Elias gamma: as many zeros as the number has bits after its first, then the number."""
    magnitude = np.floor(np.log2(numbers)).astype(np.int64)
    return numbers, 2 * magnitude + 1


def _pack(values: Numbers, widths: Numbers) -> bytes:
    """Numbers one after another, each right-aligned in its width, most significant bit first."""
    ends = np.cumsum(widths)
    bits = np.zeros(int(ends[-1]) if ends.size else 0, np.uint8)
    for shift in range(17):
        set_here = ((values >> shift) & 1 == 1) & (widths > shift)
        bits[ends[set_here] - 1 - shift] = 1
    return np.packbits(bits).tobytes()


def unpack_lengths(data: bytes, size: int) -> Lengths:
    """Read the lengths of a code, and nothing else.

    Args:
        data: what ``pack_lengths`` wrote.
        size: symbols in the alphabet.

    Returns:
        (size,) lengths.

    Raises:
        HuffmanError: where the data end too early, go on too long, or hold no lengths. Whether the lengths are those of
            a prefix code is for ``HuffmanCode`` to say.
    """
    lengths, end = read_lengths(data, size)
    if end != len(data):
        raise HuffmanError(f"the code book takes {end:,} bytes, and {len(data):,} came")
    return lengths


def read_lengths(data: bytes, size: int, start: int = 0) -> tuple[Lengths, int]:
    """Read the lengths of a code that stand in longer data.

    Args:
        data: bytes that hold a code book.
        size: symbols in the alphabet.
        start: where the code book begins.

    Returns:
        (size,) lengths, and where the code book ends.

    Raises:
        HuffmanError: as ``unpack_lengths``.
    """
    if not 0 <= size <= MAX_SIZE:
        raise HuffmanError(f"size is {size:,}, and alphabets have 0 to {MAX_SIZE:,} symbols")
    if size == 0:
        return np.zeros(0, np.uint8), start
    from efflab.huffman import _kernels  # noqa: PLC0415 - Numba loads only where a code book is read

    lengths = np.zeros(size, np.uint8)
    end = int(_kernels.read_book(np.frombuffer(memoryview(data).toreadonly(), np.uint8), start, lengths))
    if end < 0:
        raise HuffmanError(_WORDS[-end])
    return lengths, end
