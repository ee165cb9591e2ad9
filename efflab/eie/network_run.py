"""A whole network's run: each layer's counts, time and energy, and what new clusters changed in its output."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from efflab.eie.counters import Counters
from efflab.eie.energy_model import energy
from efflab.eie.engine import Engine, simulate
from efflab.eie.inputs import Vectors
from efflab.eie.machine import Machine
from efflab.eie.networks import Network, NetworkLayer
from efflab.eie.run import Run
from efflab.errors import EfflabError
from efflab.tables import TextTable


@dataclass(frozen=True, eq=False)
class LayerRun:
    """One layer of a network on one input of the network.

    Args:
        layer: what ran.
        run: counts of the vectors that were simulated, one after the other.
        simulated: how many vectors those are.
        total: vectors in all, which are taken to cost as much on average.
        drift: norm of the change in the outputs over their norm: new clusters and the machine's numbers together.
    """

    layer: NetworkLayer
    run: Run
    simulated: int
    total: int
    drift: float

    @property
    def scale(self) -> float:
        """Vectors in all for each one simulated."""
        return self.total / self.simulated

    @property
    def cycles(self) -> float:
        """Of all vectors, pipeline included."""
        return (self.run.counters.cycles + self.run.counters.fill) * self.scale

    @property
    def time_us(self) -> float:
        """Of all vectors."""
        return self.run.time_us * self.scale

    @property
    def energy_uj(self) -> float:
        """Of all vectors."""
        return energy(self.run).total_uj * self.scale


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """A network on one input.

    Args:
        machine: that it ran on.
        layers: in order.
        left: tensors that the machine does not multiply by, and why.
    """

    machine: Machine
    layers: tuple[LayerRun, ...]
    left: Mapping[str, str]

    @property
    def cycles(self) -> float:
        """Of all layers, one after the other."""
        return sum(one.cycles for one in self.layers)

    @property
    def time_us(self) -> float:
        """Of all layers, one after the other."""
        return sum(one.time_us for one in self.layers)

    @property
    def energy_uj(self) -> float:
        """Of all layers."""
        return sum(one.energy_uj for one in self.layers)

    def table(self) -> TextTable:
        """A row a layer, and their sums."""
        rows = [_row(one) for one in self.layers]
        total = ("total", "", "", None, None, "", None, self.cycles, self.time_us, self.energy_uj, None)
        return TextTable.of(
            (
                "layer",
                "kind",
                "shape",
                "weights %",
                "padding %",
                "vectors",
                "balance %",
                "cycles",
                "µs",
                "µJ",
                "drift %",
            ),
            [*rows, total],
            caption=f"On {self.machine}",
            note="drift: change in the layer's outputs by new clusters and the machine's numbers",
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "machine": str(self.machine),
            "layers": [
                {
                    "name": one.layer.name, "kind": one.layer.weight.kind, "shape": list(one.run.shape),
                    "density": one.layer.layer.pattern.density, "weight_drift": one.layer.drift, "output_drift": one.drift,
                    "vectors": one.total, "simulated": one.simulated, "balance": one.run.balance, "cycles": one.cycles,
                    "time_us": one.time_us, "energy_uj": one.energy_uj, "counters": one.run.counters.to_dict(),
                }
                for one in self.layers
            ],
            "cycles": self.cycles, "time_us": self.time_us, "energy_uj": self.energy_uj, "left": dict(self.left),
        }  # fmt: skip

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return f"NetworkRun({len(self.layers)} layers, {self.cycles:,.0f} cycles, {self.time_us:.1f} µs)"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self, ax: Any = None) -> Any:
        """Draw each layer's time, beside what it would take if no PE ever waited.

        Args:
            ax: axes to draw on; None makes a figure.

        Returns:
            The figure.
        """
        from efflab.viz.styles import canvas  # noqa: PLC0415 - drawing needs matplotlib

        with canvas(ax) as (figure, axes, colours):
            places = np.arange(len(self.layers))
            even = [one.run.theoretical_us * one.scale for one in self.layers]
            axes.bar(places, [one.time_us for one in self.layers], color=colours.removed, label="time")
            axes.bar(places, even, color=colours.kept, label="if all PEs worked all the time")
            axes.set_xticks(places, [one.layer.name for one in self.layers], rotation=30, ha="right")
            axes.set(ylabel="µs", title=f"{self.time_us:.1f} µs on {self.machine}")
            axes.legend()
        return figure


def _row(one: LayerRun) -> tuple[Any, ...]:
    layer, counters = one.layer.layer, one.run.counters
    rows, columns = layer.shape
    padding = 100 * counters.padding / counters.entries if counters.entries else 0.0
    vectors = f"{one.total:,}" if one.total == one.simulated else f"{one.simulated:,} of {one.total:,}"
    return (
        one.layer.name, one.layer.weight.kind, f"{rows:,} x {columns:,}", 100 * layer.pattern.density, padding, vectors,
        100 * one.run.balance, one.cycles, one.time_us, one.energy_uj, 100 * one.drift,
    )  # fmt: skip


Given = Mapping[str, Vectors | Callable[[NDArray[np.float64]], Vectors]]
"""By layer its vectors, or what makes them of the outputs of the layer before."""


def run_network(
    network: Network, inputs: Given, *, engine: Engine = "event", progress: bool = False
) -> NetworkRun:
    """Run every layer on its vectors.

    Args:
        network: encoded for its machine.
        inputs: from ``drawn``, ``chained`` or ``watched``.
        engine: as in ``simulate``.
        progress: whether to show a bar.

    Returns:
        The run.

    Raises:
        EfflabError: a layer has no vectors, or ones of another length.
    """
    done: list[LayerRun] = []
    outputs = np.zeros(0)
    for one in tqdm(network.layers, desc="layers", unit="layer", disable=not progress):
        if one.name not in inputs:
            raise EfflabError(
                f"inputs has no vectors for {one.name}; it has some for {', '.join(inputs) or 'none'}"
            )
        given = inputs[one.name]
        ran, outputs = _ran(one, given(outputs) if callable(given) else given, engine)
        done.append(ran)
    return NetworkRun(network.machine, tuple(done), network.left)


def _ran(one: NetworkLayer, given: Vectors, engine: Engine) -> tuple[LayerRun, NDArray[np.float64]]:
    """Run a layer; its last vector's outputs go on to the next one."""
    runs = [simulate(one.layer, vector, engine=engine) for vector in given.values]
    bias = 0.0 if one.weight.bias is None else one.weight.bias
    right = given.values @ one.weight.matrix.astype(np.float64).T + bias
    got = np.stack([run.output for run in runs if run.output is not None])
    size = float(np.linalg.norm(right))
    drift = float(np.linalg.norm(got - right)) / size if size else 0.0
    counters = Counters.total(one.layer.machine.pes, [run.counters for run in runs])
    whole = Run(one.layer.machine, counters, one.layer.shape, engine=engine, name=one.name)
    return LayerRun(one, whole, len(runs), given.total, drift), got[-1]
