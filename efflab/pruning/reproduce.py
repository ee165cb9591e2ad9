"""Prune LeNet-300-100 and LeNet-5 on MNIST, held against the paper's tables.

Source: S. Han, J. Pool, J. Tran, W. Dally, "Learning both Weights and Connections for Efficient Neural Networks",
NIPS 2015, tables 1 to 3 and figure 5.

For each seed a dense network is trained, then pruned and retrained in rounds by ``prune_and_retrain``. A second dense network,
trained for as many epochs as both together, shows what the extra epochs alone are worth. 5,000 training images
are held out: every setting below was chosen on them. On the test set each dense network's error is read once, when it is
trained; ``prune_and_retrain`` reads that of the network it begins with again, and the pruned network's once, at its end;
the pruned network's activations are profiled on 1,000 test images. No choice depends on any of these.

Against the paper: a round of retraining starts at the rate of training, not at a tenth of it, since each round prunes a large part
of what is left; ``CONV`` and ``FC`` layers are retrained together.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from efflab import data, measure, models, paper, results, training
from efflab.data import ImageData, Split
from efflab.errors import EfflabError
from efflab.pruning.configs import Configs, Magnitude
from efflab.pruning.pruner import Pruner
from efflab.pruning.retrain import prune_and_retrain
from efflab.pruning.schedules import Steps

HELD_OUT = 5000
ROOMS = ("data", "models", "pruning", "training")  # what an outcome depends on
# Bars: the errors that a careful dense run of these networks reaches, and the paper's own 12x.
DENSE_ERROR_BAR = {"lenet-300-100": 1.8, "lenet-5": 0.95}
RATE_BAR, RATE_GOAL = 12, 16
JUDGED_SEEDS = 3  # with fewer, a bar would judge chance
SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2, 3, 4)}


@dataclass(frozen=True)
class Recipe:
    """How one network is trained, pruned and retrained; all of it chosen on the held-out images.

    Attributes:
        network: its name in ``efflab.models``.
        config: what to prune at the end.
        rounds: fraction of that which each round of pruning and retraining reaches.
        dense_epochs: epochs of the dense training.
        round_epochs: epochs of each round.
        lr: learning rate at the start of every training, brought to zero by a cosine.
        weight_decay: L2 penalty.
        dropout: rate of the dense training; retraining takes what equation (2) leaves of it.
        images: how many training images are used.
    """

    network: str
    config: Configs
    rounds: tuple[float, ...]
    dense_epochs: int
    round_epochs: int
    lr: float
    weight_decay: float
    dropout: float = 0.0
    images: int = 55_000

    @property
    def epochs(self) -> int:
        """Epochs of dense training and all rounds together."""
        return self.dense_epochs + len(self.rounds) * self.round_epochs


LENET_300_100 = Recipe(
    "lenet-300-100",
    Magnitude(0.94, scope="deviation"),
    rounds=(0.75, 0.94, 0.99, 1.0, 1.0),
    dense_epochs=20,
    round_epochs=8,
    lr=0.1,
    weight_decay=1e-4,
    dropout=0.3,
)
LENET_5 = Recipe(
    "lenet-5",
    # Of the small first layer two thirds stay, as in table 3; pruned like the rest it costs accuracy and saves nothing.
    {"conv1": Magnitude(0.34), "conv2": Magnitude(0.86), "fc1": Magnitude(0.952), "fc2": Magnitude(0.8)},
    rounds=(0.85, 0.98, 1.0, 1.0),
    dense_epochs=10,
    round_epochs=6,
    lr=0.02,
    weight_decay=5e-4,
)
_replace = dataclasses.replace
RECIPES = {
    "smoke": (
        _replace(LENET_300_100, dense_epochs=2, round_epochs=1, images=5_000),
        _replace(LENET_5, dense_epochs=1, round_epochs=1, images=1_000),
    ),
    "cpu": (LENET_300_100, LENET_5),
    "full": (
        _replace(LENET_300_100, dense_epochs=40, round_epochs=40),
        _replace(LENET_5, dense_epochs=20, round_epochs=20),
    ),
}


@dataclass(frozen=True)
class Trio:
    """The networks of one seed, their errors on the test set in percent, and the day the last of them was made."""

    dense_error: float
    pruned_error: float
    dense_long_error: float
    date: str
    pruned: nn.Module = field(repr=False)


def run(scale: str = "cpu", seeds: Sequence[int] | None = None, *, progress: bool = True) -> results.Measured:
    """Train, prune and retrain both networks, draw the trade-off, and compare with the paper.

    Networks are kept in the cache folder as they are finished, so that an interrupted run goes on where it stood.

    Args:
        scale: ``"smoke"`` (does it run), ``"cpu"`` (the recorded figures) or ``"full"`` (longer, more seeds).
        seeds: of initialisation and order; three at ``"cpu"``.
        progress: whether to show progress bars.

    Returns:
        The records, and the series of the trade-off figure.

    Raises:
        EfflabError: no such scale.
        DataError: MNIST is not on this machine and cannot be fetched.
    """
    from efflab.pruning import tradeoff  # noqa: PLC0415 - it takes the cache and the recipes from here

    if scale not in RECIPES:
        raise EfflabError(f"scale must be one of {', '.join(RECIPES)}, got {scale!r}")
    chosen = tuple(SEEDS[scale] if seeds is None else seeds)
    mnist = data.load("mnist", validation=HELD_OUT)
    common = {
        "scale": scale,
        "seeds": chosen,
        "data": "mnist",
        "command": command(scale, chosen),
    }
    records: list[results.Result] = []
    for recipe in RECIPES[scale]:
        trios = [
            train_trio(recipe, seed, mnist, progress)
            for seed in tqdm(chosen, desc=f"{recipe.network}, seeds", disable=not progress)
        ]
        records += compare(recipe, trios, mnist.test, common)
    curves = tradeoff.run(scale, chosen, mnist, progress)
    return results.Measured((*records, *tradeoff.records(curves, common)), {"tradeoff": curves})


def command(scale: str, seeds: Sequence[int]) -> str:
    """The command that measures again what a scale and seeds give.

    >>> command("cpu", (0, 1, 2)), command("cpu", (7,))
    ('efflab reproduce pruning --scale cpu', 'efflab reproduce pruning --scale cpu --seeds 7')
    """
    own = "" if tuple(seeds) == SEEDS[scale] else f" --seeds {','.join(map(str, seeds))}"
    return f"efflab reproduce pruning --scale {scale}{own}"


def train_trio(recipe: Recipe, seed: int, mnist: ImageData, progress: bool) -> Trio:
    """Train the three networks of one seed, or take them from the cache."""
    long = _replace(recipe, dense_epochs=recipe.epochs)
    dense = kept_json(
        ("dense", _dense_key(recipe), seed), partial(train_dense, recipe, seed, mnist, progress=progress)
    )
    dense_long = kept_json(
        ("dense", _dense_key(long), seed), partial(train_dense, long, seed, mnist, progress=progress)
    )
    pruned = kept_json(
        ("pruned", recipe, seed),
        partial(prune, recipe, seed, mnist, dense=dense["weights"], progress=progress),
    )
    network = _network(recipe, seed)
    models.load_weights(network, _beside(pruned["weights"]))
    date = max(one["date"] for one in (dense, dense_long, pruned))
    return Trio(dense["error"], pruned["error"], dense_long["error"], date, network)


def _dense_key(recipe: Recipe) -> Recipe:
    """The recipe without what the dense training does not see."""
    return _replace(recipe, config=Magnitude(0.0), rounds=(), round_epochs=0)


def kept_json(key: Any, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """`efflab.results.kept` of this topic."""
    return results.kept("pruning", key, make, ROOMS)


def _beside(name: str) -> Path:
    return results.kept_folder("pruning") / name


def _network(recipe: Recipe, seed: int) -> nn.Module:
    """The recipe's network with the seed's first weights; channels last is faster on a CPU."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = models.get(recipe.network, dropout=recipe.dropout)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch types only the tensor's
    return network


