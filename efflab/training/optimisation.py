"""Optimisers by name, and the L1 penalty as a gradient."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from efflab.errors import EfflabError

OptimizerChoice = str | Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer]


def make_optimizer(
    model: nn.Module, choice: OptimizerChoice, *, lr: float, momentum: float, weight_decay: float
) -> Optimizer:
    """The optimiser that ``choice`` names, makes or is, over all parameters that need a gradient.

    Args:
        model: whose parameters are trained.
        choice: ``"sgd"``, ``"adam"``, a function of the parameters, or an optimiser, which is returned as it is.
        lr: learning rate, for a name.
        momentum: of SGD; Adam has its own.
        weight_decay: L2 penalty on all parameters, as torch has it, for a name.

    Raises:
        EfflabError: no such name, or nothing to train.
    """
    if isinstance(choice, Optimizer):
        return choice
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise EfflabError("model has no parameter that requires a gradient, so there is nothing to train")
    if choice == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)
    if choice == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay)
    if not callable(choice):
        raise EfflabError(
            f"optimizer is {choice!r}, expected sgd, adam, a function of the parameters, or an optimizer"
        )
    made: Any = choice(parameters)
    if not isinstance(made, Optimizer):
        raise EfflabError(f"optimizer returned a {type(made).__name__}, expected a torch.optim.Optimizer")
    return made


def penalised(model: nn.Module) -> list[nn.Parameter]:
    """What L1 applies to: matrices and kernels (two axes or more), no biases, no scales of normalisation."""
    return [p for p in model.parameters() if p.requires_grad and p.dim() > 1]


@torch.no_grad()
def add_l1_(weights: Iterable[nn.Parameter], l1: float) -> None:
    """Add the gradient of ``l1`` x sum |w|, which is ``l1`` x sign(w), to the gradients; no graph is built."""
    pairs: list[tuple[Tensor, Tensor]] = [(p.grad, p) for p in weights if p.grad is not None]
    if pairs:
        gradients, values = zip(*pairs, strict=True)
        torch._foreach_add_(gradients, torch._foreach_sign(values), alpha=l1)  # noqa: SLF001 - as torch.optim does
