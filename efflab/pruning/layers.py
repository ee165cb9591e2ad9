"""Which parameters of a model are connections that can be pruned, and the masks that lie beside them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.parameter import UninitializedParameter

from efflab.errors import EfflabError
from efflab.pruning._select import LARGE, erase_large

FilterFn = Callable[[nn.Module, str], bool]

MASK = "_mask"
_UNPRUNED_KINDS = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_INTEGERS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


@dataclass(frozen=True, eq=False)
class Site:
    """One prunable parameter: its module, its name there, and its full name in the model."""

    module: nn.Module
    name: str
    fqn: str

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter as it is now; a model's parameters may be exchanged by ``to`` or ``load_state_dict``."""
        parameter = self.module._parameters[self.name]  # noqa: SLF001 - the dictionary getattr reads, without its cost
        assert parameter is not None
        return parameter

    @property
    def mask(self) -> Tensor | None:
        """The mask buffer beside the parameter, None before pruning."""
        return self.module._buffers.get(self.name + MASK)  # noqa: SLF001 - as above

    @property
    def connections(self) -> Tensor:
        """What is not zero here has a connection: the parameter, or where it has a mask, its entries within that."""
        parameter, mask = self.parameter.detach(), self.mask
        return parameter if mask is None else (parameter != 0) & mask

    def set_mask(self, mask: Tensor) -> None:
        """Put a mask beside the parameter, on its device."""
        parameter = self.parameter
        if mask.shape != parameter.shape:
            raise EfflabError(
                f"the mask of {self.fqn!r} has shape {tuple(mask.shape)}, expected {tuple(parameter.shape)}"
            )
        self.module.register_buffer(self.name + MASK, mask.to(parameter.device, torch.bool).contiguous())

    @property
    def input_dim(self) -> int:
        """The dimension along which inputs are counted."""
        return 0 if isinstance(self.module, _ConvTransposeNd) else 1

    @property
    def output_dim(self) -> int:
        """The dimension along which output channels are counted."""
        return 1 if isinstance(self.module, _ConvTransposeNd) else 0


def is_prunable(module: nn.Module, fqn: str) -> bool:
    """Say the default choice: every layer with a weight matrix or kernel, except embeddings and normalisation.

    Args:
        module: a module of the model.
        fqn: its full name (not looked at; it is what filters are given).
    """
    del fqn
    return not isinstance(module, _UNPRUNED_KINDS)


def sites(model: nn.Module, filter_fn: FilterFn | None = None) -> dict[str, Site]:
    """Find the prunable parameters; see ``prunable_layers``."""
    chosen = filter_fn or is_prunable
    found: dict[int, Site] = {}
    excluded: set[int] = set()
    for path, module in model.named_modules():
        wanted = chosen(module, path)
        for name, parameter in module.named_parameters(recurse=False):
            if filter_fn is None and not wanted and name.startswith("weight"):
                excluded.add(id(parameter))
            if wanted and _is_connection(module, name, parameter, by_default=filter_fn is None):
                found.setdefault(id(parameter), Site(module, name, f"{path}.{name}" if path else name))
    return {site.fqn: site for key, site in found.items() if key not in excluded}


def require_sites(model: nn.Module, filter_fn: FilterFn | None = None) -> dict[str, Site]:
    """Find the prunable parameters, or raise an ``EfflabError`` where there are none."""
    found = sites(model, filter_fn)
    if not found:
        why = (
            "filter_fn chose none" if filter_fn is not None else "it has no weight of two or more dimensions"
        )
        raise EfflabError(f"{type(model).__name__} has no prunable layers: {why}")
    return found


def _is_connection(module: nn.Module, name: str, parameter: Tensor, *, by_default: bool) -> bool:
    if isinstance(parameter, UninitializedParameter):
        raise EfflabError(
            f"a {type(module).__name__} has no weights yet: run the model once before pruning it"
        )
    if not parameter.is_floating_point() or parameter.dim() < 2 or "bias" in name:
        return False
    if name.endswith("_orig") and hasattr(module, name.removesuffix("_orig") + MASK):
        raise EfflabError(
            f"{type(module).__name__}.{name.removesuffix('_orig')} is held by torch.nn.utils.prune: "
            "call torch.nn.utils.prune.remove on it, or load its checkpoint with load_masked_state_dict"
        )
    return not by_default or "weight" in name


def prunable_layers(model: nn.Module, filter_fn: FilterFn | None = None) -> dict[str, nn.Parameter]:
    """List the weights of a model that pruning acts on.

    Args:
        model: any module: linear, convolutional (transposed too), recurrent (``lstm.weight_ih_l0``), attention
            (``in_proj_weight``), or the user's own, whose parameters of two or more dimensions count if they have
            "weight" in their name.
        filter_fn: ``filter_fn(module, fqn) -> bool`` takes the place of ``is_prunable``, which leaves out embeddings
            and normalisation; all parameters of two or more dimensions of a chosen module count, biases never.

    Returns:
        The parameters by full name (``"fc1.weight"``), a shared one once, under its first name; by default one shared
        with a module that is left out (an embedding tied to the output layer) is left out.

    >>> list(prunable_layers(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.LSTM(2, 4))))
    ['0.weight', '2.weight_ih_l0', '2.weight_hh_l0']
    """
    return {name: site.parameter for name, site in sites(model, filter_fn).items()}


def sparsity(what: Tensor | nn.Module) -> float:
    """Measure the fraction of zeros.

    Args:
        what: a tensor (a Boolean mask too), or a module, whose prunable weights are counted; what a mask beside them
            excludes counts as zero, also where an optimiser's step has moved it since.

    Returns:
        Zeros over entries; 0.0 for an empty tensor.

    Raises:
        EfflabError: for a module without prunable layers.

    >>> sparsity(torch.tensor([0.0, -0.0, 1.0, 2.0]))
    0.5
    """
    tensors = (
        [what] if isinstance(what, Tensor) else [site.connections for site in require_sites(what).values()]
    )
    total = sum(tensor.numel() for tensor in tensors)
    return 1 - sum(int(tensor.count_nonzero()) for tensor in tensors) / total if total else 0.0


def mask_bits(mask: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Turn a mask into integers, all ones where kept, of the width of ``dtype``; None where no width fits."""
    integer = _INTEGERS.get(dtype)
    return None if integer is None else torch.neg(mask.to(integer))


@torch.no_grad()
def erase_(weight: Tensor, mask: Tensor, bits: Tensor | None = None) -> None:
    """Set what the mask does not keep to +0, in place, whatever it was.

    A product with the mask would leave -0.0 behind negative weights and NaN behind infinite ones; the bitwise "and"
    of the weight's bits does not, at the product's cost.

    Args:
        weight: the parameter.
        mask: True where kept.
        bits: ``mask_bits(mask, weight.dtype)``, where the caller keeps it.
    """
    target = weight.detach()
    if bits is not None:
        target.view(bits.dtype).bitwise_and_(bits)
    elif (
        target.numel() >= LARGE and target.dtype == torch.float32 and target.is_cpu and target.is_contiguous()
    ):
        erase_large(target, mask)
    else:
        target.masked_fill_(~mask, 0)
