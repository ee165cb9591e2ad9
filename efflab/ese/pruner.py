"""Balanced pruning of a model while it trains: the pruner of ``efflab.pruning`` with another way to choose masks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.ese.balanced import balanced_mask
from efflab.ese.gates import gates_in
from efflab.pruning.configs import Config, Magnitude
from efflab.pruning.layers import FilterFn, Site
from efflab.pruning.pruner import Pruner


@dataclass(frozen=True)
class Balanced(Magnitude):
    """Prune each matrix to a fraction of zeros, the same number of weights staying with every processing element.

    The gates of a recurrent layer are matrices of their own; a convolution's kernels are rows, one an output channel.

    Args:
        sparsity: fraction of zeros, in [0, 1).
        pes: processing elements that the rows are dealt out to; 1 is magnitude pruning, matrix by matrix.
    """

    scope: Literal["global", "layer", "deviation"] = "layer"
    pes: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scope != "layer":
            raise EfflabError(
                f"a balanced mask belongs to one layer: scope must be 'layer', got {self.scope!r}"
            )
        if isinstance(self.pes, bool) or not isinstance(self.pes, int) or self.pes < 1:
            raise EfflabError(f"pes must be a whole number of at least 1, got {self.pes!r}")


class BalancedPruner(Pruner):
    """``efflab.pruning.Pruner`` that knows ``Balanced`` beside its own configurations.

    >>> from efflab.ese.balanced import loads
    >>> model = nn.LSTM(8, 16)
    >>> pruner = BalancedPruner(model, Balanced(0.75, pes=4))
    >>> pruner.step()
    >>> loads(pruner.masks["weight_ih_l0"][:16], pes=4).tolist()
    [8, 8, 8, 8]
    """

    def _choose(self, config: Config, names: list[str], tick: int) -> dict[str, Tensor]:
        if not isinstance(config, Balanced):
            return super()._choose(config, names, tick)
        target = self.schedule.target(config.sparsity, tick)
        return {name: _choose_balanced(self._sites[name], target, config.pes) for name in names}


def _choose_balanced(site: Site, sparsity: float, pes: int) -> Tensor:
    """The mask of one parameter, matrix by matrix."""
    weight = site.parameter.detach().movedim(site.output_dim, 0)
    alive = (
        torch.ones_like(weight, dtype=torch.bool)
        if site.mask is None
        else site.mask.movedim(site.output_dim, 0)
    )
    gates = gates_in(site.module, site.name)
    pairs = zip(weight.flatten(1).chunk(gates), alive.flatten(1).chunk(gates), strict=True)
    try:
        mask = torch.cat([balanced_mask(block, sparsity, pes, old) for block, old in pairs])
    except EfflabError as error:
        raise EfflabError(str(error).replace("layer 'weight'", f"layer {site.fqn!r}")) from None
    return mask.view(weight.shape).movedim(0, site.output_dim)


def prune_(
    model: nn.Module, config: Config | Mapping[str, Config], filter_fn: FilterFn | None = None
) -> BalancedPruner:
    """Prune a model in place, at once; arguments as in ``efflab.pruning.prune_``, which does not know ``Balanced``.

    >>> model = nn.LSTM(8, 16, proj_size=4)
    >>> prune_(model, Balanced(0.5, pes=4)).sparsity()
    0.5
    """
    pruner = BalancedPruner(model, config, filter_fn=filter_fn)
    pruner.step()
    return pruner
