"""The paper's procedure: prune, retrain what survives, and again.

Source: NIPS 2015, section 3: L1 or L2 penalty (3.1), dropout adjusted to the connections left (3.2), retraining from the
surviving weights at a lower rate, convolutional and fully connected layers in turn (3.3), iterative pruning (3.4), dead
neurons removed (3.5).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
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


@dataclass(frozen=True)
class _Settings:
    """What makes a run this run and no other; see ``prune_and_retrain``."""

    config: Configs
    schedule: Schedule
    epochs: int
    lr: float
    lr_factor: float
    optimizer: Any
    momentum: float
    weight_decay: float
    l1: float
    retraining_schedule: Any
    batch_size: int
    adjust_dropout: bool
    alternate: bool
    remove_dead: bool
    max_drop: float | None
    filter_fn: FilterFn | None
    seed: int

    def comparable(self) -> dict[str, Any]:
        """Return them as plain data, by which a checkpoint knows its run."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        titles = {name: _title(own[name]) for name in ("optimizer", "retraining_schedule", "filter_fn")}
        return {**own, **titles, "config": repr(self.config), "schedule": self.schedule.state_dict()}


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
    if schedule is None and iterations < 1:
        raise EfflabError(f"iterations must be at least 1, got {iterations}")
    if max_drop is not None and data.validation is None:
        raise EfflabError(
            "max_drop needs a validation split to judge by: load the data with validation=..., got None"
        )
    settings = _Settings(
        config=Magnitude(0.9) if config is None else config,
        schedule=Linear(iterations) if schedule is None else schedule,
        epochs=epochs, lr=lr, lr_factor=lr_factor, optimizer=optimizer, momentum=momentum, weight_decay=weight_decay,
        l1=l1, retraining_schedule=retraining_schedule, batch_size=batch_size, adjust_dropout=adjust_dropout,
        alternate=alternate, remove_dead=remove_dead, max_drop=max_drop, filter_fn=filter_fn, seed=seed,
    )  # fmt: skip
    path = None if checkpoint is None else Path(checkpoint)
    run = _Run(model, data, settings, device, path, resume=resume, progress=progress)
    run.go()
    return run.report()


