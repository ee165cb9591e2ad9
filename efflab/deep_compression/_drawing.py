"""Networks of full size whose weights are drawn to published densities, bit widths and Huffman lengths.

Masks are random with the exact count; codes follow a peak over the centroids, as trained weights do, so narrow that their
Huffman code has the published mean length.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.deep_compression import published
from efflab.deep_compression.published import Cell, Row

SMALL_NETWORKS = ("lenet-300-100", "lenet-5", "squeezenet")
NETWORKS = (*SMALL_NETWORKS, "alexnet", "vgg-16")
PUBLISHED_SIZE = {
    **{name: f"deep_compression/table1/{name}-compressed" for name in published.NETWORKS},
    "squeezenet": "squeezenet/table2/squeezenet-deep-compression-6-bit",
}
# SqueezeNet's published rate is against AlexNet.
PUBLISHED_RATE = {name: f"{PUBLISHED_SIZE[name]}/rate" for name in published.NETWORKS}
SEED = 0
CHUNK = 1 << 20
LARGEST_CENTROID = 0.1

Counts = NDArray[np.int64]


class Drawn(NamedTuple):
    """A file of drawn weights, and what it could have been at best.

    Attributes:
        file_bytes: of the ``.efz`` file.
        bound_bytes: entropy of masks and codes, four bytes a centroid and a bias.
        dense_bytes: four bytes a parameter.
    """

    file_bytes: int
    bound_bytes: float
    dense_bytes: int

    @property
    def excess_percent(self) -> float:
        """By how much the file exceeds the bound."""
        return 100 * (self.file_bytes / self.bound_bytes - 1)


def cells(network: str) -> tuple[Cell, ...]:
    """Cells of the table of a network of ``published.NETWORKS``, or of SqueezeNet's."""
    return published.squeezenet_cells() if network == "squeezenet" else published.cells(network)


def layers(network: str) -> tuple[Row, ...]:
    """Rows of a network of ``published.NETWORKS``, or of SqueezeNet."""
    return published.squeezenet_rows() if network == "squeezenet" else published.rows(network)


@cache
def code_counts(kept: int, bits: int, mean_bits: float) -> tuple[int, ...]:
    """How often each of 2^bits codes occurs, so that their Huffman code has a given mean length.

    Args:
        kept: codes in all.
        bits: of a code.
        mean_bits: wanted; above ``bits`` it is cut to that.

    >>> sum(code_counts(18_800, 6, 4.4))
    18800
    """
    from efflab.huffman import code_lengths, mean_length  # noqa: PLC0415 - numba's cost, where it is needed

    k = min(2**bits, kept)
    places = np.abs(np.linspace(-1, 1, k))
    low, high = 0.0, 1000.0
    for _ in range(40):
        sharpness = (low + high) / 2
        counts = _shared_out(kept, np.exp(-sharpness * places))
        wide = float(mean_length(counts, code_lengths(counts))) > mean_bits
        low, high = (sharpness, high) if wide else (low, sharpness)
    return tuple(_shared_out(kept, np.exp(-high * places)).tolist())


def _shared_out(total: int, weights: NDArray[np.float64]) -> Counts:
    """Integers near ``weights`` that sum to ``total``, at least one each."""
    ends = np.round(np.cumsum(weights / weights.sum()) * (total - weights.size)).astype(np.int64)
    shared: Counts = np.diff(ends, prepend=np.int64(0)) + 1
    return shared


def draw(row: Row, generator: np.random.Generator) -> Tensor:
    """Draw a layer's weights: float32 of its shape."""
    weights, kept = row.weights, round(row.weights * row.density)
    counts = np.array(code_counts(kept, row.bits, row.huffman_bits))
    codes = np.repeat(np.arange(counts.size, dtype=np.uint16), counts)
    generator.shuffle(codes)
    centroids = np.linspace(-LARGEST_CENTROID, LARGEST_CENTROID, counts.size, dtype=np.float32)
    flat = np.zeros(weights, np.float32)
    starts = np.arange(0, weights, CHUNK)
    widths = np.minimum(CHUNK, weights - starts)
    done = 0
    for start, width, n in zip(
        starts, widths, generator.multivariate_hypergeometric(widths, kept, method="marginals"), strict=True
    ):
        places = generator.choice(width, n, replace=False, shuffle=False)
        flat[start + places] = centroids[codes[done : done + n]]
        done += int(n)
    return torch.from_numpy(flat).view(row.shape)


class DrawnState(Mapping[str, Tensor]):
    """The state dict of a drawn network; each tensor is drawn when it is asked for, always the same.

    Args:
        network: of ``published.NETWORKS``, or ``"squeezenet"``.
        seed: of the drawing.
    """

    def __init__(self, network: str, seed: int = SEED) -> None:
        self.network, self.seed = network, seed
        self.rows = {row.parameter: row for row in layers(network)}
        model = published.skeleton("squeezenet1-0" if network == "squeezenet" else network)
        self.shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}

    def __getitem__(self, name: str) -> Tensor:
        generator = np.random.default_rng((self.seed, list(self.shapes).index(name)))
        if name in self.rows:
            return draw(self.rows[name], generator)
        return torch.from_numpy(generator.normal(0, 0.1, self.shapes[name]).astype(np.float32))

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def bound_bytes(self) -> float:
        """Entropy of masks and codes by layer, four bytes a centroid and a bias."""
        from efflab.huffman import entropy  # noqa: PLC0415 - numba's cost, where it is needed

        total = 4.0 * sum(shape[0] for name, shape in self.shapes.items() if name not in self.rows)
        for row in self.rows.values():
            kept = round(row.weights * row.density)
            counts = code_counts(kept, row.bits, row.huffman_bits)
            bits = row.weights * entropy((kept, row.weights - kept)) + kept * entropy(counts)
            total += bits / 8 + 4 * len(counts)
        return total

    @property
    def dense_bytes(self) -> int:
        """Four bytes a parameter."""
        return 4 * sum(int(np.prod(shape)) for shape in self.shapes.values())


def write(network: str, path: Path, seed: int = SEED) -> Drawn:
    """Draw a network and write it as ``.efz``."""
    from efflab import efz  # noqa: PLC0415 - numba's cost, where it is needed

    state = DrawnState(network, seed)
    efz.save(state, path)
    return Drawn(path.stat().st_size, state.bound_bytes, state.dense_bytes)
