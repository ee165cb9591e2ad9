"""Pruning a model while it trains: plain parameters, masks as buffers beside them, applied after the optimiser's step.

Source: NIPS 2015, section 3 (learn the connections, prune, retrain the weights that survive).
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from efflab.errors import EfflabError
from efflab.pruning._erase import Eraser
from efflab.pruning._select import prune_smallest_
from efflab.pruning.configs import NM, Channel, Config, Configs, Magnitude, Quality, assign
from efflab.pruning.layers import MASK, FilterFn, Site, erase_, require_sites
from efflab.pruning.masks import (
    channel_mask,
    count_to_prune,
    global_masks,
    n_m_mask,
    quality_mask,
    quality_threshold,
)
from efflab.pruning.schedules import Constant, Schedule


def prune_(model: nn.Module, config: Configs, filter_fn: FilterFn | None = None) -> "Pruner":
    """Prune a model in place, at once.

    Args:
        model: any module; see ``prunable_layers``.
        config: one configuration for all layers, or a dictionary from patterns to configurations: a pattern names
            a parameter (``"fc1.weight"``), a layer (``"fc1"``) or a module around it, with shell wildcards.
        filter_fn: ``filter_fn(module, fqn) -> bool``; which modules to prune.

    Returns:
        The pruner: ``attach`` it to the optimiser to retrain, ``finalize`` it to drop the masks.

    Raises:
        EfflabError: a model without prunable layers, an unknown pattern, a NaN weight.

    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> prune_(model, Magnitude(0.75)).sparsity()
    0.75
    >>> prune_(model, {"0": NM(1, 4), "2": Magnitude(0.875)}).masks["2.weight"].sum()
    tensor(1)
    """
    pruner = Pruner(model, config, filter_fn=filter_fn)
    pruner.step()
    return pruner


class Pruner:
    """Masks of a model's connections, over its training.

    The masks are Boolean buffers of the model (``weight_mask`` beside ``weight``), so ``state_dict``, ``deepcopy``,
    ``to`` and saving carry them; a pruner made on a copy or a reloaded model finds them there. Pruning is never
    undone: a mask only loses entries.

    Args:
        model: any module.
        config: as in ``prune_``; None only keeps the masks the model has.
        schedule: how the targets grow over the calls of ``step``; at once by default.
        filter_fn: which modules to prune.

    Raises:
        EfflabError: no masks where config is None, or a configuration of a kind that this pruner does not know.
    """

    kinds: ClassVar[tuple[type, ...]] = (Magnitude, Quality, NM, Channel)
    """The configurations it knows; what is derived from one of them chooses its masks otherwise, and so is another."""

    def __init__(
        self,
        model: nn.Module,
        config: Configs | None = None,
        schedule: Schedule | None = None,
        filter_fn: FilterFn | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.schedule = Constant() if schedule is None else schedule
        self.tick = 0
        found = require_sites(model, filter_fn)
        if config is None:
            self._groups: list[tuple[Config, list[str]]] = []
            self._sites = {name: site for name, site in found.items() if site.mask is not None}
            if not self._sites:
                raise EfflabError(f"{type(model).__name__} has no masks: a config must say how to prune it")
        else:
            self._groups = assign(config, found)
            self._check_kinds()
            self._sites = {name: found[name] for _, names in self._groups for name in names}
        self._eraser: Eraser | None = None
        self._handles: list[RemovableHandle] = []
        self._whole: dict[str, tuple[Tensor, int]] = {}
        for name, site in self._sites.items():
            if site.mask is None:
                site.set_mask(torch.ones_like(site.parameter, dtype=torch.bool))
                self._whole[name] = (_mask(site), _mask(site)._version)  # noqa: SLF001 - autograd's own change counter

    def _check_kinds(self) -> None:
        for config, _ in self._groups:
            if type(config) not in self.kinds:
                known = ", ".join(kind.__name__ for kind in self.kinds)
                raise EfflabError(
                    f"{type(self).__name__} knows {known} and would not prune by {type(config).__name__}'s own rule: a "
                    "configuration derived from these needs its own pruner (efflab.ese.prune_ is that of efflab.ese.Balanced)"
                )

    @property
    def masks(self) -> dict[str, Tensor]:
        """The masks by parameter name: the model's own buffers."""
        return {name: _mask(site) for name, site in self._sites.items()}

    def sparsity(self) -> float:
        """Fraction of this pruner's weights that its masks exclude."""
        masks = self.masks.values()
        total = sum(mask.numel() for mask in masks)
        return 1 - sum(int(mask.sum()) for mask in masks) / total if total else 0.0

    def step(self) -> None:
        """Advance the schedule by one tick: choose the masks it asks for, and apply them."""
        self.retarget(self.tick + 1)
        self.tick += 1

    @torch.no_grad()
    def retarget(self, tick: int, only: Collection[str] | None = None) -> None:
        """Prune to the schedule's targets at a tick, without advancing.

        Args:
            tick: 1 for the first.
            only: names of the parameters to prune now; all by default.
        """
        for config, members in self._groups:
            names = [name for name in members if only is None or name in only]
            if isinstance(config, Magnitude) and config.scope == "global" and all(map(self._is_whole, names)):
                weights = {name: self._sites[name].parameter.detach() for name in names}
                count = count_to_prune(
                    self.schedule.target(config.sparsity, tick), sum(map(torch.numel, weights.values()))
                )
                for name, mask in prune_smallest_(weights, count).items():
                    self._sites[name].set_mask(mask)
            elif names:
                for name, mask in self._choose(config, names, tick).items():
                    self._sites[name].set_mask(mask)
                    erase_(self._sites[name].parameter, _mask(self._sites[name]))
            for name in names:
                self._whole.pop(name, None)

    def _choose(self, config: Config, names: list[str], tick: int) -> dict[str, Tensor]:
        sites = [self._sites[name] for name in names]
        weights = {site.fqn: site.parameter.detach() for site in sites}
        alive = {site.fqn: _mask(site) for site in sites}
        if isinstance(config, Magnitude):
            target = self.schedule.target(config.sparsity, tick)
            before = None if all(map(self._is_whole, names)) else alive
            if config.scope == "deviation":
                weights = {name: _in_deviations(weight, alive[name]) for name, weight in weights.items()}
            if config.scope != "layer":
                return global_masks(weights, target, alive=before)
            return {
                name: global_masks({name: weight}, target, alive=before and {name: before[name]})[name]
                for name, weight in weights.items()
            }
        return {site.fqn: self._choose_one(config, site, tick) for site in sites}

    def _is_whole(self, name: str) -> bool:
        """Whether a mask is known to keep everything, which saves passes over the weights."""
        mask, version = self._whole.get(name, (None, 0))
        return mask is not None and mask is self._sites[name].mask and mask._version == version  # noqa: SLF001 - as above

    def _choose_one(self, config: Quality | NM | Channel, site: Site, tick: int) -> Tensor:
        weight, alive = site.parameter.detach(), _mask(site)
        try:
            if isinstance(config, Quality):
                return quality_mask(weight, self.schedule.target(config.quality, tick), alive)
            if isinstance(config, NM):
                done = self.schedule.target(1.0, tick) >= 1.0
                return alive & n_m_mask(weight, config.n, config.m, dim=site.input_dim) if done else alive
            ratio = 1 - self.schedule.target(1 - config.preserve_ratio, tick)
            return alive & _channels(site, weight, ratio, config.p)
        except EfflabError as error:
            raise EfflabError(str(error).replace("layer 'weight'", f"layer {site.fqn!r}")) from None

    def apply(self) -> None:
        """Set every pruned weight to exactly zero; call it after each optimiser step, or ``attach`` once."""
        if self._eraser is None or not self._eraser.fits():
            self._eraser = Eraser(self._sites.values())
        self._eraser.erase()

    def attach(self, optimizer: Optimizer) -> RemovableHandle:
        """Apply the masks after every step of an optimiser; attach each optimiser that holds pruned weights.

        Returns:
            A handle whose ``remove`` detaches it; ``finalize`` removes all.
        """
        handle = optimizer.register_step_post_hook(lambda *_: self.apply())
        self._handles.append(handle)
        return handle

    @torch.no_grad()
    def mask_gradients(self) -> None:
        """Zero the gradients of pruned weights, for code that takes norms over all gradients (clipping, LARS)."""
        for site in self._sites.values():
            if site.parameter.grad is not None:
                site.parameter.grad.masked_fill_(~_mask(site), 0)

    def finalize(self) -> nn.Module:
        """Apply the masks a last time, then drop them and all hooks; the zeros stay.

        Returns:
            The model, with no trace of the pruner.
        """
        self.apply()
        for handle in self._handles:
            handle.remove()
        for site in self._sites.values():
            site.module._buffers.pop(site.name + MASK, None)  # noqa: SLF001 - del would fail where it is gone
        self._handles, self._sites, self._groups, self._eraser = [], {}, [], None
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """Return the tick and the schedule; the masks are in the model's own ``state_dict``."""
        return {"tick": self.tick, "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a saved pruner stood.

        Raises:
            EfflabError: where the state is not a pruner's.
        """
        if not isinstance(state.get("tick"), int) or "schedule" not in state:
            raise EfflabError(f"a pruner's state holds 'tick' and 'schedule', got {sorted(state)}")
        self.schedule.load_state_dict(state["schedule"])
        self.tick = state["tick"]


def _in_deviations(weight: Tensor, alive: Tensor) -> Tensor:
    """Divide by the standard deviation of the surviving weights (by 1 where it is 0 or NaN, which ranking reports)."""
    deviation = quality_threshold(weight.nan_to_num(), 1.0, alive)
    return weight / (deviation or 1.0)


def _mask(site: Site) -> Tensor:
    mask = site.mask
    if mask is None:
        raise EfflabError(f"the mask of {site.fqn!r} is gone from the model: make a new Pruner")
    return mask


def _channels(site: Site, weight: Tensor, ratio: float, p: float) -> Tensor:
    """``channel_mask`` along the layer's output channels; a grouped transposed kernel holds them in two dimensions."""
    groups = site.module.groups if isinstance(site.module, _ConvTransposeNd) else 1
    if groups == 1:
        return channel_mask(weight, ratio, p, dim=site.output_dim)
    split = weight.reshape(groups, -1, *weight.shape[1:]).transpose(
        1, 2
    )  # (groups, out/groups, in/groups, ...)
    mask = channel_mask(split.flatten(0, 1), ratio, p).view(split.shape)
    return mask.transpose(1, 2).flatten(0, 1)
