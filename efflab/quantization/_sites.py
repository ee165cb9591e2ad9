"""Every place of a model that holds a weight to quantize, tied ones together, and how to parametrize it there."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from efflab.errors import EfflabError
from efflab.pruning.layers import MASK, FilterFn, sites

SLOT = "parametrizations"


@dataclass(frozen=True, eq=False)
class Weight:
    """One weight under its first full name, and all (module, name) pairs that hold it."""

    fqn: str
    parameter: nn.Parameter
    holders: tuple[tuple[nn.Module, str], ...]
    output_dim: int

    @property
    def mask(self) -> Tensor | None:
        """The mask that pruning left beside it."""
        for module, name in self.holders:
            mask = module._buffers.get(name + MASK)  # noqa: SLF001 - the dictionary getattr reads
            if mask is not None:
                return mask
        return None

    def drop_masks(self) -> None:
        """Take pruning's masks away."""
        for module, name in self.holders:
            module._buffers.pop(name + MASK, None)  # noqa: SLF001 - as above


def weights_of(model: nn.Module, filter_fn: FilterFn | None = None) -> dict[str, Weight]:
    """Find the weights to quantize: those that pruning acts on by default.

    Raises:
        EfflabError: where there are none.
    """
    found = sites(model, filter_fn)
    if not found:
        raise EfflabError(
            f"{type(model).__name__} has no layers with weights to quantize{_why(model, filter_fn)}"
        )
    for fqn, site in found.items():
        check_values(site.parameter, fqn)
    holders: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():  # noqa: SLF001 - named_parameters leaves tied ones out
            if parameter is not None:
                holders.setdefault(id(parameter), []).append((module, name))
    return {
        fqn: Weight(fqn, site.parameter, tuple(holders[id(site.parameter)]), site.output_dim)
        for fqn, site in found.items()
    }


def check_values(weight: Tensor, fqn: str) -> None:
    """Raise an ``EfflabError`` where a weight lies on the meta device."""
    if weight.is_meta:
        raise EfflabError(f"layer {fqn!r} is on the meta device, which holds no values")


def _why(model: nn.Module, filter_fn: FilterFn | None) -> str:
    if any(parametrize.is_parametrized(module) for module in model.modules()):
        return ": they are parametrized already (finalize the first sharing)"
    return (
        ": filter_fn chose none" if filter_fn is not None else ": it has no weight of two or more dimensions"
    )


def parametrize_(weight: Weight, parametrization: nn.Module) -> None:
    """Put a parametrization on every holder of a weight; its parameter stays the same object."""
    for module, name in weight.holders:
        position = list(module._parameters).index(name)  # noqa: SLF001 - to put it back in its place
        parametrize.register_parametrization(module, name, parametrization, unsafe=True)
        slots: Any = getattr(module, SLOT)
        slots[name].position = position
        if isinstance(module, nn.RNNBase):
            kind: Any = type(module)
            kind._flat_weights = property(_flat_weights, _ignore)  # noqa: SLF001 - recurrent layers keep a list of their weights, which would go stale


def _flat_weights(module: nn.RNNBase) -> list[Tensor]:
    return [getattr(module, name) for name in module._flat_weights_names]  # noqa: SLF001 - the names behind the list


def _ignore(module: nn.RNNBase, value: object) -> None:
    """Take no list of weights: it is made afresh whenever it is read."""


def unparametrize_(module: nn.Module, name: str, value: Tensor) -> None:
    """Make a parametrized weight a plain parameter of the given value again, in its old place.

    torch's own function deletes the property from a class that deep copies share, which breaks the copies.
    """
    slots: Any = getattr(module, SLOT)
    held = slots[name]
    parameter = held.original
    parameter.data, parameter.grad = value, None
    del slots[name]
    kind = type(module)
    if len(slots):
        rest = {key: item for key, item in vars(kind).items() if key not in {name, "__dict__", "__weakref__"}}
        module.__class__ = type(kind.__name__, kind.__bases__, rest)
    else:
        delattr(module, SLOT)
        module.__class__ = kind.__bases__[0]
    _insert(module, name, parameter, getattr(held, "position", len(module._parameters)))  # noqa: SLF001 - as above
    if isinstance(module, nn.RNNBase) and not parametrize.is_parametrized(module):
        module._init_flat_weights()  # noqa: SLF001 - the list of a recurrent layer's weights


def _insert(module: nn.Module, name: str, parameter: nn.Parameter, position: int) -> None:
    module.register_parameter(name, parameter)
    order = [other for other in module._parameters if other != name]  # noqa: SLF001 - as above
    order.insert(position, name)
    items = {other: module._parameters[other] for other in order}  # noqa: SLF001 - as above
    module._parameters.clear()  # noqa: SLF001 - as above
    module._parameters.update(items)  # noqa: SLF001 - as above


def detached(weight: Weight) -> Tensor:
    """The weight's values, with what a mask excludes at 0."""
    values = weight.parameter.detach()
    return values if weight.mask is None else torch.where(weight.mask, values, torch.zeros_like(values))
