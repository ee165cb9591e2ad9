"""Memory beyond the model while a file is written and read: at most 1.2 times the largest layer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, resource, sys, torch
from efflab import efz

def layer(rows, density, k):
    # A few rows at a time, so that making the model does not hide what saving it takes.
    generator = torch.Generator().manual_seed(0)
    weight = torch.zeros(rows, 2048, dtype=dtype)
    for start in range(0, rows, 50):
        labels = torch.randint(1, k, (50, 2048), generator=generator, dtype=torch.int32)
        kept = torch.rand(50, 2048, generator=generator) < density
        weight[start:start + 50] = (labels * kept).to(dtype)
    return torch.nn.Parameter(weight, requires_grad=False)

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def now():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

path, dtype = sys.argv[1], getattr(torch, sys.argv[2])
model = torch.nn.ParameterDict({"a": layer(1500, 0.09, 32), "b": layer(5000, float(sys.argv[3]), int(sys.argv[4]))})
warm = {name: weight[:1000].clone() for name, weight in model.items()}
for order in ("rows", "columns"):
    small = efz.save(warm, path, order=order)
    efz.load(path)
    assert small.entries[1].coding == sys.argv[5]
# What compiling took does not count: the peak begins anew.
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
largest = model["b"].numel() * dtype.itemsize
before = now()
for order in ("rows", "columns"):
    summary = efz.save(model, path, order=order)
    efz.load(path, model)
beyond = peak() - before
efz.load(path)
whole = peak() - before - summary.dense_bytes
print(json.dumps({"beyond": beyond / largest, "whole": whole / largest, "coding": summary.entries[1].coding}))
"""


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(),
    reason="only Linux says what a process held at most since a moment",
)
@pytest.mark.parametrize(
    ("dtype", "density", "k", "coding"),
    [("float32", 0.09, 32, "sparse"), ("float16", 0.2, 1000, "sparse")],
)
def test_memory_beyond_the_model(dtype: str, density: float, k: int, coding: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "m.efz"), dtype, str(density), str(k), coding]
    # Memory that is freed goes back at once, so that what is held before does not hide what is needed.
    settings = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["coding"] == coding
    assert found["beyond"] <= 1.2, found
    assert found["whole"] <= 1.2, found
