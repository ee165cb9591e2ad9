"""How one pruned network becomes a compressed one: by the paper's own method, or with what is known beyond it.

Source: ICLR 2016, sections 3 and 4; beyond it the codebook is the optimum of k-means, and biases share values too.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from efflab import models, results, training
from efflab.data import ImageData
from efflab.pruning import reproduce as pruned_networks
from efflab.pruning.configs import Configs, Magnitude
from efflab.pruning.pruner import Pruner
from efflab.pruning.reproduce import Recipe
from efflab.pruning.schedules import Cubic
from efflab.quantization import KMeans, kmeans, share_weights_
from efflab.quantization.clustering import Init

# What the outcome of `compressed` depends on.
ROOMS = ("data", "deep_compression/_study", "models", "pruning", "quantization", "training")


@dataclass(frozen=True)
class Further:
    """Training a network of ``reproduce pruning`` on, and pruning it further.

    Attributes:
        config: what to prune at the end.
        epochs: of training; pruning takes a step before each of the first ``pruning_epochs`` of them.
        pruning_epochs: steps of pruning.
        lr: learning rate at the start, brought to zero by a cosine.
        weight_decay: L2 penalty.
        dropout: rate.
        start: ``"pruned"`` or ``"dense"``, the network that is trained on.
    """

    config: Configs
    epochs: int
    pruning_epochs: int
    lr: float
    weight_decay: float = 0.0
    dropout: float = 0.0
    start: str = "pruned"


@dataclass(frozen=True)
class Method:
    """How a pruned network is compressed; all of it chosen on the held-out images.

    Attributes:
        bits: of a code, by layer.
        tune_epochs: epochs of training the centroids.
        tune_lr: learning rate at their start.
        init: of the centroids.
        bias_bits: biases of a layer share 2^bits values; None leaves them as they are, as the paper does.
        further: training on, and further pruning, first; None takes the pruned network as it is.
    """

    bits: Mapping[str, int]
    tune_epochs: int
    tune_lr: float
    init: Init = "linear"
    bias_bits: int | None = None
    further: Further | None = None

    @property
    def epochs(self) -> int:
        """Epochs beyond those of the pruned network."""
        return self.tune_epochs + (self.further.epochs if self.further else 0)


@dataclass(frozen=True)
class Outcome:
    """A compressed network and its errors on the test set in percent; the others are read once each, too."""

    pruned_error: float
    shared_error: float
    error: float
    held_out_error: float
    date: str
    network: nn.Module = field(repr=False)


def bare(recipe: Recipe, weights: str | None = None, dropout: float = 0.0) -> nn.Module:
    """The recipe's network, by default without dropout, with weights that ``reproduce pruning`` kept."""
    network = models.get(recipe.network, dropout=dropout)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch types only the tensor's
    if weights is not None:
        models.load_weights(network, results.kept_folder("pruning") / weights)
    return network


def trained(recipe: Recipe, seed: int, mnist: ImageData, *, progress: bool) -> dict[str, dict[str, Any]]:
    """What ``reproduce pruning`` keeps of the dense and the pruned network, trained or taken from its cache."""
    alone = dataclasses.replace(recipe, config=Magnitude(0.0), rounds=(), round_epochs=0)
    dense = pruned_networks.kept_json(
        ("dense", alone, seed), partial(pruned_networks.train_dense, recipe, seed, mnist, progress=progress)
    )
    pruned = pruned_networks.kept_json(
        ("pruned", recipe, seed),
        partial(pruned_networks.prune, recipe, seed, mnist, dense=dense["weights"], progress=progress),
    )
    return {"dense": dense, "pruned": pruned}


def compressed(recipe: Recipe, method: Method, seed: int, mnist: ImageData, *, progress: bool) -> Outcome:
    """Compress the pruned network of one seed, or take the compressed one from the cache."""
    kept = trained(recipe, seed, mnist, progress=progress)
    make = partial(_compress, recipe, method, mnist, kept, seed=seed, progress=progress)
    found = results.kept("deep_compression", (recipe, method, seed), make, ROOMS)
    network = bare(recipe)
    models.load_weights(network, results.kept_folder("deep_compression") / found["weights"])
    return Outcome(
        found["pruned_error"],
        found["shared_error"],
        found["error"],
        found["held_out_error"],
        max(kept["pruned"]["date"], found["date"]),
        network,
    )


