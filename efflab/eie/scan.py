"""The leading non-zero detection: which inputs are broadcast, and which rows of zeros it passes on the way.

Source: ISCA 2016, section IV: a quadtree looks at one input of each PE at a time, a row of N; the row gives its non-zero
inputs one a cycle, and a row without any takes a cycle.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Gaps = NDArray[np.int32]


def gaps(active: Indices, pes: int) -> Gaps:
    """Count the rows of zeros before each non-zero input of a batch.

    Args:
        active: (n,) indices of the non-zero inputs from the batch's first input on, rising.
        pes: N, inputs in a row.

    Returns:
        (n,) rows without a non-zero input between one and the one before it, or before the first.

    >>> gaps(np.array([1, 2, 13, 14]), 4).tolist()
    [0, 0, 2, 0]
    """
    rows = active // pes
    passed: Gaps = np.maximum(np.diff(rows, prepend=-1) - 1, 0).astype(np.int32)
    return passed


def batches(activations: NDArray[Any], batch: int) -> Iterator[tuple[int, Indices]]:
    """Cut the inputs into batches.

    Args:
        activations: (inputs,) as the registers hold them.
        batch: inputs of a batch.

    Yields:
        Index of a batch's first input, and the indices of its non-zero inputs from there on.
    """
    for start in range(0, activations.size, batch):
        yield start, np.flatnonzero(activations[start : start + batch])
