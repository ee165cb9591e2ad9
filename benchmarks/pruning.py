"""Pruning against torch.nn.utils.prune and against what memory allows.

The weights are those of ResNet-50's size: 25.5 million in four layers, pruned to 90 % against one threshold.
Run it with ``python -m benchmarks.pruning [--write]``.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import models, pruning, results

SHAPES = ((1500, 5000), (2000, 4000), (3000, 2000), (1600, 2500))
SPARSITY = 0.9
MEMORY = "read and write in place"
SELECTION = "efflab.pruning.magnitude_threshold"
PRUNE = "efflab.pruning.prune_"
TORCH = "torch.nn.utils.prune.global_unstructured"


class Weights(nn.Module):
    """Four bare weights."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.ModuleList(
            nn.Linear(columns, rows, bias=False, device="meta") for rows, columns in SHAPES
        )
        self.layers.to_empty(device="cpu")
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=0.02, generator=generator)


def threshold(clock: Callable[[], float], rounds: int = 7) -> Timings:
    """Choose and prune the smallest nine tenths of all weights."""
    dense = Weights()
    model = Weights()
    weights = [layer.weight.detach() for layer in model.layers]
    flat = torch.cat([weight.flatten() for weight in weights])

    def fresh() -> None:
        for layer, source in zip(model.layers, dense.layers, strict=True):
            if torch_prune.is_pruned(layer):
                torch_prune.remove(layer, "weight")
            if pruning.is_pruned(layer):
                pruning.remove(layer, "weight")
            layer.weight.data.copy_(source.weight.data)
        weights[:] = [layer.weight.detach() for layer in model.layers]

    def in_place() -> None:
        for weight in weights:
            weight.neg_()

    def with_torch() -> None:
        torch_prune.global_unstructured(
            [(layer, "weight") for layer in model.layers], torch_prune.L1Unstructured, amount=SPARSITY
        )

    contestants = {
        MEMORY: in_place,
        SELECTION: lambda: pruning.magnitude_threshold(weights, SPARSITY),
        PRUNE: lambda: pruning.prune_(model, pruning.Magnitude(SPARSITY)),
        "torch.sort": lambda: torch.sort(flat.abs()),
        "torch.kthvalue": lambda: torch.kthvalue(flat.abs(), round(SPARSITY * len(flat))),
        TORCH: with_torch,
    }
    slow = {"torch.sort": 1, "torch.kthvalue": 2, TORCH: 2}
    return race(contestants, rounds=rounds, clock=clock, prepare=fresh, seldom=slow)


def training_step(clock: Callable[[], float], rounds: int = 30, steps: int = 20) -> Timings:
    """Time steps of LeNet-300-100, batch 128, SGD with momentum: plain, pruned, pruned by torch."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(128, 1, 28, 28, generator=generator), torch.randint(10, (128,), generator=generator)
    contestants = {}
    for name in ("plain", "efflab.pruning", "torch.nn.utils.prune"):
        torch.manual_seed(0)
        model = models.lenet_300_100()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        if name == "efflab.pruning":
            pruning.prune_(model, pruning.Magnitude(SPARSITY)).attach(optimizer)
        if name == "torch.nn.utils.prune":
            layers = [(module, "weight") for module in model.modules() if isinstance(module, nn.Linear)]
            torch_prune.global_unstructured(layers, torch_prune.L1Unstructured, amount=SPARSITY)
        contestants[name] = partial(_steps, model, optimizer, x, y, steps)
    return race(contestants, rounds=rounds, clock=clock)


def _steps(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    choosing, step = threshold(clock), training_step(clock)
    print(choosing.table(f"25.5 million weights, {SPARSITY:.0%}, {torch.get_num_threads()} threads"))
    print(step.table("20 training steps of LeNet-300-100"))
    ratios = {
        "speed/threshold-vs-torch": (choosing, TORCH, SELECTION, "at least 50", lambda r: r >= 50),
        "speed/prune-vs-torch": (choosing, TORCH, PRUNE, "at least 50", lambda r: r >= 50),
        "speed/threshold-vs-memory": (choosing, SELECTION, MEMORY, "at most 5", lambda r: r <= 5),
        "speed/prune-vs-memory": (choosing, PRUNE, MEMORY, "at most 5", lambda r: r <= 5),
        "speed/threshold-vs-sort": (choosing, "torch.sort", SELECTION, None, None),
        "speed/step-vs-plain": (step, "efflab.pruning", "plain", "at most 1.05", lambda r: r <= 1.05),
        "speed/torch-step-vs-plain": (step, "torch.nn.utils.prune", "plain", None, None),
    }
    records = []
    for name, (timings, slow, fast, bar, holds) in ratios.items():
        ratio, spread = timings.ratio(slow, fast), timings.spread(slow, fast)
        print(
            f"{name:28} {ratio:8.3f}x  ({slow} / {fast}; rounds {spread[0]:.3f} to {spread[1]:.3f}){f'  bar: {bar}' if bar else ''}"
        )
        records.append(
            results.record(
                "pruning", name, measured=ratio, unit="x", bar=bar, holds=None if holds is None else bool(holds(ratio)),
                source="benchmarks/pruning.py", command="python -m benchmarks.pruning --write", spread=spread,
                scale="cpu", data="synthetic",
            )
        )  # fmt: skip
    if options.write:
        results.write("pruning", records)


if __name__ == "__main__":
    main()
