"""The training run behind ``fit``: its plan, its state, and one method for each thing it does."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from efflab.errors import CheckpointError, EfflabError
from efflab.models import weights
from efflab.training import batches as source
from efflab.training import checkpoint, seeds
from efflab.training.evaluation import evaluate
from efflab.training.history import History
from efflab.training.interrupt import Interrupt
from efflab.training.optimisation import add_l1_, penalised
from efflab.training.plan import Plan, Sums
from efflab.training.progress import Progress

# Looking at a loss waits for the accelerator; on the CPU there is nothing to wait for.
_STEPS_UNWATCHED_ON_ACCELERATOR = 50


class Run:
    """A run in progress; everything that a checkpoint must hold is an attribute set here."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        plan: Plan,
        model: nn.Module,
        optimizer: Optimizer,
        device: torch.device,
        interrupt: Interrupt,
        progress: Progress,
    ) -> None:
        self.plan, self.model, self.optimizer = plan, model, optimizer
        self.device, self.interrupt, self.progress = device, interrupt, progress
        self.data = source.near(plan.train, device)
        self.validation = None if plan.validation is None else source.near(plan.validation, device)
        self.rates = [float(group["lr"]) for group in optimizer.param_groups]
        self.penalised = penalised(model) if plan.l1 else []
        # What a run in float32 does not need, it does not pay for in every step either.
        self.precision = (
            torch.autocast(device.type, plan.autocast) if plan.autocast else contextlib.nullcontext()
        )
        self.scaler = torch.amp.GradScaler(device.type) if plan.autocast is torch.float16 else None
        self.history, self.sums = History(), Sums()
        self.steps_per_epoch = source.steps_of(plan.train, plan.batch_size)
        self.best: weights.State | None = None
        self.generators: dict[str, Tensor] | None = None

    def go(self) -> History:
        """Train until the last epoch, or until patience ends; then take the best weights if there is patience."""
        try:
            while not self.finished():
                self.epoch()
                self.save()
                if self.interrupt.pending:
                    raise KeyboardInterrupt
        finally:
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate
        if self.best is not None:
            self.model.load_state_dict(self.best)
        return self.history

    def finished(self) -> bool:
        """Whether nothing is left to do; a function of the history, so that a resumed run agrees."""
        done, best = len(self.history), self.history.best_epoch
        patience = self.plan.patience
        return done >= self.plan.epochs or (
            patience is not None and best is not None and done - 1 - best >= patience
        )

    def epoch(self) -> None:
        """Pass once over the training data, validate, note both, call back."""
        started = time.perf_counter() - self.sums.seconds
        for x, y in self.shuffled():
            self.step(source.to_device(x, self.device), y.to(self.device, non_blocking=True))
            if self.interrupt.pending:
                self.sums.seconds = time.perf_counter() - started
                self.save()
                raise KeyboardInterrupt
        if self.sums.count == 0:
            raise EfflabError(f"train gave no batches in epoch {len(self.history) + 1}")
        self.refuse_non_finite()
        self.steps_per_epoch = self.sums.steps
        self.note(started)
        if self.plan.after_epoch is not None:
            self.plan.after_epoch(len(self.history) - 1, self.history)

    def shuffled(self) -> Iterator[tuple[Any, Tensor]]:
        """This epoch's batches in its own order; those that an interrupted run has seen are passed over."""
        number = len(self.history)
        seeds.start(seeds.derived_seed(self.plan.seed, "epoch", number), self.device)
        order = torch.Generator().manual_seed(seeds.derived_seed(self.plan.seed, "order", number))
        iterator = iter(source.batches_of(self.data, self.plan.batch_size, order))
        for _ in range(self.sums.steps):
            next(iterator, None)
        if self.generators is not None:
            seeds.restore(self.generators, self.device)
            self.generators = None
        yield from iterator

    def step(self, x: Any, y: Tensor) -> None:
        """Forward, backward, penalties, update."""
        self.set_rate()
        self.optimizer.zero_grad()
        with self.precision:
            output = source.predict(self.model, x)
            loss = self.plan.loss(output, y)
        self.add_up(loss.detach(), output.detach(), y)
        self.descend(loss)
        if self.plan.after_step is not None:
            self.plan.after_step()
        self.sums.steps += 1

    def set_rate(self) -> None:
        """Set each group's learning rate from the fraction of training done."""
        within = self.sums.steps / self.steps_per_epoch if self.steps_per_epoch else 0.0
        factor = self.plan.schedule((len(self.history) + min(within, 1.0)) / self.plan.epochs)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        if self.sums.steps == 0:
            self.sums.lr = self.rates[0] * factor

    def descend(self, loss: Tensor) -> None:
        """Gradients, with the L1 penalty's and clipped, and the optimiser's step."""
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.penalised:
            add_l1_(self.penalised, self.plan.l1)
        if self.plan.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def add_up(self, loss: Tensor, output: Tensor, y: Tensor) -> None:
        """Add a batch to the sums, and look at them as often as that is free."""
        on_cpu = self.device.type == "cpu"
        n = source.count(output, y)
        wrong = source.wrong(output, y)
        self.sums.loss = self.sums.loss + (loss.item() if on_cpu else loss.double()) * n
        self.sums.wrong = self.sums.wrong + (math.nan if wrong is None else wrong.item() if on_cpu else wrong)
        self.sums.count += n
        if on_cpu or self.sums.steps % _STEPS_UNWATCHED_ON_ACCELERATOR == 0:
            self.refuse_non_finite()
        if self.progress.advance():
            sums = self.sums.settle()
            self.progress.show(
                len(self.history), float(sums.loss) / sums.count, 100 * float(sums.wrong) / sums.count
            )

    def refuse_non_finite(self) -> None:
        """Stop where the loss is no number: on the CPU before the weights follow it."""
        loss = self.sums.settle().loss
        if not math.isfinite(loss):
            raise EfflabError(
                f"the loss became {loss} in epoch {len(self.history) + 1}, step {self.sums.steps + 1}; try a smaller lr"
                f" than {self.sums.lr:g} or clip=1.0, and look for NaN in the inputs"
            )

    def note(self, started: float) -> None:
        """Validate, and write the epoch into the history."""
        sums, history = self.sums.settle(), self.history
        if self.validation is not None:
            result = evaluate(self.model, self.validation, device=self.device, loss=self.plan.loss)
            history.validation_loss.append(result.loss)
            history.validation_error.append(result.error_percent)
            if history.improved(self.plan.monitor):
                history.best_epoch = len(history)
                self.best = None if self.plan.patience is None else weights.cpu_state(self.model)
        history.loss.append(float(sums.loss) / sums.count)
        history.accuracy.append(1 - float(sums.wrong) / sums.count)
        history.lr.append(sums.lr)
        history.seconds.append(time.perf_counter() - started)
        self.sums = Sums()

    def save(self) -> None:
        """Write the checkpoint, if one was asked for."""
        if self.plan.path is None:
            return
        state = {
            "model": weights.cpu_state(self.model),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "history": self.history.state_dict(),
            "sums": asdict(self.sums.settle()),
            "steps_per_epoch": self.steps_per_epoch,
            "generators": seeds.states(self.device) if self.sums.steps else None,
            "settings": dict(self.plan.settings),
        }
        checkpoint.write(self.plan.path, state)

    def load(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that ``save`` wrote; the model is changed last, and only if everything fits.

        Raises:
            CheckpointError: the state is another model's, another run's, or not whole.
        """
        path = self.plan.path
        try:
            weights.refuse_difference(self.model.state_dict(), state["model"], path)
            checkpoint.refuse_other_settings(str(path), state["settings"], self.plan.settings)
            checkpoint.refuse_longer(str(path), len(state["history"]["loss"]), self.plan.epochs)
            history, sums = History.from_state_dict(state["history"]), Sums(**state["sums"])
            if self.scaler is not None and state["scaler"]:
                self.scaler.load_state_dict(state["scaler"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history, self.sums, self.best = history, sums, state["best"]
            self.steps_per_epoch, self.generators = state["steps_per_epoch"], state["generators"]
            self.model.load_state_dict(state["model"])
        except CheckpointError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not fit this run: {str(error).splitlines()[0]}") from error
