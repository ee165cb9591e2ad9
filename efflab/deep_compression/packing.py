"""Models whose linear and convolution layers run from their codes: packed in memory, or straight from a file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from efflab.deep_compression.codes import PackedMatrix, pack_matrix, regroup
from efflab.deep_compression.packed import PackedConv2d, PackedLayer, PackedLinear
from efflab.errors import CheckpointError, EfflabError
from efflab.pruning.layers import FilterFn


@dataclass(frozen=True)
class Packing:
    """What ``pack_`` did.

    Args:
        packed: bytes that each packed layer keeps of its weight, by name.
        dense_bytes: that these weights took before.
        left: layers left as they were, and why.
    """

    packed: Mapping[str, int]
    dense_bytes: int
    left: Mapping[str, str]

    @property
    def nbytes(self) -> int:
        """Bytes of all packed weights."""
        return sum(self.packed.values())


@dataclass(frozen=True, eq=False)
class _Place:
    """A layer that can be packed, with every place of the model that holds it."""

    name: str
    layer: nn.Linear | nn.Conv2d
    holders: tuple[tuple[nn.Module, str], ...]


def pack_(model: nn.Module, filter_fn: FilterFn | None = None) -> Packing:
    """Replace linear and convolution layers by packed ones, in place, where that makes them smaller.

    Biases stay, without gradients: packed layers are for inference.

    Args:
        model: with shared weights, such as ``compress_`` leaves.
        filter_fn: ``filter_fn(module, fqn) -> bool``, which layers to pack; all by default.

    Returns:
        What was packed, and what was not and why.

    Raises:
        EfflabError: the model is itself such a layer, which cannot be replaced in place.

    >>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
    >>> _ = model[0].weight.data.sign_()
    >>> packing = pack_(model)
    >>> packing.dense_bytes, packing.nbytes, type(model[0]).__name__
    (8192, 1032, 'PackedLinear')
    """
    packed: dict[str, PackedLayer] = {}
    left, places = _places(model, filter_fn)
    matrices: dict[int, PackedMatrix | None] = {}
    for place in places:
        weight = place.layer.weight
        if weight.is_meta:
            left[place.name] = "it is on the meta device, which holds no values"
            continue
        if weight.is_complex():
            left[place.name] = "its weights are complex"
            continue
        if not bool(weight.isfinite().all()):
            left[place.name] = "it holds NaN or infinity"
            continue
        if id(weight) not in matrices:
            matrices[id(weight)] = pack_matrix(weight.flatten(1)) if weight.numel() else None
        matrix = matrices[id(weight)]
        if matrix is None:
            left[place.name] = "it would not become smaller: its weights have too many values"
        else:
            packed[place.name] = _layer(place.layer, matrix)
    dense = {id(place.layer.weight): place.layer.weight.nbytes for place in places if place.name in packed}
    _swap(places, packed)
    sizes = {name: layer.packed.nbytes for name, layer in packed.items()}
    return Packing(sizes, sum(dense.values()), left)


def load_packed(
    path: str | os.PathLike[str],
    model: nn.Module,
    filter_fn: FilterFn | None = None,
    *,
    limit_bytes: int | None = None,
) -> nn.Module:
    """Read an ``.efz`` file into a model that runs from its codes; a packed layer's dense weight is never made.

    Args:
        path: the file.
        model: of the file's names and shapes; it may be on the meta device, so that no dense weight is made for it either.
        filter_fn: which linear and convolution layers to pack; all by default.
        limit_bytes: as in ``efflab.efz.open``.

    Returns:
        ``model``, its linear and convolution layers replaced by packed ones where the file holds codes.

    Raises:
        EfzError: the file is damaged.
        CheckpointError: the file belongs to another model, which is left as it was.
    """
    from efflab import efz  # noqa: PLC0415 - numba's cost, where it is needed

    _, places = _places(model, filter_fn)
    packed: dict[str, PackedLayer] = {}
    read: set[str] = set()
    with efz.open(path, limit_bytes=limit_bytes) as file:
        _refuse_difference(path, model.state_dict(), {name: file.entry(name) for name in file.names})
        for place in places:
            weight, bias = f"{place.name}.weight", f"{place.name}.bias"
            coded = file.entry(weight).coding != "raw" and place.layer.weight.dim() > 1
            matrix = regroup(file.codes(weight)) if coded else None
            if matrix is not None:
                held = None if place.layer.bias is None else file.read(bias)
                packed[place.name] = _layer(place.layer, matrix, held)
                read |= {f"{name}.{part}" for name in _aliases(model, place) for part in ("weight", "bias")}
        rest = {name: file.read(name) for name in file.names if name not in read}
    _swap(places, packed)
    meta = any(tensor.is_meta for tensor in model.state_dict().values())
    model.load_state_dict(rest, strict=False, assign=meta)
    return model


def _places(model: nn.Module, filter_fn: FilterFn | None) -> tuple[dict[str, str], list[_Place]]:
    """Find the layers that can be packed, and say why others of their kinds cannot."""
    if type(model) in {nn.Linear, nn.Conv2d}:
        raise EfflabError(
            f"the model is itself a {type(model).__name__}, which cannot be replaced in place: use Packed"
            f"{type(model).__name__}.of"
        )
    holders: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, child in module._modules.items():  # noqa: SLF001 - named_children leaves reused layers out
            holders.setdefault(id(child), []).append((module, name))
    layers = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and (filter_fn is None or filter_fn(module, path))
    ]
    users = _users(model)
    left, places = {}, []
    for path, layer in layers:
        why = _obstacle(layer, users)
        if why:
            left[path] = why
        else:
            places.append(_Place(path, layer, tuple(holders[id(layer)])))
    return left, places


def _users(model: nn.Module) -> dict[int, list[nn.Module]]:
    """Which modules hold each parameter."""
    users: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(id(parameter), []).append(module)
    return users


def _obstacle(layer: nn.Module, users: Mapping[int, list[nn.Module]]) -> str:
    if type(layer) not in {nn.Linear, nn.Conv2d}:
        return f"it is a {type(layer).__name__}, whose own forward or parametrization would be lost"
    if layer._parameters.get("weight") is None:  # noqa: SLF001 - the attribute may be another tensor
        return "its weight is computed from other parameters, as by weight_norm or torch.nn.utils.prune"
    if any(type(user) not in {nn.Linear, nn.Conv2d} for user in users[id(layer.weight)]):
        return "its weight is tied to another kind of layer, which keeps it dense"
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return "it has hooks" if any(getattr(layer, name) for name in hooks) else ""


def _layer(layer: nn.Linear | nn.Conv2d, matrix: PackedMatrix, bias: Tensor | None = None) -> PackedLayer:
    """Make the packed layer that takes a layer's place."""
    made: PackedLayer = (
        PackedLinear.of(layer, matrix) if isinstance(layer, nn.Linear) else PackedConv2d.of(layer, matrix)
    )
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    device = layer.weight.device
    return made.train(layer.training).to("cpu" if device.type == "meta" else device)


def _swap(places: list[_Place], packed: Mapping[str, PackedLayer]) -> None:
    for place in places:
        for holder, name in place.holders:
            if place.name in packed:
                setattr(holder, name, packed[place.name])


def _aliases(model: nn.Module, place: _Place) -> Iterator[str]:
    for path, module in model.named_modules(remove_duplicate=False):
        if module is place.layer:
            yield path


def _refuse_difference(path: object, own: Mapping[str, Tensor], held: Mapping[str, Any]) -> None:
    for name, tensor in own.items():
        if name not in held:
            raise CheckpointError(f"{path} belongs to another model: it holds no {name}")
        entry = held[name]
        if (tuple(entry.shape), entry.dtype) != (tuple(tensor.shape), tensor.dtype):
            raise CheckpointError(
                f"{path} belongs to another model: {name} is {tuple(entry.shape)} of {entry.dtype} there, and "
                f"{tuple(tensor.shape)} of {tensor.dtype} in the model"
            )
    for name in held:
        if name not in own:
            raise CheckpointError(f"{path} belongs to another model: it holds {name}, which the model lacks")
