"""The relative index against scipy's compressed rows of the same dense array, and against memory.

The matrix is AlexNet's fc6 as EIE has it: 4,096 x 9,216 weights (37.7 million), 9 % of them not zero, gaps of 4 bits.
Run it with ``python -m benchmarks.sparse [--write]``.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import results, sparse

SHAPE, DENSITY, BITS = (4096, 9216), 0.09, 4

COPY = "copy"
SCIPY = "scipy.sparse.csr_matrix"
RELATIVE = "sparse.to_relative"
INDEX = "sparse.relative_index"
SCIPY_DENSE = "csr_matrix.toarray"
DENSE = "Relative.dense"


def weights() -> np.ndarray:
    """Normal weights beyond the threshold that leaves the density."""
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=SHAPE).astype(np.float32)
    threshold = np.quantile(np.abs(matrix[:100]), 1 - DENSITY)
    matrix[np.abs(matrix) < threshold] = 0
    return matrix


def indexing(clock: Callable[[], float], rounds: int = 7) -> tuple[Timings, Timings]:
    """Time both directions, one after the other: who takes memory after much was freed pays for clearing it."""
    matrix = weights()
    short, rows = sparse.to_relative(matrix, BITS), scipy.sparse.csr_matrix(matrix)
    positions = np.flatnonzero(matrix)
    assert np.array_equal(short.dense(), matrix)
    kept = short.entries - short.fillers
    print(
        f"{kept:,} weights, {short.fillers:,} fillers ({short.fillers / kept:.1%}); scipy keeps {rows.nnz:,}"
    )
    print(f"{short.nbytes:,} bytes, scipy's {rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes:,}")
    there = {
        COPY: matrix.copy,
        RELATIVE: lambda: sparse.to_relative(matrix, BITS),
        INDEX: lambda: sparse.relative_index(positions, BITS),
        SCIPY: lambda: scipy.sparse.csr_matrix(matrix),
    }
    back = {COPY: matrix.copy, DENSE: short.dense, SCIPY_DENSE: rows.toarray}
    return race(there, rounds=rounds, clock=clock), race(back, rounds=rounds, clock=clock)


def main() -> None:
    options = arguments(__doc__ or "")
    there, back = indexing(time.process_time)
    print(there.table(f"{SHAPE[0]:,} x {SHAPE[1]:,} weights, {DENSITY:.0%}, gaps of {BITS} bits, one thread"))
    print(back.table("The dense matrix from them"))
    ratios = {
        "speed/relative-vs-scipy": (there, SCIPY, RELATIVE, "at least 4", "8", lambda r: r >= 4),
        "speed/relative-vs-copy": (there, RELATIVE, COPY, None, None, None),
        "speed/relative-index-vs-scipy": (there, SCIPY, INDEX, None, None, None),
        "speed/dense-vs-scipy": (back, SCIPY_DENSE, DENSE, None, None, None),
        "speed/dense-vs-copy": (back, DENSE, COPY, None, None, None),
    }
    records = []
    for name, (timings, slow, fast, bar, goal, holds) in ratios.items():
        ratio, spread = timings.ratio(slow, fast), timings.spread(slow, fast)
        print(
            f"{name:32} {ratio:8.3f}x  ({slow} / {fast}; rounds {spread[0]:.3f} to {spread[1]:.3f}){f'  bar: {bar}, goal {goal}' if bar else ''}"
        )
        records.append(
            results.record(
                "huffman", name, measured=ratio, unit="x", bar=bar, goal=goal,
                holds=None if holds is None else bool(holds(ratio)), source="benchmarks/sparse.py",
                command="python -m benchmarks.sparse --write", spread=spread, scale="cpu", data="synthetic", packages=("scipy",),
            )
        )  # fmt: skip
    if options.write:
        results.write("huffman", records)


if __name__ == "__main__":
    main()
