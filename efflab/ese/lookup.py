"""Tables in place of sigma and tanh.

Source: S. Han et al., "ESE", FPGA 2017: tables of 2,048 entries in 16 bits. The range they cover is not among our sources; here it is
the smallest power of two beyond which the function is as close to its limit as to the table's entries within it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from efflab.errors import EfflabError
from efflab.ese._checks import whole
from efflab.ese.fixed import Format, Integers
from efflab.ese.machine import Machine


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


_FUNCTIONS: dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "sigmoid": (_sigmoid, 0.25),
    "tanh": (np.tanh, 1.0),
}
"""The functions, and their largest slopes."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """A function as a table over ``[-reach, reach)``.

    Attributes:
        values: (entries,) integers of ``output``: the function in the middle of each step.
        reach: where the table ends, a power of two; inputs beyond take the last entry.
        input: format of the inputs.
        output: format of the values, with one bit before the point.
    """

    values: Integers
    reach: int
    input: Format
    output: Format

    @classmethod
    def of(
        cls,
        name: str,
        input_format: Format,
        bits: int = Machine.activation_bits,
        entries: int = Machine.table_entries,
    ) -> "Lookup":
        """Make the table of a function.

        Args:
            name: ``"sigmoid"`` or ``"tanh"``.
            input_format: format of the inputs.
            bits: of a value.
            entries: a power of two from 4 on.

        Raises:
            EfflabError: another function, bits out of range, or a number of entries that is no power of two.
        """
        bits = whole("bits", bits, 2, 32)
        if name not in _FUNCTIONS:
            raise EfflabError(f"a table is of sigmoid or tanh, got {name!r}")
        size = whole("entries", entries, 4)
        if size & (size - 1):
            raise EfflabError(f"entries must be a power of two from 4 on, got {entries!r}")
        function, _ = _FUNCTIONS[name]
        far = reach(name, size)
        step = 2 * far / size
        middles = (np.arange(size, dtype=np.float64) + 0.5) * step - far
        output = Format(bits, bits - 1)
        return cls(output.integers(function(middles)), far, input_format, output)

    @property
    def step(self) -> float:
        """Width of a step."""
        return 2 * self.reach / self.values.size

    def __call__(self, integers: Integers) -> Integers:
        """Look inputs up: their top bits, with the half of the table added, are the place.

        Args:
            integers: of any shape, in the format ``input``.

        Returns:
            Integers of the same shape, in the format ``output``.
        """
        shift = self.input.fraction + int(np.log2(self.step))
        steps = integers >> shift if shift >= 0 else integers << -shift
        found: Integers = self.values[np.clip(steps + self.values.size // 2, 0, self.values.size - 1)]
        return found


def reach(name: str, entries: int) -> int:
    """How far a table goes: to where the function's distance from its limit is below the error of a step's steepest entry.

    Args:
        name: ``"sigmoid"`` or ``"tanh"``.
        entries: of the table.

    Returns:
        A power of two, from 1.

    >>> reach("sigmoid", 2048), reach("tanh", 2048)
    (8, 4)
    """
    function, slope = _FUNCTIONS[name]
    far = 1
    while 1 - float(function(np.array(float(far)))) > slope * far / entries:
        far *= 2
    return far
