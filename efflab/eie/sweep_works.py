"""What a sweep runs: the positions of each layer's weights, and the vectors that it multiplies.

Time, energy and area depend on positions alone, so that a network need not be clustered for a sweep.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from efflab.eie import networks
from efflab.eie.layer import encode
from efflab.eie.machine import Machine
from efflab.eie.network_run import Given
from efflab.eie.pattern import Pattern
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Work:
    """Where a layer's weights are, and the vectors of inputs that it multiplies.

    Args:
        name: of the layer.
        pattern: where its weights are.
        active: (columns,) inputs of one vector, or (vectors, columns) of several; or which of them are not 0.
        total: vectors in all, such as the places of a convolution's output; the given ones are taken to cost as much
            on average. By default those given are all.

    Raises:
        EfflabError: no vector, or fewer in all than given.
    """

    name: str
    pattern: Pattern
    active: NDArray[Any]
    total: int | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.shape[0] < 1:
            raise EfflabError(
                f"{self.name}: active must have shape (columns,) or (vectors, columns), and has {np.shape(self.active)}"
            )
        if self.total is not None and self.total < self.vectors.shape[0]:
            raise EfflabError(
                f"{self.name}: total is {self.total}, and {self.vectors.shape[0]} vectors are given"
            )

    @property
    def vectors(self) -> NDArray[Any]:
        """(vectors, columns) inputs."""
        return np.atleast_2d(self.active)

    @property
    def scale(self) -> float:
        """Vectors in all for each one given."""
        return 1.0 if self.total is None else self.total / self.vectors.shape[0]


def positions(
    path: str | os.PathLike[str], only: Iterable[str] = (), model: "nn.Module | None" = None
) -> networks.Network:
    """Read where the weights of an ``.efz`` file are, without clustering them.

    Args:
        path: the file.
        only: names of layers or tensors; all by default.
        model: whose weights they are; see ``networks.load``.

    Returns:
        A network for the functions of ``efflab.eie.inputs``; the codes of its layers say nothing.

    Raises:
        EfflabError: a weight is not finite, or a layer is not in the file.
        EfzError: the file is damaged.
    """
    unbound = Machine(spmat_kb=None)  # the memories' sizes are judged machine by machine
    found = networks.weights(path, model)
    layers = []
    for weight in networks._chosen(found, tuple(only), Path(path)):  # noqa: SLF001 - the same choice as load's
        if not np.isfinite(weight.matrix).all():
            raise EfflabError(f"{weight.layer_name}: its weights must be finite numbers, and some are not")
        layers.append(
            networks.NetworkLayer(weight, encode(weight.matrix != 0, unbound, name=weight.layer_name))
        )
    return networks.Network(unbound, tuple(layers), found.left, found.notes)


def of_network(network: networks.Network, given: Given) -> list[Work]:
    """Bring a network's layers and their vectors together.

    Args:
        network: of ``positions``.
        given: from ``drawn``, ``chained`` or ``watched``. Where a layer takes what the one before gave, that is computed in
            floating point with the file's own weights.

    Returns:
        One work a layer.
    """
    works: list[Work] = []
    follows = any(callable(one) for one in given.values())
    outputs = np.zeros(0)
    for one in network.layers:
        vectors = given[one.name]
        vectors = vectors(outputs) if callable(vectors) else vectors
        works.append(Work(one.name, one.layer.pattern, vectors.values, vectors.total))
        if follows:
            bias = 0.0 if one.weight.bias is None else one.weight.bias
            outputs = one.weight.matrix.astype(np.float64) @ vectors.values[-1] + bias
    return works
