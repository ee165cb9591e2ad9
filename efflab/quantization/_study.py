"""One network's errors against bits: three initialisations and the optimum of k-means, and linear quantization.

Source: ICLR 2016, sections 3.2 and 5.1, figure 8. Errors are those on the 5,000 held-out training images: curves serve to choose.
"""

import copy
import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from efflab import models, results, training
from efflab.data import ImageData
from efflab.pruning import reproduce as pruned_networks
from efflab.pruning.configs import Magnitude
from efflab.pruning.layers import prunable_layers
from efflab.pruning.reproduce import Recipe
from efflab.quantization.configs import Affine, KMeans
from efflab.quantization.rounding import quantize_
from efflab.quantization.sharing import share_weights_

INITS = ("linear", "density", "random", "optimal")
AFFINE = "affine"
METHODS = (*INITS, AFFINE)
LEAST_AFFINE_BITS = 2


@dataclass(frozen=True)
class Plan:
    """How much work the curves of one network are; the rates were chosen on the held-out images.

    Attributes:
        recipe: how the dense and the pruned network are made, which are those of ``reproduce pruning``.
        bits: of a code.
        images: training images that centroids are tuned on, once each.
        lr: learning rate of the centroids of a pruned network, brought to zero by a cosine.
        dense_lr: that of a dense one's, whose clusters sum the gradients of more weights.
        affine_lr: of the weights beneath linear quantization.
    """

    recipe: Recipe
    bits: tuple[int, ...]
    images: int
    lr: float = 1e-3
    dense_lr: float = 3e-4
    affine_lr: float = 1e-2


def trained(recipe: Recipe, seed: int, mnist: ImageData, *, progress: bool) -> dict[str, nn.Module]:
    """The dense and the pruned network of ``reproduce pruning``, trained or taken from its cache; without dropout."""
    bare = dataclasses.replace(recipe, config=Magnitude(0.0), rounds=(), round_epochs=0)
    dense = pruned_networks.kept_json(
        ("dense", bare, seed), partial(pruned_networks.train_dense, recipe, seed, mnist, progress=progress)
    )
    pruned = pruned_networks.kept_json(
        ("pruned", recipe, seed),
        partial(pruned_networks.prune, recipe, seed, mnist, dense=dense["weights"], progress=progress),
    )
    return {"pruned": _loaded(recipe, pruned["weights"]), "dense": _loaded(recipe, dense["weights"])}


def _loaded(recipe: Recipe, weights: str) -> nn.Module:
    network = models.get(recipe.network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch types only the tensor's
    return models.load_weights(network, results.kept_folder("pruning") / weights)


def curves(
    plan: Plan, seed: int, state: str, network: nn.Module, mnist: ImageData, *, progress: bool
) -> dict[str, Any]:
    """Draw one network's curves.

    Returns:
        ``base``: its error in percent; by method, one value for each of the plan's bits (None where linear quantization
        has none): ``still`` and ``tuned``, errors before and after tuning; ``largest``: the largest centroid of a layer over
        its largest weight, in percent, mean over layers; ``squared``: squared error over the weights' sum of squares.
    """
    split = mnist.validation
    if split is None:
        raise ValueError("the curves need held-out images")
    images = mnist.train.take(plan.images)

    def error(model: nn.Module) -> float:
        return training.evaluate(model, split).error_percent

    def point(method: str, bits: int) -> dict[str, float] | None:
        if method == AFFINE and bits < LEAST_AFFINE_BITS:
            return None
        changed, held = quantized(network, method, bits, seed)
        found = {"still": error(changed), **_distances(network, changed)}
        rate = plan.affine_lr if method == AFFINE else plan.lr if state == "pruned" else plan.dense_lr
        training.fit(changed, images, epochs=1, lr=rate, seed=seed, progress=False)
        held.finalize()
        return found | {"tuned": error(changed)}

    drawn: dict[str, Any] = {"base": error(network), "still": {}, "tuned": {}, "largest": {}, "squared": {}}
    for method in tqdm(METHODS, desc=f"{plan.recipe.network}, {state}, seed {seed}", disable=not progress):
        points = [point(method, bits) for bits in plan.bits]
        for name in ("still", "tuned", "largest", "squared"):
            drawn[name][method] = [one and one[name] for one in points]
    return drawn


def quantized(network: nn.Module, method: str, bits: int, seed: int) -> tuple[nn.Module, Any]:
    """A copy whose weights are quantized while it trains, and the object whose ``finalize`` ends that.

    Linear quantization is symmetric and per tensor, as a codebook is.
    """
    changed = copy.deepcopy(network)
    if method == AFFINE:
        return changed, quantize_(changed, Affine(bits, symmetric=True, per_channel=False), train=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return changed, share_weights_(changed, KMeans(bits, method))  # type: ignore[arg-type]  # one of INITS


@torch.no_grad()
def _distances(network: nn.Module, changed: nn.Module) -> dict[str, float]:
    """What quantization did to the weights."""
    kept, wrong, whole = [], 0.0, 0.0
    for name, weight in prunable_layers(network).items():
        now = changed.get_submodule(name.rpartition(".")[0]).weight
        assert isinstance(now, torch.Tensor)
        kept.append(float(now.abs().max() / weight.abs().max()))
        wrong += float((now - weight).double().square().sum())
        whole += float(weight.double().square().sum())
    return {"largest": 100 * sum(kept) / len(kept), "squared": wrong / whole}
