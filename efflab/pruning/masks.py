"""Which weights to keep, as pure functions of the weights: by magnitude, quality, N:M blocks and channels.

Source: S. Han, J. Pool, J. Tran, W. Dally, "Learning both Weights and Connections for Efficient Neural Networks",
NIPS 2015, section 3. N:M masks follow A. Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv:2104.08378;
channel masks follow H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017.

A mask is True where a weight stays. ``sparsity`` is the fraction of zeros.
"""

import math
from collections.abc import Iterable, Mapping
from numbers import Real

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from efflab.errors import EfflabError
from efflab.pruning._select import check_finite_order, masks_without_smallest, smallest_threshold


def check_sparsity(sparsity: object, name: str = "sparsity") -> float:
    """Return ``sparsity`` as a float, or raise an ``EfflabError`` where it is outside [0, 1)."""
    if isinstance(sparsity, bool) or not isinstance(sparsity, Real) or not 0 <= float(sparsity) < 1:
        raise EfflabError(f"{name} must lie in [0, 1), got {sparsity!r}")
    return float(sparsity)


def count_to_prune(sparsity: float, total: int) -> int:
    """How many of ``total`` weights a sparsity prunes: rounded half to even, as torch.nn.utils.prune rounds."""
    return round(check_sparsity(sparsity) * total)


def magnitude_threshold(weights: Tensor | Iterable[Tensor] | Mapping[str, Tensor], sparsity: float) -> float:
    """Find the exact magnitude at or below which the given fraction of all weights lies.

    Args:
        weights: one tensor, several, or named ones; ranked together. Any shape, floating dtype, layout and device.
        sparsity: fraction to prune, in [0, 1).

    Returns:
        The largest magnitude pruned, 0.0 where nothing is. Without ties, pruning ``|w| <= threshold`` prunes exactly
        ``round(sparsity * n)`` weights; with ties, ``global_masks`` prunes the first by position.

    Raises:
        EfflabError: where the sparsity is outside [0, 1) or a weight is NaN.

    >>> magnitude_threshold(torch.tensor([3.0, -1.0, 2.0, -4.0]), 0.5)
    2.0
    """
    named = _name(weights)
    total = sum(weight.numel() for weight in named.values())
    return smallest_threshold(named, count_to_prune(sparsity, total))


def magnitude_mask(weight: Float[Tensor, "..."], sparsity: float) -> Bool[Tensor, "..."]:
    """Keep the largest magnitudes of one tensor.

    Args:
        weight: any shape, floating dtype, layout and device.
        sparsity: fraction to prune, in [0, 1); exactly ``round(sparsity * n)`` weights are. Of equal magnitudes
            the first by flat index goes first.

    Returns:
        The mask, of the weight's shape.

    Raises:
        EfflabError: where the sparsity is outside [0, 1) or a weight is NaN.

    >>> magnitude_mask(torch.tensor([3.0, -1.0, 2.0, -4.0]), 0.5)
    tensor([ True, False, False,  True])
    """
    return global_masks({"weight": weight}, sparsity)["weight"]


