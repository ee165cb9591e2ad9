"""Checkpoints of pruned models: ``torch.nn.utils.prune``'s ``*_orig``/``*_mask`` keys, and efflab's own."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from efflab.errors import CheckpointError
from efflab.pruning.layers import MASK, Site

ORIG = "_orig"


@torch.no_grad()
def load_masked_state_dict(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Load a pruned model's checkpoint into a plain model.

    Args:
        model: unpruned, or pruned with this package; changed in place.
        state: a state dict with ``weight_orig`` and ``weight_mask`` keys (``torch.nn.utils.prune``), with ``weight``
            and ``weight_mask`` keys (this package), or without masks. Pruned entries become exactly zero.

    Returns:
        The masks by parameter name; they now lie in the model as buffers, where ``Pruner(model)`` finds them.

    Raises:
        CheckpointError: keys that are missing or not the model's, other shapes, a mask of anything but 0 and 1.
            The model is unchanged then.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    masks = {key.removesuffix(MASK): value for key, value in state.items() if _is_mask(key, parameters)}
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removesuffix(ORIG) if key.removesuffix(ORIG) in masks else key
        if not _is_mask(key, parameters):
            plain[name] = value
    _check(model, plain, masks)
    for name, mask in masks.items():
        plain[name] = torch.where(mask != 0, plain[name], torch.zeros_like(plain[name]))
        module, _, own = name.rpartition(".")
        Site(model.get_submodule(module), own, name).set_mask(mask != 0)
    for key, buffer in model.named_buffers():
        if key not in plain:
            plain[key] = masks.get(key.removesuffix(MASK), buffer)
    model.load_state_dict(plain, strict=False)
    return {name: mask != 0 for name, mask in masks.items()}


def to_torch_prune_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Write a pruned model's state as ``torch.nn.utils.prune`` does.

    Args:
        model: with masks beside its parameters, or without.

    Returns:
        A state dict in which each masked ``weight`` is ``weight_orig`` and its mask a tensor of 0 and 1 in the
        weight's dtype.

    >>> from efflab.pruning import l1_unstructured
    >>> sorted(to_torch_prune_state_dict(l1_unstructured(nn.Linear(2, 2), "weight", 1)))
    ['bias', 'weight_mask', 'weight_orig']
    """
    state = model.state_dict()
    written: dict[str, Tensor] = {}
    for key, value in state.items():
        if key + MASK in state:
            written[key + ORIG] = value
        elif key.endswith(MASK) and key.removesuffix(MASK) in state:
            written[key] = value.to(state[key.removesuffix(MASK)].dtype)
        else:
            written[key] = value
    return written


def _is_mask(key: str, parameters: Mapping[str, Tensor]) -> bool:
    return key.endswith(MASK) and key.removesuffix(MASK) in parameters


def _check(model: nn.Module, plain: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    own = {key: value for key, value in model.state_dict().items() if key.removesuffix(MASK) == key}
    needed = {
        key: value
        for key, value in model.state_dict().items()
        if key in own or key.removesuffix(MASK) not in own
    }
    missing = [key for key in needed if key not in plain]
    extra = [key for key in plain if key not in needed]
    if missing or extra:
        raise CheckpointError(
            f"the checkpoint is of another model than {type(model).__name__}: "
            f"missing {_few(missing)}; not in the model {_few(extra)}"
        )
    for key, value in {**plain, **{name + MASK: mask for name, mask in masks.items()}}.items():
        expected = needed[key if key in needed else key.removesuffix(MASK)].shape
        if value.shape != expected:
            raise CheckpointError(
                f"{key!r} has shape {tuple(value.shape)} in the checkpoint, expected {tuple(expected)}"
            )
    for name, mask in masks.items():
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise CheckpointError(f"the mask of {name!r} holds values other than 0 and 1")


def _few(keys: list[str]) -> str:
    return (", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")) or "nothing"
