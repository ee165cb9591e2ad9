"""Whole networks on the machine: the matrices of an ``.efz`` file, layer after layer.

Source: ISCA 2016, sections III and VII.D. A fully connected layer is one product of a matrix and a vector. A convolution is
many: one for every place of its output, whose vector is the patch under the kernel (im2col). A 1 x 1 convolution is that
without any copying of patches; the paper names it, and 3 x 3 ones by Winograd's method, as what the machine can also run.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efflab.eie.capacity import check_fits
from efflab.eie.layer import Layer, encode
from efflab.eie.machine import Machine
from efflab.eie.recluster import recluster
from efflab.errors import EfflabError

FULLY_CONNECTED, CONVOLUTION = "fully connected", "convolution"


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight of a network as the machine multiplies by it.

    Args:
        name: of the tensor in the file.
        matrix: (rows, columns); a convolution's columns are channel, then place in the kernel.
        kind: ``"fully connected"`` or ``"convolution"``.
        bias: (rows,), or None.
        kernel: height and width of a convolution's kernel.
    """

    name: str
    matrix: NDArray[Any]
    kind: str = FULLY_CONNECTED
    bias: NDArray[np.float64] | None = None
    kernel: tuple[int, ...] = ()

    @property
    def layer_name(self) -> str:
        """The name without what a module calls its weight."""
        return self.name.removesuffix(".weight")


@dataclass(frozen=True, eq=False)
class NetworkLayer:
    """A weight encoded for the machine.

    Args:
        weight: as it stands in the file.
        layer: what the machine keeps.
        drift: norm of the change of the weights by new clusters over their norm; 0 where they stayed.
    """

    weight: Weight
    layer: Layer
    drift: float = 0.0

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.weight.layer_name


@dataclass(frozen=True, eq=False)
class Network:
    """The layers of a network on one machine.

    Args:
        machine: that they are encoded for.
        layers: in the order of the file.
        left: tensors that the machine does not multiply by, and why.
    """

    machine: Machine
    layers: tuple[NetworkLayer, ...]
    left: Mapping[str, str] = field(default_factory=dict)


def weights(path: str | os.PathLike[str]) -> tuple[tuple[Weight, ...], dict[str, str]]:
    """Read the matrices of an ``.efz`` file.

    Args:
        path: the file.

    Returns:
        The weights in the order of the file, and by name why other tensors of two axes and more were left.

    Raises:
        EfzError: the file is damaged.
    """
    from efflab import efz  # noqa: PLC0415 - numba's cost, where it is needed

    found: list[Weight] = []
    left: dict[str, str] = {}
    with efz.open(path) as file:
        for entry in file.entries:
            if len(entry.shape) < 2:
                continue
            name = entry.names[0]
            reason = _why_not(name, entry.shape, str(entry.dtype))
            if reason:
                left[name] = reason
                continue
            values = file.read(name).float().numpy()
            kernel = tuple(entry.shape[2:])
            bias = _bias_name(name)
            held = file.read(bias).double().numpy() if bias in file.names else None
            usable = held is not None and held.shape == (entry.shape[0],)
            found.append(
                Weight(
                    name,
                    values.reshape(entry.shape[0], -1),
                    CONVOLUTION if kernel else FULLY_CONNECTED,
                    held if usable else None,
                    kernel,
                )
            )
    return tuple(found), left


def _why_not(name: str, shape: tuple[int, ...], dtype: str) -> str:
    """Why a tensor is no matrix of a layer; nothing where it is one."""
    if "float" not in dtype:
        return f"it holds {dtype.removeprefix('torch.')}, and weights are floating-point numbers"
    if 0 in shape:
        return "it is empty"
    last = name.rpartition(".")[2]
    return "" if last.startswith("weight") else "it is not called a weight"


def _bias_name(name: str) -> str:
    head, dot, last = name.rpartition(".")
    return f"{head}{dot}bias{last.removeprefix('weight')}"


def load(
    path: str | os.PathLike[str],
    machine: Machine | None = None,
    *,
    as_is: bool = False,
    only: Iterable[str] = (),
) -> Network:
    """Encode a compressed network for a machine.

    Args:
        path: an ``.efz`` file.
        machine: the published one by default.
        as_is: refuse weights of more values than the machine's codes tell apart; by default they are clustered anew.
        only: names of layers or tensors; all by default.

    Returns:
        The network.

    Raises:
        EfflabError: a layer does not fit the machine, has too many values, or is not in the file.
        EfzError: the file is damaged.
    """
    machine = machine or Machine()
    found, left = weights(path)
    chosen = _chosen(found, tuple(only), Path(path))
    return Network(machine, tuple(_encoded(weight, machine, as_is=as_is) for weight in chosen), left)


def _chosen(found: tuple[Weight, ...], only: tuple[str, ...], path: Path) -> tuple[Weight, ...]:
    if not found:
        raise EfflabError(f"{path} holds no matrix that the machine could multiply by")
    known = {name: weight for weight in found for name in (weight.name, weight.layer_name)}
    for name in only:
        if name not in known:
            layers = ", ".join(weight.layer_name for weight in found)
            raise EfflabError(f"{path} holds no layer {name!r}; its layers are {layers}")
    names = {known[name].name for name in only}
    return tuple(weight for weight in found if not only or weight.name in names)


def _encoded(weight: Weight, machine: Machine, *, as_is: bool) -> NetworkLayer:
    try:
        fewer = recluster(weight.matrix, machine.code_bits)
        if fewer.drift and as_is:
            raise EfflabError(  # noqa: TRY301 - named with all others below
                f"its weights have {np.unique(weight.matrix[weight.matrix != 0]).size:,} different values beside 0, and codes of "
                f"{machine.code_bits} bits tell {(1 << machine.code_bits) - 1} apart"
            )
        layer = encode(fewer.matrix, machine, bias=weight.bias, name=weight.layer_name)
        check_fits(layer.pattern, machine)
    except EfflabError as error:
        raise EfflabError(f"{weight.layer_name}: {error}") from None
    return NetworkLayer(weight, layer, fewer.drift)
