"""Accuracy against bits for LeNet-300-100 and LeNet-5 on MNIST, pruned and not: which initialisation to take.

Source: S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, sections 3.2 and 5.1, figure 8, which is drawn for AlexNet
there. The networks are those of ``reproduce pruning``, three seeds. Every layer takes the same bits, convolutions too.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from efflab import data, results
from efflab.data import ImageData
from efflab.errors import EfflabError
from efflab.pruning import reproduce as pruned_networks
from efflab.quantization import _study
from efflab.quantization._study import AFFINE, INITS, METHODS, Plan

HELD_OUT = pruned_networks.HELD_OUT
SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2, 3, 4)}
ROOMS = ("data", "models", "pruning", "quantization", "training")
STATES = ("pruned", "dense")
# A width is free of loss where the mean error exceeds the unquantized network's by no more than this.
FREE_POINTS = 0.1
SHOWN_BITS = (2, 4)  # where errors are recorded; the whole curves are in the series
KEPT_BITS = 4  # where the initialisations are compared by what they keep
_BITS = (1, 2, 3, 4, 5, 6, 8)
_IMAGES = {"lenet-300-100": 20_000, "lenet-5": 2_000}
_DENSE_LR = {"lenet-300-100": 3e-4, "lenet-5": 1e-5}


def plans(scale: str) -> tuple[Plan, ...]:
    """What is drawn at a scale.

    Raises:
        EfflabError: no such scale.
    """
    if scale not in SEEDS:
        raise EfflabError(f"scale must be one of {', '.join(SEEDS)}, got {scale!r}")
    recipes = pruned_networks.RECIPES[scale]
    if scale == "smoke":
        return tuple(Plan(recipe, (2, 4), 500) for recipe in recipes)
    images = _IMAGES if scale == "cpu" else dict.fromkeys(_IMAGES, 55_000)
    return tuple(
        Plan(recipe, _BITS, images[recipe.network], dense_lr=_DENSE_LR[recipe.network]) for recipe in recipes
    )


def run(scale: str = "cpu", seeds: Sequence[int] | None = None, *, progress: bool = True) -> results.Measured:
    """Draw the curves of both networks, pruned and dense.

    Args:
        scale: ``"smoke"`` (does it run), ``"cpu"`` (the recorded figures) or ``"full"`` (longer, more seeds).
        seeds: of the networks, of the order of images and of random centroids; three at ``"cpu"``.
        progress: whether to show progress bars.

    Returns:
        The records, and the series ``bits``: network, state (pruned or dense), then ``base`` (errors by seed), ``bits``, and
        ``still``, ``tuned``, ``largest``, ``squared`` by method: one list a seed (see ``_study.curves``).

    Raises:
        EfflabError: no such scale.
        DataError: MNIST is not on this machine and cannot be fetched.
    """
    chosen = tuple(SEEDS[scale] if scale in SEEDS and seeds is None else seeds or ())
    todo = plans(scale)
    mnist = data.load("mnist", validation=HELD_OUT)
    common = {"scale": scale, "seeds": chosen, "data": "mnist", "command": command(scale, chosen)}
    drawn: dict[str, Any] = {}
    records: list[results.Result] = []
    for plan in todo:
        name = plan.recipe.network
        parts = [kept_curves(plan, seed, mnist, progress=progress) for seed in chosen]
        drawn[name] = {state: gathered(plan, [part[state] for part in parts]) for state in STATES}
        records += [one for state in STATES for one in compare(name, state, drawn[name][state], common)]
    return results.Measured(tuple(records), {"bits": drawn})


def kept_curves(plan: Plan, seed: int, mnist: ImageData, *, progress: bool) -> dict[str, Any]:
    """The curves of one seed's networks by state, drawn or taken from the cache."""
    networks = _study.trained(plan.recipe, seed, mnist, progress=progress)

    def draw(state: str, _path: Path) -> dict[str, Any]:
        return _study.curves(plan, seed, state, networks[state], mnist, progress=progress)

    return {
        state: results.kept("quantization", (plan, seed, state), partial(draw, state), ROOMS)
        for state in STATES
    }


def command(scale: str, seeds: Sequence[int]) -> str:
    """The command that measures again what a scale and seeds give.

    >>> command("cpu", (0, 1, 2))
    'efflab reproduce quantization --scale cpu'
    """
    own = "" if tuple(seeds) == SEEDS[scale] else f" --seeds {','.join(map(str, seeds))}"
    return f"efflab reproduce quantization --scale {scale}{own}"


