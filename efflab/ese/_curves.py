"""How much faster a step is against the share of weights pruned, with balance and without, as the paper's figure has it.

Three ways of counting stand beside each other: the sparse products alone, the whole step as the schedule has it, and the step if
memory never made a state wait.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from efflab import paper
from efflab.ese.balanced import balance, balanced_mask
from efflab.ese.channel import product
from efflab.ese.machine import Machine
from efflab.ese.published import table
from efflab.ese.run import StepRun

METHODS = ("balanced", "unbalanced")
KINDS = ("products", "step", "ample")
PRUNED_PCT = tuple(int(label.partition("_")[2]) for label in paper.table("ese", "load_balance").labels)
"""The shares that the paper's figure was read at."""


def published_curve(method: str) -> list[float]:
    """The paper's curve, one value for each of ``PRUNED_PCT``."""
    return [figure.value for figure in paper.table("ese", "load_balance").column(method).values()]


def masks(weights: Mapping[str, Tensor], pruned_pct: float, method: str, pes: int) -> dict[str, Tensor]:
    """Masks of an LSTM's matrices, each pruned to the same share: balanced, or by magnitude alone."""
    return {
        name: balanced_mask(weight, pruned_pct / 100, pes if method == "balanced" else 1)
        for name, weight in weights.items()
    }


def times(weights: Mapping[str, Tensor], machine: Machine) -> dict[str, float]:
    """Time of a step by each of ``KINDS``, µs.

    Args:
        weights: matrices by the paper's names; only where they are zero matters.
        machine: the machine.
    """
    made = tuple(product(weight, machine, name) for name, weight in weights.items())
    return {
        "products": sum(one.time_us for one in made),
        "step": StepRun(made, machine).time_us,
        "ample": StepRun(made, machine, ample=True).time_us,
    }


def curve(
    weights: Mapping[str, Tensor], machine: Machine, pruned_pct: Sequence[int] = PRUNED_PCT
) -> dict[str, Any]:
    """Times and balance of an LSTM pruned more and more, without retraining.

    Args:
        weights: dense matrices by the paper's names.
        machine: the machine.
        pruned_pct: shares to prune; the first is what speed-ups are against.

    Returns:
        By method and kind one time a share, µs, and by method ``balance``: mean over the matrices of ``efflab.ese.balance``.
    """
    found: dict[str, Any] = {}
    for method in METHODS:
        lines: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "balance")}
        for share in pruned_pct:
            chosen = masks(weights, share, method, machine.pes)
            for kind, time in times(chosen, machine).items():
                lines[kind].append(time)
            even = [balance(mask, machine.pes) for mask in chosen.values()]
            lines["balance"].append(sum(even) / len(even))
        found[method] = lines
    return found


def random_weights(seed: int) -> dict[str, Tensor]:
    """Normal weights in the shapes of the paper's nine matrices."""
    generator = torch.Generator().manual_seed(seed)
    return {one.name: torch.randn(one.shape, generator=generator) for one in table()}


def speedups(times_us: Sequence[float]) -> list[float]:
    """Times as speed-ups over the first."""
    return [times_us[0] / time for time in times_us]