def _compress(
    recipe: Recipe,
    method: Method,
    mnist: ImageData,
    kept: Mapping[str, Any],
    path: Path,
    *,
    seed: int,
    progress: bool,
) -> dict[str, Any]:
    """Share, tune, and read the test set once for each network."""
    pruned = (
        kept["pruned"]
        if method.further is None
        else further_trained(recipe, method.further, mnist, kept, seed=seed, progress=progress)
    )
    network = bare(recipe)
    models.load_weights(network, results.kept_folder(pruned.get("topic", "pruning")) / pruned["weights"])
    errors = {"pruned_error": pruned["error"]}
    sharing = share_weights_(network, {name: KMeans(bits, method.init) for name, bits in method.bits.items()})
    if method.bias_bits is not None:
        share_biases_(network, method.bias_bits)
    errors["shared_error"] = training.evaluate(network, mnist.test).error_percent
    if method.tune_epochs:
        training.fit(
            network,
            mnist.train.take(recipe.images),
            epochs=method.tune_epochs,
            lr=method.tune_lr,
            seed=seed,
            progress=progress,
        )
    sharing.finalize()
    models.save_weights(network, path.with_suffix(".safetensors"))
    return {
        **errors,
        "error": training.evaluate(network, mnist.test).error_percent,
        "held_out_error": training.evaluate(network, mnist.validation or mnist.train).error_percent,
        "weights": path.with_suffix(".safetensors").name,
    }


def further_trained(
    recipe: Recipe, further: Further, mnist: ImageData, kept: Mapping[str, Any], *, seed: int, progress: bool
) -> dict[str, Any]:
    """The network of one seed trained on, or what the cache has of it; methods that agree so far share it."""

    def make(path: Path) -> dict[str, Any]:
        network = bare(recipe, kept[further.start]["weights"], further.dropout)
        images = mnist.train.take(recipe.images)
        prune_on(network, further, partial(training.fit, train=images, seed=seed, progress=progress))
        models.save_weights(network, path.with_suffix(".safetensors"))
        error = training.evaluate(network, mnist.test).error_percent
        return {"error": error, "weights": path.with_suffix(".safetensors").name, "topic": "deep_compression"}

    return results.kept("deep_compression", ("further", recipe, further, seed), make, ROOMS)


def prune_on(network: nn.Module, further: Further, fit: Callable[..., Any]) -> None:
    """Prune a network further while it is trained, a step before each of the first epochs."""
    pruner = Pruner(network, further.config, schedule=Cubic(further.pruning_epochs))
    pruner.step()

    def after_epoch(epoch: int, _history: Any) -> None:
        if epoch + 1 < further.pruning_epochs:
            pruner.step()

    fit(
        network,
        epochs=further.epochs,
        lr=further.lr,
        weight_decay=further.weight_decay,
        on_optimizer=pruner.attach,
        after_epoch=after_epoch,
    )
    pruner.finalize()


@torch.no_grad()
def share_biases_(network: nn.Module, bits: int) -> None:
    """Share each layer's biases among 2^bits values, the best there are, and keep them fixed."""
    for layer in network.modules():
        bias = getattr(layer, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.copy_(kmeans(bias.detach(), 2**bits, init="optimal").decode())
            bias.requires_grad = False


def continued(
    recipe: Recipe, method: Method, seed: int, mnist: ImageData, *, progress: bool
) -> dict[str, Any]:
    """The dense network of equal length: that of ``reproduce pruning``, trained on for the method's epochs.

    It trains at the rate and with the dropout of further training, or at the rate of tuning, so that only pruning and sharing
    are missing.
    """
    long = dataclasses.replace(
        recipe, dense_epochs=recipe.epochs, config=Magnitude(0.0), rounds=(), round_epochs=0
    )
    start = pruned_networks.kept_json(
        ("dense", long, seed), partial(pruned_networks.train_dense, long, seed, mnist, progress=progress)
    )

    further = method.further
    rate, dropout = (further.lr, further.dropout) if further else (method.tune_lr, 0.0)

    def make(_path: Path) -> dict[str, Any]:
        network = bare(recipe, start["weights"], dropout)
        images = mnist.train.take(recipe.images)
        training.fit(
            network,
            images,
            epochs=method.epochs,
            lr=rate,
            weight_decay=recipe.weight_decay,
            seed=seed,
            progress=progress,
        )
        return {"error": training.evaluate(network, mnist.test).error_percent}

    return results.kept(
        "deep_compression", ("dense", recipe, method.epochs, rate, dropout, seed), make, ROOMS
    )
