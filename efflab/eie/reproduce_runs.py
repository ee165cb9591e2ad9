"""One benchmark layer through every machine that the paper's tables and figures ask for."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from efflab import paper
from efflab.eie.capacity import check_fits
from efflab.eie.energy_model import energy
from efflab.eie.energy_tables import WIDTHS
from efflab.eie.engine import simulate
from efflab.eie.machine import Machine
from efflab.eie.nine import Benchmark
from efflab.eie.pattern import Pattern
from efflab.eie.run import Run

DEPTHS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Queues of figure 8."""
PES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of PEs of figures 11 to 13."""
MACHINE: Final = Machine()
"""The published machine."""


def run_layer(layer: Benchmark, seed: int) -> dict[str, Any]:
    """Draw a layer and run it on all machines.

    Returns:
        Plain numbers and lists: ``time`` (what table III and IV hold), ``fifo`` (balance by depth), ``pes`` (balance, real
        work and cycles by number of PEs), ``reads`` (by width), ``agreed`` and ``sample`` (see there) where they apply.
    """
    pattern, active = layer.pattern(seed), layer.active(seed)
    check_fits(pattern, MACHINE)
    found = {
        "time": times(layer, pattern, simulate(pattern, active, MACHINE)),
        "fifo": [100 * simulate(pattern, active, MACHINE.with_(fifo=depth)).balance for depth in DEPTHS],
        "reads": [
            simulate(pattern, active, MACHINE.with_(sram_width=width)).counters.spmat_reads
            for width in WIDTHS
        ],
        "pes": scaling(pattern, active),
        "sample": sample(layer, pattern, seed),
        "agreed": agreed(layer, active, seed),
    }
    pattern.forget()
    return found


def times(layer: Benchmark, pattern: Pattern, run: Run) -> dict[str, float]:
    """Gather what tables III and IV say of one run, and its energy."""
    size = layer.inputs * layer.outputs
    spent = energy(run)
    return {
        "weights_pct": 100 * pattern.density,
        "act_pct": 100 * run.counters.broadcasts / layer.inputs,
        "flop_pct": 100 * run.counters.real_work / size,
        "theoretical_us": run.theoretical_us,
        "actual_us": run.time_us,
        "energy_uj": spent.drawn_uj,
        "counted_uj": spent.counted_uj,
        "reads": run.counters.spmat_reads,
    }


def scaling(pattern: Pattern, active: NDArray[np.bool_]) -> dict[str, list[float]]:
    """Run on more and more PEs, whose memories hold what they must."""
    found: dict[str, list[float]] = {"balance": [], "real": [], "cycles": []}
    for pes in PES:
        counters = simulate(pattern, active, MACHINE.with_(pes=pes, spmat_kb=None)).counters
        found["balance"].append(100 * counters.balance)
        found["real"].append(100 * counters.real_work / counters.entries)
        found["cycles"].append(counters.cycles)
        if pes != MACHINE.pes:
            pattern.forget()
    return found


def implied_act_pct(layer: Benchmark) -> float:
    """Share of non-zero inputs in the paper's sample, by its own theoretical time and padding.

    Theoretical time counts the entries of that one sample; figure 12 says how many entries a weight takes. The result
    inherits the rounding of the printed share of weights.
    """
    us = paper.get(f"eie/table4/eie-64pe-theoretical-batch-1/{layer.name}").value
    real = paper.get(f"eie/figure12/{layer.name}/pe_{MACHINE.pes}").value / 100
    weights = layer.weights_pct / 100 * layer.inputs * layer.outputs
    return float(100 * us * MACHINE.clock_mhz * MACHINE.pes * real / weights)


def sample(layer: Benchmark, pattern: Pattern, seed: int) -> dict[str, float] | None:
    """Run with as many non-zero inputs as the paper's sample must have had; None where all inputs are non-zero."""
    share = implied_act_pct(layer)
    if layer.act_pct == 100 or share > 100:
        return None
    run = simulate(pattern, layer.active(seed, share), MACHINE)
    return {"act_pct": share, **times(layer, pattern, run)}


def agreed(layer: Benchmark, active: NDArray[np.bool_], seed: int) -> dict[str, float] | None:
    """Run with the share of weights that all columns of table III allow; None where that is the printed one."""
    if layer.agreed_pct == layer.weights_pct:
        return None
    pattern = layer.pattern(seed, layer.agreed_pct)
    return times(layer, pattern, simulate(pattern, active, MACHINE))
