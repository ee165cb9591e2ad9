"""Structured pruning whose shapes really shrink: whole channels go, with all that makes, scales and reads them.

Source: H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017 (filters of the smallest L1 norm); coupled
channels of residual sums and concatenations are found by tracing.
"""

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from efflab.errors import EfflabError
from efflab.pruning._trace import Channels, Use, evaluating, trace_channels
from efflab.pruning.configs import Channel, matches, unknown_layer
from efflab.pruning.layers import MASK
from efflab.pruning.masks import channels_to_keep


def remove_channels(
    model: nn.Module,
    example_inputs: Tensor | tuple[Any, ...],
    config: Channel | Mapping[str, Channel],
    *,
    importance: Mapping[str, Tensor] | None = None,
    ignored_layers: Collection[str] = (),
    round_to: int = 1,
) -> nn.Module:
    """Return a smaller copy of a model, without its least important channels.

    Args:
        model: traceable by ``torch.fx``: linear and convolutional layers (grouped, depthwise and transposed too), batch
            normalisation, activations, pooling, flattening, residual sums, concatenations. Channels that enter or
            leave the model, or meet any other operation, stay.
        example_inputs: a tensor, or a tuple of them, as the model is called with.
        config: the share of channels to keep, for all layers or by pattern of layer names.
        importance: scores (length: output channels) by layer name, in place of the L_p norm of the layer's filters.
            Channels coupled by a residual sum are ranked by the sum of their layers' scores.
        ignored_layers: patterns of layers whose output channels all stay.
        round_to: keep a multiple of this many channels a layer (of each part that another layer shares, where it has such).

    Returns:
        The small model, a copy with the same module names; masks beside its weights shrink with them.

    Raises:
        EfflabError: a model that cannot be traced, a pattern or name without a layer, a NaN weight, or a model in which
            nothing may be removed.

    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    >>> remove_channels(net, torch.zeros(1, 1, 8, 8), Channel(0.5))[3]
    Linear(in_features=144, out_features=10, bias=True)
    """
    small = copy.deepcopy(model)
    channels = trace_channels(small, example_inputs)
    names = [use.name for use in channels.layers]
    for pattern in [*(config if isinstance(config, Mapping) else ()), *ignored_layers, *(importance or ())]:
        if not any(matches(pattern, name) for name in names):
            raise EfflabError(unknown_layer(pattern, [f"{name}.weight" for name in names]))
    fixed, doomed = channels.is_fixed(), set[int]()
    free = False
    for members, classes in _coupled(channels).items():
        movable = not any(matches(p, use.name) for p in ignored_layers for use in members)
        settings = [found for use in members if (found := _setting(config, use.name)) is not None]
        scores = _scores(channels, members, settings[0].p if settings else 1, importance or {})
        candidates = sorted((c for c in classes if c not in fixed), key=lambda channel: scores[channel])
        if not movable or not settings or not candidates:
            continue
        free = True
        ratio = max(setting.preserve_ratio for setting in settings)
        keep = channels_to_keep(ratio, len(candidates), round_to)
        doomed.update(candidates[: len(candidates) - keep])
    if not free:
        raise EfflabError(
            f"{type(model).__name__} has no channels that may be removed: all chosen ones enter or leave the model, "
            "or meet an operation that mixes them"
        )
    return shrink(small, channels, doomed, example_inputs)


def shrink(model: nn.Module, channels: Channels, doomed: set[int], example_inputs: Any) -> nn.Module:
    """Cut channel classes out of every layer of a traced model, in place, and see that it still runs.

    Args:
        model: the model that was traced.
        channels: its trace.
        doomed: representatives of the classes to remove.
        example_inputs: as for tracing.

    Returns:
        The model.
    """
    gone = np.array(sorted(doomed), dtype=np.int64)
    done: set[int] = set()
    for use in channels.layers:
        if id(use.module) not in done:
            _shrink_layer(
                use,
                ~np.isin(channels.classes(use.inputs), gone),
                ~np.isin(channels.classes(use.outputs), gone),
            )
        done.add(id(use.module))
    for scale in channels.scales:
        if id(scale.module) not in done:
            _shrink_scale(scale.module, ~np.isin(channels.classes(scale.channels), gone))
        done.add(id(scale.module))
    try:
        with torch.no_grad(), evaluating(model):
            model(*(example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)))
    except RuntimeError as error:
        raise EfflabError(
            f"{type(model).__name__} no longer runs once its channels are removed: its forward relies on their "
            f"number ({str(error).splitlines()[0]}); name the layers concerned in ignored_layers"
        ) from error
    return model