def gathered(plan: Plan, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put one network's curves of all seeds together."""
    lines = {
        name: {method: [part[name][method] for part in parts] for method in METHODS}
        for name in ("still", "tuned", "largest", "squared")
    }
    return {
        "bits": list(plan.bits),
        "base": [part["base"] for part in parts],
        "date": max(part["date"] for part in parts),
        **lines,
    }


def free_bits(
    bits: Sequence[int], base: Sequence[float], errors: Sequence[Sequence[float | None]]
) -> int | None:
    """Fewest bits from which on no mean error exceeds the unquantized network's by more than ``FREE_POINTS``.

    Args:
        bits: ascending.
        base: error of the unquantized network, one a seed.
        errors: one list over the bits a seed.

    >>> free_bits((2, 4, 8), (1.0,), ((3.0, 1.05, 1.1),))
    4
    """
    found = None
    for at in reversed(range(len(bits))):
        values = [line[at] for line in errors]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or fmean(known) > fmean(base) + FREE_POINTS:
            break
        found = bits[at]
    return found


def compare(network: str, state: str, drawn: dict[str, Any], common: dict[str, Any]) -> list[results.Result]:
    """Figures of one network: by method, bits without loss, errors at two and four bits, and what is kept at four."""
    at = drawn["bits"].index(KEPT_BITS)

    def figure(name: str, values: Sequence[float], unit: str) -> results.Result:
        return results.record(
            "quantization",
            f"{network}/{state}/{name}",
            fmean(values),
            unit,
            spread=tuple(values),
            date=drawn["date"],
            **common,
        )

    made = [figure("error", drawn["base"], "%")]
    for method in METHODS:
        for stage in ("still", "tuned"):
            free = free_bits(drawn["bits"], drawn["base"], drawn[stage][method])
            if free is not None:
                made.append(figure(f"{method}/{stage}/free_bits", [free], "bits"))
            made += [
                figure(
                    f"{method}/{stage}/error_{bits}_bits", [line[place] for line in drawn[stage][method]], "%"
                )
                for place, bits in enumerate(drawn["bits"])
                if bits in SHOWN_BITS and drawn[stage][method][0][place] is not None
            ]
        made += [
            figure(f"{method}/largest_kept_pct", [line[at] for line in drawn["largest"][method]], "%"),
            figure(f"{method}/squared_error_pct", [100 * line[at] for line in drawn["squared"][method]], "%"),
        ]
    return made


LABELS = {
    "linear": "linear",
    "density": "density-based",
    "random": "random (Forgy)",
    "optimal": "optimal k-means",
    AFFINE: "linear quantization",
}


def plot(drawn: dict[str, Any], stage: str = "still", methods: Sequence[str] = INITS) -> Any:
    """Held-out error against bits: means over the seeds with the band from lowest to highest.

    Args:
        drawn: one network in one state, ``efflab.results.series("quantization", "bits")["lenet-5"]["pruned"]``.
        stage: ``"still"`` (before tuning) or ``"tuned"``.
        methods: of ``LABELS``.

    Returns:
        A matplotlib figure.
    """
    return _drawn(drawn, stage, methods, "error on held-out images (%)", drawn["base"])


def plot_largest(drawn: dict[str, Any], methods: Sequence[str] = INITS) -> Any:
    """How much of each layer's largest weight its largest centroid keeps, against bits; arguments as in :func:`plot`."""
    return _drawn(drawn, "largest", methods, "largest centroid / largest weight (%)", None)


def _drawn(
    drawn: dict[str, Any], stage: str, methods: Sequence[str], ylabel: str, base: Sequence[float] | None
) -> Any:
    from efflab import viz  # noqa: PLC0415 - only drawing needs matplotlib

    first = max(_first(drawn[stage][method][0]) for method in methods)
    return viz.curve(
        drawn["bits"][first:],
        {LABELS[method]: [line[first:] for line in drawn[stage][method]] for method in methods},
        references=None if base is None else {"32 bits": fmean(base)},
        xlabel="bits of a code",
        ylabel=ylabel,
        log_y=base is not None,
    )


def _first(line: Sequence[float | None]) -> int:
    return next(place for place, value in enumerate(line) if value is not None)
