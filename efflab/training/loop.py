"""``fit``: training that is deterministic, may be interrupted at any step, and goes on exactly where it stopped."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from efflab.errors import EfflabError
from efflab.training import batches as source
from efflab.training import checkpoint as file
from efflab.training import seeds
from efflab.training.batches import Batches, cross_entropy
from efflab.training.evaluation import mode
from efflab.training.history import History
from efflab.training.interrupt import Interrupt
from efflab.training.optimisation import OptimizerChoice, make_optimizer
from efflab.training.plan import Plan
from efflab.training.progress import Progress
from efflab.training.run import Run
from efflab.training.schedules import Schedule, by_name


def fit(
    model: nn.Module,
    train: Batches,
    *,
    epochs: int,
    lr: float = 0.05,
    batch_size: int = 128,
    optimizer: OptimizerChoice = "sgd",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    clip: float | None = None,
    schedule: str | Schedule = "cosine",
    validation: Batches | None = None,
    patience: int | None = None,
    monitor: str = "error",
    seed: int = 0,
    device: str | torch.device | None = None,
    autocast: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    on_optimizer: Callable[[Optimizer], object] | None = None,
    after_step: Callable[[], None] | None = None,
    after_epoch: Callable[[int, History], None] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    progress: bool = True,
) -> History:
    """Train ``model`` in place.

    On the CPU the same seed gives the same weights, and a run that is interrupted and resumed ends with exactly the weights
    of the undisturbed run. Torch's global generators are left as they were, and every module in the mode it was in.

    Args:
        model: any model; only its parameters that require a gradient are trained.
        train: a ``Split``, shuffled anew each epoch, or an iterable of (x, y) batches (a list, a ``DataLoader``); a tuple x
            gives the model several arguments.
        epochs: passes over ``train``.
        lr: learning rate, for an optimiser given by name.
        batch_size: examples in a batch, for a ``Split``.
        optimizer: ``"sgd"``, ``"adam"``, a function from the parameters to an optimiser, or an optimiser.
        momentum: of SGD.
        weight_decay: L2 penalty as torch's optimisers have it: its gradient is ``weight_decay`` x parameter.
        l1: L1 penalty on weights with two axes or more (no biases): its gradient is ``l1`` x sign(weight).
        clip: largest norm of all gradients together; None for no limit.
        schedule: ``"cosine"``, ``"constant"``, ``"step"``, or a function from the fraction of training done to a factor of
            the learning rate, called before each step.
        validation: evaluated after each epoch.
        patience: stop after so many epochs without improvement, and take the best epoch's weights in any case.
        monitor: what improvement means: ``"error"`` on validation (equal errors are told apart by the loss), or ``"loss"``.
        seed: of the order of examples, and of dropout.
        device: None for where the model is, ``"auto"`` for CUDA where present, or a device; the model stays there.
        autocast: compute in bfloat16 where the device can, in float16 with scaled gradients otherwise.
        checkpoint: file that holds the run, written at the start, after each epoch, and after the step in which Ctrl-C
            was pressed, before ``KeyboardInterrupt`` is raised. A second Ctrl-C does not wait for the step.
        resume: go on with ``checkpoint`` if it is there; False starts afresh.
        on_optimizer: called with the optimiser once, before training; for hooks such as a pruner's.
        after_step: called after each step of the optimiser.
        after_epoch: called with the epoch's index (from 0) and the history, before the checkpoint is written.
        loss: of output and target, a mean over the batch.
        progress: show a bar, in terminals and notebooks.

    Returns:
        The history, of resumed epochs too.

    Raises:
        EfflabError: an argument is out of range, there is nothing to train (on), or the loss is no longer finite.
        CheckpointError: the checkpoint is damaged, another model's, or another run's.
        OSError: the checkpoint cannot be written.

    >>> from efflab import data, models
    >>> history = fit(models.passport(), data.load("digits").train, epochs=1, progress=False)
    >>> len(history)
    1
    """
    _check(
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        momentum=momentum,
        weight_decay=weight_decay,
        l1=l1,
        clip=clip,
    )
    _check_stopping(patience, monitor, validation)
    source.refuse_iterator(train, "train")
    if validation is not None:
        source.refuse_iterator(validation, "validation")
    where = source.choose_device(model, device)
    plan = Plan(
        train=train,
        validation=validation,
        loss=loss,
        schedule=by_name(schedule),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        patience=patience,
        monitor=monitor,
        l1=l1,
        clip=clip,
        autocast=_half(where) if autocast else None,
        after_step=after_step,
        after_epoch=after_epoch,
        path=checkpoint,
        settings={
            "seed": seed,
            "lr": None if not isinstance(optimizer, str) else float(lr),
            "batch_size": batch_size,
            "optimizer": _title(optimizer),
            "momentum": float(momentum),
            "weight_decay": float(weight_decay),
            "l1": float(l1),
            "clip": clip,
            "schedule": _title(schedule),
            "patience": patience,
            "monitor": monitor,
            "autocast": autocast,
            "examples": len(train.y) if source.is_split(train) else None,
        },
    )
    model.to(where)
    chosen = make_optimizer(model, optimizer, lr=lr, momentum=momentum, weight_decay=weight_decay)
    if on_optimizer is not None:
        on_optimizer(chosen)
    steps = source.steps_of(train, batch_size)
    with (
        Interrupt(enabled=checkpoint is not None) as interrupt,
        seeds.forked(where),
        mode(model, training=True),
        Progress(shown=progress, epochs=epochs, steps=steps) as bar,
    ):
        run = Run(plan, model, chosen, where, interrupt, bar)
        _start(run, resume=resume)
        return run.go()


def _start(run: Run, *, resume: bool) -> None:
    """Resume from the checkpoint, or write the first: a folder that cannot be written shows before the work."""
    path = run.plan.path
    if path is not None and resume and Path(path).exists():
        run.load(file.read(path))
        run.progress.skip(len(run.history) * (run.steps_per_epoch or 0) + run.sums.steps)
    else:
        run.save()


def _check(**values: Any) -> None:
    """Refuse numbers out of range; None stands for a setting that is off."""
    for name, value in values.items():
        if value is None:
            continue
        whole = name in {"epochs", "batch_size"}
        positive = name in {"lr", "batch_size", "clip"}
        good = math.isfinite(value) and (value > 0 if positive else value >= 0)
        if not good or (whole and value != int(value)):
            kind = "a whole number" if whole else "a finite number"
            raise EfflabError(
                f"{name} is {value!r}, expected {kind}, {'above' if positive else 'at least'} 0"
            )


def _check_stopping(patience: int | None, monitor: str, validation: object) -> None:
    if patience is not None and patience < 1:
        raise EfflabError(f"patience is {patience!r}, expected a whole number of epochs from 1, or None")
    if patience is not None and validation is None:
        raise EfflabError("patience needs a validation split to watch; give validation=")
    if monitor not in {"error", "loss"}:
        raise EfflabError(f"monitor is {monitor!r}, expected error or loss")


def _half(device: torch.device) -> torch.dtype:
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def _title(choice: Any) -> str:
    """How a checkpoint remembers a choice that may be a function or an object."""
    if isinstance(choice, str):
        return choice
    return getattr(choice, "__qualname__", None) or type(choice).__qualname__
