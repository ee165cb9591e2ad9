"""K-means quantization under the names that a known course's exercises use: plain weights, rounded again after steps.

The names are those of lab 2 of MIT 6.5940, TinyML and Efficient Deep Learning Computing.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from efflab.errors import EfflabError
from efflab.pruning.configs import matches
from efflab.quantization._arrays import check_count
from efflab.quantization._sites import weights_of
from efflab.quantization.clustering import Init, kmeans
from efflab.quantization.codebook import Codebook, update


@torch.no_grad()
def k_means_quantize(
    tensor: Any, bitwidth: int = 4, codebook: Codebook | None = None, *, init: Init = "linear"
) -> Codebook:
    """Round a tensor or an array in place to the centroids of a codebook.

    Args:
        tensor: floats of any shape; changed in place.
        bitwidth: bits of a label, 1 to 16; of no account where there is a codebook.
        codebook: one made before, whose labels stay.
        init: how k-means starts.

    Returns:
        The codebook.

    >>> weight = torch.tensor([0.0, 1.0, 8.0, 10.0])
    >>> k_means_quantize(weight, bitwidth=1).labels, weight
    (tensor([0, 0, 1, 1], dtype=torch.uint8), tensor([0.5000, 0.5000, 9.0000, 9.0000]))
    """
    if codebook is None:
        codebook = kmeans(tensor, 1 << check_count(bitwidth, "bitwidth", 1, 16), init=init)
    if tuple(codebook.labels.shape) != tuple(tensor.shape):
        raise EfflabError(
            f"codebook has labels of shape {tuple(codebook.labels.shape)}, tensor has {tuple(tensor.shape)}"
        )
    tensor[...] = codebook.decode()
    return codebook


class KMeansQuantizer:
    """The codebooks of a model whose weights stay plain parameters.

    Args:
        model: its weights of two or more dimensions are rounded at once, in place.
        bitwidth: for all layers, or by pattern of their names; layers that no pattern matches are left alone.

    >>> model = nn.Sequential(nn.Linear(8, 8))
    >>> quantizer = KMeansQuantizer(model, bitwidth=2)
    >>> len(model[0].weight.unique())
    4
    """

    def __init__(self, model: nn.Module, bitwidth: int | Mapping[str, int] = 4) -> None:
        self.model = model
        self.codebook: dict[str, Codebook] = {}
        for fqn, weight in weights_of(model).items():
            bits = _bits(bitwidth, fqn)
            if bits is not None:
                try:
                    self.codebook[fqn] = k_means_quantize(weight.parameter.detach(), bits)
                except EfflabError as error:
                    raise EfflabError(str(error).replace("weights", f"layer {fqn!r}", 1)) from None

    def apply(self, model: nn.Module | None = None, update_centroids: bool = False) -> None:
        """Round the weights to their centroids again, after a training step changed them.

        Args:
            model: another of the same layers; by default the one the quantizer was made for.
            update_centroids: move the centroids to the means of the changed weights first.
        """
        if update_centroids:
            self.update(model)
        for fqn, book in self.codebook.items():
            k_means_quantize((model or self.model).get_parameter(fqn).detach(), codebook=book)

    def update(self, model: nn.Module | None = None) -> None:
        """Move every centroid to the mean of its weights as they are now."""
        for fqn, book in self.codebook.items():
            weight = (model or self.model).get_parameter(fqn).detach()
            centroids = update(weight, book.labels, book.k, previous=book.centroids)
            self.codebook[fqn] = Codebook(centroids, book.labels)


def _bits(bitwidth: int | Mapping[str, int], fqn: str) -> int | None:
    if not isinstance(bitwidth, Mapping):
        return bitwidth
    return next((bits for pattern, bits in bitwidth.items() if matches(pattern, fqn)), None)
