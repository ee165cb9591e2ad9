"""The whole of Deep Compression on any model: prune, retrain, share, fine-tune, encode.

Source: ICLR 2016, figure 1 and sections 2 to 4.
"""

import inspect
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from efflab.deep_compression.report import CompressionReport
from efflab.deep_compression.run import Run, Training, title_of
from efflab.deep_compression.settings import Config, settings_of, targets
from efflab.deep_compression.stages import Stages
from efflab.errors import EfflabError
from efflab.pruning.layers import FilterFn

# What both trainings are given by the procedure itself.
_OWN = {"model", "data", "train", "config", "filter_fn", "seed", "device", "checkpoint", "resume", "progress"}


def compress_(
    model: nn.Module,
    data: Any = None,
    config: Config | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    epochs: int = 5,
    tune_epochs: int | None = None,
    lr: float = 0.05,
    lr_factor: float = 0.1,
    tune_lr: float | None = None,
    optimizer: Any = "sgd",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    batch_size: int = 128,
    retraining: Mapping[str, Any] | None = None,
    tuning: Mapping[str, Any] | None = None,
    filter_fn: FilterFn | None = None,
    example_inputs: Any = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool = True,
) -> CompressionReport:
    """Compress a trained model in place, and write what it has become to an ``.efz`` file.

    Afterwards the model holds exactly what the file gives back. Without data it is pruned and shared at once, and the
    report says how far that moved its weights and outputs.

    Args:
        model: trained; any module. Layers of kinds that are not known are left dense, and the report names them.
        data: ``efflab.data.ImageData``, or anything with ``train``, ``validation`` (or None) and ``test`` splits; the
            test set is read for the errors of the report alone. None compresses without training.
        config: ``Settings``, a dictionary from patterns to ``Layer`` (other layers are left alone), or one number: the
            sparsity. By default 90 % zeros, 8 bits for convolutions and 5 for the rest.
        path: the file to write; None writes none, and reports its size all the same.
        epochs: of each retraining after a pruning.
        tune_epochs: of fine-tuning the shared weights; ``epochs`` by default.
        lr: the learning rate the dense model was trained with.
        lr_factor: retraining takes ``lr * lr_factor``.
        tune_lr: learning rate of fine-tuning, where a centroid's gradient is the sum of its weights' gradients; by
            default ``lr * lr_factor / 10``.
        optimizer: as in ``efflab.training.fit``.
        momentum: of SGD.
        weight_decay: L2 penalty of both trainings.
        batch_size: examples a step.
        retraining: further arguments of ``efflab.pruning.prune_and_retrain``.
        tuning: further arguments of ``efflab.training.fit`` while fine-tuning.
        filter_fn: ``filter_fn(module, fqn) -> bool``, which modules to compress.
        example_inputs: a batch, or a tuple of arguments: the drift of the outputs is measured on it.
        seed: of the order of the data, of dropout, and of random centroids.
        device: where to train; where the model is by default.
        checkpoint: folder that keeps every finished stage, and the training under way: after Ctrl-C the same call goes
            on, to the same result. Not used without data.
        resume: go on with ``checkpoint`` where it is there; False drops what it holds.
        progress: whether to show progress bars.

    Returns:
        The report.

    Raises:
        EfflabError: a model with nothing to compress, an unknown pattern, a layer with NaN or infinity, settings out of
            range.
        CheckpointError: ``checkpoint`` holds another run, or is damaged.
        OSError: the file cannot be written.

    >>> _ = torch.manual_seed(0)
    >>> chain = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))
    >>> report = compress_(chain, config=0.75, progress=False)
    >>> report.sparsity, report.dense_bytes, report.rate > 8
    (0.75, 9376, True)
    """
    chosen = settings_of(config)
    goals = targets(model, config, filter_fn)
    share = epochs if tune_epochs is None else tune_epochs
    rate = lr * lr_factor / 10 if tune_lr is None else tune_lr
    training = Training(
        epochs, share, float(lr), float(lr_factor), float(rate), optimizer, momentum, weight_decay, batch_size,
        _further("retraining", retraining), _further("tuning", tuning),
    )  # fmt: skip
    if data is not None and not all(hasattr(data, name) for name in ("train", "validation", "test")):
        raise EfflabError(
            f"data must have the splits train, validation (or None) and test, got {type(data).__name__}"
        )
    if path is not None and Path(path).is_dir():
        raise EfflabError(f"path is the folder {path}, expected the file to write")
    folder = None if checkpoint is None or data is None else Path(checkpoint)
    kept = {
        "config": repr(chosen), "targets": {name: asdict(goal) for name, goal in goals.items()},
        **training.comparable(), "filter_fn": title_of(filter_fn), "seed": seed,
    }  # fmt: skip
    run = Run(
        model,
        data,
        chosen,
        goals,
        training,
        filter_fn,
        seed,
        device,
        Stages(folder, kept, resume=resume),
        progress,
    )
    return run.go(None if path is None else Path(path), example_inputs)


def _further(name: str, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Check further arguments of a training: those that it has, and that are not the procedure's own."""
    if not arguments:
        return {}
    from efflab.pruning.retrain import prune_and_retrain  # noqa: PLC0415 - only where there is data
    from efflab.training import fit  # noqa: PLC0415 - as above

    taken = inspect.signature(prune_and_retrain if name == "retraining" else fit).parameters
    allowed = [one for one in taken if one not in _OWN]
    for one in arguments:
        if one not in allowed:
            raise EfflabError(f"{name} takes {', '.join(allowed)}, got {one!r}")
    return dict(arguments)
