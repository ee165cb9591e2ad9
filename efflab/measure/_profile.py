"""The counts of a network, layer by layer, as values that show themselves."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from efflab.tables import TextTable, quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LayerCount:
    """What one layer holds and does, over all its calls in one forward pass.

    Attributes:
        name: its path in the model, ``"features.0"``.
        kind: what it is, ``"conv2d"``.
        weights: elements of its weight tensors, without biases; 0 if an earlier layer shares them.
        parameters: weights and biases; shared ones count at the first layer that has them.
        nonzeros: weights that are neither zero nor masked.
        macs: multiplications of the dense layer, zero padding included.
        kept_macs: multiplications left when zero weights are skipped.
        nonzero_macs: multiplications left when zero weights and zero inputs are skipped; where the zeros fall is taken
            as independent, so it is weight density times input density (the papers' FLOP %).
        activations: elements of its output.
        activation_density: share of its output that is not zero, behind the activation function that follows it.
        output_shape: shape of its output, of the last call.
        inputs: elements of its input.
        input_density: share of its input that is not zero.
        calls: how often it ran.
    """

    name: str
    kind: str
    weights: int
    parameters: int
    nonzeros: int
    macs: int
    kept_macs: int
    nonzero_macs: int
    activations: int
    activation_density: float
    output_shape: tuple[int, ...]
    inputs: int
    input_density: float
    calls: int

    @property
    def flop(self) -> int:
        """Operations of the dense layer: a multiplication and an addition a MAC."""
        return 2 * self.macs

    @property
    def density(self) -> float:
        """Share of weights that are not zero; 1 for a layer without weights."""
        return self.nonzeros / self.weights if self.weights else 1.0


@dataclass(frozen=True)
class Profile:
    """The counts of a network for the inputs it was profiled with, their batch included.

    Attributes:
        model: the model's class.
        layers: the layers with parameters or multiplications, in the order they ran.
        uncounted: multiplications and parameters that no rule covers, a sentence each; empty if all was counted.
        parameters: all parameters of the model, each once.
        nonzero_parameters: those that are neither zero nor masked.
    """

    model: str
    layers: tuple[LayerCount, ...]
    uncounted: tuple[str, ...]
    parameters: int
    nonzero_parameters: int

    @property
    def weights(self) -> int:
        """Elements of all weight tensors, without biases."""
        return sum(layer.weights for layer in self.layers)

    @property
    def nonzeros(self) -> int:
        """Weights that are neither zero nor masked."""
        return sum(layer.nonzeros for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiplications of the dense network."""
        return sum(layer.macs for layer in self.layers)

    @property
    def flop(self) -> int:
        """Operations of the dense network, two a MAC."""
        return 2 * self.macs

    @property
    def kept_macs(self) -> int:
        """Multiplications left when zero weights are skipped."""
        return sum(layer.kept_macs for layer in self.layers)

    @property
    def nonzero_macs(self) -> int:
        """Multiplications left when zero weights and zero inputs are skipped."""
        return sum(layer.nonzero_macs for layer in self.layers)

    @property
    def activations(self) -> int:
        """Elements of all outputs."""
        return sum(layer.activations for layer in self.layers)

    @property
    def density(self) -> float:
        """Share of weights that are not zero."""
        return self.nonzeros / self.weights if self.weights else 1.0

    @property
    def activation_density(self) -> float:
        """Share of all outputs that is not zero, behind the activation functions."""
        total = sum(layer.activation_density * layer.activations for layer in self.layers)
        return total / self.activations if self.activations else 1.0

    def layer(self, name: str) -> LayerCount:
        """The layer called ``name``.

        Raises:
            KeyError: there is no such layer.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; the layers are {', '.join(layer.name for layer in self.layers)}")

    def table(self) -> TextTable:
        """The layers and their totals, for terminal and notebook."""
        columns = ("layer", "kind", "weights", "non-zero", "MACs", "non-zero", "output", "act. density")
        rows: list[tuple[str | float | None, ...]] = [
            (
                layer.name or self.model,
                layer.kind,
                layer.weights,
                _percent(layer.density),
                layer.macs,
                _percent(layer.nonzero_macs / layer.macs if layer.macs else 1.0),
                " x ".join(map(str, layer.output_shape)),
                _percent(layer.activation_density),
            )
            for layer in self.layers
        ]
        share = _percent(self.nonzero_macs / self.macs if self.macs else 1.0)
        rows.append(
            (
                "total",
                "",
                self.weights,
                _percent(self.density),
                self.macs,
                share,
                f"{quantity(self.activations)} activations",
                _percent(self.activation_density),
            )
        )
        note = f"{quantity(self.parameters)} parameters with biases; 1 MAC = 2 FLOP"
        missing = f"; not counted: {'; '.join(self.uncounted)}" if self.uncounted else ""
        return TextTable.of(columns, rows, self.model, note + missing)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self) -> "Figure":
        """Weights, MACs and activations by layer, as bars."""
        from efflab import viz  # noqa: PLC0415 - matplotlib is loaded by those who draw

        names = [layer.name or self.model for layer in self.layers]
        columns: dict[str, list[float | None]] = {
            "weights": [layer.weights for layer in self.layers],
            "MACs": [layer.macs for layer in self.layers],
            "activations": [layer.activations for layer in self.layers],
        }
        return viz.layers(names, columns, title=f"{self.model}, layer by layer")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
