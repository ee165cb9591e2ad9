"""ESE's figures again: the step of its LSTM, its pruning curves, and spoken digits in place of TIMIT.

Source: S. Han et al., "ESE", FPGA 2017. The step is simulated at the published densities, entries at random places; the curves on random
weights in the paper's shapes, and on networks trained on spoken digits (``_training``). No constant is fitted: what the records do not
tell is reasoned in ``machine`` and ``schedule``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm.auto import tqdm

from efflab import data, paper, results
from efflab.data import SpeechData
from efflab.errors import EfflabError
from efflab.ese import _curves, _digits, _training, published
from efflab.ese._curves import KINDS, METHODS, PRUNED_PCT, published_curve, speedups
from efflab.ese._digits import FORMATS
from efflab.ese._training import Recipe
from efflab.ese.channel import product
from efflab.ese.gates import matrices
from efflab.ese.machine import Machine
from efflab.ese.run import StepRun
from efflab.ese.schedule import PAPER

SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2, 3, 4)}
ROOMS = ("eie", "ese", "pruning")
THEORETICAL_BAR_PCT = 1.0
_VARIANTS: dict[str, dict[str, Any]] = {
    "ample": {"ample": True},
    "free": {"overlaps": None},
    **{f"without-{name}": {"overlaps": tuple(one for one in PAPER if one != name)} for name in PAPER},
}
"""The step with memory always in time; with tasks that do not wait for states; and with each overlap switched off."""


@dataclass(frozen=True)
class Plan:
    """How much work a scale is.

    Attributes:
        recipe: of the networks.
        pruned_pct: shares at which curves are drawn.
    """

    recipe: Recipe
    pruned_pct: tuple[int, ...] = PRUNED_PCT


PLANS = {
    "smoke": Plan(Recipe(64, 32, 1, (1.0,), 1, recordings=128), (0, 50, 90)),
    "cpu": Plan(Recipe()),
    "full": Plan(Recipe(dense_epochs=20, rounds=(0.6, 0.8, 0.9, 1.0), round_epochs=5)),
}


def run(scale: str = "cpu", seeds: Sequence[int] | None = None, *, progress: bool = True) -> results.Measured:
    """Simulate the step, draw the curves, train, prune and round the networks.

    What is finished is kept in the cache folder, so that an interrupted run goes on where it stood.

    Args:
        scale: ``"smoke"`` (does it run), ``"cpu"`` (the recorded figures) or ``"full"`` (longer, more seeds).
        seeds: of places, weights, initialisation and order; three at ``"cpu"``.
        progress: whether to show progress bars.

    Returns:
        The records; and the series ``curves`` (source, method, kind: times in µs, a list over the shares for each seed), ``pruned_pct``,
        ``matrices`` and ``schedule`` (one step, see ``Schedule.to_json``).

    Raises:
        EfflabError: no such scale.
        DataError: the spoken digits are not on this machine and cannot be fetched.
    """
    if scale not in PLANS:
        raise EfflabError(f"scale must be one of {', '.join(PLANS)}, got {scale!r}")
    chosen = tuple(SEEDS[scale] if seeds is None else seeds)
    plan, machine = PLANS[scale], Machine()
    common = {"scale": scale, "seeds": chosen, "command": command(scale, chosen)}
    steps = [published.simulated(seed, machine) for seed in chosen]
    records = [*step_records(steps, chosen, common), *matrix_records(steps, common)]
    drawn = {"random": _gathered([_random(seed, plan) for seed in chosen])}
    speech = data.load("spoken-digits", validation=_training.HELD_OUT)
    spoken = [
        _spoken(plan, seed, speech, progress=progress) for seed in tqdm(chosen, "seeds", disable=not progress)
    ]
    drawn["digits"] = _gathered([one["curve"] for one in spoken])
    records += [one for source in drawn for one in curve_records(source, drawn[source], plan, common)]
    records += digit_records(spoken, machine, {**common, "data": "spoken-digits"})
    series = {
        "curves": drawn,
        "pruned_pct": list(plan.pruned_pct),
        "schedule": steps[0].schedule.to_json(),
        "balance": {method: [one[method]["measured"]["balance"] for one in spoken] for method in METHODS},
    }
    return results.Measured(tuple(records), series)


def command(scale: str, seeds: Sequence[int]) -> str:
    """The command that measures again what a scale and seeds give.

    >>> command("cpu", (0, 1, 2))
    'efflab reproduce ese --scale cpu'
    """
    own = "" if tuple(seeds) == SEEDS[scale] else f" --seeds {','.join(map(str, seeds))}"
    return f"efflab reproduce ese --scale {scale}{own}"


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
            figure(f"{name}/balance_pct", [100 * run.balance for run in runs], "%"),
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


def _random(seed: int, plan: Plan) -> dict[str, Any]:
    """The curve of random weights, drawn or taken from the cache."""

    def draw(_path: Path) -> dict[str, Any]:
        return _curves.curve(_curves.random_weights(seed), Machine(), plan.pruned_pct)

    return results.kept("ese", ("random", plan.pruned_pct, seed), draw, ROOMS)


def _spoken(plan: Plan, seed: int, speech: SpeechData, *, progress: bool) -> dict[str, Any]:
    """All of one seed's networks: errors in each format, times, and the dense one's curve."""
    machine, recipe = Machine(), plan.recipe
    found: dict[str, Any] = {}
    for method in ("dense", *METHODS):
        made = _training.trained(recipe, seed, method, speech, progress=progress)
        load = partial(_training.loaded, recipe, made["weights"])

        def look(_path: Path, method: str = method, load: Callable[[], Any] = load) -> dict[str, Any]:
            network = load()
            errors = {
                name: _digits.fixed_error(network, bits, speech.train.take(100), speech.test)
                for name, bits in FORMATS.items()
                if method != "dense" or name == _digits.PAPER
            }
            drawn = {}
            if method == "dense":
                drawn = {"curve": _curves.curve(matrices(network.lstm), machine, plan.pruned_pct)}
            return {"errors": errors, "measured": _digits.measured(network, machine), **drawn}

        key = ("look", recipe, method, seed, made["weights"], plan.pruned_pct)
        looked = results.kept("ese", key, look, (*ROOMS, *_training.ROOMS))
        found[method] = {"error": made["error"], **looked}
    found["curve"] = found["dense"].pop("curve")
    return found


def _gathered(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Curves of all seeds together: by method and kind a list for each seed."""
    return {
        method: {kind: [part[method][kind] for part in parts] for kind in (*KINDS, "balance")}
        for method in METHODS
    }


