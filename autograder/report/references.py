"""What a submission must not be a copy of: the lab's solution, and the part of `efflab` that the lab asks to rebuild."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from autograder import engine
from autograder import notebook as nb
from autograder.report.similarity import Piece
from autograder.report.trees import Feature, features


@functools.cache
def starter(name: str) -> frozenset[Feature]:
    """The features of a released lab: stubs, given code and visible checks, which everybody has."""
    cells = engine.released(name).notebook.cells
    found = [features(cell.source) for cell in cells if cell.cell_type == "code"]
    return frozenset[Feature]().union(*found)


@functools.cache
def pieces(name: str) -> tuple[Piece, ...]:
    """The solution of each task, and every function of `efflab`'s modules that the lab forbids."""
    lab = engine.released(name)
    source = nb.read(lab.lab.source.read_text(encoding="utf-8"))
    solutions = [
        Piece("the solution", task, features("\n".join(cell.source for cell in cells)))
        for task, cells in nb.solution_cells(source).items()
    ]
    root = lab.lab.source.parents[2]
    package = [
        Piece(f"{path.relative_to(root).as_posix()}: {function}", "", features(text))
        for module in lab.forbidden
        for path in _files(root, module)
        for function, text in _functions(path)
    ]
    return (*solutions, *package)


def _files(root: Path, module: str) -> list[Path]:
    place = root.joinpath(*module.split("."))
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def _functions(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield node.name, ast.get_source_segment(text, node) or ""
