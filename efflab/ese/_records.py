"""The records of ESE's reproduction: the step, its matrices, the curves, and the spoken digits."""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from efflab import paper, results
from efflab.ese import _curves, published
from efflab.ese._curves import KINDS, METHODS, speedups
from efflab.ese.channel import product
from efflab.ese.machine import Machine
from efflab.ese.run import StepRun
from efflab.ese.schedule import PAPER

THEORETICAL_BAR_PCT = 1.0
_VARIANTS: dict[str, dict[str, Any]] = {
    "ample": {"ample": True},
    "free": {"overlaps": None},
    **{f"without-{name}": {"overlaps": tuple(one for one in PAPER if one != name)} for name in PAPER},
}
"""The step with memory always in time; with tasks that do not wait for states; and with each overlap switched off."""


def _figure(
    common: Mapping[str, Any], name: str, values: Sequence[float], unit: str, figure: str = "", **judged: Any
) -> results.Result:
    """The mean over the seeds, with every seed's value."""
    stated = paper.get(f"ese/{figure}") if figure else None
    spread = tuple(values) if len(set(values)) > 1 else None
    return results.record("ese", name, fmean(values), unit, paper=stated, spread=spread, **common, **judged)


def step_records(
    steps: Sequence[StepRun], seeds: Sequence[int], common: Mapping[str, Any]
) -> list[results.Result]:
    """The whole step: as published, as simulated, and with parts of the schedule changed."""
    figure = partial(_figure, common)
    machine = steps[0].machine
    theory = published.theoretical_us(machine)
    stated = paper.get("ese/matrices/total/theoretical_time").value
    off = 100 * abs(theory / stated - 1)
    bar = {"bar": f"within {THEORETICAL_BAR_PCT:g} %", "holds": off <= THEORETICAL_BAR_PCT}
    made = [
        figure("step/theoretical", [theory], "us", "matrices/total/theoretical_time", **bar),
        figure("step/time", [one.time_us for one in steps], "us", "headline/latency"),
        figure("step/gops", [one.gops for one in steps], "GOP/s", "headline/gops"),
        figure(
            "step/equivalent_tops",
            [one.equivalent_tops for one in steps],
            "TOP/s",
            "headline/equivalent_tops",
        ),
        figure("step/bandwidth", [one.bandwidth_gb_s for one in steps], "GB/s"),
        figure("step/utilisation_pct", [100 * one.utilisation for one in steps], "%"),
        figure("step/peak_gops", [machine.peak_gops], "GOP/s"),
        figure(
            "step/matrices", [sum(_real_us(one, name) for name in published.NAMES) for one in steps], "us"
        ),
        figure("step/latency", [one.schedule.time_us for one in steps], "us"),
    ]
    power = paper.get("ese/headline/power").value
    made.append(figure("step/energy", [power * one.time_us / machine.channels for one in steps], "uJ"))
    for name, changed in _VARIANTS.items():
        runs = [published.simulated(seed, machine, **changed) for seed in seeds]
        made.append(figure(f"step/{name}/time", [one.time_us for one in runs], "us", "headline/latency"))
    return made


def _real_us(step: StepRun, name: str) -> float:
    """What the paper's table calls a matrix's real time: its state; the projection's with the pass that makes m before it."""
    return step.state_us(name) + (step.state_us("m") if name == "Wym" else 0.0)


def matrix_records(steps: Sequence[StepRun], common: Mapping[str, Any]) -> list[results.Result]:
    """The table of matrices."""
    figure = partial(_figure, common)
    made = []
    for place, one in enumerate(published.table()):
        runs = [step.products[place] for step in steps]
        row, name = f"matrices/{one.name.lower()}", f"matrix/{one.name.lower()}"
        real = [_real_us(step, one.name) for step in steps]
        channels = steps[0].machine.channels
        operations = [2 * run.stored * channels / 1000 for run in runs]
        dense = 2 * one.size * channels / 1000
        made += [
            figure(f"{name}/bytes", [run.bytes for run in runs], "bytes", f"{row}/compressed"),
            figure(f"{name}/theoretical", [run.theoretical_us for run in runs], "us", f"{row}/theoretical_time"),
            figure(f"{name}/product", [run.time_us for run in runs], "us"),
            figure(f"{name}/real", real, "us", f"{row}/real_time"),
            figure(f"{name}/gops", [a / t for a, t in zip(operations, real, strict=True)], "GOP/s", f"{row}/performance"),
            figure(f"{name}/equivalent_gops", [dense / t for t in real], "GOP/s", f"{row}/equivalent_performance"),
            figure(f"{name}/balance_pct", [100 * run.utilisation for run in runs], "%"),
        ]  # fmt: skip
    return [*made, *padded_records(steps[0].machine, common)]


