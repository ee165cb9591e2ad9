"""Which modules a lab's own cells import, so that a template can import them once."""

import dis
import functools
from collections.abc import Iterable, Iterator
from types import CodeType

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
    found = {name for cell in cells if cell.origin == "given" for name in _named(cell.source)}
    return tuple(sorted(name for name in found if not any(_within(name, bar) for bar in barred)))


@functools.lru_cache(maxsize=1024)
def _named(source: str) -> frozenset[str]:
    # Compiled code is read, not a syntax tree: Python 3.11 cannot make those in several threads at a time.
    try:
        return frozenset(_imported(compile(source, "<cell>", "exec", dont_inherit=True)))
    except (SyntaxError, ValueError):
        return frozenset()


def _imported(code: CodeType) -> Iterator[str]:
    module = ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            module = step.argval
            yield module
        elif step.opname == "IMPORT_FROM" and module.split(".")[0] == "efflab":
            yield f"{module}.{step.argval}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imported(constant)


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
