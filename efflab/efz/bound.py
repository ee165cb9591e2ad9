"""What no coder of independent symbols goes below: entropy of mask and codes by layer, and 4 bytes a bias and a centroid."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from efflab import huffman
from efflab.efz.choose import entropy_bits
from efflab.efz.dtypes import LARGEST_CODED, bits_of, refuse_unstorable
from efflab.efz.scan import scan


@dataclass(frozen=True)
class LayerBound:
    """The bound of one tensor.

    Attributes:
        name: of the tensor.
        weights: n, its values.
        nonzeros: those whose bits are not all zero.
        k: distinct values among these; 0 where the tensor is counted as it is.
        mask_bytes: n H(density), where the non-zeros stand.
        code_bytes: entropy of which value each non-zero has.
        centroid_bytes: the values themselves.
        raw_bytes: the tensor as it is, for biases and for values that are not shared.
    """

    name: str
    weights: int
    nonzeros: int
    k: int = 0
    mask_bytes: float = 0.0
    code_bytes: float = 0.0
    centroid_bytes: int = 0
    raw_bytes: int = 0

    @property
    def bytes(self) -> float:
        """All of them."""
        return self.mask_bytes + self.code_bytes + self.centroid_bytes + self.raw_bytes


@dataclass(frozen=True)
class Bound:
    """The bound of a model.

    Attributes:
        layers: one a tensor, tied ones once.
    """

    layers: tuple[LayerBound, ...]

    @property
    def bytes(self) -> float:
        """Of all tensors."""
        return sum(layer.bytes for layer in self.layers)


def entropy_bound(model: nn.Module | Mapping[str, Tensor]) -> Bound:
    """The bytes that a pruned and quantized network takes at least, if every layer is coded symbol by symbol.

    For a weight (two dimensions or more) of n values of which a fraction d is not zero, n H(d) bits say where these
    stand, their entropy says which values they have, and each distinct value is stored once; where that is more than
    the tensor as it is, or for a bias or buffer, all values count as they are.

    Args:
        model: a model, or tensors by name.

    Returns:
        The bound, layer by layer. A coder that sees more than single symbols may go below it.
    """
    from efflab.efz.write import groups_of, state_of  # noqa: PLC0415 - which need not be loaded to read

    return Bound(tuple(_layer(names[0], tensor) for names, tensor in groups_of(state_of(model))))


def _layer(name: str, tensor: Tensor) -> LayerBound:
    refuse_unstorable(name, tensor)
    size, itemsize = tensor.numel(), tensor.dtype.itemsize
    raw = LayerBound(name, size, int(tensor.count_nonzero()) if size else 0, raw_bytes=size * itemsize)
    if tensor.ndim < 2 or itemsize > LARGEST_CODED or size == 0:
        return raw
    found = scan(bits_of(tensor), 1, ())
    if found.table is None:
        return raw
    patterns, counts = found.table.patterns
    mask = huffman.entropy([found.nonzeros, size - found.nonzeros]) * size / 8
    shared = LayerBound(
        name, size, found.nonzeros, patterns.size, mask, entropy_bits(counts) / 8, patterns.size * itemsize
    )
    return min(shared, raw, key=lambda layer: layer.bytes)
