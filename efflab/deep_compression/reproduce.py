"""Deep Compression of LeNet-300-100 and LeNet-5 on MNIST, held against the paper's tables by layer and stage.

Source: S. Han, H. Mao, W. Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and
Huffman Coding", ICLR 2016, tables 1 to 5.

The pruned networks are those of ``reproduce pruning``, with its protocol: 5,000 training images are held out, and every setting
below was chosen on them; the test set is read once for each network; beside it stands a dense network trained for as many
epochs. Sizes are those of real ``.efz`` files. Two methods are kept apart: the paper's own (linear initialisation, centroids
fine-tuned, biases as they are), and ``beyond`` it (codebooks at the optimum of k-means with fewer bits, and shared biases). AlexNet, VGG-16 and SqueezeNet are not trained: their
tables are computed again, and weights drawn to their densities are written to files (``published``).
"""

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn
from tqdm.auto import tqdm

from efflab import data, paper, results
from efflab.data import ImageData
from efflab.deep_compression import _drawing, _pipeline, _study
from efflab.deep_compression._files import Figures, by_stage, cells, encode, errors, sizes
from efflab.deep_compression._study import Further, Method
from efflab.deep_compression.sizes import together
from efflab.errors import EfflabError
from efflab.pruning import reproduce as pruned_networks
from efflab.pruning.configs import Magnitude
from efflab.pruning.reproduce import RECIPES, Recipe

HELD_OUT = pruned_networks.HELD_OUT
SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2, 3, 4)}
EXCESS_BAR_PCT, EXCESS_GOAL_PCT, DRAWN_EXCESS_BAR_PCT = 5, 2, 2
MIB = 2**20

# On the held-out images the pruned LeNet-5 was not yet as good as the dense one: it is retrained for longer first, with dropout.
LONGER = Further(
    RECIPES["cpu"][1].config, epochs=8, pruning_epochs=1, lr=0.02, weight_decay=5e-4, dropout=0.3
)
PAPER = {
    "lenet-300-100": Method({"fc1": 6, "fc2": 6, "fc3": 6}, tune_epochs=1, tune_lr=1e-4),
    "lenet-5": Method(
        {"conv1": 8, "conv2": 8, "fc1": 5, "fc2": 5}, tune_epochs=1, tune_lr=1e-4, further=LONGER
    ),
}
BEYOND = {
    "lenet-300-100": Method(
        {"fc1": 4, "fc2": 4, "fc3": 4}, tune_epochs=1, tune_lr=1e-4, init="optimal", bias_bits=4
    ),
    "lenet-5": Method(
        {"conv1": 5, "conv2": 5, "fc1": 4, "fc2": 4},
        tune_epochs=1,
        tune_lr=1e-4,
        init="optimal",
        bias_bits=5,
        further=LONGER,
    ),
}
# The network of the bar on the file's size: 8.2 % of the weights exactly, 5 bits.
AT_DENSITY = Method(
    {"fc1": 5, "fc2": 5, "fc3": 5},
    tune_epochs=1,
    tune_lr=1e-4,
    further=Further(
        Magnitude(0.918, scope="deviation"),
        epochs=12,
        pruning_epochs=6,
        lr=0.1,
        weight_decay=1e-4,
        dropout=0.2,
        start="dense",
    ),
)


