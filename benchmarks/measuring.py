"""Counting beside torch's own counter and a plain forward pass; and what importing efflab costs.

Run it with ``python -m benchmarks.measuring [--write]``.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import measure, models, results

NETWORKS = ("lenet5", "resnet20", "alexnet")
OURS, TORCH, PLAIN = "efflab.measure.profile", "torch FlopCounterMode", "forward pass"
TORCH_ALONE, EFFLAB_TOO, HELP = "import torch", "import torch, efflab", "efflab --help"


def forward(model: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        model(x)


def count_with_torch(model: nn.Module, x: Tensor) -> None:
    with FlopCounterMode(display=False), torch.no_grad():
        model(x)


def counting(name: str, rounds: int = 11) -> Timings:
    """One image through a network: run, counted by torch, profiled."""
    model, x = models.get(name).eval(), torch.rand(1, *models.input_shape(name))
    contestants = {
        PLAIN: partial(forward, model, x),
        TORCH: partial(count_with_torch, model, x),
        OURS: partial(measure.profile, model, x),
    }
    return race(contestants, rounds=rounds)


def children_seconds() -> float:
    """Processor time of finished child processes, which a busy machine does not stretch."""
    spent = os.times()
    return spent.children_user + spent.children_system


def startup(rounds: int = 5) -> Timings:
    """Fresh interpreters; the first round warms the disk's cache and does not count."""
    commands = {
        TORCH_ALONE: [sys.executable, "-c", "import torch"],
        EFFLAB_TOO: [sys.executable, "-c", "import torch, efflab"],
        HELP: [
            sys.executable,
            "-c",
            "import sys; sys.argv[1:] = ['--help']; import efflab.cli; efflab.cli.main()",
        ],
    }
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "OMP_WAIT_POLICY": "passive"}}
    return race(
        {name: partial(subprocess.run, line, check=True, **quiet) for name, line in commands.items()},
        rounds=rounds,
        clock=children_seconds,
    )


def record(name: str, value: float, unit: str, **others) -> results.Result:
    return results.record(
        "measuring", name, value, unit, source="benchmarks/measuring.py",
        command="python -m benchmarks.measuring --write", scale="cpu", **others,
    )  # fmt: skip


def main() -> None:
    options = arguments(__doc__ or "")
    if options.threads:
        torch.set_num_threads(options.threads)
    records = []
    for name in NETWORKS:
        timings = counting(name)
        print(timings.table(f"{name}, one image, {torch.get_num_threads()} threads"))
        for rival, key in ((PLAIN, "forward"), (TORCH, "torch")):
            ratio = float(f"{timings.ratio(OURS, rival):.4g}")
            spread = tuple(float(f"{one:.4g}") for one in timings.spread(OURS, rival))
            records.append(record(f"speed/profile-vs-{key}/{name}", ratio, "x", spread=spread))
            print(f"profile takes {ratio:.3g} times the {rival}")
    started = startup()
    print(started.table("fresh interpreters"))
    beyond = max(0.0, min(started.seconds[EFFLAB_TOO]) - min(started.seconds[TORCH_ALONE]))
    shown = started.median(HELP)
    records.append(
        record("speed/import", beyond, "s", bar="under 0.3 s beyond import torch", holds=beyond < 0.3)
    )
    records.append(record("speed/help", shown, "s", bar="under 0.5 s", holds=shown < 0.5))
    print(f"import efflab: {beyond:.3f} s beyond import torch; efflab --help: {shown:.3f} s")
    if options.write:
        results.write("measuring", records)


if __name__ == "__main__":
    main()