def global_masks(
    weights: Mapping[str, Tensor], sparsity: float, *, alive: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Keep the largest magnitudes of all tensors, ranked together against one threshold.

    Args:
        weights: tensors by name.
        sparsity: fraction of all their entries to prune, in [0, 1).
        alive: earlier masks by name; what they exclude stays pruned and counts towards the sparsity.

    Returns:
        Boolean masks by name. Ties go by position: first tensor first, then flat index.

    Raises:
        EfflabError: where the sparsity is outside [0, 1) or a weight is NaN (the layer is named).
    """
    named = _name(weights)
    count = count_to_prune(sparsity, sum(weight.numel() for weight in named.values()))
    return masks_without_smallest(named, count, alive)[0]


def quality_threshold(
    weight: Float[Tensor, "..."], quality: float, alive: Bool[Tensor, "..."] | None = None
) -> float:
    """Compute the paper's threshold: a quality parameter times the standard deviation of the layer's weights.

    Args:
        weight: the layer's weights.
        quality: the quality parameter, at least 0.
        alive: mask of the connections left; the deviation is taken over these.

    Returns:
        ``quality * std``, with the population's standard deviation; 0.0 for no weights.

    Raises:
        EfflabError: where the quality is negative or not finite, or a weight is NaN.

    Source: NIPS 2015, section 4 ("a quality parameter multiplied by the standard deviation of a layer's weights").
    """
    factor = check_quality(quality)
    values = weight.detach() if alive is None else weight.detach()[alive]
    check_finite_order({"weight": values})
    if values.numel() == 0:
        return 0.0
    return factor * float(values.double().std(correction=0))


def check_quality(quality: object) -> float:
    """Return ``quality`` as a float, or raise an ``EfflabError`` where it is negative or not finite."""
    if isinstance(quality, bool) or not isinstance(quality, Real) or not 0 <= float(quality) < math.inf:
        raise EfflabError(f"quality must be a finite number of at least 0, got {quality!r}")
    return float(quality)


def quality_mask(
    weight: Float[Tensor, "..."], quality: float, alive: Bool[Tensor, "..."] | None = None
) -> Bool[Tensor, "..."]:
    """Keep the weights whose magnitude reaches ``quality_threshold``.

    Args:
        weight: the layer's weights.
        quality: the quality parameter, at least 0.
        alive: mask of the connections left, which the new mask stays within.

    Returns:
        The mask, of the weight's shape.
    """
    keep = weight.detach().abs() >= quality_threshold(weight, quality, alive)
    return keep if alive is None else keep & alive


def n_m_mask(weight: Float[Tensor, "..."], n: int = 2, m: int = 4, *, dim: int = 1) -> Bool[Tensor, "..."]:
    """Keep the n largest of every m consecutive weights along the input dimension.

    Args:
        weight: at least ``dim + 1`` dimensions; Linear (out, in) and Conv (out, in, ...) have their inputs in 1.
        n: how many of a block stay.
        m: weights a block; a shorter last block keeps at most n as well.
        dim: the input dimension.

    Returns:
        The mask, of the weight's shape. Of equal magnitudes the first goes first.

    Raises:
        EfflabError: where not 1 <= n <= m, the dimension is missing, or a weight is NaN.

    >>> n_m_mask(torch.tensor([[1.0, -5.0, 2.0, 3.0]]))
    tensor([[False,  True, False,  True]])
    """
    check_n_m(n, m)
    if not -weight.dim() <= dim < weight.dim():
        raise EfflabError(f"dim {dim} is not a dimension of a weight of shape {tuple(weight.shape)}")
    check_finite_order({"weight": weight})
    size = weight.shape[dim]
    scores = weight.detach().abs().movedim(dim, -1)  # (..., size)
    padded = torch.nn.functional.pad(scores.double(), (0, -size % m), value=-1.0)
    blocks = padded.reshape(*padded.shape[:-1], -1, m)  # (..., blocks, m)
    order = blocks.argsort(dim=-1, stable=True)
    keep = torch.zeros_like(blocks, dtype=torch.bool).scatter_(-1, order[..., m - n :], value=True)
    return keep.flatten(-2)[..., :size].movedim(-1, dim).contiguous()


def check_n_m(n: object, m: object) -> None:
    """Raise an ``EfflabError`` where n and m are not whole numbers with 1 <= n <= m."""
    if not (isinstance(n, int) and isinstance(m, int) and bool not in {type(n), type(m)} and 1 <= n <= m):
        raise EfflabError(f"n:m must be whole numbers with 1 <= n <= m, got {n}:{m}")


def channel_mask(
    weight: Float[Tensor, "..."], preserve_ratio: float, p: float = 1, *, dim: int = 0
) -> Bool[Tensor, "..."]:
    """Keep whole output channels: those of the largest L_p norm.

    Args:
        weight: at least two dimensions.
        preserve_ratio: fraction of the channels that stays, in (0, 1]; at least one channel does.
        p: order of the norm, at least 0; infinity is the maximum norm.
        dim: the channels' dimension (0; 1 for transposed convolutions).

    Returns:
        The mask, of the weight's shape, constant within a channel. Of equal norms the first channel goes first.

    Raises:
        EfflabError: where the ratio is outside (0, 1], p is negative or NaN, the weight has fewer than two dimensions, or is NaN somewhere.
    """
    check_ratio(preserve_ratio)
    check_norm(p)
    if weight.dim() < 2 or not -weight.dim() <= dim < weight.dim():
        raise EfflabError(f"a weight of shape {tuple(weight.shape)} has no channels along dimension {dim}")
    check_finite_order({"weight": weight})
    channels = weight.detach().movedim(dim, 0).flatten(1).double()
    norms = torch.linalg.vector_norm(channels, ord=p, dim=1)
    keep = torch.zeros_like(norms, dtype=torch.bool)
    keep[norms.argsort(stable=True)[len(norms) - channels_to_keep(preserve_ratio, len(norms)) :]] = True
    shape = [1] * weight.dim()
    shape[dim] = -1
    return keep.view(shape).expand(weight.shape).contiguous()


def check_ratio(preserve_ratio: object) -> float:
    """Return ``preserve_ratio`` as a float, or raise an ``EfflabError`` where it is outside (0, 1]."""
    if (
        isinstance(preserve_ratio, bool)
        or not isinstance(preserve_ratio, Real)
        or not 0 < float(preserve_ratio) <= 1
    ):
        raise EfflabError(f"preserve_ratio must lie in (0, 1], got {preserve_ratio!r}")
    return float(preserve_ratio)


def check_norm(p: object) -> None:
    """Raise an ``EfflabError`` where p is not the order of a norm: a number of at least 0."""
    if isinstance(p, bool) or not isinstance(p, Real) or not float(p) >= 0:
        raise EfflabError(f"p, the order of the norm, must be a number of at least 0, got {p!r}")


def channels_to_keep(preserve_ratio: float, channels: int, round_to: int = 1) -> int:
    """How many of ``channels`` stay: the ratio's share, rounded to a multiple of ``round_to``, one such at least."""
    if isinstance(round_to, bool) or not isinstance(round_to, int) or round_to < 1:
        raise EfflabError(f"round_to must be a whole number of at least 1, got {round_to!r}")
    share = round(preserve_ratio * channels / round_to) * round_to
    return min(channels, max(share, round_to, 1))


def dropout_rate(rate: float, kept: int, original: int) -> float:
    """Adjust a dropout rate to the connections that pruning left.

    Args:
        rate: D_o, the rate the dense network was trained with, in [0, 1].
        kept: C_ir, connections of the layer that are left.
        original: C_io, connections it had.

    Returns:
        D_r = D_o sqrt(C_ir / C_io).

    Raises:
        EfflabError: where the rate is outside [0, 1] or not 0 <= kept <= original with original > 0.

    Source: NIPS 2015, section 3.2, equation (2).

    >>> dropout_rate(0.5, 9, 100)
    0.15
    """
    if not 0 <= rate <= 1:
        raise EfflabError(f"rate must lie in [0, 1], got {rate!r}")
    if original <= 0 or not 0 <= kept <= original:
        raise EfflabError(f"connections kept must lie between 0 and the original {original}, got {kept}")
    return rate * math.sqrt(kept / original)


def _name(weights: Tensor | Iterable[Tensor] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give every tensor a name for messages, and check that it can be ranked."""
    if isinstance(weights, Mapping):
        named = dict(weights)
    elif isinstance(weights, Tensor):
        named = {"weight": weights}
    else:
        named = {f"weights[{i}]": weight for i, weight in enumerate(weights)}
    for name, weight in named.items():
        if not isinstance(weight, Tensor) or not weight.is_floating_point():
            kind = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
            raise EfflabError(f"layer {name!r} must be a tensor of real floating-point numbers, got {kind}")
    return named