def run(scale: str = "cpu", seeds: Sequence[int] | None = None, *, progress: bool = True) -> results.Measured:
    """Compress both networks by both methods, a small one end to end, and compute the published tables again.

    Networks are kept in the cache folder as they are finished, so that an interrupted run goes on where it stood.

    Args:
        scale: ``"smoke"`` (does it run), ``"cpu"`` (the recorded figures) or ``"full"`` (longer, more seeds, and ResNet-20
            where a GPU is at hand).
        seeds: of initialisation and order; three at ``"cpu"``.
        progress: whether to show progress bars.

    Returns:
        The records, and two series: ``stages`` (bytes by layer and stage, by network and method) and ``published``
        (every cell of tables 2 to 5: printed, computed, why they differ).

    Raises:
        EfflabError: no such scale.
        DataError: a data set is not on this machine and cannot be fetched.
    """
    if scale not in RECIPES:
        raise EfflabError(f"scale must be one of {', '.join(RECIPES)}, got {scale!r}")
    chosen = tuple(SEEDS[scale] if seeds is None else seeds)
    common = {"scale": scale, "seeds": chosen, "command": command(scale, chosen)}
    mnist = data.load("mnist", validation=HELD_OUT)
    records: list[results.Result] = []
    stages: dict[str, Any] = {}
    for recipe in RECIPES[scale]:
        name = recipe.network
        stages[name] = {}
        for title, method in methods(recipe, scale).items():
            made, more = compare(recipe, title, method, mnist, common, progress=progress)
            records += made
            stages[name][title] = more
    records += judge_density(mnist, common, progress=progress)
    for job in _pipeline.jobs(scale):
        parts = [_pipeline.run(job, seed, progress=progress) for seed in chosen]
        records += _pipeline.records(job, parts, common)
    records += drawn_files(scale, common, progress=progress)
    return results.Measured(tuple(records), {"stages": stages, "published": published_cells()})


def command(scale: str, seeds: Sequence[int]) -> str:
    """The command that measures again what a scale and seeds give.

    >>> command("cpu", (0, 1, 2))
    'efflab reproduce deep_compression --scale cpu'
    """
    own = "" if tuple(seeds) == SEEDS[scale] else f" --seeds {','.join(map(str, seeds))}"
    return f"efflab reproduce deep_compression --scale {scale}{own}"


def methods(recipe: Recipe, scale: str) -> dict[str, Method]:
    """The paper's method and the one beyond it; at ``"smoke"`` with as little training as there can be."""
    found = {"paper": PAPER[recipe.network], "beyond": BEYOND[recipe.network]}
    return {title: shortened(method, scale) for title, method in found.items()}


def shortened(method: Method, scale: str) -> Method:
    """The method itself, but at ``"smoke"`` an epoch of each training."""
    if scale != "smoke":
        return method
    further = method.further and dataclasses.replace(method.further, epochs=1, pruning_epochs=1)
    return dataclasses.replace(method, tune_epochs=1, further=further)


def compare(
    recipe: Recipe, title: str, method: Method, mnist: ImageData, common: dict[str, Any], *, progress: bool
) -> tuple[list[results.Result], dict[str, Any]]:
    """Compress one network by one method, all seeds, and compare it with tables 1 to 3.

    Returns:
        The records, whose ids begin with the network's name (and ``beyond``), and the bytes by layer and stage.
    """
    seeds = tqdm(common["seeds"], desc=f"{recipe.network}, {title}", disable=not progress)
    made, dense, long = [], [], []
    for seed in seeds:
        outcome = _study.compressed(recipe, method, seed, mnist, progress=progress)
        made.append(encode(outcome, method))
        dense.append(_study.trained(recipe, seed, mnist, progress=progress)["dense"]["error"])
        long.append(_study.continued(recipe, method, seed, mnist, progress=progress)["error"])
    records = [
        *errors(recipe.network, title, made, common, dense=dense, long=long),
        *sizes(recipe.network, title, made, common),
    ]
    if title == "paper":
        records += cells(recipe.network, made, common)
    return records, by_stage(made)


def judge_density(mnist: ImageData, common: dict[str, Any], *, progress: bool) -> list[results.Result]:
    """LeNet-300-100 at 8.2 % of its weights and 5 bits: the file against its bound."""
    recipe, method = RECIPES[common["scale"]][0], shortened(AT_DENSITY, common["scale"])
    made = [
        encode(_study.compressed(recipe, method, seed, mnist, progress=progress), method)
        for seed in common["seeds"]
    ]
    figure = Figures(f"{recipe.network}/density-8.2-pct", made, common)
    excess = [one.excess_pct for one in made]
    bar = figure.bar(
        f"at most {EXCESS_BAR_PCT} % above the entropy of mask and codes, with 4 bytes a bias and a centroid",
        max(excess) <= EXCESS_BAR_PCT,
        f"at most {EXCESS_GOAL_PCT} %",
    )
    return [
        figure("weights_pct", [together("", one.layers).weights_percent for one in made], "%"),
        figure("error_compressed", [one.outcome.error for one in made], "%"),
        figure("file_bytes", [one.file_bytes for one in made], "bytes"),
        figure("bound_bytes", [one.bound_bytes for one in made], "bytes"),
        figure("excess_pct", excess, "%", **bar),
    ]


