"""Weight sharing by a codebook: n weights become n labels of log2(k) bits and k centroids.

Source: S. Han, H. Mao, W. J. Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained
Quantization and Huffman Coding", ICLR 2016, section 3, equations 1 to 3.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError
from efflab.quantization import _nearest
from efflab.quantization._arrays import check_count, flatten, integers, vector


@dataclass(frozen=True, eq=False)
class Codebook:
    """Centroids, and for every weight the index of its own.

    Args:
        centroids: (k,) floats, an array or a tensor.
        labels: integers in [0, k), of the weights' shape, of the same kind.
        zero: whether label 0 is a pruned weight's, which is exactly 0 and takes no centroid; label i is then the
            centroid i - 1's.

    >>> book = Codebook(np.array([-1.0, 0.5]), np.array([[0, 1, 1]]))
    >>> book.decode(), book.k, book.bits
    (array([[-1. ,  0.5,  0.5]]), 2, 1)
    """

    centroids: Any
    labels: Any
    zero: bool = False

    @property
    def k(self) -> int:
        """How many centroids there are."""
        return len(self.centroids)

    @property
    def bits(self) -> int:
        """Bits of one label: log2(k), rounded up."""
        return max(self.k - 1, 0).bit_length()

    def decode(self) -> Any:
        """Look the weights up: ``centroids[labels]``, of the labels' shape and the centroids' dtype."""
        if isinstance(self.labels, Tensor):
            table = torch.nn.functional.pad(self.centroids, (1, 0)) if self.zero else self.centroids
            return table[self.labels.long()]
        return (np.pad(self.centroids, (1, 0)) if self.zero else self.centroids)[self.labels]

    def squared_error(self, weights: object) -> float:
        """Sum the squared differences from the weights (equation 2 of the paper), in double precision."""
        flat = flatten(weights, empty=True)
        decoded = flatten(self.decode(), "centroids", finite=False, empty=True).values
        if decoded.size != flat.values.size:
            raise EfflabError(f"weights has {flat.values.size} entries, the codebook {decoded.size} labels")
        return squared_distance(flat.values, decoded)


def squared_distance(one: NDArray[Any], other: NDArray[Any], block: int = 1 << 20) -> float:
    """Sum squared differences in float64, block by block."""
    total = 0.0
    for start in range(0, one.size, block):
        gap = one[start : start + block].astype(np.float64) - other[start : start + block]
        total += float(gap @ gap)
    return total


def assign(weights: Any, centroids: Any) -> Any:
    """Give every weight its nearest centroid.

    Args:
        weights: floats of any shape, an array or a tensor.
        centroids: (k,) floats, in any order.

    Returns:
        Labels of the weights' shape and kind: uint8 up to 256 centroids, above it uint16 (int32 for a tensor). Where
        two centroids are equally near, exactly, the lower index.

    Raises:
        EfflabError: where either holds NaN or infinity, or there are no centroids.

    >>> assign(np.array([0.9, 0.5, -3.0]), np.array([0.0, 1.0]))
    array([1, 0, 0], dtype=uint8)
    """
    flat = flatten(weights, empty=True)
    return flat.wrap_labels(_nearest.labels(flat.values, vector(centroids)))


def update(weights: Any, labels: Any, k: int, *, previous: Any = None) -> Any:
    """Move every centroid to the mean of its weights.

    Args:
        weights: floats of any shape.
        labels: integers in [0, k), as many.
        k: number of clusters.
        previous: (k,) centroids, which clusters without a weight keep.

    Returns:
        (k,) centroids of the weights' kind and dtype.

    Raises:
        EfflabError: where a cluster is empty and there is no ``previous``.

    >>> update(np.array([1.0, 2.0, 6.0]), np.array([0, 0, 1]), 2)
    array([1.5, 6. ])
    """
    k = check_count(k)
    flat = flatten(weights)
    codes = integers(labels, k)
    if codes.size != flat.values.size:
        raise EfflabError(f"labels has {codes.size} entries, weights {flat.values.size}")
    counts = np.bincount(codes, minlength=k)
    sums = np.bincount(codes, weights=flat.values, minlength=k)
    empty = np.flatnonzero(counts == 0)
    if empty.size and previous is None:
        raise EfflabError(f"cluster {empty[0]} of {k} has no weight: say with previous= where centroids stay")
    means = sums / np.maximum(counts, 1)
    if empty.size:
        old = vector(previous, "previous")
        if old.size != k:
            raise EfflabError(f"previous has {old.size} centroids, expected {k}")
        means[empty] = old[empty]
    return flat.wrap(means)


def centroid_gradient(gradient: Any, labels: Any, k: int) -> Any:
    """Sum the weights' gradients over each cluster (equation 3 of the paper).

    Args:
        gradient: dL/dW of any shape.
        labels: integers in [0, k), as many.
        k: number of clusters.

    Returns:
        (k,) gradient of the centroids, of the gradient's kind and dtype; 0 for an empty cluster.

    >>> centroid_gradient(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), 3)
    array([5., 0., 2.])
    """
    k = check_count(k)
    flat = flatten(gradient, "gradient", finite=False, empty=True)
    codes = integers(labels, k)
    if codes.size != flat.values.size:
        raise EfflabError(f"labels has {codes.size} entries, gradient {flat.values.size}")
    return flat.wrap(np.bincount(codes, weights=flat.values, minlength=k))


def compression_rate(n: int, bits: int, k: int) -> float:
    """Compare n weights of b bits with their labels and codebook: r = n b / (n log2 k + k b) (equation 1).

    Args:
        n: number of weights.
        bits: b, bits of an uncompressed weight.
        k: number of clusters; a label takes log2 k bits, rounded up to whole ones.

    Raises:
        EfflabError: for a count below 1.

    >>> compression_rate(16, 32, 4)
    3.2
    """
    n, bits, k = (
        check_count(n, "n", 1, 1 << 62),
        check_count(bits, "bits", 1, 1 << 16),
        check_count(k, "k", 1, 1 << 62),
    )
    return n * bits / (n * math.ceil(math.log2(k)) + k * bits)


def to_tensors(book: Codebook) -> Codebook:
    """Give a codebook of arrays as one of tensors."""
    if isinstance(book.labels, Tensor):
        return book
    labels = book.labels.astype(np.int32) if book.labels.dtype == np.uint16 else book.labels
    return Codebook(torch.from_numpy(book.centroids), torch.from_numpy(labels), zero=book.zero)