def train_dense(recipe: Recipe, seed: int, mnist: ImageData, path: Path, *, progress: bool) -> dict[str, Any]:
    """Train a dense network and read the test set once."""
    network = _network(recipe, seed)
    training.fit(
        network,
        mnist.train.take(recipe.images),
        epochs=recipe.dense_epochs,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        seed=seed,
        checkpoint=path.with_suffix(".checkpoint"),
        progress=progress,
    )
    models.save_weights(network, path.with_suffix(".safetensors"))
    error = training.evaluate(network, mnist.test).error_percent
    path.with_suffix(".checkpoint").unlink(missing_ok=True)
    return {"error": error, "weights": path.with_suffix(".safetensors").name}


def prune(
    recipe: Recipe, seed: int, mnist: ImageData, path: Path, *, dense: str, progress: bool
) -> dict[str, Any]:
    """Prune and retrain a dense network in rounds, and read the test set once."""
    network = _network(recipe, seed)
    models.load_weights(network, _beside(dense))
    report = prune_and_retrain(
        network,
        dataclasses.replace(mnist, train=mnist.train.take(recipe.images)),
        recipe.config,
        schedule=Steps(recipe.rounds),
        epochs=recipe.round_epochs,
        lr=recipe.lr,
        lr_factor=1.0,
        weight_decay=recipe.weight_decay,
        seed=seed,
        checkpoint=path.with_suffix(".checkpoint"),
        progress=progress,
    )
    Pruner(network).finalize()
    models.save_weights(network, path.with_suffix(".safetensors"))
    path.with_suffix(".checkpoint").unlink(missing_ok=True)
    return {"error": report.error_percent, "weights": path.with_suffix(".safetensors").name}


