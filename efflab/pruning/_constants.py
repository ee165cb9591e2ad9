"""What neurons without inputs send to the layers after them: constants, made of biases alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from efflab.pruning import _trace
from efflab.pruning._trace import Channels

UNKNOWN = float("nan")

_CALLS: dict[Any, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys((F.relu, torch.relu, "relu", "relu_"), torch.relu),
    **dict.fromkeys((F.tanh, torch.tanh, "tanh"), torch.tanh),
    **dict.fromkeys((F.sigmoid, torch.sigmoid, "sigmoid"), torch.sigmoid),
    **dict.fromkeys(
        (
            F.dropout,
            F.dropout2d,
            F.max_pool2d,
            F.adaptive_avg_pool2d,
            torch.max_pool2d,
            "contiguous",
            "clone",
        ),
        torch.clone,
    ),
    **dict.fromkeys(("mean", torch.mean), torch.clone),
}


def constants(channels: Channels) -> dict[str, Tensor]:
    """Send every layer's bias alone through the steps that follow it.

    Args:
        channels: a traced model.

    Returns:
        By layer, the float64 constant that reaches each of its inputs were all earlier layers without connections;
        NaN where a step in between is not known to turn constants into constants.
    """
    values: dict[fx.Node, Tensor] = {}
    reached: dict[str, Tensor] = {}
    scales = {id(scale.module) for scale in channels.scales}
    for node in channels.graph.graph.nodes:
        if node not in channels.values:
            continue
        module = channels.graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        width = len(channels.values[node])
        if isinstance(module, nn.Linear | _ConvNd) and id(module) not in scales:
            reached[str(node.target)] = values[node.all_input_nodes[0]]
            values[node] = (
                torch.zeros(width).double() if module.bias is None else module.bias.detach().double().cpu()
            )
        else:
            found = _step(channels, node, module, values)
            values[node] = found if len(found) == width else torch.full((width,), UNKNOWN).double()
    return reached


def _step(
    channels: Channels, node: fx.Node, module: nn.Module | None, values: dict[fx.Node, Tensor]
) -> Tensor:
    """Apply one step between layers; an empty tensor stands for an unknown one."""
    sources = [values[n] for n in node.all_input_nodes if n in values]
    unknown = torch.empty(0)
    if not sources:
        return unknown
    first = sources[0]
    if module is not None and not isinstance(module, nn.Flatten):
        return _module(module, first)
    if node.target in {torch.cat, torch.concat}:
        parts: Any = node.args[0] if node.args else node.kwargs["tensors"]
        return torch.cat([values[part] for part in parts])
    if isinstance(module, nn.Flatten) or node.target in _trace.FLATTENS:
        return first.repeat_interleave(max(len(channels.values[node]) // max(len(first), 1), 1))
    if node.target in _trace.ADDITIONS and len(sources) == len(node.args) == 2 and not node.kwargs:
        return sources[0] + sources[1] if len(sources[0]) == len(sources[1]) else unknown
    return _CALLS[node.target](first) if node.target in _CALLS and len(sources) == 1 else unknown


def _module(module: nn.Module, value: Tensor) -> Tensor:
    """Apply an activation, pooling or normalisation in evaluation mode, as if each channel were one pixel."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - the common base
        if module.running_mean is None or module.running_var is None:
            return torch.empty(0)
        scaled = (value - module.running_mean.double().cpu()) / (
            module.running_var.double().cpu() + module.eps
        ).sqrt()
        return (
            scaled * module.weight.detach().double().cpu() + module.bias.detach().double().cpu()
            if module.affine
            else scaled
        )
    if isinstance(module, _DropoutNd):
        return value
    if isinstance(module, _trace.POINTWISE):
        out: Tensor = module(value.clone())
        return out
    averages = isinstance(module, nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d)
    if isinstance(module, _trace.POOLS) and not (averages and np.any(np.asarray(module.padding))):
        return value
    return torch.empty(0)
