"""What a training run was asked for, and what its running epoch adds up."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from efflab.training.batches import Batches
from efflab.training.history import History
from efflab.training.schedules import Schedule


@dataclass(frozen=True)
class Plan:
    """What ``fit`` was asked for."""

    train: Batches
    validation: Batches | None
    loss: Callable[[Tensor, Tensor], Tensor]
    schedule: Schedule
    epochs: int
    batch_size: int
    seed: int
    patience: int | None
    monitor: str
    l1: float
    clip: float | None
    autocast: torch.dtype | None
    after_step: Callable[[], None] | None
    after_epoch: Callable[[int, History], None] | None
    path: str | os.PathLike[str] | None
    settings: Mapping[str, Any]


@dataclass
class Sums:
    """What the running epoch added up so far; off the CPU loss and wrong are tensors until they are looked at."""

    loss: float | Tensor = 0.0
    wrong: float | Tensor = 0.0
    count: int = 0
    steps: int = 0
    lr: float = 0.0
    seconds: float = 0.0

    def settle(self) -> "Sums":
        """Wait for the accelerator, and hold plain numbers."""
        self.loss, self.wrong = float(self.loss), float(self.wrong)
        return self
