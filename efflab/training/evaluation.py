"""Loss and error of a model on a split."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.training import batches as source
from efflab.training.batches import Batches, cross_entropy


@dataclass(frozen=True)
class Evaluation:
    """What a model does on a split.

    Args:
        loss: mean over all predictions.
        accuracy: fraction of right predictions, in [0, 1]; NaN where the targets are no classes.
        error_percent: 100 x (1 - accuracy).
        count: predictions: examples, or tokens of sequences.
    """

    loss: float
    accuracy: float
    error_percent: float
    count: int


@contextlib.contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into training or evaluation mode, and every module of it back into its own at the end."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def evaluate(
    model: nn.Module,
    split: Batches,
    *,
    batch_size: int = 1000,
    device: str | torch.device | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
) -> Evaluation:
    """Evaluate ``model``, without changing it, its mode or any generator.

    Args:
        model: any model; it is moved to ``device`` and stays there.
        split: a ``Split``, or an iterable of (x, y) batches; a tuple x gives the model several arguments.
        batch_size: examples at a time, for a ``Split``.
        device: None for where the model is, ``"auto"`` for CUDA where present, or a device.
        loss: of output and target, a mean over the batch.

    Returns:
        An ``Evaluation``.

    Raises:
        EfflabError: there is nothing to evaluate on.

    >>> from efflab import data, models
    >>> evaluate(models.passport(), data.load("digits").test).count
    360
    """
    where = source.choose_device(model, device)
    model.to(where)
    totals = torch.zeros(2, dtype=torch.float64)
    number = 0
    classes = True
    with mode(model, training=False), torch.no_grad():
        near = source.near(split, where)
        for x, y in source.batches_of(near, batch_size):
            targets = y.to(where, non_blocking=True)
            output = source.predict(model, source.to_device(x, where))
            n = source.count(output, targets)
            missed = source.wrong(output, targets)
            classes = classes and missed is not None
            totals += torch.tensor([loss(output, targets).item() * n, 0 if missed is None else missed.item()])
            number += n
    if number == 0:
        raise EfflabError("split has no examples to evaluate on")
    mean, error = (totals / number).tolist()
    error = error if classes else float("nan")
    return Evaluation(mean, 1 - error, 100 * error, number)
