"""Removing dead neurons: those that pruning left without inputs, or without outputs.

Source: NIPS 2015, section 3.5 ("Pruning Neurons"): a neuron with zero input or zero output connections may be safely
pruned, with all its other connections. Here the function is kept exactly: a neuron without inputs still sends its
bias, a constant that is folded into the bias of the layer that reads it.
"""

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from efflab.pruning._constants import constants
from efflab.pruning._trace import Channels, Ids, Use, trace_channels
from efflab.pruning.channels import layer_weight, shrink
from efflab.pruning.layers import MASK
from efflab.tables import TextTable

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class DeadNeurons:
    """What ``zero_dead_neurons_`` did.

    Args:
        neurons: dead neurons (output channels) by layer.
        weights: weights set to zero by layer, beyond those that were.
        rounds: passes until nothing changed, the last one included.
    """

    neurons: dict[str, int]
    weights: dict[str, int]
    rounds: int

    def _repr_html_(self) -> str:
        rows = [(name, self.neurons[name], self.weights[name]) for name in self.neurons]
        return TextTable.of(("layer", "dead neurons", "weights removed"), rows)._repr_html_()


def zero_dead_neurons_(model: nn.Module, example_inputs: Tensor | tuple[Any, ...]) -> DeadNeurons:
    """Zero all connections of dead neurons, in place, until no more die.

    The output in evaluation mode stays what it was (but for rounding where a constant is folded). A constant that cannot
    be folded exactly, since the reader pads with zeros or has no bias, or a step in between is not known to keep
    constants, stays with its neuron.

    Args:
        model: traceable; see ``remove_channels``. Masks beside its weights follow.
        example_inputs: a tensor, or a tuple of them, as the model is called with.

    Returns:
        Counts by layer.

    Raises:
        EfflabError: where the model cannot be traced.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> net[2].weight.data[:, 1] = 0.0
    >>> zero_dead_neurons_(net, torch.zeros(1, 4)).weights
    {'0': 4, '2': 0}
    """
    return _zero(trace_channels(model, example_inputs))[0]


def remove_dead_neurons(model: nn.Module, example_inputs: Tensor | tuple[Any, ...]) -> nn.Module:
    """Return a smaller copy of a pruned model, without its dead neurons: shapes shrink, the function stays.

    Args:
        model: traceable; see ``remove_channels``. It is left as it was.
        example_inputs: a tensor, or a tuple of them, as the model is called with.

    Returns:
        The small model; at least one neuron of each layer stays.

    Raises:
        EfflabError: where the model cannot be traced.
    """
    small = copy.deepcopy(model)
    channels = trace_channels(small, example_inputs)
    _, dead = _zero(channels)
    for use in channels.layers:
        classes = channels.classes(use.outputs)
        if dead[classes].all():
            dead[classes[0]] = False
    return shrink(small, channels, set(np.flatnonzero(dead).tolist()), example_inputs)


@torch.no_grad()
def _zero(channels: Channels) -> tuple[DeadNeurons, Flags]:
    """Bury the dead until none are left; return what was done, and the dead classes of channels."""
    layers = [(use, channels.classes(use.inputs), channels.classes(use.outputs)) for use in channels.layers]
    before = {use.name: int(layer_weight(use.module).count_nonzero()) for use in channels.layers}
    movable = np.ones(len(channels.parents), dtype=bool)
    movable[list(channels.is_fixed())] = False
    movable &= np.isin(np.arange(len(movable)), [channel for *_, outputs in layers for channel in outputs])
    dead = np.zeros_like(movable)
    rounds = 0
    while True:
        rounds += 1
        read, made = np.zeros_like(dead), np.zeros_like(dead)
        for use, inputs, outputs in layers:
            np.logical_or.at(read, inputs, _alive(use, _reads(use), len(inputs)))
            np.logical_or.at(made, outputs, _alive(use, _makes(use), len(outputs)))
        unread = movable & ~read
        unmade = _fold(channels, layers, movable & read & ~made)
        newly = (unread | unmade) & ~dead
        if not newly.any():
            break
        _silence(channels, layers, newly)
        dead |= newly
    weights = {
        use.name: before[use.name] - int(layer_weight(use.module).count_nonzero()) for use in channels.layers
    }
    neurons = {use.name: int(dead[outputs].sum()) for use, _, outputs in layers}
    return DeadNeurons(neurons, weights, rounds), dead


