"""A whole network's run: each layer's counts, time and energy, and what new clusters changed in its output."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from efflab.eie.counters import Counters
from efflab.eie.energy_model import energy
from efflab.eie.engine import Engine, checked_vectors, exact_sums, formats_for, run_in
from efflab.eie.inputs import Vectors
from efflab.eie.machine import Machine
from efflab.eie.model_output import OutputChange
from efflab.eie.networks import Network, NetworkLayer
from efflab.eie.run import Run
from efflab.eie.tensors import Weight
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
        cluster_drift: the same of new clusters alone, computed exactly.
        number_drift: the same of the machine's numbers alone, beside the exact outputs of the weights that it keeps.
    """

    layer: NetworkLayer
    run: Run
    simulated: int
    total: int
    drift: float
    cluster_drift: float
    number_drift: float

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
        change: of the model's own output by new clusters, where it is known.
    """

    machine: Machine
    layers: tuple[LayerRun, ...]
    left: Mapping[str, str]
    change: OutputChange | None = None

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
        total = ("total", "", "", None, None, "", None, self.cycles, self.time_us, self.energy_uj, None, None)
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
                "clusters %",
                "numbers %",
            ),
            [*rows, total],
            caption=f"On {self.machine}",
            note=f"clusters, numbers: change in a layer's outputs by new clusters alone, and by {self.machine.precision} alone"
            + (f"; {self.change}" if self.change else ""),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "machine": str(self.machine),
            "layers": [
                {
                    "name": one.layer.name, "kind": one.layer.weight.kind, "shape": list(one.run.shape),
                    "density": one.layer.layer.pattern.density, "weight_drift": one.layer.drift, "output_drift": one.drift,
                    "cluster_drift": one.cluster_drift, "number_drift": one.number_drift,
                    "vectors": one.total, "simulated": one.simulated, "balance": one.run.balance, "cycles": one.cycles,
                    "time_us": one.time_us, "energy_uj": one.energy_uj, "counters": one.run.counters.to_dict(),
                }
                for one in self.layers
            ],
            "cycles": self.cycles, "time_us": self.time_us, "energy_uj": self.energy_uj, "left": dict(self.left),
            "model_output": None if self.change is None else vars(self.change),
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
        100 * one.run.balance, one.cycles, one.time_us, one.energy_uj, 100 * one.cluster_drift,
        100 * one.number_drift,
    )  # fmt: skip


Given = Mapping[str, Vectors | Callable[[NDArray[np.float64]], Vectors]]
"""By layer its vectors, or what makes them of the outputs of the layer before."""


def run_network(
    network: Network,
    inputs: Given,
    *,
    engine: Engine = "event",
    progress: bool = False,
    change: OutputChange | None = None,
) -> NetworkRun:
    """Run every layer on its vectors.

    A layer's numbers have one format for inputs and one for outputs, chosen for all its vectors together.

    Args:
        network: encoded for its machine.
        inputs: from ``drawn``, ``chained`` or ``watched``.
        engine: as in ``simulate``.
        progress: whether to show a bar.
        change: of the model's own output, from ``output_change``, to be told beside the rest.

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
    return NetworkRun(network.machine, tuple(done), network.left, change)


def _ran(one: NetworkLayer, given: Vectors, engine: Engine) -> tuple[LayerRun, NDArray[np.float64]]:
    """Run a layer; its last vector's outputs go on to the next one."""
    layer, inputs = one.layer, checked_vectors(given.values, one.layer.shape[1])
    formats = formats_for(layer, inputs)
    runs = [run_in(layer, vector, formats, engine) for vector in inputs]
    right = _exact(one.weight, inputs)
    kept = np.stack([exact_sums(layer, vector)[0] for vector in inputs]) if one.drift else right
    got = np.stack([run.output for run in runs if run.output is not None])
    counters = Counters.total(layer.machine.pes, [run.counters for run in runs])
    whole = Run(layer.machine, counters, layer.shape, engine=engine, name=one.name)
    size = float(np.linalg.norm(right))
    drifts = [
        float(np.linalg.norm(a - b)) / size if size else 0.0
        for a, b in ((got, right), (kept, right), (got, kept))
    ]
    return LayerRun(one, whole, len(runs), given.total, *drifts), got[-1]


def _exact(weight: Weight, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outputs by the weights of the file, (vectors, rows), some rows at a time."""
    parts = np.array_split(weight.matrix, -(-weight.matrix.shape[0] // 1024))
    products = [inputs @ part.astype(np.float64).T for part in parts]
    return np.concatenate(products, axis=1) + (0.0 if weight.bias is None else weight.bias)
