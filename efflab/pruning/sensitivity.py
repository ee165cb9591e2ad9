"""How much each layer suffers from pruning alone: the scan by which the thresholds are chosen.

Source: NIPS 2015, section 5 and figure 6 (pruning sensitivity of AlexNet's layers).
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from efflab.errors import EfflabError
from efflab.pruning._figures import figure
from efflab.pruning.configs import Magnitude
from efflab.pruning.layers import FilterFn, Site, erase_, require_sites
from efflab.pruning.masks import check_sparsity, magnitude_mask
from efflab.tables import TextTable

SPARSITIES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class SensitivityScan:
    """Error of a model with one layer pruned at a time.

    Args:
        layers: parameter names.
        sparsities: fractions of zeros tried.
        error_percent: by layer, then sparsity.
        baseline_percent: error of the model as it was.
        weights: weights of each layer.
    """

    layers: tuple[str, ...]
    sparsities: tuple[float, ...]
    error_percent: tuple[tuple[float, ...], ...]
    baseline_percent: float
    weights: tuple[int, ...]

    def suggest(self, max_drop: float = 1.0) -> dict[str, Magnitude]:
        """Choose for each layer the largest sparsity before its error first rises too far.

        Args:
            max_drop: percentage points of error that one layer's pruning may cost.

        Returns:
            A configuration for ``prune_``: by parameter name; layers that allow no pruning are left out.
        """
        chosen = {}
        for layer, errors in zip(self.layers, self.error_percent, strict=True):
            best = 0.0
            for sparsity, error in sorted(zip(self.sparsities, errors, strict=True)):
                if error > self.baseline_percent + max_drop:
                    break
                best = sparsity
            if best > 0:
                chosen[layer] = Magnitude(best, scope="layer")
        return chosen

    def to_csv(self) -> str:
        """Write ``layer,weights,sparsity,error_percent`` lines with a head line."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("layer", "weights", "sparsity", "error_percent"))
        for layer, weights, errors in zip(self.layers, self.weights, self.error_percent, strict=True):
            writer.writerows((layer, weights, s, e) for s, e in zip(self.sparsities, errors, strict=True))
        return text.getvalue()

    def _repr_html_(self) -> str:
        head = ("layer", "weights", *(f"{sparsity:.0%}" for sparsity in self.sparsities))
        rows: list[tuple[str | int, ...]] = [
            (layer, weights, *(f"{error:.2f}" for error in errors))
            for layer, weights, errors in zip(self.layers, self.weights, self.error_percent, strict=True)
        ]
        caption = f"Error in percent by sparsity of one layer (dense: {self.baseline_percent:.2f})"
        return TextTable.of(head, rows, caption=caption)._repr_html_()

    def plot(self) -> Any:
        """Draw error against sparsity, one line a layer.

        Returns:
            The matplotlib figure.
        """
        with figure() as (drawn, axes):
            for layer, errors in zip(self.layers, self.error_percent, strict=True):
                axes.plot([100 * s for s in self.sparsities], errors, label=layer)
            axes.axhline(self.baseline_percent, linestyle=":", marker="", color="gray", label="dense")
            axes.set_xlabel("sparsity of the layer (%)")
            axes.set_ylabel("error (%)")
            axes.legend()
        return drawn


def sensitivity_scan(
    model: nn.Module,
    split: Any,
    sparsities: Sequence[float] = SPARSITIES,
    *,
    filter_fn: FilterFn | None = None,
    error_percent: Callable[[nn.Module], float] | None = None,
    batch_size: int = 1000,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> SensitivityScan:
    """Prune one layer at a time by magnitude, without retraining, and measure the error.

    Args:
        model: left as it was, also where the scan is interrupted.
        split: data that choices may be made on (``efflab.data.Split``): a validation split, not the test set.
        sparsities: fractions of zeros to try, each in [0, 1).
        filter_fn: which modules to scan; see ``prunable_layers``.
        error_percent: measures the model in place of ``efflab.training.evaluate`` on ``split``.
        batch_size: images at a time.
        device: where to evaluate; where the model is by default.
        progress: whether to show a progress bar.

    Returns:
        The scan.

    Raises:
        EfflabError: no prunable layers, no or wrong sparsities, a NaN weight.
    """
    tried = tuple(check_sparsity(sparsity, "sparsities") for sparsity in sparsities)
    if not tried:
        raise EfflabError("sparsities must hold at least one value, got none")
    measure = error_percent or _evaluator(split, batch_size, device)
    found = require_sites(model, filter_fn)
    baseline = measure(model)
    rows = []
    with tqdm(total=len(found) * len(tried), desc="sensitivity", disable=not progress) as bar:
        for name, site in found.items():
            bar.set_postfix_str(name)
            rows.append(tuple(_errors(model, site, tried, measure, bar)))
    weights = tuple(site.parameter.numel() for site in found.values())
    return SensitivityScan(tuple(found), tried, tuple(rows), baseline, weights)


def _errors(
    model: nn.Module, site: Site, sparsities: Sequence[float], measure: Callable[[nn.Module], float], bar: Any
) -> Iterator[float]:
    for sparsity in sparsities:
        with _pruned(site, sparsity):
            error = measure(model)
        bar.update()
        yield error


@contextmanager
def _pruned(site: Site, sparsity: float) -> Iterator[None]:
    """Prune one parameter for the length of a block."""
    parameter = site.parameter
    original = parameter.detach().clone()
    try:
        mask = magnitude_mask(original, sparsity)
        erase_(parameter, mask)
        yield
    except EfflabError as error:
        raise EfflabError(str(error).replace("layer 'weight'", f"layer {site.fqn!r}")) from None
    finally:
        with torch.no_grad():
            parameter.copy_(original)


def _evaluator(
    split: Any, batch_size: int, device: torch.device | str | None
) -> Callable[[nn.Module], float]:
    from efflab import training  # noqa: PLC0415 - the scan alone needs it

    return lambda model: float(
        training.evaluate(model, split, batch_size=batch_size, device=device).error_percent
    )
