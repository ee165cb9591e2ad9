"""Whole networks on the machine: the matrices of an ``.efz`` file, layer after layer.

Source: ISCA 2016, sections III and VII.D. The paper names what else than fully connected layers the machine can run: 1 x 1
convolutions, and 3 x 3 ones by Winograd's method, which are products of matrices and vectors too.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from efflab.eie.capacity import check_fits
from efflab.eie.layer import Layer, encode
from efflab.eie.machine import Machine
from efflab.eie.recluster import Reclustered, recluster
from efflab.eie.tensors import CONVOLUTION, FULLY_CONNECTED, Found, Weight, blocks, weights
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CONVOLUTION", "FULLY_CONNECTED", "Network", "NetworkLayer", "Weight", "load", "weights"]

CONVOLUTIONS = (
    "one product for each place of the output, whose weights are read again every time: EIE does not use them for several "
    "places; such products are what the paper makes of 1 x 1 convolutions, and of 3 x 3 ones by Winograd's method"
)


@dataclass(frozen=True, eq=False)
class NetworkLayer:
    """A weight encoded for the machine.

    Args:
        weight: as it stands in the file.
        layer: what the machine keeps.
        drift: norm of the change of the weights by new clusters over their norm; 0 where they stayed.
        removed: weights that the new clusters made zero.
    """

    weight: Weight
    layer: Layer
    drift: float = 0.0
    removed: int = 0

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.weight.layer_name

    def values(self) -> NDArray[np.float32]:
        """Give the weights that the machine keeps, (rows, columns of one group), as the tensor has them."""
        return blocks(self.layer.dense(np.float32), self.weight.groups)


@dataclass(frozen=True, eq=False)
class Network:
    """The layers of a network on one machine.

    Args:
        machine: that they are encoded for.
        layers: in the order of the file.
        left: tensors that the machine does not multiply by, and why.
        said: what the file left open, a sentence each.
    """

    machine: Machine
    layers: tuple[NetworkLayer, ...]
    left: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What there is to know before the figures: guesses, convolutions, new clusters, what is left out."""
        values = (1 << self.machine.code_bits) - 1
        convolutions = [_with_groups(one) for one in self.layers if one.weight.kind == CONVOLUTION]
        anew = [
            f"{one.name}: clustered anew to {values} values, which changes its weights by {one.drift:.2%}"
            + (f" and makes {one.removed:,} of them zero" if one.removed else "")
            for one in self.layers
            if one.drift
        ]
        left = [f"{name} is left out: {reason}" for name, reason in self.left.items()]
        places = [f"{', '.join(convolutions)}: {CONVOLUTIONS}"] if convolutions else []
        return [*self.said, *places, *anew, *left]


def _with_groups(one: NetworkLayer) -> str:
    groups = one.weight.groups
    return one.name if groups == 1 else f"{one.name} ({groups:,} groups, one block-diagonal matrix)"


def load(
    path: str | os.PathLike[str],
    machine: Machine | None = None,
    *,
    as_is: bool = False,
    only: Iterable[str] = (),
    model: "nn.Module | None" = None,
) -> Network:
    """Encode a compressed network for a machine.

    Args:
        path: an ``.efz`` file.
        machine: the published one by default.
        as_is: refuse weights that the machine does not hold as the file has them: of more values than its codes tell apart,
            or with another width of index; by default they are clustered and encoded anew.
        only: names of layers or tensors; all by default.
        model: whose weights they are: it tells embeddings, transposed and grouped convolutions from other layers.

    Returns:
        The network.

    Raises:
        EfflabError: a layer does not fit the machine, has too many values, or is not in the file.
        EfzError: the file is damaged.
    """
    machine = machine or Machine()
    found = weights(path, model)
    chosen = _chosen(found, tuple(only), Path(path))
    layers = tuple(_encoded(weight, machine, as_is=as_is) for weight in chosen)
    return Network(machine, layers, found.left, found.notes)


def _chosen(found: Found, only: tuple[str, ...], path: Path) -> tuple[Weight, ...]:
    left = {
        key: (name, why) for name, why in found.left.items() for key in (name, name.removesuffix(".weight"))
    }
    if not found.weights:
        why = "".join(f"; {name}: {reason}" for name, reason in found.left.items())
        raise EfflabError(f"{path} holds no matrix that the machine could multiply by{why}")
    known = {name: weight for weight in found.weights for name in (weight.name, weight.layer_name)}
    for name in only:
        if name not in known and name in left:
            raise EfflabError(f"{left[name][0]} is no layer of the machine's: {left[name][1]}")
        if name not in known:
            layers = ", ".join(weight.layer_name for weight in found.weights)
            raise EfflabError(f"{path} holds no layer {name!r}; its layers are {layers}")
    names = {known[name].name for name in only}
    return tuple(weight for weight in found.weights if not only or weight.name in names)


def _encoded(weight: Weight, machine: Machine, *, as_is: bool) -> NetworkLayer:
    try:
        fewer = recluster(weight.matrix, machine.code_bits)
        if as_is:
            _check_as_is(weight, fewer, machine)
        layer = encode(fewer.matrix, machine, bias=weight.bias, name=weight.layer_name)
        check_fits(layer.pattern, machine)
    except EfflabError as error:
        raise EfflabError(f"{weight.layer_name}: {error}") from None
    return NetworkLayer(weight, layer, fewer.drift, fewer.removed)


def _check_as_is(weight: Weight, fewer: Reclustered, machine: Machine) -> None:
    """Refuse weights that the machine holds only after they were changed or encoded anew."""
    if fewer.drift:
        count = np.unique(weight.matrix[weight.matrix != 0]).size
        raise EfflabError(
            f"its weights have {count:,} different values beside 0, and codes of {machine.code_bits} bits tell "
            f"{(1 << machine.code_bits) - 1} apart; without as_is (--as-is) they are clustered anew"
            + _would_fit("code_bits", int(count).bit_length())
        )
    if weight.index_bits not in {0, machine.index_bits}:
        raise EfflabError(
            f"its file counts zeros in {weight.index_bits} bits, and the machine in {machine.index_bits}; "
            f"without as_is (--as-is) it is encoded anew{_would_fit('index_bits', weight.index_bits)}"
        )


def _would_fit(name: str, bits: int) -> str:
    option = f"--{name.replace('_', '-')}"
    return f", and {name}={bits} ({option} {bits}) would fit" if bits <= 8 else ""
