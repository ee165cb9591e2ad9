"""Batches for training and evaluation: from a Split or from any iterable of pairs, on the device where they are needed."""

import math
from collections.abc import Iterable
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from torch import Tensor, nn

from efflab.errors import EfflabError

# A larger split stays where it is and goes to the device batch by batch.
_MOVED_WHOLE_BYTES = 2 * 2**30


@runtime_checkable
class SplitLike(Protocol):
    """What training needs of ``efflab.data.Split``."""

    @property
    def x(self) -> Any:
        """Inputs, one an entry of the first dimension."""

    @property
    def y(self) -> Tensor:
        """Targets."""

    def batches(
        self, batch_size: int, *, shuffle: bool = False, generator: torch.Generator | None = None
    ) -> Iterable[tuple[Any, Tensor]]:
        """Pairs of inputs and targets, again at each iteration."""

    def to(self, device: torch.device | str) -> "SplitLike":
        """The same on a device."""


Batches = SplitLike | Iterable[tuple[Any, Tensor]]


def is_split(data: Batches) -> TypeGuard[SplitLike]:
    """Whether ``data`` makes batches itself."""
    return isinstance(data, SplitLike)


def steps_of(data: Batches, batch_size: int) -> int | None:
    """Batches in one pass, None where that shows only at its end."""
    if is_split(data):
        return math.ceil(len(data.y) / batch_size)
    try:
        return len(data)  # type: ignore[arg-type]  # what has no length says so
    except TypeError:
        return None


def batches_of(
    data: Batches, batch_size: int, order: torch.Generator | None = None
) -> Iterable[tuple[Any, Tensor]]:
    """Batches of a split, shuffled where there is an ``order``; anything else gives its own."""
    if is_split(data):
        return data.batches(batch_size, shuffle=order is not None, generator=order)
    return cast("Iterable[tuple[Any, Tensor]]", data)


def near(data: Batches, device: torch.device) -> Batches:
    """A split on the accelerator where it fits; anything else as it is."""
    if not is_split(data) or device.type == "cpu":
        return data
    small = data.x.nbytes + data.y.nbytes <= _MOVED_WHOLE_BYTES
    return data.to(device) if small else data


def refuse_iterator(data: Batches, name: str) -> None:
    """Refuse what can be walked through only once, and what is no sequence of batches at all."""
    if is_split(data):
        return
    if not isinstance(data, Iterable):
        raise EfflabError(
            f"{name} is a {type(data).__name__}, expected a Split or an iterable of (x, y) batches"
        )
    if iter(data) is data:
        raise EfflabError(f"{name} can be iterated only once; give a list, a DataLoader or a Split")


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors, and tuples and lists of them, on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple | list):
        return tuple(to_device(item, device) for item in value)
    return value


def predict(model: nn.Module, x: Any) -> Tensor:
    """The model's output; a tuple of inputs becomes its arguments."""
    output: Tensor = model(*x) if isinstance(x, tuple) else model(x)
    return output


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy in nats.

    Args:
        output: logits, N x classes, or N x T x classes for sequences.
        target: classes, N or N x T int64.

    >>> round(cross_entropy(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)).item(), 4)
    1.3863
    """
    if target.dim() > 1 and output.shape[:-1] == target.shape:
        return F.cross_entropy(output.flatten(0, -2), target.flatten())
    return F.cross_entropy(output, target)


def wrong(output: Tensor, target: Tensor) -> Tensor | None:
    """How many predictions (largest logit, last axis) miss their class; None where the targets are no classes."""
    if target.is_floating_point() or output.shape[:-1] != target.shape:
        return None
    return (output.argmax(-1) != target).sum()


def count(output: Tensor, target: Tensor) -> int:
    """Predictions in a batch: one a token for sequences of classes, one an example for all else."""
    return target.numel() if output.shape[:-1] == target.shape else len(target)


def choose_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """The device to compute on.

    Args:
        model: its first parameter tells where it is.
        device: None for where the model is, ``"auto"`` for CUDA where present and the CPU elsewhere, or a device.

    Raises:
        EfflabError: no such device, or not on this machine.
    """
    if device is None:
        return next((p.device for p in model.parameters()), torch.device("cpu"))
    try:
        chosen = torch.device(
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
    except RuntimeError as error:
        raise EfflabError(f"device is {device!r}, expected auto, cpu, cuda or cuda:0") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise EfflabError(f"device is {device!r}, but this machine has no CUDA device that torch can use")
    return chosen
