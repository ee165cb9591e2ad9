"""K-means against what users pick today and against what memory allows; training with shared weights against plain.

The weights are ten million of N(0, 0.02^2) in float32, and every time includes the labels. Slow rivals run on a part of them,
against this package on the same part. Run it with ``python -m benchmarks.quantization [--write]``.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import models, quantization, results

N = 10_000_000
PART = 1_000_000
EFFLAB = "efflab.quantization.kmeans"
EXACT = "efflab.quantization.kmeans, exact"
SORT, COPY = "numpy.sort", "copy"
SKLEARN, TORCH, CKWRAP = "scikit-learn KMeans", "fast_pytorch_kmeans", "ckwrap"
PLAIN, SHARED = "plain", "efflab.quantization.share_weights_"

Weights = NDArray[np.float32]


def fit(weights: Weights, k: int, *, exact: bool = False) -> quantization.Codebook:
    return quantization.kmeans(weights, k, init="optimal", exact=exact)


def fit_sklearn(weights: Weights, k: int) -> NDArray[np.int32]:
    from sklearn.cluster import KMeans  # noqa: PLC0415 - each rival loads where it runs

    start = quantization.linear_centroids(weights, k).reshape(-1, 1)
    return KMeans(k, init=start, n_init=1, algorithm="lloyd").fit(weights.reshape(-1, 1)).labels_


def fit_torch(weights: Weights, k: int) -> NDArray[np.int64] | None:
    try:
        from fast_pytorch_kmeans import KMeans  # noqa: PLC0415 - as above
    except ImportError:
        return None
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the rival draws from NumPy's global generator
    return KMeans(n_clusters=k, mode="euclidean").fit_predict(torch.from_numpy(weights).unsqueeze(1)).numpy()


def fit_ckwrap(weights: Weights, k: int) -> NDArray[np.int32]:
    import ckwrap  # noqa: PLC0415 - as above

    return ckwrap.ckmeans(weights.astype(np.float64), k).labels


def error(weights: Weights, labels: NDArray[np.integer], k: int) -> float:
    """Sum the squared differences from the clusters' means, in double precision."""
    wide = weights.astype(np.float64)
    means = np.bincount(labels, wide, k) / np.maximum(np.bincount(labels, minlength=k), 1)
    return float(((wide - means[labels]) ** 2).sum())


def clustering(weights: Weights, clock: Callable[[], float]) -> tuple[Timings, Timings]:
    """Time all ten million at k = 16, and a tenth of them with the slow rivals."""
    part = weights[:PART]
    whole = race(
        {COPY: weights.copy, SORT: lambda: np.sort(weights)}
        | {f"{EFFLAB}, k = {k}": partial(fit, weights, k) for k in (16, 32, 256)},
        rounds=9,
        clock=clock,
    )
    rivals: dict[str, Callable[[], object]] = {
        EFFLAB: lambda: fit(part, 16),
        SORT: lambda: np.sort(part),
        EXACT: lambda: fit(part, 16, exact=True),
        SKLEARN: lambda: fit_sklearn(part, 16),
        CKWRAP: lambda: fit_ckwrap(part, 16),
    }
    if fit_torch(part[:1000], 2) is not None:
        rivals[TORCH] = lambda: fit_torch(part, 16)
    slow = {EXACT: 2, SKLEARN: 2, CKWRAP: 2, TORCH: 3}
    return whole, race(
        rivals, rounds=7, clock=clock, seldom={name: n for name, n in slow.items() if name in rivals}
    )