def curve_records(
    source: str, drawn: Mapping[str, Any], plan: Plan, common: Mapping[str, Any]
) -> list[results.Result]:
    """Speed-ups at the largest share, and what balance gains there."""
    figure = partial(_figure, {**common, "data": "spoken-digits" if source == "digits" else ""})
    share = plan.pruned_pct[-1]
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


LABELS = {"balanced": "with balance", "unbalanced": "without"}


def plot(drawn: Mapping[str, Any], kind: str = "step", pruned_pct: Sequence[int] = PRUNED_PCT) -> Any:
    """Speed-up against the share pruned, balanced and not, the paper's curves beside them where they cover the same shares.

    Args:
        drawn: one source's curves, ``efflab.results.series("ese", "curves")["random"]``.
        kind: ``"products"``, ``"step"`` or ``"ample"``.
        pruned_pct: the shares.

    Returns:
        A matplotlib figure.
    """
    from efflab import viz  # noqa: PLC0415 - only drawing needs matplotlib

    lines: dict[str, Any] = {
        LABELS[method]: [speedups(line) for line in drawn[method][kind]] for method in METHODS
    }
    if tuple(pruned_pct) == PRUNED_PCT:
        lines |= {f"paper, {LABELS[method]}": published_curve(method) for method in METHODS}
    return viz.curve(pruned_pct, lines, xlabel="weights pruned (%)", ylabel="times as fast as dense")
