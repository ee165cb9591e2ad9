"""A class of any size: mostly right in many ways of writing, some half done, some broken, and none that hangs."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.bank import sources
from autograder.bank.draft import Draft
from autograder.case import Case

HONEST, BROKEN = 0.8, 0.05
"""Shares of a class; the rest is partial."""


@dataclass(frozen=True)
class Handed:
    """What a student hands in.

    Attributes:
        student: an id.
        kind: ``"honest"``, ``"partial"`` or ``"broken"``.
        notebook: the file.
    """

    student: str
    kind: str
    notebook: bytes


def of(case: Case, size: int, seed: int = 0) -> Iterator[Handed]:
    """A class, no two notebooks of which are the same.

    Args:
        case: the lab.
        size: how many students.
        seed: decides who writes what.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    honest, broken = round(HONEST * size), max(1, round(BROKEN * size))
    kinds = ["honest"] * honest + ["broken"] * broken + ["partial"] * (size - honest - broken)
    draw.shuffle(kinds)
    make = {"honest": _honest, "partial": _partial, "broken": _broken}
    for number, kind in enumerate(kinds):
        draft = make[kind](_written(case, draw, f"# Solved by student {number}."), draw)
        yield Handed(f"student-{number:03}", kind, draft.to_bytes())


def _written(case: Case, draw: random.Random, comment: str) -> Draft:
    """Everything solved, each function in a way of its own."""
    draft = Draft(case)
    draft.solve(*draft.tasks)
    for grade_id, code in draft.solutions().items():
        style = draw.choice((_as_is, ast_formatted, renamed))
        draft.write(grade_id, f"{comment}\n{style(code)}")
    return draft


def _honest(draft: Draft, draw: random.Random) -> Draft:
    """In about a third of the tasks another algorithm."""
    for task in draft.tasks:
        others = [one for one in draft.case.honest() if one.task == task]
        if others and draw.random() < 1 / 3:
            chosen = draw.choice(others)
            draft.write(sources.cell_of(draft.case, chosen), sources.cell_source(draft.case, chosen))
    return draft


def _partial(draft: Draft, draw: random.Random) -> Draft:
    """The challenge and one more task are stubs, and one or two functions are wrong."""
    stub = Draft(draft.case)
    late, other = draft.tasks[-1], draw.choice(draft.tasks[:-1])
    for one in draft.solutions():
        if one.startswith((f"{late}-", f"{other}-")):
            draft.write(one, stub.cell(one).source)
    wrong = [one for one in draft.case.mutants() if one.task not in {late, other}]
    for chosen in draw.sample(wrong, draw.choice((1, 2))):
        draft.write(sources.cell_of(draft.case, chosen), sources.cell_source(draft.case, chosen))
    return draft


def _broken(draft: Draft, draw: random.Random) -> Draft:
    """A cell that does not parse, one that is gone, one that exits, or an import of what is not there."""
    cell = draft.cell(draw.choice(list(draft.solutions())))
    match draw.randrange(4):
        case 0:
            cell.source += "\n    return (\n"
        case 1:
            draft.notebook.cells.remove(cell)
        case 2:
            draft.add("import sys\nsys.exit(1)")
        case _:
            cell.source = "import no_such_package\n" + cell.source
    return draft


def _as_is(code: str) -> str:
    return code


def ast_formatted(code: str) -> str:
    """The code as another formatter would write it, without its comments."""
    return ast.unparse(ast.parse(code))


def renamed(code: str) -> str:
    """The code with other names for what its functions assign."""
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    kept = {node.arg for node in nodes if isinstance(node, ast.arg)}
    kept |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    stored = {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } - kept
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in stored:
            node.id = f"my_{node.id}"
    return ast.unparse(tree)
