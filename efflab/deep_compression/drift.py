"""How far compression without training moves a model: its weights, and what it makes of an input."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def outputs_of(model: nn.Module, example_inputs: Any) -> list[Tensor]:
    """Compute what the model makes of an example, a batch or a tuple of arguments; nothing where that is None."""
    if example_inputs is None:
        return []
    from efflab.training.evaluation import mode  # noqa: PLC0415 - only where there is an example

    arguments = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    with mode(model, training=False):
        return list(_tensors(model(*arguments)))


def relative_drift(before: list[Tensor], after: list[Tensor]) -> float:
    """||after - before|| / ||before|| over all tensors together; 0 where nothing moved, infinite where all was 0."""
    moved = sum(_square(b.to(a.dtype) - a) for b, a in zip(before, after, strict=True))
    whole = sum(map(_square, before))
    if not whole:
        return float("inf") if moved else 0.0
    return float((moved / whole) ** 0.5)


def _square(tensor: Tensor) -> float:
    """Sum of squares, added up in double precision."""
    wide = tensor.float() if tensor.dtype.itemsize < 4 else tensor
    return float(torch.linalg.vector_norm(wide, dtype=torch.float64).square())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
