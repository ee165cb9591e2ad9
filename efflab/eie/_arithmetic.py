"""What the ALU does with one product, in fixed and in floating point: Python as it is, or compiled by type."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload


def rounded(product: Any, shift: int) -> Any:
    """Drop ``shift`` places of a fixed-point product, halves upwards; a float stays as it is."""
    if isinstance(product, float | np.floating):
        return product
    return (int(product) + ((1 << shift) >> 1)) >> shift


@overload(rounded)
def _(product: Any, shift: Any) -> Callable[..., Any]:  # noqa: ARG001 - Numba gives types, and wants the same names below
    def floating(product: Any, shift: Any) -> Any:  # noqa: ARG001 - as above
        return product

    def fixed(product: Any, shift: Any) -> Any:
        return (product + ((np.int64(1) << shift) >> 1)) >> shift

    return floating if isinstance(product, types.Float) else fixed
