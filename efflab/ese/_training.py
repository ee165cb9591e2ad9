"""Training on spoken digits: one LSTM layer of the paper's size, pruned with balance and without.

Everything was chosen on 300 training recordings held out. Each network reads the 300 test recordings once when it is trained.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from efflab import models, results, training
from efflab.data import SpeechData
from efflab.ese.pruner import Balanced, BalancedPruner
from efflab.ese.speech import Recogniser
from efflab.pruning.schedules import Steps

# What a trained network depends on: not on the simulator beside it.
ROOMS = (
    "data",
    "pruning",
    "training",
    "ese/_checks",
    "ese/lstm",
    "ese/speech",
    "ese/pruner",
    "ese/balanced",
    "ese/gates",
    "ese/_training",
)
HELD_OUT = 300


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, pruned and retrained; all of it chosen on the held-out recordings.

    Attributes:
        hidden: cells.
        outputs: of the projection.
        dense_epochs: epochs of dense training.
        rounds: share of the sparsity that each round of pruning and retraining reaches.
        round_epochs: epochs of each round.
        sparsity: fraction of zeros in each matrix at the end: ten weights become one.
        lr: learning rate of Adam at the start of each training, brought to zero by a cosine.
        pes: processing elements that the balanced network is pruned for.
        recordings: how many training recordings are used.
    """

    hidden: int = 1024
    outputs: int = 512
    dense_epochs: int = 5
    rounds: tuple[float, ...] = (0.85, 1.0)
    round_epochs: int = 2
    sparsity: float = 0.9
    lr: float = 1e-3
    pes: int = 32
    recordings: int = 2400


def network(recipe: Recipe, seed: int) -> Recogniser:
    """The untrained network of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Recogniser(hidden=recipe.hidden, outputs=recipe.outputs)


def trained(recipe: Recipe, seed: int, method: str, speech: SpeechData, *, progress: bool) -> dict[str, Any]:
    """A network of one seed, made or taken from the cache: ``dense``, ``balanced`` or ``unbalanced``.

    Returns:
        ``weights``: its file beside the cache's; ``error``: on the test recordings, in percent; ``date``.
    """
    if method == "dense":
        bare = dataclasses.replace(recipe, rounds=(), round_epochs=0, sparsity=0.0, pes=1)
        make = partial(train_dense, recipe, seed, speech, progress=progress)
        return results.kept("ese", ("dense", bare, seed), make, ROOMS)
    dense = trained(recipe, seed, "dense", speech, progress=progress)
    make = partial(prune, recipe, seed, method, speech, dense=dense["weights"], progress=progress)
    return results.kept("ese", ("pruned", recipe, method, seed), make, ROOMS)


def train_dense(
    recipe: Recipe, seed: int, speech: SpeechData, path: Path, *, progress: bool
) -> dict[str, Any]:
    """Train a dense network and read the test recordings once."""
    made = network(recipe, seed)
    _fit(made, recipe, recipe.dense_epochs, seed, speech, path, progress=progress)
    return _kept(made, speech, path)


def prune(
    recipe: Recipe, seed: int, method: str, speech: SpeechData, path: Path, *, dense: str, progress: bool
) -> dict[str, Any]:
    """Prune and retrain a dense network in rounds, and read the test recordings once."""
    made = network(recipe, seed)
    models.load_weights(made, results.kept_folder("ese") / dense)
    config = Balanced(recipe.sparsity, pes=recipe.pes if method == "balanced" else 1)
    pruner = BalancedPruner(made, {"lstm": config}, schedule=Steps(recipe.rounds))
    for number in range(len(recipe.rounds)):
        pruner.step()
        _fit(
            made,
            recipe,
            recipe.round_epochs,
            seed + 1000 * (number + 1),
            speech,
            None,
            pruner,
            progress=progress,
        )
    pruner.finalize()
    return _kept(made, speech, path)


def _fit(  # noqa: PLR0917 - as above
    made: Recogniser,
    recipe: Recipe,
    epochs: int,
    seed: int,
    speech: SpeechData,
    path: Path | None,
    pruner: BalancedPruner | None = None,
    *,
    progress: bool,
) -> None:
    checkpoint = None if path is None else path.with_suffix(".checkpoint")
    training.fit(
        made,
        speech.train.take(recipe.recordings),
        epochs=epochs,
        lr=recipe.lr,
        optimizer="adam",
        batch_size=64,
        clip=1.0,
        seed=seed,
        checkpoint=checkpoint,
        on_optimizer=None if pruner is None else pruner.attach,
        progress=progress,
    )
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


def _kept(made: Recogniser, speech: SpeechData, path: Path) -> dict[str, Any]:
    file = path.with_suffix(".safetensors")
    models.save_weights(made, file)
    return {"error": training.evaluate(made, speech.test).error_percent, "weights": file.name}


def loaded(recipe: Recipe, weights: str) -> Recogniser:
    """A network whose weights are kept."""
    made = network(recipe, 0)
    models.load_weights(made, results.kept_folder("ese") / weights)
    return made.eval()
