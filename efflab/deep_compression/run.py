"""A run of ``compress_``: its stages one after another, each taken up where it was left."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from efflab.deep_compression.drift import outputs_of, relative_drift
from efflab.deep_compression.progress import StageBar, visible
from efflab.deep_compression.report import CompressionReport, LayerReport, StageError
from efflab.deep_compression.settings import (
    ONE_SHOT_SPARSITY,
    RETRAINED_SPARSITY,
    UNSHARED_BITS,
    Settings,
    Target,
)
from efflab.deep_compression.sizes import measured_sizes
from efflab.deep_compression.stages import Stages, bytes_of
from efflab.pruning.configs import Magnitude
from efflab.pruning.layers import MASK, FilterFn, require_sites, sites
from efflab.pruning.pruner import Pruner, prune_


@dataclass(frozen=True)
class Training:
    """How the model is trained; see ``compress_``."""

    epochs: int
    tune_epochs: int
    lr: float
    lr_factor: float
    tune_lr: float
    optimizer: Any
    momentum: float
    weight_decay: float
    batch_size: int
    retraining: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)

    def comparable(self) -> dict[str, Any]:
        """Return it as plain data, by which a kept run is known."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {name: title_of(plain[name]) for name in ("optimizer", "retraining", "tuning")}


class Run:
    """A run of ``compress_``, started or resumed."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        model: nn.Module,
        data: Any,
        settings: Settings,
        goals: Mapping[str, Target],
        training: Training,
        filter_fn: FilterFn | None,
        seed: int,
        device: torch.device | str | None,
        stages: Stages,
        progress: bool,
    ) -> None:
        self.model, self.data, self.settings, self.goals = model, data, settings, goals
        self.training, self.filter_fn, self.seed, self.device = training, filter_fn, seed, device
        self.stages, self.progress = stages, progress
        self.errors: list[StageError] = []
        self.sharing: Any = None

    def go(self, path: Path | None, example_inputs: Any) -> CompressionReport:
        """Take all stages; whatever ends them, the model is left with plain parameters."""
        masks = {name + MASK for name in sites(self.model, self.filter_fn)}
        dense = {name: tensor for name, tensor in self.model.state_dict().items() if name not in masks}
        dense_bytes = bytes_of(dense)
        try:
            before = None if self.data is not None else self.weights()
            outputs = outputs_of(self.model, example_inputs)
            with StageBar(self.count(), shown=self.progress) as bar:
                if self.data is not None:
                    self.dense()
                for iteration in range(1, self.settings.iterations + 1):
                    bar.stage("prune", iteration)
                    self.prune(iteration)
                    bar.stage("share", iteration)
                    self.share(iteration, bar)
                bar.stage("encode")
                self.drop_masks()
                drifts = {} if before is None else self.drifts(before)
                moved = relative_drift(outputs, outputs_of(self.model, example_inputs)) if outputs else None
                report = self.encode(path, dense_bytes, drifts, moved)
                bar.stage("done")
        finally:
            self.clean()
        return report

    def count(self) -> int:
        """Count the stages for the progress bar."""
        return self.settings.iterations * (3 if self.tunes() else 2) + 1

    def tunes(self) -> bool:
        """Tell whether shared weights are fine-tuned."""
        return self.data is not None and self.training.tune_epochs > 0 and bool(self.shared_layers())

    def dense(self) -> None:
        """Measure the dense model and keep it: an interrupted run can start again from it."""
        content = self.stages.load("0-dense", self.model)
        if content is None:
            content = self.measure("dense", 0, perf_counter())
            self.stages.save("0-dense", self.model, content)
        self.errors.append(StageError(**content))

    def prune(self, iteration: int) -> None:
        """Prune, and where there is data retrain, round after round."""
        name, start = f"{iteration}-prune", perf_counter()
        config = self.pruning_config(iteration)
        if all(one.sparsity == 0 for one in config.values()):
            return
        if self.data is None:
            prune_(self.model, config, self.filter_fn).finalize()
            return
        content = self.stages.load(name, self.model)
        if content is None:
            from efflab.pruning.retrain import prune_and_retrain  # noqa: PLC0415 - only where there is data

            t = self.training
            arguments: dict[str, Any] = {
                "iterations": self.settings.rounds, "epochs": t.epochs, "lr": t.lr, "lr_factor": t.lr_factor,
                "optimizer": t.optimizer, "momentum": t.momentum, "weight_decay": t.weight_decay,
                "batch_size": t.batch_size,
            } | dict(t.retraining)  # fmt: skip
            prune_and_retrain(
                self.model, self.data, config, filter_fn=self.filter_fn, seed=self.seed + 1000 * iteration,
                device=self.device, checkpoint=self.stages.training(name), progress=self.progress and visible(), **arguments,
            )  # fmt: skip
            self.drop_masks()
            content = self.measure("pruned and retrained", iteration, start)
            self.stages.save(name, self.model, content)
        self.errors.append(StageError(**content))

    def share(self, iteration: int, bar: StageBar) -> None:
        """Share weights, and where there is data fine-tune what is shared."""
        share, tune, start = f"{iteration}-share", f"{iteration}-tune", perf_counter()
        layers = self.shared_layers()
        if not layers:
            return
        if self.tunes() and self.stages.finished(tune):
            finished = (self.stages.content(share), self.stages.load(tune, self.model))
            self.errors += [StageError(**content) for content in finished if content is not None]
            return
        self.sharing = self.quantize(layers)
        if self.data is not None:
            content = self.stages.load(share, self.model)
            if content is None:
                content = self.measure("shared", iteration, start)
                self.stages.save(share, self.model, content)
            self.errors.append(StageError(**content))
        if self.tunes():
            bar.stage("fine-tune", iteration)
            self.tune(tune, iteration)
        else:
            self.finish_sharing()

    def quantize(self, layers: Mapping[str, Target]) -> Any:
        """Share the weights of these layers; zeros stay what they are."""
        from efflab.quantization import KMeans, share_weights_  # noqa: PLC0415 - numba's cost, where it is needed

        config = {
            _exactly(name): KMeans(bits=goal.bits, init=goal.init, zeros="keep")
            for name, goal in layers.items()
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return share_weights_(self.model, config, self.filter_fn)

    def tune(self, name: str, iteration: int) -> None:
        """Train the centroids, and all that is not shared."""
        from efflab.training import fit  # noqa: PLC0415 - only where there is data

        t, start = self.training, perf_counter()
        arguments: dict[str, Any] = {
            "epochs": t.tune_epochs, "lr": t.tune_lr, "optimizer": t.optimizer, "momentum": t.momentum,
            "weight_decay": t.weight_decay, "batch_size": t.batch_size,
        } | dict(t.tuning)  # fmt: skip
        fit(
            self.model, self.data.train, seed=self.seed + 1000 * iteration + 500, device=self.device,
            checkpoint=self.stages.training(name), progress=self.progress, **arguments,
        )  # fmt: skip
        self.finish_sharing()
        content = self.measure("fine-tuned", iteration, start)
        self.stages.save(name, self.model, content)
        self.errors.append(StageError(**content))

    def encode(
        self, path: Path | None, dense_bytes: int, drifts: Mapping[str, float], output_drift: float | None
    ) -> CompressionReport:
        """Write the file, and count what it is made of."""
        from efflab import efz  # noqa: PLC0415 - numba's cost, where it is needed

        widths = {goal.index_bits for goal in self.goals.values()}
        index_bits: Any = widths.pop() if len(widths) == 1 else "auto"
        with nullcontext(path) if path is not None else _temporary() as target:
            summary = efz.save(self.model, target, index_bits=index_bits)
        stored = {name: entry.bytes.total for entry in summary.entries for name in entry.names}
        layers = tuple(
            LayerReport(
                measured_sizes(name, weight, self.goals[name].bits, self.goals[name].index_bits),
                stored[name], drifts.get(name),
            )
            for name, weight in self.weights(copy=False).items()
        )  # fmt: skip
        return CompressionReport(
            layers,
            tuple(self.errors),
            dense_bytes,
            summary.file_bytes,
            path,
            tuple(self.left_dense()),
            output_drift,
        )

    def pruning_config(self, iteration: int) -> dict[str, Magnitude]:
        """Say how to prune at an iteration: single layers their own way, the others together."""
        default = ONE_SHOT_SPARSITY if self.data is None else RETRAINED_SPARSITY
        sparsity = default if self.settings.sparsity is None else self.settings.sparsity
        share = iteration / self.settings.iterations
        found = require_sites(self.model, self.filter_fn)
        own = {name: goal.sparsity for name, goal in self.goals.items()} | {
            name: 0.0 for name in found if name not in self.goals
        }
        config = {
            _exactly(name): Magnitude(share * value, scope="layer")
            for name, value in own.items()
            if value is not None
        }
        if any(value is None for value in own.values()):
            config["*"] = Magnitude(share * sparsity, scope=self.settings.scope)
        return config

    def shared_layers(self) -> dict[str, Target]:
        """Name the layers that can be shared: not those that are all zero, nor those that are to keep their bits."""
        weights = self.weights(copy=False)
        return {
            name: goal
            for name, goal in self.goals.items()
            if goal.bits != UNSHARED_BITS and (name not in weights or bool(weights[name].count_nonzero()))
        }

    def measure(self, stage: str, iteration: int, start: float) -> dict[str, Any]:
        """Measure the errors after a stage."""
        from efflab.training import evaluate  # noqa: PLC0415 - only where there is data

        validation = getattr(self.data, "validation", None)
        error = (
            None if validation is None else evaluate(self.model, validation, device=self.device).error_percent
        )
        test = evaluate(self.model, self.data.test, device=self.device).error_percent
        return asdict(StageError(stage, iteration, test, error, perf_counter() - start))

    def weights(self, *, copy: bool = True) -> dict[str, Tensor]:
        """Collect the weights of the layers that are compressed."""
        found = {name: site.parameter.detach() for name, site in sites(self.model, self.filter_fn).items()}
        return {name: found[name].clone() if copy else found[name] for name in self.goals if name in found}

    def drifts(self, before: Mapping[str, Tensor]) -> dict[str, float]:
        """Measure how far the weights of each layer moved."""
        after = self.weights(copy=False)
        return {name: relative_drift([weight], [after[name]]) for name, weight in before.items()}

    def left_dense(self) -> Iterator[str]:
        """Name the parameters of two or more dimensions that were not compressed."""
        for name, parameter in self.model.named_parameters():
            if parameter.dim() > 1 and name not in self.goals:
                yield name

    def finish_sharing(self) -> None:
        """Make the shared weights plain parameters again."""
        if self.sharing is not None:
            self.sharing.finalize()
            self.sharing = None

    def drop_masks(self) -> None:
        """Drop the masks that pruning has left beside the weights; the zeros stay."""
        if any(site.mask is not None for site in sites(self.model, self.filter_fn).values()):
            Pruner(self.model, filter_fn=self.filter_fn).finalize()

    def clean(self) -> None:
        """Leave plain parameters, also where a stage was interrupted."""
        self.finish_sharing()
        self.drop_masks()


def _exactly(name: str) -> str:
    """Write a name as a pattern that matches nothing else."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def title_of(choice: Any) -> Any:
    """How a run remembers a choice that may hold functions: by their qualified names."""
    if isinstance(choice, Mapping):
        return {str(key): title_of(value) for key, value in sorted(choice.items())}
    if isinstance(choice, list | tuple):
        return [title_of(one) for one in choice]
    if choice is None or isinstance(choice, str | int | float):
        return choice
    if is_dataclass(choice) and not isinstance(choice, type):
        return repr(choice)
    if isinstance(choice, partial):
        return {
            "partial": title_of(choice.func),
            "of": title_of(choice.args),
            "with": title_of(choice.keywords),
        }
    named = choice if hasattr(choice, "__qualname__") else type(choice)
    return f"{named.__module__}.{named.__qualname__}"


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="efflab-") as folder:
        yield Path(folder) / "model.efz"
