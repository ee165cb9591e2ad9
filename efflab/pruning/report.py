"""What pruning and retraining did, as figures that show themselves."""

from dataclasses import dataclass
from typing import Any

from efflab.pruning._figures import figure
from efflab.tables import TextTable


@dataclass(frozen=True)
class Round:
    """One pruning and the retraining after it.

    Args:
        iteration: from 1.
        layers: ``"all"``, or ``"fc"`` or ``"conv"`` where these take turns.
        sparsity: fraction of zeros after it, over all prunable weights.
        threshold_error_percent: error right after pruning, before retraining.
        error_percent: error after retraining.
        dropout: dropout rates of the retraining, by module.
        seconds: of retraining.
    """

    iteration: int
    layers: str
    sparsity: float
    threshold_error_percent: float
    error_percent: float
    dropout: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class LayerWeights:
    """Weights of one parameter, and how many are left."""

    name: str
    weights: int
    kept: int

    @property
    def density(self) -> float:
        """Fraction kept."""
        return self.kept / self.weights if self.weights else 0.0


@dataclass(frozen=True)
class PruningReport:
    """What ``prune_and_retrain`` returns.

    Args:
        layers: weights kept, by parameter.
        rounds: what each iteration did; its errors are measured on ``measured_on``.
        measured_on: ``"validation"``, or ``"train"`` where none was held out.
        dense_error_percent: on the test set, before pruning.
        error_percent: on the test set, at the end.
        dead_neurons: neurons removed since nothing reaches or reads them; None where that was off, or the model
            cannot be traced.
        stopped: whether ``max_drop`` ended the iterations early.
    """

    layers: tuple[LayerWeights, ...]
    rounds: tuple[Round, ...]
    measured_on: str
    dense_error_percent: float
    error_percent: float
    dead_neurons: int | None
    stopped: bool = False

    @property
    def weights(self) -> int:
        """Prunable weights of the dense model."""
        return sum(layer.weights for layer in self.layers)

    @property
    def kept(self) -> int:
        """Weights left."""
        return sum(layer.kept for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """Fraction of zeros."""
        return 1 - self.kept / self.weights

    @property
    def compression(self) -> float:
        """How many times fewer weights (infinite where none is left)."""
        return self.weights / self.kept if self.kept else float("inf")

    def table(self) -> TextTable:
        """Weights kept by layer, and the errors."""
        rows = [(layer.name, layer.weights, layer.kept, f"{layer.density:.1%}") for layer in self.layers]
        rows.append(("total", self.weights, self.kept, f"{1 - self.sparsity:.1%}"))
        caption = (
            f"{self.compression:.1f}x fewer weights, test error {self.dense_error_percent:.2f} % dense, "
            f"{self.error_percent:.2f} % pruned"
        )
        return TextTable.of(("layer", "weights", "kept", "density"), rows, caption=caption)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self) -> Any:
        """Draw the error before and after each retraining against sparsity.

        Returns:
            The matplotlib figure.
        """
        with figure() as (drawn, axes):
            sparsities = [100 * one.sparsity for one in self.rounds]
            axes.plot(sparsities, [one.threshold_error_percent for one in self.rounds], label="pruned")
            axes.plot(sparsities, [one.error_percent for one in self.rounds], label="pruned and retrained")
            axes.set_xlabel("sparsity (%)")
            axes.set_ylabel(f"error, {self.measured_on} (%)")
            axes.legend()
        return drawn
