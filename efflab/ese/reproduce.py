"""ESE's figures again: the step of its LSTM, its pruning curves, and spoken digits in place of TIMIT.

Source: S. Han et al., "ESE", FPGA 2017. The step is simulated at the published densities, entries at random places; the curves on random
weights in the paper's shapes, and on networks trained on spoken digits (``_training``). No constant is fitted: what the records do not
tell is reasoned in ``machine`` and ``schedule``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from efflab import data, results
from efflab.data import SpeechData
from efflab.errors import EfflabError
from efflab.ese import _curves, _digits, _training, published
from efflab.ese._curves import KINDS, METHODS, PRUNED_PCT, published_curve, speedups
from efflab.ese._digits import FORMATS
from efflab.ese._records import curve_records, digit_records, matrix_records, step_records
from efflab.ese._training import Recipe
from efflab.ese.gates import matrices
from efflab.ese.machine import Machine

SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2, 3, 4)}
ROOMS = ("eie", "ese", "pruning")


@dataclass(frozen=True)
class Plan:
    """How much work a scale is.

    Attributes:
        recipe: of the networks.
        longer: epochs of one more dense network of the first seed, whose rows have more time to become uneven.
        pruned_pct: shares at which curves are drawn.
    """

    recipe: Recipe
    longer: int
    pruned_pct: tuple[int, ...] = PRUNED_PCT


PLANS = {
    "smoke": Plan(Recipe(64, 32, 1, (1.0,), 1, recordings=128), 2, (0, 50, 90)),
    "cpu": Plan(Recipe(), 20),
    "full": Plan(Recipe(dense_epochs=20, rounds=(0.6, 0.8, 0.9, 1.0), round_epochs=5), 80),
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
        ``schedule`` (one step, see ``Schedule.to_json``) and ``balance`` (of each pruned network, matrix by matrix).

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
    drawn["longer"] = _gathered([_longer(plan, chosen[0], speech, progress=progress)])
    for source, lines in drawn.items():
        own = {**common, "seeds": chosen[:1]} if source == "longer" else common
        records += curve_records(source, lines, plan.pruned_pct[-1], own)
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


def _random(seed: int, plan: Plan) -> dict[str, Any]:
    """The curve of random weights, drawn or taken from the cache."""

    def draw(_path: Path) -> dict[str, Any]:
        return _curves.curve(_curves.random_weights(seed), Machine(), plan.pruned_pct)

    return results.kept("ese", ("random", plan.pruned_pct, seed), draw, ROOMS)


def _longer(plan: Plan, seed: int, speech: SpeechData, *, progress: bool) -> dict[str, Any]:
    """The curve of a dense network that was trained for longer."""
    recipe = replace(plan.recipe, dense_epochs=plan.longer)
    weights = _training.trained(recipe, seed, "dense", speech, progress=progress)["weights"]

    def draw(_path: Path) -> dict[str, Any]:
        network = _training.loaded(recipe, weights)
        return _curves.curve(matrices(network.lstm), Machine(), plan.pruned_pct)

    key = ("longer", recipe, seed, weights, plan.pruned_pct)
    return results.kept("ese", key, draw, (*ROOMS, *_training.ROOMS))


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
