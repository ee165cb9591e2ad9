"""Which channels of a model belong together: a trace of its channels from layer to layer.

Every channel that flows between two layers gets a number. Where a residual sum adds two tensors their channels are the
same, where a concatenation joins them they lie side by side, and a flattened map repeats each channel once a pixel.
Removing one number then means removing the same slice from every layer that makes, scales or reads it.
"""

import contextlib
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from efflab.errors import EfflabError

Ids = NDArray[np.int64]

POINTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh,
    nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Threshold, nn.Identity,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
)  # fmt: skip
POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
POINTWISE_CALLS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.mish, F.sigmoid, F.tanh, F.hardtanh,
    F.hardswish, F.hardsigmoid, F.softplus, F.dropout, F.dropout2d, torch.relu, torch.sigmoid, torch.tanh,
    "relu", "relu_", "sigmoid", "tanh", "contiguous", "clone",
}  # fmt: skip
POOL_CALLS = {
    F.max_pool1d, F.max_pool2d, F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d,
    F.adaptive_max_pool2d, torch.max_pool2d,
}  # fmt: skip
ADDITIONS = {operator.add, operator.iadd, torch.add, "add", "add_"}
PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
FLATTENS = {torch.flatten, "flatten", "view", "reshape", torch.reshape}
SIZES = {"size", "dim", getattr, operator.getitem, operator.mul, operator.floordiv}


@dataclass(frozen=True, eq=False)
class Use:
    """One layer with the channels it reads (``inputs``), and those it makes (``outputs``)."""

    name: str
    module: nn.Module
    inputs: Ids
    outputs: Ids


@dataclass(frozen=True, eq=False)
class Scale:
    """A layer that works on each channel by itself: batch normalisation, PReLU, a depthwise convolution."""

    name: str
    module: nn.Module
    channels: Ids


@dataclass(eq=False)
class Channels:
    """All channels of a traced model.

    Args:
        layers: linear and convolutional layers in the order of computation.
        scales: layers with parameters by channel.
        fixed: channels that must stay, since they enter or leave the model or meet an operation that mixes them.
        graph: the traced graph.
        values: the channels of every node's output.
    """

    graph: fx.GraphModule
    layers: list[Use] = field(default_factory=list)
    scales: list[Scale] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)
    values: dict[fx.Node, Ids] = field(default_factory=dict)
    parents: list[int] = field(default_factory=list)

    def new(self, count: int) -> Ids:
        """Number ``count`` new channels."""
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def find(self, channel: int) -> int:
        """Return the representative of a channel's class."""
        while self.parents[channel] != channel:
            self.parents[channel] = self.parents[self.parents[channel]]
            channel = self.parents[channel]
        return channel

    def unite(self, first: Ids, second: Ids) -> None:
        """Declare two equally long lists of channels to be the same, one by one."""
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            a, b = self.find(one), self.find(other)
            if a != b:
                self.parents[max(a, b)] = min(a, b)

    def fix(self, channels: Ids) -> None:
        """Forbid the removal of channels."""
        self.fixed.update(channels.tolist())

    def classes(self, channels: Ids) -> Ids:
        """Return the representatives of channels."""
        return np.array([self.find(channel) for channel in channels.tolist()], dtype=np.int64)

    def is_fixed(self) -> set[int]:
        """Return the representatives of the fixed channels."""
        return {self.find(channel) for channel in self.fixed}


def trace_channels(model: nn.Module, example_inputs: Any) -> Channels:
    """Follow the channels through a model.

    Args:
        model: traceable by ``torch.fx``; batch first, channels in dimension 1 (features last for linear layers).
        example_inputs: a tensor, or a tuple of them, as the model is called with.

    Returns:
        The channels.

    Raises:
        EfflabError: where the model cannot be traced or run on the example.
    """
    inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    try:
        graph = fx.symbolic_trace(model)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise EfflabError(
            f"{type(model).__name__} cannot be traced by torch.fx ({reason}); "
            "its forward must not branch on its data, or prune it with masks instead"
        ) from error
    try:
        with torch.no_grad(), evaluating(model):
            ShapeProp(graph).propagate(*inputs)
    except Exception as error:
        shapes = [tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__ for x in inputs]
        raise EfflabError(
            f"{type(model).__name__} does not run on example_inputs of shape {shapes} ({type(error).__name__})"
        ) from error
    channels = Channels(graph)
    for node in graph.graph.nodes:
        _visit(channels, node)
    _tie_shared(channels)
    return channels


def _visit(c: Channels, node: fx.Node) -> None:
    if _is_size(node):
        return
    sources = [n for n in node.all_input_nodes if n in c.values]
    if node.op == "call_module":
        handled = len(sources) == 1 and _module(c, node, c.graph.get_submodule(str(node.target)), sources[0])
    elif node.op in {"call_function", "call_method"}:
        handled = _call(c, node, sources)
    else:
        handled = False
    if not handled:
        for source in sources:
            c.fix(c.values[source])
        c.values[node] = c.new(_width(node))
        c.fix(c.values[node])


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """Return the shape of a node's output; None where it is no tensor."""
    meta: Any = node.meta.get("tensor_meta")
    return tuple(meta.shape) if hasattr(meta, "shape") else None