def _fold(channels: Channels, layers: list[tuple[Use, Ids, Ids]], unmade: Flags) -> Flags:
    """Fold the constants of neurons without inputs into the readers' biases; return those that could be."""
    if not unmade.any():
        return unmade
    reached = constants(channels)
    able = unmade.copy()
    calls = Counter(id(use.module) for use, *_ in layers)
    for use, inputs, _ in layers:
        constant = reached[use.name].numpy()
        foldable = _foldable(use.module) and calls[id(use.module)] == 1
        stuck = np.isnan(constant) | ((constant != 0) & (not foldable))
        able[inputs[stuck]] = False
    for use, inputs, _ in layers:
        values = torch.where(torch.from_numpy(able[inputs]), reached[use.name], 0.0)
        if bool(values.any()):
            bias, weight = use.module.bias, layer_weight(use.module)
            assert isinstance(bias, Tensor)
            kernel = weight.double().flatten(2).sum(2) if weight.dim() > 2 else weight.double()  # (out, in)
            bias += (kernel @ values.to(weight.device)).to(bias.dtype)
    return able


def _foldable(module: nn.Module) -> bool:
    """Whether a constant input only shifts the layer's output, everywhere by the same."""
    if not isinstance(module.bias, Tensor):
        return False
    if not isinstance(module, _ConvNd):
        return True
    padded = module.padding != "valid" and any(pad != 0 for pad in module.padding)
    transposed = isinstance(module, _ConvTransposeNd)
    return module.groups == 1 and not transposed and (not padded or module.padding_mode != "zeros")


def _silence(channels: Channels, layers: list[tuple[Use, Ids, Ids]], dead: Flags) -> None:
    """Zero all that makes, scales and reads dead channels, and the masks of the weights."""
    for use, inputs, outputs in layers:
        _fill(use.module, _reads(use), dead[inputs])
        _fill(use.module, _makes(use), dead[outputs])
        if isinstance(use.module.bias, Tensor):
            use.module.bias[torch.from_numpy(dead[outputs])] = 0
    for scale in channels.scales:
        gone = torch.from_numpy(dead[channels.classes(scale.channels)])
        for parameter in (scale.module.weight, scale.module.bias):
            if isinstance(parameter, Tensor):
                parameter[gone] = 0
        mask = scale.module._buffers.get("weight" + MASK)  # noqa: SLF001 - a depthwise kernel may be pruned
        if mask is not None:
            mask[gone] = False


def _fill(module: nn.Module, dim: int, gone: Flags) -> None:
    weight = layer_weight(module)
    # A grouped kernel holds one group's channels along this dimension, and a class spans all groups alike.
    index = torch.from_numpy(np.flatnonzero(gone[: weight.shape[dim]])).to(weight.device)
    weight.index_fill_(dim, index, 0)
    mask = module._buffers.get("weight" + MASK)  # noqa: SLF001 - absent where nothing was pruned
    if mask is not None:
        mask.index_fill_(dim, index, value=False)


def _alive(use: Use, dim: int, channels: int) -> Flags:
    """Which channels along a dimension of the weight have a connection; for all groups."""
    weight = layer_weight(use.module)
    found: Flags = (weight != 0).movedim(dim, 0).flatten(1).any(1).cpu().numpy()
    return np.tile(found, channels // len(found)) if len(found) else found


def _reads(use: Use) -> int:
    return 0 if isinstance(use.module, _ConvTransposeNd) else 1


def _makes(use: Use) -> int:
    return 1 - _reads(use)
