"""Balanced masks against torch.topk and against a sort, and a step of the accelerator against the same in plain Python.

Run it with ``python -m benchmarks.ese [--write]``. All contestants get the same float32 matrix of the size of an LSTM's four
gates, on one thread.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import ese, results
from efflab.ese import published
from efflab.pruning import magnitude_mask

ROWS, COLUMNS, PES, SPARSITY = 4096, 1024, 32, 0.9

MASK = "balanced_mask"
TOPK = "torch.topk for each element"
ROW_TOPK = "torch.topk, all elements at once"
SORT = "np.sort of the same weights"
PLAIN = "magnitude_mask"
COPY = "copy"
STEP = "nine products and the schedule"
PYTHON = "the products in plain Python"


def topk_mask(weight: torch.Tensor) -> torch.Tensor:
    """The obvious loop: the largest of each element's rows."""
    mask = torch.zeros_like(weight, dtype=torch.bool)
    for k in range(PES):
        rows = weight[k::PES].abs().reshape(-1)
        kept = rows.numel() - round(SPARSITY * rows.numel())
        chosen = torch.zeros_like(rows, dtype=torch.bool)
        chosen[rows.topk(kept, sorted=False).indices] = True
        mask[k::PES] = chosen.view(-1, weight.shape[1])
    return mask


def topk_at_once(weight: torch.Tensor) -> torch.Tensor:
    """The same without a loop: one row of a matrix an element."""
    rows = weight.view(-1, PES, COLUMNS).transpose(0, 1).reshape(PES, -1).abs()
    kept = rows.shape[1] - round(SPARSITY * rows.shape[1])
    mask = torch.zeros_like(rows, dtype=torch.bool)
    mask.scatter_(1, rows.topk(kept, dim=1, sorted=False).indices, value=True)
    return mask.view(PES, -1, COLUMNS).transpose(0, 1).reshape(ROWS, COLUMNS)


def recurrence(counts: NDArray[np.int32], depth: int) -> int:
    """Cycles of one product, in plain Python over lists."""
    sent, taken, done = -1, [], [0] * counts.shape[1]
    for j, entries in enumerate(counts.tolist()):
        sent = max(sent + 1, taken[j - depth] if j >= depth else 0)
        starts = [max(sent + 1, end) for end in done]
        done = [start + max(1, count) for start, count in zip(starts, entries, strict=True)]
        taken.append(max(starts))
    return max(done)


def masking(rounds: int = 15) -> Timings:
    """Time the masks."""
    torch.manual_seed(0)
    weight = torch.randn(ROWS, COLUMNS)
    assert torch.equal(topk_mask(weight), topk_at_once(weight))
    ours = ese.balanced_mask(weight, SPARSITY, PES)
    assert (
        int((ours != topk_mask(weight)).sum()) <= PES
    )  # shares are dealt out exactly, not rounded for each element
    flat = weight.numpy().ravel()
    contestants = {
        COPY: weight.clone,
        MASK: lambda: ese.balanced_mask(weight, SPARSITY, PES),
        PLAIN: lambda: magnitude_mask(weight, SPARSITY),
        SORT: lambda: np.sort(np.abs(flat)),
        TOPK: lambda: topk_mask(weight),
        ROW_TOPK: lambda: topk_at_once(weight),
    }
    return race(contestants, rounds=rounds, clock=time.process_time)


def stepping(rounds: int = 15) -> Timings:
    """Time a step at the published densities, whose entries are counted already."""
    machine = ese.Machine()
    generator = np.random.default_rng(0)
    work = [
        (one.name, one.shape, published.drawn(one.lane(machine.pes), one.shape, machine.pes, generator))
        for one in published.table()
    ]

    def step() -> ese.StepRun:
        made = ese.StepRun(tuple(ese.product_of_counts(c, s, machine, n) for n, s, c in work), machine)
        assert made.time_us
        return made

    def python() -> list[int]:
        return [recurrence(counts, machine.fifo) for _, _, counts in work]

    assert [one.counters.cycles for one in step().products] == python()
    return race({STEP: step, PYTHON: python}, rounds=rounds, clock=time.process_time, seldom={PYTHON: 5})


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    masks, steps = masking(), stepping()
    print(masks.table(f"Masks of {ROWS} x {COLUMNS} weights over {PES} elements at {SPARSITY:.0%}"))
    print(steps.table("A step of the paper's LSTM"))
    ratios = {
        "speed/mask-vs-topk": (masks, TOPK, MASK),
        "speed/mask-vs-topk-at-once": (masks, ROW_TOPK, MASK),
        "speed/mask-vs-sort": (masks, SORT, MASK),
        "speed/mask-vs-magnitude": (masks, PLAIN, MASK),
        "speed/mask-vs-copy": (masks, MASK, COPY),
        "speed/step-vs-python": (steps, PYTHON, STEP),
    }
    records = []
    for name, (timings, slow, fast) in ratios.items():
        ratio, spread = timings.ratio(slow, fast), timings.spread(slow, fast)
        print(f"{name:28} {ratio:8.2f}x  ({slow} / {fast}; rounds {spread[0]:.2f} to {spread[1]:.2f})")
        records.append(
            results.record(
                "ese", name, measured=ratio, unit="x", source="benchmarks/ese.py", spread=spread, scale="cpu",
                command="python -m benchmarks.ese --write", data="synthetic",
            )
        )  # fmt: skip
    if options.write:
        results.write("ese", records)


if __name__ == "__main__":
    main()
