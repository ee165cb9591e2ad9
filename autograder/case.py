"""A lab with all that belongs to it, and what a gate says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nbformat import NotebookNode

from autograder import mutating, tasks
from autograder import notebook as nb
from autograder.mutating import Variant
from autograder.namespace import Namespace
from autograder.tasks import Check
from efflab.lab.budgets import BUDGETS

BUDGET: Mapping[str, float] = MappingProxyType({"seconds": 60.0, "graded_seconds": 5.0, "memory_gb": 4.0})
"""What a lab may take on 2 cores unless its header (``efflab: budget: {...}``) or `efflab.lab.budgets` says less."""


@dataclass(frozen=True)
class Case:
    """A lab with everything that belongs to it."""

    name: str
    source: NotebookNode
    checks: tuple[Check, ...]
    variants: tuple[Variant, ...]
    data: Mapping[str, Path] = field(default_factory=dict)

    @property
    def budget(self) -> dict[str, float]:
        """Seconds, seconds of the graded cells and gigabytes that the lab allows itself."""
        own = dict(self.source.metadata["efflab"].get("budget", {}))
        if self.name in BUDGETS:
            own.setdefault("seconds", BUDGETS[self.name].machine_seconds)
        return {key: min(float(own.get(key, most)), most) for key, most in BUDGET.items()}

    def mutants(self) -> list[Variant]:
        """The wrong solutions."""
        return [variant for variant in self.variants if not variant.honest]

    def honest(self) -> list[Variant]:
        """The right solutions, written differently."""
        return [variant for variant in self.variants if variant.honest]

    def namespace(self, notebook: NotebookNode) -> Namespace:
        """The graded cells of a notebook, run in this process."""
        return Namespace(nb.graded(notebook), self.data)


@dataclass(frozen=True)
class Report:
    """What a gate found."""

    lab: str
    gate: str
    problems: tuple[str, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def load(lab: nb.Lab) -> Case:
    """A lab of the repository with the checks and variants of its topic.

    Raises:
        LabError: the source cannot be read.
        ModuleNotFoundError: the topic has no checks or no mutants.
    """
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    return Case(lab.name, source, tasks.load(lab.topic), mutating.load(lab.topic), lab.data)