def padded_records(machine: Machine, common: Mapping[str, Any]) -> list[results.Result]:
    """What balanced pruning to a tenth stores of random weights: padding and filling come to the published densities."""
    made = []
    shares: dict[str, list[float]] = {}
    for seed in common["seeds"]:
        chosen = _curves.masks(_curves.random_weights(seed), 90, "balanced", machine.pes)
        for name, mask in chosen.items():
            shares.setdefault(name, []).append(100 * product(mask, machine, name).density)
    for name, values in shares.items():
        row = name.lower()
        made.append(_figure(common, f"matrix/{row}/stored_pct", values, "%", f"matrices/{row}/density_pct"))
    return made


def curve_records(
    source: str, drawn: Mapping[str, Any], share: int, common: Mapping[str, Any]
) -> list[results.Result]:
    """Speed-ups at the largest share that is drawn, in percent, and what balance gains there."""
    figure = partial(_figure, {**common, "data": "" if source == "random" else "spoken-digits"})
    made = []
    for kind in KINDS:
        fast = {method: [speedups(line)[-1] for line in drawn[method][kind]] for method in METHODS}
        for method in METHODS:
            stated = f"headline/speedup_{method}_{share}pct"
            made.append(figure(f"speedup/{source}/{method}/{kind}", fast[method], "x", stated))
        gains = [a / b for a, b in zip(fast["balanced"], fast["unbalanced"], strict=True)]
        made.append(figure(f"speedup/{source}/gain/{kind}", gains, "x"))
    made += [
        figure(f"balance/{source}/{method}", [100 * line[-1] for line in drawn[method]["balance"]], "%")
        for method in METHODS
    ]
    return made


def digit_records(
    spoken: Sequence[Mapping[str, Any]], machine: Machine, common: Mapping[str, Any]
) -> list[results.Result]:
    """Errors of the networks in each number format, and the times of their steps."""
    figure = partial(_figure, common)
    made = []
    for method in ("dense", *METHODS):
        own = [one[method] for one in spoken]
        made.append(figure(f"digits/{method}/error", [one["error"] for one in own], "%"))
        made += [
            figure(f"digits/{method}/error_{name}", [one["errors"][name] for one in own], "%")
            for name in own[0]["errors"]
        ]
        made += [
            figure(f"digits/{method}/time_{kind}", [one["measured"][kind] for one in own], "us")
            for kind in KINDS
        ]
        made.append(
            figure(f"digits/{method}/sparsity_pct", [100 * one["measured"]["sparsity"] for one in own], "%")
        )
        even = [100 * fmean(one["measured"]["balance"].values()) for one in own]
        made.append(figure(f"digits/{method}/balance", even, "%"))
    for kind in KINDS:
        ratio = [one["unbalanced"]["measured"][kind] / one["balanced"]["measured"][kind] for one in spoken]
        made.append(figure(f"digits/gain/{kind}", ratio, "x"))
        for method in METHODS:
            fast = [one["dense"]["measured"][kind] / one[method]["measured"][kind] for one in spoken]
            made.append(figure(f"digits/{method}/speedup_{kind}", fast, "x"))
    change = [one["balanced"]["error"] - one["unbalanced"]["error"] for one in spoken]
    made.append(figure("digits/error_change", change, "points"))
    twelve = [one["balanced"]["errors"]["fixed12"] - one["balanced"]["error"] for one in spoken]
    made.append(figure("digits/error_change_fixed12", twelve, "points"))
    bits = machine.weight_bits + machine.index_bits
    kept = [1 - one["balanced"]["measured"]["sparsity"] for one in spoken]
    made.append(
        figure("digits/compression", [32 / (share * bits) for share in kept], "x", "headline/compression")
    )
    stored = [one["balanced"]["measured"]["stored_share"] for one in spoken]
    made.append(figure("digits/compression_stored", [32 / (share * bits) for share in stored], "x"))
    return made
