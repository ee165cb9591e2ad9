"""Look weights up in a codebook, and sum their gradients over its clusters: each the other's derivative."""

from typing import Any

import torch
from torch import Tensor

# Above this many weights compiled loops are worth their loading.
LARGE = 1 << 12


def gather(centroids: Tensor, labels: Tensor, zero: bool) -> Tensor:
    """Look up ``centroids[labels]``; with ``zero``, label 0 is 0 and label i is centroid i - 1."""
    if not _is_large(centroids, labels):
        table = torch.nn.functional.pad(centroids, (1, 0)) if zero else centroids
        return table.index_select(0, labels.reshape(-1).int()).view(labels.shape)
    from efflab.quantization import _kernels  # noqa: PLC0415 - Numba loads only where weights are many

    weight = centroids.new_empty(labels.shape)
    _kernels.decode(centroids.detach().numpy(), labels.view(-1).numpy(), int(zero), weight.view(-1).numpy())
    return weight


def scatter(gradient: Tensor, labels: Tensor, zero: bool, k: int) -> Tensor:
    """Sum a gradient over the clusters; in double precision on the CPU, whatever the order of the weights."""
    flat = gradient.reshape(-1)
    if _is_large(gradient, labels):
        from efflab.quantization import _kernels  # noqa: PLC0415 - as above

        out = gradient.new_empty(k)
        _kernels.sum_by_label(flat.detach().numpy(), labels.view(-1).numpy(), int(zero), out.numpy())
        return out
    if flat.is_cpu:
        sums = torch.bincount(labels.reshape(-1).int(), weights=flat.double(), minlength=k + zero)
    else:
        wide = flat if flat.dtype in {torch.float32, torch.float64} else flat.float()
        sums = wide.new_zeros(k + zero).index_add_(0, labels.reshape(-1).int(), wide)
    return sums[int(zero) :].to(gradient.dtype)


def _is_large(values: Tensor, labels: Tensor) -> bool:
    plain = type(values) in {Tensor, torch.nn.Parameter} and values.dtype in {torch.float32, torch.float64}
    return plain and labels.numel() >= LARGE and labels.is_cpu and values.is_cpu and labels.is_contiguous()


class Gather(torch.autograd.Function):
    """``gather``, whose gradient is ``scatter`` (equation 3)."""

    @staticmethod
    def forward(ctx: Any, centroids: Tensor, labels: Tensor, zero: bool) -> Tensor:
        """Decode."""
        ctx.save_for_backward(labels)
        ctx.zero, ctx.k = zero, centroids.numel()
        return gather(centroids, labels, zero)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Sum over the clusters."""
        (labels,) = ctx.saved_tensors
        return Scatter.apply(gradients[0], labels, ctx.zero, ctx.k), None, None  # type: ignore[no-untyped-call]  # torch leaves apply without types


class Scatter(torch.autograd.Function):
    """``scatter``, whose gradient is ``gather``."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, labels: Tensor, zero: bool, k: int) -> Tensor:
        """Sum over the clusters."""
        ctx.save_for_backward(labels)
        ctx.zero = zero
        return scatter(gradient, labels, zero, k)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Decode."""
        (labels,) = ctx.saved_tensors
        return Gather.apply(gradients[0], labels, ctx.zero), None, None, None  # type: ignore[no-untyped-call]  # as above
