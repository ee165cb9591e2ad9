"""The paper's procedure: prune, retrain what survives, and again.

Source: NIPS 2015, section 3: L1 or L2 penalty (3.1), dropout adjusted to the connections left (3.2), retraining from the
surviving weights at a lower rate, convolutional and fully connected layers in turn (3.3), iterative pruning (3.4), dead
neurons removed (3.5).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from tqdm.auto import tqdm

from efflab.errors import CheckpointError, EfflabError
from efflab.pruning.configs import Configs, Magnitude
from efflab.pruning.dead import zero_dead_neurons_
from efflab.pruning.dropout import adjust_dropout_, restore_dropout_
from efflab.pruning.layers import FilterFn, is_prunable, require_sites
from efflab.pruning.pruner import Pruner
from efflab.pruning.report import LayerWeights, PruningReport, Round
from efflab.pruning.schedules import Linear, Schedule

KIND = "efflab.pruning"


@dataclass
class _Progress:
    """Where a run stands: what its checkpoint holds beside the model."""

    done: int = 0
    stopped: bool = False
    rounds: list[Round] = field(default_factory=list)
    dense_error: float = 0.0
    dense_reference: float = 0.0


def prune_and_retrain(
    model: nn.Module,
    data: Any,
    config: Configs | None = None,
    *,
    schedule: Schedule | None = None,
    iterations: int = 3,
    epochs: int = 5,
    lr: float = 0.05,
    lr_factor: float = 0.1,
    optimizer: Any = "sgd",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    retraining_schedule: Any = "cosine",
    batch_size: int = 128,
    adjust_dropout: bool = True,
    alternate: bool = False,
    remove_dead: bool = True,
    max_drop: float | None = None,
    filter_fn: FilterFn | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool = True,
) -> PruningReport:
    """Prune a trained model in steps, retraining the surviving weights after each, in place.

    All choices are made on ``data.validation``; the test set is read for the two errors of the report alone.

    Args:
        model: trained.
        data: ``efflab.data.ImageData``, or anything with ``train``, ``validation`` (or None) and ``test`` splits.
        config: what to prune, as in ``prune_``; by default ``Magnitude(0.9)``.
        schedule: how the target grows over the iterations; by default in ``iterations`` equal steps.
        iterations: prunings, where no schedule says how many.
        epochs: of each retraining.
        lr: the learning rate the dense model was trained with.
        lr_factor: retraining takes ``lr * lr_factor``: 1/10 in the paper for LeNet, 1/100 for AlexNet.
        optimizer: as in ``efflab.training.fit``; a function of the parameters sets its own rate.
        momentum: of SGD.
        weight_decay: L2 penalty of retraining.
        l1: L1 penalty of retraining.
        retraining_schedule: of the learning rate, as in ``efflab.training.fit``.
        batch_size: examples a step.
        adjust_dropout: whether to retrain with D_r = D_o sqrt(C_ir / C_io); the dense rates are put back after each.
        alternate: prune and retrain fully connected layers with the convolutional ones fixed, then the other way.
        remove_dead: whether to zero dead neurons at the end, where the model can be traced.
        max_drop: stop, and go back by one iteration, where the validation error exceeds the dense model's by more
            percentage points.
        filter_fn: which modules to prune.
        seed: of the order of the data and of dropout.
        device: where to train; where the model is by default.
        checkpoint: file that keeps the run (beside it, a second one the retraining under way): after Ctrl-C the
            same call goes on, to the same result.
        resume: go on with ``checkpoint`` where it is there.
        progress: whether to show progress bars.

    Returns:
        The report. The masks stay in the model: ``Pruner(model).finalize()`` drops them.

    Raises:
        EfflabError: as ``prune_``; ``max_drop`` without a validation split; settings out of range.
        CheckpointError: a checkpoint of another run, or damaged.
    """
    chosen = Magnitude(0.9) if config is None else config
    if schedule is None and iterations < 1:
        raise EfflabError(f"iterations must be at least 1, got {iterations}")
    if max_drop is not None and data.validation is None:
        raise EfflabError(
            "max_drop needs a validation split to judge by: load the data with validation=..., got None"
        )
    plan = Linear(iterations) if schedule is None else schedule
    pruner = Pruner(model, chosen, plan, filter_fn)
    judge = data.train if data.validation is None else data.validation
    settings = {
        "config": repr(chosen), "schedule": plan.state_dict(), "epochs": epochs, "lr": lr, "lr_factor": lr_factor,
        "momentum": momentum, "weight_decay": weight_decay, "l1": l1, "batch_size": batch_size, "seed": seed,
        "adjust_dropout": adjust_dropout, "alternate": alternate, "max_drop": max_drop, "remove_dead": remove_dead,
        "optimizer": _title(optimizer), "retraining_schedule": _title(retraining_schedule),
        "filter_fn": _title(filter_fn),
    }  # fmt: skip

    def error(split: Any) -> float:
        return float(_training().evaluate(model, split, device=device).error_percent)

    def retrain(number: int) -> None:
        _training().fit(
            model, data.train, epochs=epochs, lr=lr * lr_factor, optimizer=optimizer, momentum=momentum,
            weight_decay=weight_decay, l1=l1, schedule=retraining_schedule, batch_size=batch_size, seed=seed + number,
            device=device, checkpoint=_beside(checkpoint, number), resume=resume, on_optimizer=pruner.attach,
            progress=progress,
        )  # fmt: skip

    state = _resume(model, pruner, checkpoint, settings) if resume else None
    if state is None:
        state = _Progress(dense_error=error(data.test), dense_reference=error(judge))
        _save(model, pruner, checkpoint, settings, state)
    turns = [
        (tick, group) for tick in range(1, plan.length + 1) for group in _groups(pruner, alternate=alternate)
    ]
    with tqdm(total=len(turns), initial=state.done, desc="prune and retrain", disable=not progress) as bar:
        while state.done < len(turns) and not state.stopped:
            tick, (group, names) = turns[state.done]
            before = {key: value.clone() for key, value in model.state_dict().items()}
            pruner.retarget(tick, names)
            number = state.done
            one = _round(
                pruner, (tick, group), partial(error, judge), partial(retrain, number), adjust=adjust_dropout
            )
            if max_drop is not None and one.error_percent > state.dense_reference + max_drop:
                model.load_state_dict(before)
                state.stopped = True
            else:
                state.rounds.append(one)
                state.done += 1
                pruner.tick = tick
            _save(model, pruner, checkpoint, settings, state)
            bar.update()
    dead = _remove_dead(model, data.train.x[:1]) if remove_dead else None
    layers = tuple(
        LayerWeights(name, mask.numel(), int(mask.sum())) for name, mask in _all_masks(model, filter_fn)
    )
    return PruningReport(
        layers=layers,
        rounds=tuple(state.rounds),
        measured_on="train" if data.validation is None else "validation",
        dense_error_percent=state.dense_error,
        error_percent=error(data.test),
        dead_neurons=dead,
        stopped=state.stopped,
    )


def _title(choice: Any) -> str:
    """How a checkpoint remembers a choice that may be a function: a name as it is, a function by its qualified name."""
    if choice is None or isinstance(choice, str):
        return str(choice)
    named = choice if hasattr(choice, "__qualname__") else type(choice)
    return f"{named.__module__}.{named.__qualname__}"


def _training() -> Any:
    from efflab import training  # noqa: PLC0415 - only procedures that train need it

    return training


def _round(
    pruner: Pruner,
    turn: tuple[int, str],
    error: Callable[[], float],
    retrain: Callable[[], None],
    *,
    adjust: bool,
) -> Round:
    """Retrain after one pruning; the dense dropout rates come back however that ends."""
    threshold_error = error()
    rates = adjust_dropout_(pruner.model) if adjust else {}
    start = perf_counter()
    try:
        with _only(pruner.model, turn[1]):
            retrain()
    finally:
        if adjust:
            restore_dropout_(pruner.model)
    pruner.apply()
    return Round(*turn, pruner.sparsity(), threshold_error, error(), rates, perf_counter() - start)


def _groups(pruner: Pruner, *, alternate: bool) -> list[tuple[str, list[str] | None]]:
    """Share the pruned parameters out: fully connected first, as the paper does, or all at once."""
    if not alternate:
        return [("all", None)]
    conv = [name for name in pruner.masks if _is_conv(pruner.model, name)]
    rest = [name for name in pruner.masks if name not in conv]
    return [(group, names) for group, names in (("fc", rest), ("conv", conv)) if names]


def _is_conv(model: nn.Module, parameter: str) -> bool:
    return isinstance(model.get_submodule(parameter.rpartition(".")[0]), _ConvNd)


@contextmanager
def _only(model: nn.Module, group: str) -> Iterator[None]:
    """Fix the parameters of the other group; normalisation goes with the convolutions."""
    frozen = []
    for module in model.modules():
        convolutional = isinstance(module, _ConvNd) or not is_prunable(module, "") or _is_batch_norm(module)
        if group != "all" and convolutional != (group == "conv"):
            frozen += [p for p in module.parameters(recurse=False) if p.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad = False
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad = True


def _is_batch_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - the common base


def _remove_dead(model: nn.Module, example: Any) -> int | None:
    device = next(model.parameters()).device
    try:
        return sum(zero_dead_neurons_(model, example.to(device)).neurons.values())
    except EfflabError:
        return None


def _all_masks(model: nn.Module, filter_fn: FilterFn | None) -> Iterator[tuple[str, torch.Tensor]]:
    """Masks by parameter; layers that were not pruned count as kept whole."""
    for name, site in require_sites(model, filter_fn).items():
        yield name, torch.ones_like(site.parameter, dtype=torch.bool) if site.mask is None else site.mask


def _beside(checkpoint: str | os.PathLike[str] | None, number: int) -> Path | None:
    if checkpoint is None:
        return None
    path = Path(checkpoint)
    return path.with_name(f"{path.name}.round{number + 1}")


def _save(
    model: nn.Module,
    pruner: Pruner,
    checkpoint: str | os.PathLike[str] | None,
    settings: dict[str, Any],
    state: _Progress,
) -> None:
    """Keep the run, then drop the checkpoint of the finished retraining, and what an earlier run left of the next."""
    if checkpoint is None:
        return
    from efflab.models import storage  # noqa: PLC0415 - with the training it belongs to

    held = {"kind": KIND, "settings": settings, "model": model.state_dict(), "pruner": pruner.state_dict()}
    storage.write_torch({**held, "progress": asdict(state)}, checkpoint)
    for number in (state.done - 1, state.done):
        path = _beside(checkpoint, number)
        if path is not None:
            path.unlink(missing_ok=True)


def _resume(
    model: nn.Module, pruner: Pruner, checkpoint: str | os.PathLike[str] | None, settings: dict[str, Any]
) -> _Progress | None:
    """Go on with a checkpoint; None where there is none."""
    if checkpoint is None or not Path(checkpoint).exists():
        return None
    from efflab.models import storage  # noqa: PLC0415 - as above

    held: Any = storage.read(Path(checkpoint))
    parts = {"settings", "model", "pruner", "progress"}
    if not isinstance(held, dict) or held.get("kind") != KIND or not parts <= held.keys():
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of prune_and_retrain; give another file, or resume=False"
        )
    changed = [key for key, value in settings.items() if held["settings"].get(key) != value]
    if changed:
        raise CheckpointError(
            f"{checkpoint} belongs to a run with another {', '.join(changed)}; give another file, or resume=False"
        )
    try:
        model.load_state_dict(held["model"])
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint} is of another model than {type(model).__name__}") from error
    pruner.load_state_dict(held["pruner"])
    saved = held["progress"]
    return _Progress(**{**saved, "rounds": [Round(**one) for one in saved["rounds"]]})
