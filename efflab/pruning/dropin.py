"""The calls of ``torch.nn.utils.prune``, on plain parameters with masks beside them.

``from efflab import pruning as prune`` serves existing code: amounts are a count (int) or a fraction (float) of what
is left, repeated calls add up, ``remove`` makes pruning permanent, and random choices are torch's for the same seed.
Here the parameter keeps its name and stays a leaf, so ``copy.deepcopy``, optimisers and saving work. The mask is
applied before each forward pass, as torch's is, and before a ``state_dict``; ``Pruner(model).attach(optimizer)`` does
it after each step, so that the parameter itself is never without it.
"""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune
from torch.nn.utils.prune import (
    BasePruningMethod,
    CustomFromMask,
    L1Unstructured,
    LnStructured,
    PruningContainer,
    RandomStructured,
    RandomUnstructured,
)

from efflab.errors import EfflabError
from efflab.pruning._select import masks_without_smallest
from efflab.pruning.layers import MASK, Site, erase_, mask_bits

__all__ = [
    "CustomFromMask",
    "L1Unstructured",
    "LnStructured",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class _ApplyMask:
    """A hook that zeroes what the mask excludes; it names the parameter only, so that copies and pickles keep it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._bits: tuple[Tensor, int, torch.dtype, Tensor | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "_bits": None}

    def __call__(self, module: nn.Module, *_: object) -> None:
        mask = module._buffers.get(self.name + MASK)  # noqa: SLF001 - absent once a pruner has finalised
        parameter = module._parameters.get(self.name)  # noqa: SLF001 - as above
        if mask is None or parameter is None:
            return
        cached = self._bits
        if cached is None or cached[0] is not mask or cached[1:3] != (mask._version, parameter.dtype):  # noqa: SLF001
            cached = self._bits = (mask, mask._version, parameter.dtype, mask_bits(mask, parameter.dtype))  # noqa: SLF001
        # Through .data: a module called twice before backward would else seem to have changed in between.
        erase_(parameter.data, mask, cached[3])


def _before_saving(module: nn.Module, prefix: str, keep_vars: bool) -> None:  # noqa: ARG001 - torch's signature
    for hook in module._forward_pre_hooks.values():  # noqa: SLF001 - the module's own list
        if isinstance(hook, _ApplyMask):
            mask = module._buffers.get(hook.name + MASK)  # noqa: SLF001 - as above
            if mask is not None:
                erase_(_site(module, hook.name).parameter.data, mask)


def l1_unstructured(
    module: nn.Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> nn.Module:
    """Prune the smallest magnitudes (or importance scores) of what is left of a parameter.

    Args:
        module: holds the parameter.
        name: the parameter's name there.
        amount: int: how many; float in [0, 1]: which fraction of what is left.
        importance_scores: ranked in place of the weights, of their shape.

    Returns:
        The module.

    Raises:
        EfflabError: an amount out of range, no such parameter, scores of another shape.

    >>> layer = l1_unstructured(nn.Linear(4, 2), "weight", amount=3)
    >>> int(layer.weight_mask.sum())
    5
    """
    scores = None if importance_scores is None else {(module, name): importance_scores}
    global_unstructured([(module, name)], L1Unstructured, importance_scores=scores, amount=amount)
    return module


def random_unstructured(module: nn.Module, name: str, amount: float) -> nn.Module:
    """Prune entries of what is left of a parameter at random; see ``l1_unstructured``."""
    return _prune_one(module, name, RandomUnstructured(_check_amount(amount)))


def ln_structured(  # noqa: PLR0917 - torch's signature
    module: nn.Module,
    name: str,
    amount: float,
    n: float,
    dim: int,
    importance_scores: Tensor | None = None,
) -> nn.Module:
    """Prune the slices along ``dim`` of the smallest L_n norm; see ``l1_unstructured``."""
    _check_dim(_site(module, name), dim)
    return _prune_one(module, name, LnStructured(_check_amount(amount), n, dim), importance_scores)


def random_structured(module: nn.Module, name: str, amount: float, dim: int) -> nn.Module:
    """Prune slices along ``dim`` at random; see ``l1_unstructured``."""
    _check_dim(_site(module, name), dim)
    return _prune_one(module, name, RandomStructured(_check_amount(amount), dim))


def identity(module: nn.Module, name: str) -> nn.Module:
    """Give a parameter a mask that keeps everything."""
    site = _site(module, name)
    return custom_from_mask(module, name, torch.ones_like(site.parameter, dtype=torch.bool))


def custom_from_mask(module: nn.Module, name: str, mask: Tensor) -> nn.Module:
    """Prune with a given mask, within what is left.

    Raises:
        EfflabError: where the mask's shape is not the parameter's.
    """
    site = _site(module, name)
    if mask.shape != site.parameter.shape:
        raise EfflabError(
            f"the mask of {name!r} has shape {tuple(mask.shape)}, expected {tuple(site.parameter.shape)}"
        )
    keep = mask.to(site.parameter.device) != 0
    site.set_mask(keep if site.mask is None else keep & site.mask)
    held = [hook.name for hook in module._forward_pre_hooks.values() if isinstance(hook, _ApplyMask)]  # noqa: SLF001
    if not held:
        module.register_state_dict_pre_hook(_before_saving)  # type: ignore[no-untyped-call]  # torch's
    if name not in held:
        module.register_forward_pre_hook(_ApplyMask(name))
    assert site.mask is not None
    erase_(site.parameter, site.mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[nn.Module, str]],
    pruning_method: Any,
    importance_scores: Mapping[tuple[nn.Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune parameters ranked together.

    Args:
        parameters: pairs of module and parameter name.
        pruning_method: ``L1Unstructured`` (exact and fast), ``RandomUnstructured``, the functions
            ``l1_unstructured`` and ``random_unstructured``, or any unstructured method class of torch's.
        importance_scores: ranked in place of the weights, by pair.
        kwargs: the method's own, such as ``amount``.

    Raises:
        EfflabError: a method that is not unstructured, an amount out of range, no parameters.
    """
    pairs = list(parameters)
    if not pairs:
        raise EfflabError("parameters must hold at least one (module, name) pair, got none")
    found = {f"{i}:{name}": _site(module, name) for i, (module, name) in enumerate(pairs)}
    given = importance_scores or {}
    scores = {key: _scores(site, given.get((site.module, site.name))) for key, site in found.items()}
    alive = {key: _alive(site) for key, site in found.items()}
    method = {l1_unstructured: L1Unstructured, random_unstructured: RandomUnstructured}.get(
        pruning_method, pruning_method
    )
    if method is L1Unstructured:
        masks = _smallest(scores, alive, **kwargs)
    else:
        masks = _by_method(method(**kwargs), scores, alive)
    for key, site in found.items():
        custom_from_mask(site.module, site.name, masks[key])


def remove(module: nn.Module, name: str) -> nn.Module:
    """Make pruning permanent: the zeros stay, mask and hook go.

    Raises:
        EfflabError: where the parameter is not pruned.
    """
    site = _site(module, name)
    if site.mask is None:
        raise EfflabError(
            f"parameter {name!r} of {type(module).__name__} is not pruned, so nothing can be removed"
        )
    erase_(site.parameter, site.mask)
    del module._buffers[name + MASK]  # noqa: SLF001 - the module's own dictionary
    hooks = module._forward_pre_hooks  # noqa: SLF001 - as above
    for key in [key for key, hook in hooks.items() if isinstance(hook, _ApplyMask) and hook.name == name]:
        del hooks[key]
    return module


def is_pruned(module: nn.Module) -> bool:
    """Tell whether any parameter of the module or its children has a mask beside it (torch's own kind too)."""
    masked = any(
        child._buffers.get(name + MASK) is not None  # noqa: SLF001 - the module's own dictionary
        for child in module.modules()
        for name, _ in child.named_parameters(recurse=False)
    )
    return masked or torch_prune.is_pruned(module)


def _prune_one(
    module: nn.Module, name: str, method: BasePruningMethod, importance_scores: Tensor | None = None
) -> nn.Module:
    site = _site(module, name)
    mask = _combine(method, _scores(site, importance_scores), _alive(site))
    return custom_from_mask(module, name, mask)


def _smallest(scores: dict[str, Tensor], alive: dict[str, Tensor], amount: float) -> dict[str, Tensor]:
    total = sum(score.numel() for score in scores.values())
    left = sum(int(mask.sum()) for mask in alive.values())
    share = _check_amount(amount)
    count = share if isinstance(share, int) else round(share * left)
    if count > left:
        raise EfflabError(f"amount must be at most the {left} entries that are left, got {count}")
    before = None if left == total else alive
    return masks_without_smallest(scores, total - left + count, before)[0]


def _by_method(
    method: BasePruningMethod, scores: dict[str, Tensor], alive: dict[str, Tensor]
) -> dict[str, Tensor]:
    if getattr(method, "PRUNING_TYPE", None) != "unstructured":
        raise EfflabError(f"pruning_method must be unstructured, got {type(method).__name__}")
    flat = _combine(
        method,
        torch.cat([score.reshape(-1) for score in scores.values()]),
        torch.cat([mask.reshape(-1) for mask in alive.values()]),
    )
    pieces = torch.split(flat, [score.numel() for score in scores.values()])
    return {key: piece.view(score.shape) for (key, score), piece in zip(scores.items(), pieces, strict=True)}


def _combine(method: BasePruningMethod, scores: Tensor, alive: Tensor) -> Tensor:
    """Let torch's own container apply a method to what is left, so that choices and random draws are torch's."""
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "scores"  # noqa: SLF001 - as torch's global_unstructured does
    container.add_pruning_method(method)
    try:
        mask: Tensor = container.compute_mask(scores, alive.to(scores.dtype))  # type: ignore[no-untyped-call]  # torch's
    except (ValueError, IndexError) as error:
        raise EfflabError(str(error)) from None
    return mask != 0


def _check_amount(amount: object) -> int | float:
    if not isinstance(amount, bool) and isinstance(amount, Integral) and int(amount) >= 0:
        return int(amount)
    if isinstance(amount, Real) and not isinstance(amount, Integral) and 0 <= float(amount) <= 1:
        return float(amount)
    raise EfflabError(f"amount must be a count of at least 0 or a fraction in [0, 1], got {amount!r}")


def _check_dim(site: Site, dim: int) -> None:
    axes = site.parameter.dim()
    if axes < 2 or not -axes <= dim < axes:
        raise EfflabError(
            f"dim must be an axis of a parameter of two or more, got {dim} for {axes} axes of {site.name!r}"
        )


def _scores(site: Site, given: Tensor | None) -> Tensor:
    if given is None:
        return site.parameter.detach()
    if given.shape != site.parameter.shape:
        raise EfflabError(
            f"importance_scores of {site.name!r} have shape {tuple(given.shape)}, "
            f"expected {tuple(site.parameter.shape)}"
        )
    return given.detach()


def _alive(site: Site) -> Tensor:
    return torch.ones_like(site.parameter, dtype=torch.bool) if site.mask is None else site.mask


def _site(module: nn.Module, name: str) -> Site:
    if module._parameters.get(name) is None:  # noqa: SLF001 - the module's own dictionary
        own = [key for key, _ in module.named_parameters(recurse=False)]
        raise EfflabError(
            f"{type(module).__name__} has no parameter {name!r}; it has {', '.join(own) or 'none'}"
        )
    return Site(module, name, name)
