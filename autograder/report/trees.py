"""Code as a set of features that renaming, reformatting, comments and the order of statements do not change.

The syntax tree is written down statement by statement, in the order in which a person reads it. Names that a person
chose become one sign; attributes, keywords, builtins, modules' usual names, operators and numbers stay, since a copy
cannot change them and still do the same. Docstrings, annotations, texts and imports are left out. A feature is a run of
such words within a statement; a short statement is one feature as a whole.
"""

import ast
import builtins
import itertools
import textwrap
from collections.abc import Iterator

RUN = 5
"""Words of a feature."""
MOST = 20_000
"""Features of a piece; a lab's solution has hundreds, and what comes after so many is left out."""
LONGEST = 500_000
"""Characters of a piece; the tree of a longer one takes more memory than it is worth."""
SHORTEST = 3
"""Statements of fewer words (`return x`, `x = y`) are everybody's, and say nothing."""
_KEPT = frozenset(dir(builtins)) | {
    "np",
    "torch",
    "nn",
    "math",
    "numpy",
    "functional",
    "F",
    "copy",
    "itertools",
}
_SKIPPED = (ast.expr_context, ast.Import, ast.ImportFrom, ast.Pass, ast.alias)

Feature = tuple[str, ...]


def features(source: str) -> frozenset[Feature]:
    """The features of a piece of Python; what cannot be parsed, or is huge, has none.

    Args:
        source: a cell, a function, a module.
    """
    if len(source) > LONGEST:
        return frozenset()
    try:
        tree = ast.parse(textwrap.dedent(source))
        found = (run for statement in _statements(tree.body) for run in _runs(_words(statement)))
        return frozenset(itertools.islice(found, MOST))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement, nested ones on their own, docstrings left out."""
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        yield statement
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)
        for case in getattr(statement, "cases", []):
            yield from _statements(case.body)


def _runs(words: Iterator[str]) -> Iterator[Feature]:
    """Every run; the words of a long statement are never all in memory."""
    run = tuple(itertools.islice(words, RUN))
    if len(run) >= SHORTEST:
        yield run
    for word in words:
        run = (*run[1:], word)
        yield run


def _words(node: ast.AST) -> Iterator[str]:
    """A statement's own words, those of the statements in it left out."""
    if isinstance(node, _SKIPPED):
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return  # its name and parameters are the task's, its body has statements of its own
    word = _word(node)
    if word:
        yield word
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "type_comment", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.stmt):
                yield from _words(child)


def _word(node: ast.AST) -> str:
    """What a node is called; empty for what a writer is free in."""
    if isinstance(node, ast.Name):
        return node.id if node.id in _KEPT else "_"
    if isinstance(node, ast.Attribute):
        return f".{node.attr}"
    if isinstance(node, ast.keyword):
        return f"{node.arg}="
    if isinstance(node, ast.Constant):
        return "text" if isinstance(node.value, (str, bytes)) else _number(node.value)
    return type(node).__name__


def _number(value: object) -> str:
    # A number of thousands of digits cannot be written down, and says no more than that it is long.
    return "long" if isinstance(value, int) and value.bit_length() > 256 else repr(value)
