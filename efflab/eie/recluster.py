"""Fewer values for a layer's weights, so that the machine's codes tell them apart.

Source: ISCA 2016, section III: a weight is a 4-bit index into 16 shared values, one of which is the zero of the padding.
Layers compressed with more bits are clustered anew, at the optimum of one-dimensional k-means.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efflab.errors import EfflabError


class Reclustered(NamedTuple):
    """A matrix of few values.

    Attributes:
        matrix: of the shape and dtype given.
        values: (k,) values other than 0, rising.
        drift: norm of the change over the norm of the weights, 0 where nothing changed.
        removed: weights that became zeros, since the mean of their cluster is 0.
    """

    matrix: NDArray[Any]
    values: NDArray[np.float64]
    drift: float
    removed: int = 0


def recluster(matrix: ArrayLike, code_bits: int = 4) -> Reclustered:
    """Give the non-zero weights of a matrix at most 2^code_bits - 1 values; zeros stay zeros.

    A cluster whose mean is 0 needs no code: its weights become zeros, which the machine does not keep.

    Args:
        matrix: of any shape, finite.
        code_bits: width of a code, 1 to 8; code 0 is the zero.

    Returns:
        The matrix as it was where it has few enough values already.

    Raises:
        EfflabError: a weight is not finite, or the width is out of range.

    >>> recluster(np.array([[0, 1.0, 1.2], [5.0, 0, -3.0]]), code_bits=2).matrix.round(3).tolist()
    [[0.0, 1.1, 1.1], [5.0, 0.0, -3.0]]
    """
    dense = np.asarray(matrix)
    if not 1 <= code_bits <= 8:
        raise EfflabError(f"code_bits is {code_bits}, and must be from 1 to 8: code 0 is the zero")
    if dense.dtype.kind not in "buif" or not np.isfinite(dense).all():
        raise EfflabError("matrix must hold finite numbers, and some are not")
    kept = dense != 0
    weights = dense[kept].astype(np.float64)
    values = np.unique(weights)
    most = (1 << code_bits) - 1
    if values.size <= most:
        return Reclustered(dense, values, 0.0)
    from efflab import quantization  # noqa: PLC0415 - torch and k-means, where they are needed

    codebook = quantization.kmeans(weights, most, init="optimal")
    shared = np.asarray(codebook.centroids, np.float64)[np.asarray(codebook.labels)]
    clustered = dense.astype(np.float64)
    clustered[kept] = shared
    clustered = clustered.astype(dense.dtype if dense.dtype.kind == "f" else np.float64)
    left = clustered[kept].astype(np.float64)
    drift = float(np.linalg.norm(left - weights) / np.linalg.norm(weights))
    return Reclustered(clustered, np.unique(left[left != 0]), drift, int((left == 0).sum()))
