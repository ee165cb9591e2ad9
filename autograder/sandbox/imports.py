"""Which modules a lab's own cells import, so that a template can import them once."""

import ast
from collections.abc import Iterable, Iterator

from autograder.job import Cell


def modules(cells: Iterable[Cell], forbidden: Iterable[str]) -> tuple[str, ...]:
    """The modules that given cells name at any depth, without the forbidden ones.

    Args:
        cells: of a job; those of the student are not looked at.
        forbidden: modules that are not there.

    Returns:
        Names, sorted; some may be no modules but functions in one.
    """
    barred = tuple(forbidden)
    found: set[str] = set()
    for cell in cells:
        if cell.origin == "given":
            found |= set(_named(cell.source))
    return tuple(sorted(name for name in found if not any(_within(name, bar) for bar in barred)))


def _named(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if node.module.split(".")[0] == "efflab":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