def _is_size(node: fx.Node) -> bool:
    """Whether a node is a size of a tensor, or reckoned from sizes, that only says how to reshape: it carries no channels."""
    own = (
        node.op in {"call_function", "call_method"}
        and node.target in SIZES
        and "tensor_meta" not in node.meta
    )
    return own and all(user.target in FLATTENS or _is_size(user) for user in node.users)


def _width(node: fx.Node) -> int:
    shape = shape_of(node)
    return shape[1] if shape is not None and len(shape) > 1 else 0


def _module(c: Channels, node: fx.Node, module: nn.Module, source: fx.Node) -> bool:
    ids = c.values[source]
    shape = shape_of(source) or ()
    name = str(node.target)
    if isinstance(module, nn.Linear) and len(shape) == 2:
        c.values[node] = c.new(module.out_features)
        c.layers.append(Use(name, module, ids, c.values[node]))
    elif isinstance(module, _ConvNd) and len(shape) == module.weight.dim():
        c.values[node] = _convolution(c, name, module, ids)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm | _InstanceNorm) or (  # noqa: SLF001 - the common base
        isinstance(module, nn.PReLU) and module.num_parameters > 1
    ):
        c.scales.append(Scale(name, module, ids))
        c.values[node] = ids
    elif isinstance(module, (*POINTWISE, *POOLS, nn.PReLU, nn.Upsample)) and len(shape) >= 2:
        c.values[node] = ids
    elif isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
        return _flatten(c, node, source)
    else:
        return False
    return True


def _convolution(c: Channels, name: str, module: _ConvNd, ids: Ids) -> Ids:
    groups = module.groups
    if groups > 1 and groups == module.in_channels == module.out_channels:
        c.scales.append(Scale(name, module, ids))
        return ids
    made = c.new(module.out_channels)
    for channels in (ids, made) if groups > 1 else ():
        # Every group must lose the same number: tie the j-th channels of all groups.
        split = channels.reshape(groups, -1)
        for other in split[1:]:
            c.unite(split[0], other)
    c.layers.append(Use(name, module, ids, made))
    return made


def _call(c: Channels, node: fx.Node, sources: list[fx.Node]) -> bool:
    target: Any = node.target
    if not sources:
        return False
    widths = {len(c.values[source]) for source in sources}
    shapes = [shape_of(source) for source in sources]
    if target in POINTWISE_CALLS | POOL_CALLS and len(sources) == 1:
        c.values[node] = c.values[sources[0]]
    elif (
        target in ADDITIONS | PRODUCTS
        and len(widths) == 1
        and len({len(shape or ()) for shape in shapes}) == 1
    ):
        for other in sources[1:]:
            c.unite(c.values[sources[0]], c.values[other])
        c.values[node] = c.values[sources[0]]
    elif target in {torch.cat, torch.concat} and _argument(node, 1, "dim", 0) == 1:
        parts = node.args[0] if node.args else node.kwargs.get("tensors")
        c.values[node] = np.concatenate([c.values[part] for part in parts])  # type: ignore[union-attr, index]  # a list of nodes
    elif target in FLATTENS and len(sources) == 1:
        return _flatten(c, node, sources[0])
    elif target in {"mean", torch.mean} and _argument(node, 1, "dim", None) in (
        [2, 3],
        (2, 3),
        [-2, -1],
        (-2, -1),
        [-1, -2],
        (-1, -2),
    ):
        c.values[node] = c.values[sources[0]]
    else:
        return False
    return True


def _argument(node: fx.Node, position: int, name: str, default: object) -> object:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _flatten(c: Channels, node: fx.Node, source: fx.Node) -> bool:
    """All but the batch into one dimension: each channel once a pixel."""
    before, after = shape_of(source), shape_of(node)
    if before is None or after is None or len(after) != 2 or before[0] != after[0] or len(before) < 2:
        return False
    # A reshape that names the width cannot follow when channels go.
    sizes = node.args[1:] if node.target in {"view", "reshape"} else ()
    if node.target is torch.reshape or any(isinstance(size, int) and size == after[1] for size in sizes):
        return False
    c.values[node] = np.repeat(c.values[source], int(np.prod(before[2:], dtype=np.int64)))
    return True


def _tie_shared(c: Channels) -> None:
    """Treat a layer that is called twice as one, and leave alone the channels of layers that share a parameter."""
    seen: dict[int, Use] = {}
    owners: dict[int, nn.Module] = {}
    for use in c.layers:
        first = seen.setdefault(id(use.module), use)
        if first is not use:
            c.unite(first.inputs, use.inputs)
            c.unite(first.outputs, use.outputs)
        for parameter in use.module.parameters(recurse=False):
            if owners.setdefault(id(parameter), use.module) is not use.module:
                for each in c.layers:
                    if any(p is parameter for p in each.module.parameters(recurse=False)):
                        c.fix(each.inputs)
                        c.fix(each.outputs)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode for the length of a block, and every module back as it was."""
    modes = {module: module.training for module in model.modules()}
    model.train(mode=False)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
