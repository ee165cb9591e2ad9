"""Balanced pruning of a model while it trains: the pruner of ``efflab.pruning`` with another way to choose masks.

Source: S. Han et al., "ESE", FPGA 2017, section on load-balance-aware pruning; S. Han et al., NIPS 2015, for retraining.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.ese._checks import whole
from efflab.ese.balanced import balanced_mask
from efflab.ese.gates import gates_in
from efflab.pruning.configs import Config, Magnitude
from efflab.pruning.layers import FilterFn, Site
from efflab.pruning.pruner import Pruner


@dataclass(frozen=True)
class Balanced(Magnitude):
    """Prune each matrix to a fraction of zeros, the same number of weights staying with every processing element.

    The gates of a recurrent layer are matrices of their own; a convolution's kernels are rows, one an output channel.
    ``efflab.ese.prune_`` and ``BalancedPruner`` know it; ``efflab.pruning``'s own pruner refuses it.

    Args:
        sparsity: fraction of zeros, in [0, 1).
        scope: ``"layer"``, as a balanced mask belongs to one matrix.
        pes: processing elements that the rows are dealt out to; 1 is magnitude pruning, matrix by matrix.

    Raises:
        EfflabError: sparsity is outside [0, 1), scope is another, or pes is no whole number of at least 1.
    """

    scope: Literal["global", "layer", "deviation"] = "layer"
    pes: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scope != "layer":
            raise EfflabError(
                f"a balanced mask belongs to one layer: scope must be 'layer', got {self.scope!r}"
            )
        object.__setattr__(self, "pes", whole("pes", self.pes))


class BalancedPruner(Pruner):
    """``efflab.pruning.Pruner`` that knows ``Balanced`` beside its own configurations.

    Args:
        model: any module.
        config: one configuration, or a dictionary from patterns to configurations; None only keeps the masks the model has.
        schedule: how the targets grow over the calls of ``step``; at once by default.
        filter_fn: which modules to prune.

    Raises:
        EfflabError: as ``efflab.pruning.Pruner`` does.

    >>> from efflab.ese.balanced import loads
    >>> model = nn.LSTM(8, 16)
    >>> pruner = BalancedPruner(model, Balanced(0.75, pes=4))
    >>> pruner.step()
    >>> loads(pruner.masks["weight_ih_l0"][:16], pes=4).tolist()
    [8, 8, 8, 8]
    """

    kinds = (*Pruner.kinds, Balanced)

    def _choose(self, config: Config, names: list[str], tick: int) -> dict[str, Tensor]:
        if not isinstance(config, Balanced):
            return super()._choose(config, names, tick)
        target = self.schedule.target(config.sparsity, tick)
        made = {}
        for name in names:
            site = self._sites[name]
            made[name] = _choose_balanced(
                site, target, config.pes, None if self._is_whole(name) else site.mask
            )
        return made


def _choose_balanced(site: Site, sparsity: float, pes: int, alive: Tensor | None) -> Tensor:
    """The mask of one parameter, matrix by matrix; ``alive`` is None where everything is."""
    weight = site.parameter.detach().movedim(site.output_dim, 0)
    gates = gates_in(site.module, site.name)
    blocks = weight.flatten(1).chunk(gates)
    old = (None,) * gates if alive is None else alive.movedim(site.output_dim, 0).flatten(1).chunk(gates)
    try:
        masks = [balanced_mask(block, sparsity, pes, own) for block, own in zip(blocks, old, strict=True)]
    except EfflabError as error:
        raise EfflabError(str(error).replace("layer 'weight'", f"layer {site.fqn!r}")) from None
    return torch.cat(masks).view(weight.shape).movedim(0, site.output_dim)


def prune_(
    model: nn.Module, config: Config | Mapping[str, Config], filter_fn: FilterFn | None = None
) -> BalancedPruner:
    """Prune a model in place, at once; ``efflab.pruning.prune_`` for a model that has ``Balanced`` among its configurations.

    Args:
        model: any module.
        config: one configuration for all layers, or a dictionary from patterns to configurations.
        filter_fn: ``filter_fn(module, fqn) -> bool``; which modules to prune.

    Returns:
        The pruner: ``attach`` it to the optimiser to retrain, ``finalize`` it to drop the masks.

    Raises:
        EfflabError: a model without prunable layers, an unknown pattern, a NaN weight.

    >>> model = nn.LSTM(8, 16, proj_size=4)
    >>> prune_(model, Balanced(0.5, pes=4)).sparsity()
    0.5
    """
    pruner = BalancedPruner(model, config, filter_fn=filter_fn)
    pruner.step()
    return pruner
