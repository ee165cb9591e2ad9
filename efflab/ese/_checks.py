"""What arguments must be, with one sentence each for where they are not."""

import operator
from collections.abc import Iterable
from typing import Any

import torch

from efflab.errors import EfflabError


def whole(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """An argument that must be a whole number of any integral type.

    Args:
        name: the argument's name.
        value: what came.
        least: the smallest number allowed.
        most: the largest, if there is one.

    Returns:
        The number as an int.

    Raises:
        EfflabError: it is another thing, or out of range.

    >>> whole("pes", 32)
    32
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except (TypeError, RuntimeError):  # torch raises the latter for a tensor of several numbers
        number = None
    if number is None or number < least or (most is not None and number > most):
        expected = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise EfflabError(f"{name} must be a whole number {expected}, got {value!r}")
    return number


def names(argument: str, value: Iterable[str]) -> tuple[str, ...]:
    """Several names; a single text, whose letters Python would take for names, is refused.

    Args:
        argument: the argument's name.
        value: what came.

    Returns:
        The names.

    Raises:
        EfflabError: it is one text, or no collection of texts.
    """
    if not isinstance(value, str) and isinstance(value, Iterable):
        found = tuple(value)
        if all(isinstance(name, str) for name in found):
            return found
    raise EfflabError(f"{argument} must be a collection of names, such as ('buffers',), got {value!r}")


def described(value: Any) -> str:
    """What an argument is, in few words: the shape and the dtype of a tensor, the type of anything else."""
    if isinstance(value, torch.Tensor):
        return f"shape {tuple(value.shape)} of {value.dtype}"
    return type(value).__name__
