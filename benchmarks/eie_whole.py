"""What EIE's simulator takes as a whole: a sweep of 1,000 machines, ``reproduce eie``, and memory by non-zero weights."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from efflab import eie
from efflab.eie import sweep as sweeping

NONZEROS = (1, 2, 4, 8)
"""Millions of weights whose counting is measured."""
ROWS, DENSITY = 4096, 0.09


def machines() -> list[eie.Machine]:
    """1,000 machines, of 200 different timings, whose memories hold every layer."""
    return sweeping.grid(
        eie.Machine(spmat_kb=1024.0),
        pes=(16, 32, 48, 64, 96, 128, 192, 256),
        fifo=range(1, 26),
        sram_width=(32, 64, 128, 256, 512),
    )


def sweep_seconds(threads: int = 2) -> tuple[float, list[sweeping.Point]]:
    """Time the package's own sweep over the nine layers, once these are drawn: cycles, energy, area and file."""
    works = [sweeping.Work(one.title, one.pattern(), one.active()) for one in eie.BENCHMARKS.values()]
    chosen = machines()
    assert len(chosen) == 1000
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        points = sweeping.sweep(
            works, chosen, path=Path(folder) / "sweep.csv", workers=threads, progress=False
        )
        seconds = time.perf_counter() - start
    assert all(point.fits for point in points)
    return seconds, points


def check(points: list[sweeping.Point]) -> None:
    """Run every hundredth machine layer by layer: the sweep must say the same."""
    layers = [(one.pattern(), one.active()) for one in eie.BENCHMARKS.values()]
    for machine, point in itertools.islice(zip(machines(), points, strict=True), 0, None, 100):
        runs = [eie.simulate(pattern, active, machine) for pattern, active in layers]
        assert point.cycles == sum(run.counters.cycles + run.counters.fill for run in runs)
        assert abs(point.energy_uj / sum(eie.energy(run).total_uj for run in runs) - 1) < 1e-9


def reproduce_seconds() -> float:
    """Time ``efflab reproduce eie`` from its start as a program to its end."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"EFFLAB_RESULTS": folder}
        start = time.perf_counter()
        command = [sys.executable, "-m", "efflab.cli", "reproduce", "eie", "--json"]
        done = subprocess.run(command, env=own, check=True, capture_output=True, text=True, timeout=600)
        seconds = time.perf_counter() - start
    assert json.loads(done.stdout)
    return seconds


def peak_mb(millions: int) -> float:
    """Largest memory that drawing a layer, counting its entries and running it takes.

    Rows and density stay, so that a layer of twice the non-zeros has twice the columns.
    """
    columns = round(millions * 1e6 / (ROWS * DENSITY))
    tracemalloc.start()
    pattern = eie.draw(ROWS, columns, DENSITY, seed=0)
    eie.simulate(pattern, eie.draw_active(columns, 0.35, seed=1), eie.Machine(spmat_kb=None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6