def drawn_files(scale: str, common: dict[str, Any], *, progress: bool) -> list[results.Result]:
    """Networks of full size, drawn to their published tables: the real file against entropy and published size."""
    records = []
    networks = _drawing.NETWORKS if scale != "smoke" else _drawing.SMALL_NETWORKS
    with tempfile.TemporaryDirectory() as folder:
        for network in tqdm(networks, desc="drawn networks", disable=not progress):
            drawn = _drawing.write(network, Path(folder) / "drawn.efz")
            records += _drawn_records(network, drawn, common)
    return records


def _drawn_records(network: str, drawn: _drawing.Drawn, common: dict[str, Any]) -> list[results.Result]:
    table = _drawing.PUBLISHED_SIZE[network]
    within = drawn.excess_percent <= DRAWN_EXCESS_BAR_PCT
    bar: dict[str, Any] = {
        "bar": f"at most {DRAWN_EXCESS_BAR_PCT} % above the entropy of what was drawn",
        "holds": within,
    }
    shown: dict[str, Any] = {**common, "seeds": (_drawing.SEED,)}

    def figure(name: str, value: float, unit: str, published: str = "", **judged: Any) -> results.Result:
        figure = paper.get(published) if published else None
        return results.record(
            "deep_compression", f"published/{network}/{name}", value, unit, paper=figure, **shown, **judged
        )

    size = paper.get(f"{table}/size")
    return [
        figure("file_bytes", drawn.file_bytes, "bytes"),
        figure("file_mib", drawn.file_bytes / MIB, "MiB"),
        figure("size", drawn.file_bytes / (1000 if size.unit == "KB" else 10**6), size.unit, f"{table}/size"),
        figure("rate", drawn.dense_bytes / drawn.file_bytes, "x", _drawing.PUBLISHED_RATE.get(network, "")),
        figure("bound_bytes", drawn.bound_bytes, "bytes"),
        figure("excess_pct", drawn.excess_percent, "%", **bar),
        *(
            figure(f"cells_{kind}", count, "cells")
            for kind, count in Counter(cell.kind for cell in _drawing.cells(network)).items()
        ),
    ]


def published_cells() -> dict[str, Any]:
    """Every cell of tables 2 to 5 and of SqueezeNet's parameters: id, printed, computed, and why they differ."""
    return {
        network: [
            [cell.figure.id, cell.figure.value, round(cell.computed, 4), cell.kind]
            for cell in _drawing.cells(network)
        ]
        for network in _drawing.NETWORKS
    }


def plot(stages: dict[str, Any]) -> Any:
    """Bytes of each layer from stage to stage.

    Args:
        stages: one network by one method,
            ``efflab.results.series("deep_compression", "stages")["lenet-5"]["paper"]``.

    Returns:
        A matplotlib figure.
    """
    from efflab import viz  # noqa: PLC0415 - only drawing needs matplotlib

    titles = {
        "dense": "dense",
        "pruned": "pruned",
        "quantized": "shared",
        "huffman": "Huffman",
        "file": "file",
    }
    lines = {name: [stages[stage][at] / 1000 for stage in titles] for at, name in enumerate(stages["layers"])}
    figure = viz.curve(range(len(titles)), lines, ylabel="KB", log_y=True)
    (axes,) = figure.axes
    axes.set_xticks(range(len(titles)), list(titles.values()))
    return figure


def network_of(recipe: Recipe, method: Method, seed: int) -> nn.Module:
    """The compressed network of one seed, for benchmarks; trained where it is not kept."""
    mnist = data.load("mnist", validation=HELD_OUT)
    return _study.compressed(recipe, method, seed, mnist, progress=False).network