def compare(
    recipe: Recipe, trios: Sequence[Trio], test: Split, common: dict[str, Any]
) -> list[results.Result]:
    """The figures of tables 1 to 3 for one network: means over the seeds, with every seed's value as the spread."""
    name, table = recipe.network, f"pruning/table1/{recipe.network}"
    counted = [measure.profile(trio.pruned, test.take(1000).x) for trio in trios]

    def figure(
        part: str, values: Sequence[float], unit: str, published: str = "", **judged: Any
    ) -> results.Result:
        return results.record(
            "pruning",
            f"{name}/{part}",
            fmean(values),
            unit,
            paper=paper.get(published) if published else None,
            spread=tuple(values),
            date=max(trio.date for trio in trios),
            **{**common, **judged},
        )

    def bar(text: str, holds: bool, goal: str | None = None) -> dict[str, Any]:
        """Nothing where the run is too short or its seeds too few to judge by."""
        judges = common["scale"] != "smoke" and len(trios) >= JUDGED_SEEDS
        return {"bar": text, "holds": holds, "goal": goal} if judges else {}

    dense, pruned = [trio.dense_error for trio in trios], [trio.pruned_error for trio in trios]
    long = [trio.dense_long_error for trio in trios]
    change = [after - before for after, before in zip(pruned, dense, strict=True)]
    rates = [one.weights / one.nonzeros for one in counted]
    kept = [one.nonzero_parameters for one in counted]
    limit = DENSE_ERROR_BAR[name]
    records = [
        figure("error_dense", dense, "%", f"{table}/error", **bar(f"at most {limit} %", fmean(dense) <= limit)),
        figure("error_pruned", pruned, "%", f"{table}/error_pruned"),
        figure("error_change", change, "points", **bar("mean at most 0", fmean(change) <= 0)),
        figure("error_dense_long", long, "%"),
        figure("epochs_dense", [recipe.dense_epochs] * len(trios), "epochs"),
        figure("epochs_all", [recipe.epochs] * len(trios), "epochs"),
        figure("parameters_kept", kept, "parameters", f"{table}/parameters_pruned"),
        figure(
            "rate", rates, "x", f"{table}/rate",
            **bar(f"at least {RATE_BAR}x fewer weights", min(rates) >= RATE_BAR, f"{RATE_GOAL}x or more"),
        ),
        figure("computation_rate", [one.macs / one.nonzero_macs for one in counted], "x"),
    ]  # fmt: skip
    layers = "pruning/table2" if name == "lenet-300-100" else "pruning/table3"
    for index, layer in enumerate(counted[0].layers):
        rows = [one.layers[index] for one in counted]
        row = f"{layers}/{layer.name}"
        records += [
            figure(
                f"{layer.name}/weights_pct", [100 * one.density for one in rows], "%", f"{row}/weights_pct"
            ),
            figure(
                f"{layer.name}/flop_pct",
                [100 * one.nonzero_macs / one.macs for one in rows],
                "%",
                f"{row}/flop_pct",
            ),
            figure(
                f"{layer.name}/act_pct", [100 * one.activation_density for one in rows], "%", f"{row}/act_pct"
            ),
        ]
    records += [
        figure("total/weights_pct", [100 / rate for rate in rates], "%", f"{layers}/total/weights_pct"),
        figure(
            "total/flop_pct",
            [100 * one.nonzero_macs / one.macs for one in counted],
            "%",
            f"{layers}/total/flop_pct",
        ),
    ]
    return records