class _Run:
    """A run of ``prune_and_retrain``, started or resumed."""

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        settings: _Settings,
        device: torch.device | str | None,
        path: Path | None,
        *,
        resume: bool,
        progress: bool,
    ) -> None:
        self.model, self.data, self.settings = model, data, settings
        self.device, self.path, self.resume, self.progress = device, path, resume, progress
        self.pruner = Pruner(model, settings.config, settings.schedule, settings.filter_fn)
        self.judge = data.train if data.validation is None else data.validation
        state = _resume(model, self.pruner, path, settings) if resume else None
        self.state = state or _Progress(
            dense_error=self.error(data.test), dense_reference=self.error(self.judge)
        )
        if state is None:
            self.save()

    def go(self) -> None:
        """Prune and retrain until the schedule's end, or until the error rises too far."""
        state, ticks = self.state, range(1, self.settings.schedule.length + 1)
        turns = [
            (tick, group)
            for tick in ticks
            for group in _groups(self.pruner, alternate=self.settings.alternate)
        ]
        with tqdm(
            total=len(turns), initial=state.done, desc="prune and retrain", disable=not self.progress
        ) as bar:
            while state.done < len(turns) and not state.stopped:
                self.turn(*turns[state.done])
                self.save()
                bar.update()

    def turn(self, tick: int, group: tuple[str, list[str] | None]) -> None:
        """Take one turn, and take it back where ``max_drop`` says so."""
        before = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.pruner.retarget(tick, group[1])
        one = self.round(tick, group[0])
        limit = self.settings.max_drop
        if limit is not None and one.error_percent > self.state.dense_reference + limit:
            self.model.load_state_dict(before)
            self.state.stopped = True
        else:
            self.state.rounds.append(one)
            self.state.done += 1
            self.pruner.tick = tick

    def round(self, tick: int, group: str) -> Round:
        """Retrain after one pruning; the dense dropout rates come back however that ends."""
        adjust = self.settings.adjust_dropout
        threshold_error = self.error(self.judge)
        rates = adjust_dropout_(self.model) if adjust else {}
        start = perf_counter()
        try:
            with _only(self.model, group):
                self.retrain()
        finally:
            if adjust:
                restore_dropout_(self.model)
        self.pruner.apply()
        error, seconds = self.error(self.judge), perf_counter() - start
        return Round(tick, group, self.pruner.sparsity(), threshold_error, error, rates, seconds)

    def retrain(self) -> None:
        """Train what is left, with a checkpoint of its own."""
        s, number = self.settings, self.state.done
        _training().fit(
            self.model, self.data.train, epochs=s.epochs, lr=s.lr * s.lr_factor, optimizer=s.optimizer,
            momentum=s.momentum, weight_decay=s.weight_decay, l1=s.l1, schedule=s.retraining_schedule,
            batch_size=s.batch_size, seed=s.seed + number, device=self.device, checkpoint=_beside(self.path, number),
            resume=self.resume, on_optimizer=self.pruner.attach, progress=self.progress,
        )  # fmt: skip

    def error(self, split: Any) -> float:
        """Measure the model's error in percent."""
        return float(_training().evaluate(self.model, split, device=self.device).error_percent)

    def save(self) -> None:
        """Keep the run, then drop the checkpoint of the finished retraining, and what an earlier run left of the next."""
        if self.path is None:
            return
        from efflab.models import storage  # noqa: PLC0415 - with the training it belongs to

        held = {
            "kind": KIND, "settings": self.settings.comparable(), "model": self.model.state_dict(),
            "pruner": self.pruner.state_dict(), "progress": asdict(self.state),
        }  # fmt: skip
        storage.write_torch(held, self.path)
        for number in (self.state.done - 1, self.state.done):
            beside = _beside(self.path, number)
            assert beside is not None
            beside.unlink(missing_ok=True)

    def report(self) -> PruningReport:
        """Remove dead neurons, read the test set and sum up."""
        dead = _remove_dead(self.model, self.data.train.x[:1]) if self.settings.remove_dead else None
        layers = tuple(
            LayerWeights(name, mask.numel(), int(mask.sum()))
            for name, mask in _all_masks(self.model, self.settings.filter_fn)
        )
        return PruningReport(
            layers=layers,
            rounds=tuple(self.state.rounds),
            measured_on="train" if self.data.validation is None else "validation",
            dense_error_percent=self.state.dense_error,
            error_percent=self.error(self.data.test),
            dead_neurons=dead,
            stopped=self.state.stopped,
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


def _beside(path: Path | None, number: int) -> Path | None:
    return None if path is None else path.with_name(f"{path.name}.round{number + 1}")


def _resume(model: nn.Module, pruner: Pruner, path: Path | None, settings: _Settings) -> _Progress | None:
    """Go on with a checkpoint; None where there is none."""
    if path is None or not path.exists():
        return None
    from efflab.models import storage  # noqa: PLC0415 - with the training it belongs to

    held: Any = storage.read(path)
    parts = {"settings", "model", "pruner", "progress"}
    if not isinstance(held, dict) or held.get("kind") != KIND or not parts <= held.keys():
        raise CheckpointError(
            f"{path} is no checkpoint of prune_and_retrain; give another file, or resume=False"
        )
    changed = [key for key, value in settings.comparable().items() if held["settings"].get(key) != value]
    if changed:
        raise CheckpointError(
            f"{path} belongs to a run with another {', '.join(changed)}; give another file, or resume=False"
        )
    try:
        model.load_state_dict(held["model"])
    except RuntimeError as error:
        raise CheckpointError(f"{path} is of another model than {type(model).__name__}") from error
    pruner.load_state_dict(held["pruner"])
    saved = held["progress"]
    return _Progress(**{**saved, "rounds": [Round(**one) for one in saved["rounds"]]})
