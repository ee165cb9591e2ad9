"""The vectors that a network's layers multiply: drawn, given, or watched in a model's own forward pass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from efflab.eie.model_output import forward
from efflab.eie.networks import Network, NetworkLayer
from efflab.eie.tensors import CONVOLUTION, KNOWN
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_VECTORS = 64
"""Vectors of a layer that are simulated; the others are taken to cost as much on average."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """What one layer is given.

    Args:
        values: (vectors, columns), those that are simulated.
        total: vectors that one input of the network makes: the places of a convolution's output, 1 for a fully connected
            layer of an image, and as many times so often as the layer runs.
    """

    values: NDArray[np.float64]
    total: int = 1


Inputs = Mapping[str, Vectors]
"""By the name of the layer."""


def drawn(network: Network, density: float, seed: int = 0) -> dict[str, Vectors]:
    """Draw one vector a layer: each input is not zero with probability ``density``, and then normally distributed above 0.

    Args:
        network: whose layers.
        density: from 0 to 1.
        seed: of NumPy's generator.

    Raises:
        EfflabError: a density outside 0 to 1.
    """
    if not 0 <= density <= 1:
        raise EfflabError(f"density must be from 0 to 1, got {density}")
    generator = np.random.default_rng(seed)
    found = {}
    for one in network.layers:
        columns = one.layer.shape[1]
        values = np.abs(generator.normal(size=columns)) * (generator.random(columns) < density)
        found[one.name] = Vectors(values[None])
    return found


def chained(
    network: Network, vector: NDArray[Any]
) -> dict[str, Callable[[NDArray[np.float64]], Vectors] | Vectors]:
    """Give the first layer a vector, and each next one what the layer before wrote back after ReLU.

    Raises:
        EfflabError: a layer is a convolution, or does not take as many inputs as the one before has outputs.
    """
    values = np.asarray(vector, np.float64).ravel()
    if not np.isfinite(values).all():
        raise EfflabError("the input must hold finite numbers, and some are not")
    width = values.size
    for one in network.layers:
        if one.weight.kind == CONVOLUTION:
            raise EfflabError(
                f"{one.name} is a convolution, whose patches only a model knows: name the model too"
            )
        if one.layer.shape[1] != width:
            raise EfflabError(f"{one.name} takes {one.layer.shape[1]:,} inputs, and {width:,} came")
        width = one.layer.shape[0]
    first, *others = network.layers
    after: dict[str, Callable[[NDArray[np.float64]], Vectors] | Vectors] = {first.name: Vectors(values[None])}
    return after | {one.name: _rectified for one in others}


def _rectified(outputs: NDArray[np.float64]) -> Vectors:
    return Vectors(np.maximum(outputs, 0)[None])


def watched(
    network: Network, model: "nn.Module", example: "Tensor", most: int = MOST_VECTORS
) -> dict[str, Vectors]:
    """See what a model gives its layers.

    Args:
        network: loaded from the model's file.
        model: with the weights of the file.
        example: one input, batch axis included; it is given in the precision of the model's parameters.
        most: vectors kept of a layer, evenly spaced over its places and runs.

    Returns:
        The vectors of every layer of ``network``; those of a layer that ran several times come from all its runs.

    Raises:
        EfflabError: a layer did not run, is of a kind whose vectors are not its inputs, or the model does not take the input.
    """
    calls: dict[str, list[_Call]] = {one.name: [] for one in network.layers}
    modules = dict(model.named_modules(remove_duplicate=False))
    for one in network.layers:
        _check(one, modules.get(one.weight.module))
    hooks = [
        modules[one.weight.module].register_forward_pre_hook(_keeper(calls[one.name], most))
        for one in network.layers
    ]
    try:
        forward(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    for name, own in calls.items():
        if not own:
            raise EfflabError(f"{name} did not run when the model was given the input")
    return {name: _gathered(own, most) for name, own in calls.items()}


def _check(one: NetworkLayer, module: "nn.Module | None") -> None:
    """Refuse a layer whose vectors are not its inputs, or not those that its matrix takes."""
    import torch  # noqa: PLC0415 - only where a model runs

    if not isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
        kind = "no layer" if module is None else f"a {type(module).__name__}"
        raise EfflabError(f"{one.name} is {kind} in the model, and {KNOWN}")
    groups = getattr(module, "groups", 1)
    if groups != one.weight.groups:
        raise EfflabError(
            f"{one.name} has {groups:,} groups in the model and was loaded with {one.weight.groups:,}: load it with model="
        )


class _Call(NamedTuple):
    """One run of a layer: how many vectors it had, the places of those kept, and these."""

    size: int
    places: NDArray[np.int64]
    rows: NDArray[np.float64]


def _spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most so many places, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def _keeper(calls: list[_Call], most: int) -> Callable[[Any, tuple[Any, ...]], None]:
    def keep(module: Any, inputs: tuple[Any, ...]) -> None:
        rows = _rows(module, inputs[0].detach().float())
        if len(rows):
            places = _spaced(len(rows), most)
            calls.append(_Call(len(rows), places, rows[places].double().cpu().numpy()))

    return keep


def _gathered(calls: list[_Call], most: int) -> Vectors:
    """The vectors of all runs of a layer: of each place chosen the nearest that was kept."""
    total = sum(call.size for call in calls)
    chosen, begin, parts = _spaced(total, most), 0, []
    for call in calls:
        own = chosen[(chosen >= begin) & (chosen < begin + call.size)] - begin
        parts.append(call.rows[np.abs(call.places[:, None] - own).argmin(axis=0)])
        begin += call.size
    return Vectors(np.concatenate(parts), total)


def _rows(module: Any, x: "Tensor") -> "Tensor":
    """A layer's input as the vectors it multiplies: (vectors, columns)."""
    import torch  # noqa: PLC0415 - as above

    if isinstance(module, torch.nn.Linear):
        return x.reshape(-1, x.shape[-1])
    x = x.unsqueeze(0) if x.dim() == 3 else x  # one image without a batch axis
    padding: Any = module.padding
    if isinstance(padding, str) or module.padding_mode != "zeros":
        reach = module._reversed_padding_repeated_twice  # noqa: SLF001 - torch's own amount of padding
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        x, padding = torch.nn.functional.pad(x, reach, mode), 0
    patches = torch.nn.functional.unfold(x, module.kernel_size, module.dilation, padding, module.stride)
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])
