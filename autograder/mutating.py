"""Wrong solutions that the hidden checks must catch, and honest variants that they must accept.

A module ``autograder/mutants/<topic>.py`` holds functions (or classes) with the signature of the one they replace::

    @mutant("pruning-1", replaces="magnitude_mask", misconception="You kept the smallest weights.", named=True)
    def keeps_the_smallest(weight, sparsity): ...

    @honest("pruning-1", replaces="magnitude_mask", differs="sorts instead of selecting")
    def by_sorting(weight, sparsity): ...

Helpers may stand beside them. What a replacement calls of the lab it imports from `efflab` or writes itself.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Variant:
    """Another body for a student's function.

    Attributes:
        task: the id of the task whose checks must catch or accept it.
        replaces: the function or class of the notebook that it stands in for.
        name: its own name.
        words: the misconception it stands for (a sentence to the student), or how it honestly differs.
        honest: whether it is right.
        named: whether the visible check must show the misconception's sentence.
        function: the replacement.
    """

    task: str
    replaces: str
    name: str
    words: str
    honest: bool
    named: bool
    function: Callable[..., Any] = field(compare=False)


def mutant(
    task: str, *, replaces: str, misconception: str, named: bool = False
) -> Callable[[Callable[..., Any]], Variant]:
    """Make a wrong solution of the function below.

    Args:
        task: the task whose hidden checks must catch it.
        replaces: the function of the notebook that it stands in for.
        misconception: the plausible error, as the visible check says it where ``named``.
        named: whether the visible check names it.
    """

    def register(function: Callable[..., Any]) -> Variant:
        return Variant(
            task, replaces, function.__name__, misconception, honest=False, named=named, function=function
        )

    return register


def honest(task: str, *, replaces: str, differs: str) -> Callable[[Callable[..., Any]], Variant]:
    """Make a right solution, written differently, of the function below.

    Args:
        task: the task in which it must earn full points.
        replaces: the function of the notebook that it stands in for.
        differs: how it differs from the solution, in words.
    """

    def register(function: Callable[..., Any]) -> Variant:
        return Variant(
            task, replaces, function.__name__, differs, honest=True, named=False, function=function
        )

    return register


def collect(module: ModuleType) -> tuple[Variant, ...]:
    """The variants of a module, in the order in which they are written.

    Raises:
        ValueError: one was hidden by a later function of its name.
    """
    variants = tuple(value for value in vars(module).values() if isinstance(value, Variant))
    source = inspect.getsource(module)
    if source.count("\n@mutant(") + source.count("\n@honest(") > len(variants):
        raise ValueError(f"{module.__name__}: every variant needs a name of its own")
    return variants


def load(topic: str) -> tuple[Variant, ...]:
    """The mutants and honest variants of a topic.

    Raises:
        ModuleNotFoundError: the topic has none.
    """
    return collect(importlib.import_module(f"autograder.mutants.{topic}"))
