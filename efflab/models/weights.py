"""Weights into and out of a model: files are read safely, and a model is changed wholly or not at all."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from efflab.errors import CheckpointError
from efflab.models import storage

State = dict[str, Tensor]

# Where training scripts put a state dict among other things.
_NESTED = ("state_dict", "model_state_dict", "model")
# Put in front of every name by DataParallel, DistributedDataParallel and torch.compile.
_PREFIXES = ("module.", "_orig_mod.")
_LISTED = 3


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """Load a file of weights into ``model``.

    Accepted are safetensors, torch state dicts (bare, or below ``state_dict``, ``model_state_dict`` or ``model``, such as the
    checkpoints of ``efflab.training.fit``, of which the best weights are taken), names that begin with ``module.``, and
    pruned checkpoints with ``*_orig`` and ``*_mask`` or a mask beside a plain weight (see ``efflab.pruning``).

    Args:
        model: the model; it keeps its weights if anything is wrong with the file.
        path: the file.

    Returns:
        ``model``.

    Raises:
        CheckpointError: the file is missing, damaged, holds no state dict, or belongs to another model; the message names
            the first missing, unexpected and differently shaped tensors.
    """
    state = _without_prefix(_state_dict(storage.read(path), path), model)
    own = model.state_dict()
    plain, masked = _plain_names(state, own)
    _fill_shared(plain, own)
    refuse_difference(own, plain, path)
    if masked:
        _load_masked(model, state, path)
    else:
        model.load_state_dict(plain)
    return model


def save_weights(model: nn.Module, path: str | os.PathLike[str]) -> Path:
    """Write the state dict of ``model`` as safetensors, atomically; a tensor under several names is written once.

    Args:
        model: any model.
        path: the file to write.

    Returns:
        The path written.

    Raises:
        OSError: the file cannot be written; what stood at ``path`` is left as it was.
    """
    state: State = model.state_dict()
    kept = {names[0]: state[names[0]].detach().contiguous() for names in _aliases(state)}
    # Two views of one storage that are no aliases cannot be shared in the file.
    seen: set[int] = set()
    for name, tensor in kept.items():
        pointer = tensor.untyped_storage().data_ptr()
        kept[name] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return storage.write_safetensors(kept, path)


def refuse_difference(own: Mapping[str, Tensor], other: Mapping[str, Tensor], path: object) -> None:
    """Raise a CheckpointError that lists how ``other``, read from ``path``, differs from a model's state ``own``."""
    differences = list(_differences(own, other))
    if differences:
        raise CheckpointError(f"{path} belongs to another model: {'; '.join(differences)}")


def _differences(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Iterator[str]:
    # Checkpoints older than torch 0.4.1 lack this counter, which nothing but a cumulative average needs.
    missing = [k for k in own if k not in other and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in other if k not in own]
    shapes = [
        f"{k} {_form(other[k])} instead of {_form(own[k])}"
        for k in own
        if k in other and _form(own[k]) != _form(other[k])
    ]
    for title, found in (("missing", missing), ("unexpected", unexpected), ("different", shapes)):
        if found:
            more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
            yield f"{title}: {', '.join(found[:_LISTED])}{more}"


def _form(tensor: Tensor) -> str:
    """Shape, and the kind of number where it is no float: float32 weights may come from float16 ones."""
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return f"{'x'.join(map(str, tensor.shape)) or 'scalar'}{kind}"


def _state_dict(content: Any, path: object) -> State:
    if isinstance(content, dict) and content.get("kind") == "efflab.training" and content.get("best"):
        content = content["best"]
    for key in _NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds no state dict, a non-empty dictionary of tensors by name")
    odd = [key for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if odd:
        raise CheckpointError(f"{path} holds no state dict: its entry {odd[0]!r} is not a tensor")
    return dict(content)


def _without_prefix(state: State, model: nn.Module) -> State:
    own = model.state_dict()
    for prefix in _PREFIXES:
        if all(k.startswith(prefix) for k in state) and not any(k.startswith(prefix) for k in own):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _plain_names(state: State, own: Mapping[str, Tensor]) -> tuple[State, bool]:
    """The state under the names that it has without masks, and whether there were any that ``own`` lacks."""
    extra = {k for k in state if k not in own and k.endswith(("_mask", "_orig"))}
    masks = {k for k in extra if k.endswith("_mask")}
    plain = {k.removesuffix("_orig") if k in extra else k: v for k, v in state.items() if k not in masks}
    return plain, bool(extra)


def _load_masked(model: nn.Module, state: State, path: object) -> None:
    # Pruning is a topic: the shared ground imports it only where a file asks for it.
    from efflab import pruning  # noqa: PLC0415 - see above

    try:
        pruning.load_masked_state_dict(model, state)
    except CheckpointError:
        raise
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} holds masks that do not fit its weights: {error}") from error


def _aliases(state: Mapping[str, Tensor]) -> list[list[str]]:
    """Names grouped by the tensor that they stand for, such as tied embedding and decoder."""
    groups: dict[object, list[str]] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) if tensor.numel() else name
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _fill_shared(state: State, own: Mapping[str, Tensor]) -> None:
    """Give a tensor that is shared in the model under the names that its file left out."""
    for group in _aliases(own):
        present = [name for name in group if name in state]
        if present:
            state.update({name: state[present[0]] for name in group if name not in state})


def cpu_state(model: nn.Module) -> State:
    """A copy of the model's state dict on the CPU, which later training does not change."""
    with torch.no_grad():
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
