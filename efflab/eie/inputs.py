"""The vectors that a network's layers multiply: drawn, given, or watched in a model's own forward pass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from efflab.eie.networks import CONVOLUTION, Network
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
            layer of an image.
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
        example: one input, batch axis included.
        most: vectors kept of a layer, evenly spaced over its places.

    Returns:
        The vectors of every layer of ``network`` that ran; a layer that ran several times keeps its last run.

    Raises:
        EfflabError: a layer did not run, or is of a kind whose vectors are not its inputs.
    """
    import torch  # noqa: PLC0415 - only where a model runs

    found: dict[str, Vectors] = {}
    modules = dict(model.named_modules())
    hooks = []
    for one in network.layers:
        module = modules.get(one.name)
        if not isinstance(module, torch.nn.Linear | torch.nn.Conv2d) or getattr(module, "groups", 1) != 1:
            raise EfflabError(
                f"{one.name} is {_kind(module)} in the model, and vectors are known of linear layers and of convolutions "
                "in two dimensions and one group"
            )
        hooks.append(module.register_forward_pre_hook(_keeper(found, one.name, most)))
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(example)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    missing = [one.name for one in network.layers if one.name not in found]
    if missing:
        raise EfflabError(f"{missing[0]} did not run when the model was given the input")
    return found


def _keeper(found: dict[str, Vectors], name: str, most: int) -> Callable[[Any, tuple[Any, ...]], None]:
    def keep(module: Any, inputs: tuple[Any, ...]) -> None:
        rows = _rows(module, inputs[0].detach())
        chosen = np.unique(np.linspace(0, rows.shape[0] - 1, min(most, rows.shape[0])).round().astype(int))
        found[name] = Vectors(rows[chosen].double().numpy(), rows.shape[0])

    return keep


def _rows(module: Any, x: "Tensor") -> "Tensor":
    """A layer's input as the vectors it multiplies: (vectors, columns)."""
    import torch  # noqa: PLC0415 - as above

    if isinstance(module, torch.nn.Linear):
        return x.reshape(-1, x.shape[-1])
    padding: Any = module.padding
    if isinstance(padding, str) or module.padding_mode != "zeros":
        reach = module._reversed_padding_repeated_twice  # noqa: SLF001 - torch's own amount of padding
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        x, padding = torch.nn.functional.pad(x, reach, mode), 0
    patches = torch.nn.functional.unfold(x, module.kernel_size, module.dilation, padding, module.stride)
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])


def _kind(module: Any) -> str:
    return "no layer" if module is None else f"a {type(module).__name__}"
