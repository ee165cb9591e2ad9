"""Counting by watching one forward pass of any ``nn.Module``."""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn

from efflab.measure._counting import Use, has_rule
from efflab.measure._profile import LayerCount, Profile
from efflab.measure._watching import Tally, Watcher, count_nonzero, owns_parameters, watch


def profile(model: nn.Module, example_inputs: Any) -> Profile:
    """Count weights, multiplications and activations of a model on example inputs.

    Args:
        model: any module. It runs once, in evaluation mode and without gradients; mode and hooks are as before afterwards.
        example_inputs: a tensor, a tuple of arguments, or a mapping of arguments by name. The counts are for this batch: give
            a batch of one for the papers' figures.

    Returns:
        The counts by layer. What no rule covers is named in ``uncounted``: matrix products outside of modules (as in
        ``q @ k``), modules of one's own with parameters, modules that did not run.

    Raises:
        EfflabError: ``model`` is no module, or does not run on these inputs.

    >>> import torch
    >>> layer = nn.Conv2d(16, 32, 3, groups=4, padding=1)
    >>> counted = profile(layer, torch.randn(1, 16, 10, 10))
    >>> counted.weights, counted.macs
    (1152, 115200)
    """
    watcher = watch(model, example_inputs)
    seen: set[object] = set()
    layers = [_layer(watcher.names[module], module, tally, seen) for module, tally in watcher.tallies.items()]
    return Profile(
        type(model).__name__, tuple(layers), tuple(_uncounted(watcher)), parameters(model), nonzeros(model)
    )


def parameters(model: nn.Module) -> int:
    """All parameters of a model, biases and norms included, shared ones once.

    >>> parameters(nn.Linear(784, 300))
    235500
    """
    return sum(parameter.numel() for parameter in model.parameters())


def nonzeros(model: nn.Module) -> int:
    """Parameters that are neither zero nor masked by a ``*_mask`` buffer beside them, shared ones once."""
    seen: set[Tensor] = set()
    total = 0
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter not in seen:
                seen.add(parameter)
                total += _count_live(module, name, parameter.detach())
    return total


def macs(model: nn.Module, example_inputs: Any) -> int:
    """Multiplications of one forward pass of the dense network; see :func:`profile`."""
    return profile(model, example_inputs).macs


def activations(model: nn.Module, example_inputs: Any) -> int:
    """Elements of all layers' outputs in one forward pass; see :func:`profile`."""
    return profile(model, example_inputs).activations


class _Weight(NamedTuple):
    """Size of a weight tensor and how many of its elements are neither zero nor masked."""

    size: int
    nonzeros: int


def _count_live(module: nn.Module, name: str, weight: Tensor, part: tuple[int, int] = (0, 1)) -> int:
    """Elements neither zero nor masked; torch's own pruning keeps ``weight_orig`` beside ``weight_mask``."""
    block, blocks = part
    mask = dict(module.named_buffers(recurse=False)).get(f"{name.removesuffix('_orig')}_mask")
    rows = weight.chunk(blocks)[block]
    return count_nonzero(rows if mask is None else (rows != 0) & (mask.chunk(blocks)[block] != 0))


def _weight(module: nn.Module, use: Use) -> tuple[object, _Weight]:
    """A use's weight tensor, and what identifies it where it is a parameter that layers may share."""
    *path, name = use.tensor.split(".")
    owner = functools.reduce(getattr, path, module)
    whole: Tensor = getattr(owner, name)
    identity = (id(whole) if isinstance(whole, nn.Parameter) else (id(owner), name), use.part)
    live = _count_live(owner, name, whole.detach(), use.part)
    return identity, _Weight(whole.numel() // use.part[1], live)


def _layer(name: str, module: nn.Module, tally: Tally, seen: set[object]) -> LayerCount:
    """Put together what was seen of a layer; tensors that an earlier layer has shown are not counted again."""
    known = {(use.tensor, use.part): _weight(module, use) for call in tally.calls for use in call.uses}
    new = [weight for identity, weight in known.values() if identity not in seen] + _tables(
        module, tally, seen
    )
    seen.update(identity for identity, _ in known.values())
    dense, kept, nonzero = _multiplications(tally, {key: weight for key, (_, weight) in known.items()})
    read, written = sum(one.total for one in tally.given), sum(one.total for one in tally.made)
    return LayerCount(
        name=name,
        kind=tally.kind,
        weights=sum(weight.size for weight in new),
        parameters=_parameters_once(module, tally, seen),
        nonzeros=sum(weight.nonzeros for weight in new),
        macs=dense,
        kept_macs=kept,
        nonzero_macs=nonzero,
        activations=written,
        activation_density=sum(one.nonzeros for one in tally.made) / written if written else 1.0,
        output_shape=tally.shape,
        inputs=read,
        input_density=sum(one.nonzeros for one in tally.given) / read if read else 1.0,
        calls=len(tally.calls),
    )


def _multiplications(
    tally: Tally, weights: dict[tuple[str, tuple[int, int]], _Weight]
) -> tuple[int, int, int]:
    """MACs of all calls: dense, without zero weights, without zero weights and zero inputs."""
    dense = kept = 0
    nonzero = 0.0
    for call, given in zip(tally.calls, tally.given, strict=True):
        dense, kept, nonzero = dense + call.products, kept + call.products, nonzero + call.products
        for use in call.uses:
            weight = weights[use.tensor, use.part]
            dense += use.times * weight.size
            kept += use.times * weight.nonzeros
            nonzero += use.times * weight.nonzeros * (given.density if use.reads_input else 1.0)
    return dense, kept, round(nonzero)


def _tables(module: nn.Module, tally: Tally, seen: set[object]) -> list[_Weight]:
    """Weights that are looked up and never multiplied."""
    if tally.kind != "embedding":
        return []
    identity, weight = _weight(module, Use("weight", 0))
    new = identity not in seen
    seen.add(identity)
    return [weight] if new else []


def _parameters_once(module: nn.Module, tally: Tally, seen: set[object]) -> int:
    """Parameters of a counted module with its parts, of any other only its own."""
    found = [one for one in module.parameters(recurse=tally.known) if one not in seen]
    seen.update(found)
    return sum(one.numel() for one in found)


def _uncounted(watcher: Watcher) -> Iterator[str]:
    """What the counts leave out, a phrase each."""
    yield from watcher.loose
    for module, tally in watcher.tallies.items():
        if not tally.known:
            yield f"{watcher.names[module] or 'the model'} ({tally.kind}) has parameters but no rule"
    ruled = tuple(f"{name}." if name else "" for module, name in watcher.names.items() if has_rule(module))
    for module, name in watcher.names.items():
        if owns_parameters(module) and module not in watcher.tallies and not name.startswith(ruled):
            yield f"{name} ({type(module).__name__}) did not run"