def _coupled(channels: Channels) -> dict[tuple[Use, ...], list[int]]:
    """Share out the channel classes by the layers that make them.

    Classes of one share are ranked together and some stay of each, so that every layer keeps some: where a residual sum
    meets a concatenation, a layer whose filters are all small would else lose them all.
    """
    makers: dict[int, list[Use]] = {}
    for use in channels.layers:
        for channel in np.unique(channels.classes(use.outputs)).tolist():
            makers.setdefault(channel, []).append(use)
    shares: dict[tuple[Use, ...], list[int]] = {}
    for channel, uses in makers.items():
        shares.setdefault(tuple(uses), []).append(channel)
    return shares


def _setting(config: Channel | Mapping[str, Channel], name: str) -> Channel | None:
    if isinstance(config, Channel):
        return config
    return next((value for pattern, value in config.items() if matches(pattern, name)), None)


def _scores(
    channels: Channels, members: Iterable[Use], p: float, given: Mapping[str, Tensor]
) -> dict[int, float]:
    """Score every channel class that the members make."""
    scores: dict[int, float] = {}
    for use in members:
        norms = given[use.name] if use.name in given else _filter_norms(use, p)
        if norms.shape != (len(use.outputs),):
            raise EfflabError(
                f"importance of {use.name!r} has shape {tuple(norms.shape)}, expected ({len(use.outputs)},)"
            )
        for channel, norm in zip(channels.classes(use.outputs).tolist(), norms.tolist(), strict=True):
            scores[channel] = scores.get(channel, 0.0) + norm
    return scores


def _filter_norms(use: Use, p: float) -> Tensor:
    weight = layer_weight(use.module).detach()
    if bool(torch.isnan(weight).any()):
        raise EfflabError(f"layer {use.name!r} holds NaN, so its channels cannot be ranked")
    if isinstance(use.module, _ConvTransposeNd):
        groups = use.module.groups
        split = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1)
        weight = split
    norms: Tensor = torch.linalg.vector_norm(weight.flatten(1).double(), ord=p, dim=1)
    return norms


def layer_weight(module: nn.Module) -> Tensor:
    """Return a linear or convolutional layer's weight."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _shrink_layer(use: Use, inputs: NDArray[Any], outputs: NDArray[Any]) -> None:
    module = use.module
    reads, makes = (0, 1) if isinstance(module, _ConvTransposeNd) else (1, 0)
    groups = module.groups if isinstance(module, _ConvNd) else 1
    # A grouped kernel holds one dimension whole and the other for one group; all groups lose the same.
    read_keep = inputs if reads == 0 else inputs[: len(inputs) // groups]
    make_keep = outputs if makes == 0 else outputs[: len(outputs) // groups]
    _cut(module, "weight", reads, read_keep)
    _cut(module, "weight", makes, make_keep)
    _cut(module, "bias", 0, outputs)
    names = (
        ("in_channels", "out_channels") if isinstance(module, _ConvNd) else ("in_features", "out_features")
    )
    for name, keep in zip(names, (inputs, outputs), strict=True):
        setattr(module, name, int(keep.sum()))


def _shrink_scale(module: nn.Module, keep: NDArray[Any]) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        _cut(module, name, 0, keep)
    count = int(keep.sum())
    for name in ("num_features", "num_parameters", "in_channels", "out_channels"):
        if hasattr(module, name):
            setattr(module, name, count)
    if isinstance(module, _ConvNd):
        module.groups = count


def _cut(module: nn.Module, name: str, dim: int, keep: NDArray[Any]) -> None:
    """Keep the chosen slices of a parameter or buffer, and of the mask beside it."""
    index = torch.from_numpy(np.flatnonzero(keep))
    parameter = module._parameters.get(name)  # noqa: SLF001 - the module's own dictionaries
    if parameter is not None and len(index) < parameter.shape[dim]:
        cut = parameter.detach().index_select(dim, index.to(parameter.device))
        setattr(module, name, nn.Parameter(cut, requires_grad=parameter.requires_grad))
    for key in (name, name + MASK):
        buffer = module._buffers.get(key)  # noqa: SLF001 - as above
        if buffer is not None and len(index) < buffer.shape[dim]:
            module._buffers[key] = buffer.index_select(dim, index.to(buffer.device))  # noqa: SLF001 - as above
