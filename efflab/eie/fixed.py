"""Fixed point as the ALU computes in it: one rounding, one overflow rule.

A number is an integer of ``bits`` bits times 2^-fraction. Source: ISCA 2016, section IV (16-bit fixed point, "shift and
add") and figure 10 (8 and 32 bits). The paper does not say how it rounds; here

* a number becomes the nearest integer, halves upwards, and the nearest one that there is where it is too large;
* a product is exact, is rounded to the fraction of the sum in the same way (an arithmetic shift after half a place was
  added), and is added;
* a sum that leaves the range stays at its end (it saturates), after each addition.

A row's products are added in order of the inputs, so that the result does not depend on how rows are dealt to PEs, nor on
where the inputs are cut into batches.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError

Raw = NDArray[np.int64]

MOST_SHIFT = 62
"""Places that a product can lose: half of the last one is still a number of 64 bits."""


@dataclass(frozen=True)
class Fixed:
    """A fixed-point format.

    Args:
        bits: width, sign included.
        fraction: places after the binary point; may be negative or above ``bits``.

    >>> Fixed(8, 4).encode([1.53125, -1.53125, 100]).tolist()
    [25, -24, 127]
    """

    bits: int
    fraction: int

    @property
    def low(self) -> int:
        """Least integer."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Greatest integer."""
        return (1 << (self.bits - 1)) - 1

    @classmethod
    def fitting(cls, largest: float, bits: int) -> Self:
        """Choose the most places with which a magnitude does not saturate.

        >>> Fixed.fitting(1.0, 16), Fixed.fitting(0.999, 16)
        (Fixed(bits=16, fraction=14), Fixed(bits=16, fraction=15))
        """
        if not math.isfinite(largest) or largest < 0:
            raise EfflabError(f"numbers must be finite, and the largest is {largest}")
        if largest == 0:
            return cls(bits, bits - 1)
        fraction = bits - 1 - math.frexp(largest)[1]
        one = cls(bits, fraction)
        return one if math.floor(math.ldexp(largest, fraction) + 0.5) <= one.high else cls(bits, fraction - 1)

    def encode(self, values: ArrayLike) -> Raw:
        """Round numbers to integers; those out of range become its ends.

        Raises:
            EfflabError: where some are not finite.
        """
        numbers = np.asarray(values, np.float64)
        if not np.isfinite(numbers).all():
            raise EfflabError("numbers must be finite, and some are not")
        return np.clip(np.floor(np.ldexp(numbers, self.fraction) + 0.5), self.low, self.high).astype(np.int64)

    def decode(self, raw: NDArray[Any]) -> NDArray[np.float64]:
        """Give the numbers that integers stand for."""
        return np.ldexp(raw.astype(np.float64), -self.fraction)


@dataclass(frozen=True)
class Formats:
    """The formats of one layer's product.

    Args:
        weight: of the codebook.
        act: of the inputs.
        out: of sums and outputs, with at most as many places as a product has.
    """

    weight: Fixed
    act: Fixed
    out: Fixed

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise EfflabError(
                f"out has {self.out.fraction} places, more than the {self.weight.fraction + self.act.fraction} of a product"
            )
        if self.shift > MOST_SHIFT:
            raise EfflabError(
                f"out has {self.out.fraction} places, {self.shift} fewer than a product; at most {MOST_SHIFT} can be shifted out"
            )

    @property
    def shift(self) -> int:
        """Places that a product loses."""
        return self.weight.fraction + self.act.fraction - self.out.fraction


def dense_product(weights: Raw, act: Raw, formats: Formats, bias: Raw | None = None) -> Raw:
    """Multiply a dense matrix by a vector under the rule above, a column at a time.

    Args:
        weights: (rows, columns) integers in ``formats.weight``.
        act: (columns,) integers in ``formats.act``.
        formats: of the three.
        bias: (rows,) integers in ``formats.out`` that the sums begin with.

    Returns:
        (rows,) integers in ``formats.out``.
    """
    half = (1 << formats.shift) >> 1
    sums = np.zeros(weights.shape[0], np.int64) if bias is None else bias.astype(np.int64)
    for column, a in zip(weights.T, act, strict=True):
        sums = np.clip(sums + ((column * a + half) >> formats.shift), formats.out.low, formats.out.high)
    return sums