def qualities(weights: Weights) -> Iterator[tuple[str, float, str | None, Callable[[float], bool] | None]]:
    """Yield how far squared errors lie above the optimum, relative to it."""
    part = weights[:PART]
    known = error(part, fit_ckwrap(part, 16), 16)
    exact = error(part, fit(part, 16, exact=True).labels, 16)
    yield "quality/exact-vs-ckwrap-k16", abs(exact / known - 1), "at most 1e-12", lambda r: r <= 1e-12
    for k, bar, count in ((16, 1e-5, PART), (32, 5e-5, PART), (256, 1e-3, PART // 3)):
        few = weights[:count]
        least = error(few, fit(few, k, exact=True).labels, k)
        excess = error(few, fit(few, k).labels, k) / least - 1
        yield f"quality/excess-k{k}", excess, f"at most {bar:g}", lambda r, bar=bar: r <= bar
    yield "quality/excess-sklearn-k16", error(part, fit_sklearn(part, 16), 16) / known - 1, None, None
    labels = fit_torch(part, 16)
    if labels is not None:
        yield "quality/excess-fast-pytorch-kmeans-k16", error(part, labels, 16) / known - 1, None, None


def training_step(clock: Callable[[], float], rounds: int = 21, steps: int = 20) -> Timings:
    """Time steps of LeNet-300-100, batch 128, SGD with momentum: plain, and with 5-bit shared weights."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(128, 1, 28, 28, generator=generator), torch.randint(10, (128,), generator=generator)
    contestants = {}
    for name in (PLAIN, SHARED):
        torch.manual_seed(0)
        model = models.lenet_300_100()
        if name == SHARED:
            quantization.share_weights_(model, quantization.KMeans(bits=5))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        contestants[name] = partial(_steps, model, optimizer, x, y, steps)
    return race(contestants, rounds=rounds, clock=clock)


def _steps(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    clock = time.process_time if options.threads == 1 else time.perf_counter
    weights = np.random.default_rng(0).normal(0, 0.02, N).astype(np.float32)
    whole, part = clustering(weights, clock)
    step = training_step(clock)
    print(whole.table("10 million weights, labels included"))
    print(part.table("1 million weights, k = 16"))
    print(step.table("20 training steps of LeNet-300-100"))
    k16 = f"{EFFLAB}, k = 16"
    ratios = {
        "speed/kmeans-vs-sort": (whole, k16, SORT, "at most 1", lambda r: r <= 1),
        "speed/kmeans-k32-vs-sort": (whole, f"{EFFLAB}, k = 32", SORT, None, None),
        "speed/kmeans-k256-vs-sort": (whole, f"{EFFLAB}, k = 256", SORT, None, None),
        "speed/kmeans-vs-copy": (whole, k16, COPY, None, None),
        "speed/sklearn-vs-kmeans": (part, SKLEARN, EFFLAB, None, None),
        "speed/ckwrap-vs-kmeans": (part, CKWRAP, EFFLAB, None, None),
        "speed/ckwrap-vs-exact": (part, CKWRAP, EXACT, None, None),
        "speed/step-vs-plain": (step, SHARED, PLAIN, None, None),
    }
    if TORCH in part.seconds:
        ratios["speed/fast-pytorch-kmeans-vs-kmeans"] = (part, TORCH, EFFLAB, None, None)
    records = []
    for name, (timings, slow, fast, bar, holds) in ratios.items():
        records.append(
            _record(
                name,
                timings.ratio(slow, fast),
                unit="x",
                bar=bar,
                holds=holds,
                spread=timings.spread(slow, fast),
            )
        )
    for name, excess, bar, holds in qualities(weights):
        records.append(_record(name, excess, bar=bar, holds=holds))
    if options.write:
        results.write("quantization", records)


def _record(name, value, *, unit="", bar=None, holds=None, spread=None) -> results.Result:
    ends = "" if spread is None else f"  (rounds {spread[0]:.3g} to {spread[1]:.3g})"
    print(f"{name:44} {value:10.4g}{unit}{ends}{f'  bar: {bar}' if bar else ''}", flush=True)
    return results.record(
        "quantization", name, measured=value, unit=unit, bar=bar, holds=None if holds is None else bool(holds(value)),
        source="benchmarks/quantization.py", command="python -m benchmarks.quantization --write", spread=spread,
        scale="cpu", data="synthetic",
    )  # fmt: skip


if __name__ == "__main__":
    main()
