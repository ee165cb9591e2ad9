"""Fixed-point numbers: integers with a place for the point, chosen by the range of what they hold.

Source: S. Han et al., "ESE", FPGA 2017, section on quantization: the range of each matrix decides where its point is.

The rule: a float becomes the nearest integer, halves to even; an integer that loses bits is rounded halves up, as adding half a unit
and shifting does; what does not fit saturates, that is goes to the nearest end of the range. A sum of products is exact in full width,
so that no order of the processing elements can change it, and is rounded and saturated once, when it enters a format. Numbers that are
in one format are added exactly, and the total saturates.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError
from efflab.ese._checks import whole

Integers = NDArray[np.int64]
_EXACT_BITS = 53  # a float64 holds whole numbers up to 2^53, and BLAS multiplies float64

MOST_PLACES = 1000
"""Places behind the point, or before it; beyond them two to their number is no float, and no weight is so small or large."""


@dataclass(frozen=True)
class Format:
    """Signed integers of some bits, each standing for ``integer / 2^fraction``.

    Attributes:
        bits: width, 2 to 32.
        fraction: places behind the point, -1000 to 1000; below 0 for units larger than one.

    Raises:
        EfflabError: a number that is not whole, or out of range.

    >>> Format(12, 8).integers([0.5, -100.0]).tolist()
    [128, -2048]
    """

    bits: int
    fraction: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", whole("bits", self.bits, 2, 32))
        object.__setattr__(self, "fraction", whole("fraction", self.fraction, -MOST_PLACES, MOST_PLACES))

    @classmethod
    def holding(cls, values: ArrayLike, bits: int) -> Self:
        """The format with the most places behind the point that holds all of ``values``.

        Args:
            values: floats of any shape.
            bits: width, 2 to 32.

        Raises:
            EfflabError: a value is not finite, or there is no such format.

        >>> Format.holding([0.9, -3.1], 12)
        Format(bits=12, fraction=9)
        """
        bits = whole("bits", bits, 2, 32)
        array = np.abs(np.asarray(values, np.float64))
        largest = float(array.max(initial=0.0))
        if not math.isfinite(largest):
            raise EfflabError("values must be finite to have a fixed-point format")
        made = cls(bits, min(bits - 1 - (math.frexp(largest)[1] if largest else 0), MOST_PLACES))
        # A value just below a power of two may round up to it.
        return made if round(largest * 2.0**made.fraction) <= made.largest else cls(bits, made.fraction - 1)

    @property
    def largest(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def unit(self) -> float:
        """What an integer of 1 stands for."""
        return 2.0**-self.fraction

    def integers(self, values: ArrayLike) -> Integers:
        """Round floats, halves to even, and saturate.

        Args:
            values: floats of any shape, infinities too.

        Returns:
            Integers of the same shape, int64.

        Raises:
            EfflabError: a value is NaN.
        """
        array = np.asarray(values, np.float64)
        if np.isnan(array).any():
            raise EfflabError("values hold NaN, which no integer stands for")
        scaled = np.rint(array * 2.0**self.fraction)
        return self.saturate(np.clip(scaled, -(2.0**62), 2.0**62).astype(np.int64))

    def floats(self, integers: Integers) -> NDArray[np.float64]:
        """What integers stand for."""
        made: NDArray[np.float64] = np.asarray(integers, np.float64) * self.unit
        return made

    def saturate(self, integers: Integers) -> Integers:
        """Put what does not fit to the nearest end of the range.

        Args:
            integers: of any shape.

        Returns:
            Integers of the same shape, from ``-largest - 1`` to ``largest``.
        """
        return np.clip(integers, -self.largest - 1, self.largest)

    def rounded(self, integers: Integers, fraction: int) -> Integers:
        """Bring integers with ``fraction`` places to this format, halves up, and saturate.

        Args:
            integers: of any shape.
            fraction: their places behind the point.

        Returns:
            Integers of the same shape.

        >>> Format(8, 1).rounded(np.array([5, 6, 7, -6]), fraction=3).tolist()
        [1, 2, 2, -1]
        """
        shift = fraction - self.fraction
        if shift > 0:
            moved = (integers + (1 << (shift - 1))) >> shift if shift < 63 else np.zeros_like(integers)
        else:
            moved = np.clip(integers, -(1 << 31), 1 << 31) << min(-shift, 31)
        return self.saturate(moved)


def product(weight: Integers, x: Integers, bits: int) -> Integers:
    """The exact product of integers, x (n, columns) by weight (rows, columns) transposed.

    Args:
        weight: integers.
        x: integers.
        bits: of a weight and an input together.

    Raises:
        EfflabError: a sum of such products may not be exact in 53 bits.
    """
    if bits - 1 + math.ceil(math.log2(max(weight.shape[1], 1))) > _EXACT_BITS:
        raise EfflabError(
            f"sums of {weight.shape[1]} products of {bits} bits are not exact in {_EXACT_BITS} bits"
        )
    made: Any = x.astype(np.float64) @ weight.astype(np.float64).T
    exact: Integers = made.astype(np.int64)
    return exact
