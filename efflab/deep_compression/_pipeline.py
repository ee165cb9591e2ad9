"""Whole networks through ``compress_`` as a user would take them: a small one always, ResNet-20 where a GPU is at hand."""

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from torch import Tensor

from efflab import data, models, results, training
from efflab.data import ImageData, Split
from efflab.deep_compression.procedure import compress_
from efflab.deep_compression.settings import Settings

ROOMS = (
    "data",
    "deep_compression",
    "efz",
    "huffman",
    "models",
    "pruning",
    "quantization",
    "sparse",
    "training",
)
HELD_OUT = 5000


@dataclass(frozen=True)
class Job:
    """One network on one data set, from its training to its file.

    Attributes:
        network: its name in ``efflab.models``.
        images: name of the data set.
        epochs: of the dense training.
        settings: what ``compress_`` is to do.
        retrain_epochs: of each round of retraining.
        tune_epochs: of fine-tuning.
        lr: learning rate of the dense training; retraining begins with ``lr * lr_factor``.
        lr_factor: of retraining.
        tune_lr: of fine-tuning.
        weight_decay: L2 penalty.
        augment: whether to train on shifted and mirrored images.
        limit: training images used; None for all.
    """

    network: str
    images: str
    epochs: int
    retrain_epochs: int
    tune_epochs: int
    settings: Settings = field(default_factory=Settings)
    lr: float = 0.05
    lr_factor: float = 0.5
    tune_lr: float = 3e-4
    weight_decay: float = 1e-4
    augment: bool = False
    limit: int | None = None

    @property
    def name(self) -> str:
        """How its records begin."""
        return f"{self.network}/{self.images}"


FASHION = Job("lenet-300-100", "fashion-mnist", epochs=15, retrain_epochs=5, tune_epochs=2)
RESNET_20 = Job(
    "resnet-20",
    "cifar-10",
    epochs=160,
    retrain_epochs=40,
    tune_epochs=10,
    settings=Settings(sparsity=0.7, scope="global", conv_bits=5),
    lr=0.1,
    augment=True,
)
JOBS = {
    "smoke": (dataclasses.replace(FASHION, epochs=1, retrain_epochs=1, tune_epochs=1, limit=1_000),),
    "cpu": (FASHION,),
    "full": (FASHION, RESNET_20),
}


def jobs(scale: str) -> tuple[Job, ...]:
    """What is run at a scale; ResNet-20 only where a GPU is at hand, since a processor would take days."""
    return tuple(job for job in JOBS[scale] if job is not RESNET_20 or torch.cuda.is_available())


class Augmented(Split):
    """A split whose batches are shifted by up to four pixels and mirrored at random, as in ResNet's section 4.2."""

    def _batch(self, index: slice | Tensor) -> tuple[Tensor, Tensor]:
        x, y = super()._batch(index)
        return augment(x), y


def augment(x: Tensor, pad: int = 4) -> Tensor:
    """Shift every image of a batch by up to ``pad`` pixels, zeros coming in, and mirror half of them.

    Args:
        x: N x C x H x W.
        pad: pixels.

    Returns:
        The same shape; drawn from torch's global generator, which ``fit`` seeds.
    """
    n, _, height, width = x.shape
    padded = F.pad(x, (pad, pad, pad, pad))
    down, right = torch.randint(2 * pad + 1, (2, n, 1), device=x.device)
    rows = down + torch.arange(height, device=x.device)
    columns = right + torch.arange(width, device=x.device)
    mirrored = torch.rand(n, 1, device=x.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    which = torch.arange(n, device=x.device)[:, None, None]
    # Advanced indices with a slice between come first: N x H x W x C.
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def run(job: Job, seed: int, *, progress: bool) -> dict[str, Any]:
    """Train, compress and measure one seed, or take it from the cache."""
    return results.kept("deep_compression", (job, seed), partial(_make, job, seed, progress=progress), ROOMS)


def load(job: Job) -> ImageData:
    """The job's images."""
    images = data.load(job.images, validation=HELD_OUT)
    assert isinstance(images, ImageData)
    train = images.train if job.limit is None else images.train.take(job.limit)
    return dataclasses.replace(images, train=Augmented(train.x, train.y) if job.augment else train)


def _make(job: Job, seed: int, path: Path, *, progress: bool) -> dict[str, Any]:
    return compress(job, load(job), seed, path, progress=progress)


def compress(job: Job, images: ImageData, seed: int, path: Path, *, progress: bool) -> dict[str, Any]:
    """Train and compress; the test set is read once for each network.

    Returns:
        Errors in percent after each stage, bytes of the file and of the dense network, and the weights kept in percent.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = models.get(job.network)
    device = "auto" if torch.cuda.is_available() else None
    training.fit(
        network,
        images.train,
        epochs=job.epochs,
        lr=job.lr,
        weight_decay=job.weight_decay,
        seed=seed,
        device=device,
        checkpoint=path.with_suffix(".checkpoint"),
        progress=progress,
    )
    report = compress_(
        network,
        images,
        job.settings,
        path=path.with_suffix(".efz"),
        epochs=job.retrain_epochs,
        tune_epochs=job.tune_epochs,
        lr=job.lr,
        lr_factor=job.lr_factor,
        tune_lr=job.tune_lr,
        weight_decay=job.weight_decay,
        seed=seed,
        device=device,
        progress=progress,
    )
    path.with_suffix(".checkpoint").unlink(missing_ok=True)
    return {
        "errors": {one.stage: one.error_percent for one in report.stages},
        "file_bytes": report.file_bytes,
        "dense_bytes": report.dense_bytes,
        "weights_pct": 100 * (1 - report.sparsity),
    }


_STAGES = {
    "dense": "error_dense",
    "pruned and retrained": "error_pruned",
    "shared": "error_shared",
    "fine-tuned": "error_compressed",
}


def records(job: Job, parts: list[dict[str, Any]], common: dict[str, Any]) -> list[results.Result]:
    """Errors by stage, size and rate of one network: means over the seeds."""

    def figure(name: str, values: list[float], unit: str) -> results.Result:
        return results.record(
            "deep_compression",
            f"{job.name}/{name}",
            fmean(values),
            unit,
            spread=tuple(values),
            date=max(part["date"] for part in parts),
            **{**common, "data": job.images},
        )

    errors = [
        figure(name, [part["errors"][stage] for part in parts], "%")
        for stage, name in _STAGES.items()
        if all(stage in part["errors"] for part in parts)
    ]
    change = [part["errors"]["fine-tuned"] - part["errors"]["dense"] for part in parts]
    return [
        *errors,
        figure("error_change", change, "points"),
        figure("weights_pct", [part["weights_pct"] for part in parts], "%"),
        figure("file_bytes", [part["file_bytes"] for part in parts], "bytes"),
        figure("rate", [part["dense_bytes"] / part["file_bytes"] for part in parts], "x"),
    ]
