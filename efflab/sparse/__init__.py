"""Sparse matrices as bytes: the relative index of Deep Compression, CSR and CSC, and EIE's interleaved columns.

Sources: S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, section 2 (relative index with filler zeros); S. Han
et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016, section III (interleaved CSC).

>>> import numpy as np
>>> from efflab import sparse
>>> weights = np.zeros(40)
>>> weights[[1, 4, 33]] = 3.4, 0.9, 1.7
>>> short = sparse.to_relative(weights, bits=3)
>>> short.gaps.tolist(), short.values.tolist(), short.fillers
([1, 2, 7, 7, 7, 4], [3.4, 0.9, 0.0, 0.0, 0.0, 1.7], 3)
>>> bool((short.dense() == weights).all())
True
"""

from efflab.sparse.compressed import CSC, CSR
from efflab.sparse.interleaved import Element, RelativeCSC
from efflab.sparse.relative import Relative, absolute_index, relative_index, to_relative

__all__ = [
    "CSC",
    "CSR",
    "Element",
    "Relative",
    "RelativeCSC",
    "absolute_index",
    "relative_index",
    "to_relative",
]
