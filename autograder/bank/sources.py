"""Mutants and honest variants as text of a student's cell, so that they run in the student's process.

A variant leans on the module in which it is written: on its imports, helpers and makers. So the cell carries that
module's text, and the text of the modules that it draws on, each run in a namespace of its own; only what comes from
`autograder` is left out and replaced by a stand-in that remembers a variant by its name.
"""

import ast
import importlib
import inspect
from types import ModuleType

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.bank.draft import solution
from autograder.case import Case
from autograder.mutating import Variant

_CELL = '''
def _written_elsewhere(texts, replaces, name):
    """The variant of a name, out of the modules in which it stands."""
    found = {{}}

    def register(task, *, replaces, misconception="", differs="", named=False):
        def keep(function):
            found[replaces, function.__name__] = function
            return function

        return keep

    names = {{"mutant": register, "honest": register, "Variant": object}}
    for text in texts:
        namespace = dict(names, __name__="variants")
        exec(text, namespace)
        names.update(namespace)
    return found[replaces, name]


{replaces} = _written_elsewhere({texts!r}, {replaces!r}, {name!r})
'''


def cell_of(case: Case, variant: Variant) -> str:
    """The grade id of the solution cell that defines what a variant replaces.

    Raises:
        KeyError: no solution cell of its task defines it.
    """
    return nb.grade_id(_cell(case, variant))


def _cell(case: Case, variant: Variant) -> NotebookNode:
    for cell in nb.solution_cells(case.source)[variant.task]:
        tree = ast.parse(cell.source)
        if any(isinstance(node, ast.FunctionDef) and node.name == variant.replaces for node in tree.body):
            return cell
    raise KeyError(variant.replaces)


def cell_source(case: Case, variant: Variant) -> str:
    """The solution cell with a variant in the place of its function; the other functions of the cell stay right."""
    written = _CELL.format(
        texts=texts(inspect.getmodule(variant.function)), replaces=variant.replaces, name=variant.name
    )
    return f"{solution(_cell(case, variant).source)}\n\n{written}"


def texts(module: ModuleType | None) -> list[str]:
    """The text of a module without its imports from autograder, behind those of the modules that it draws on."""
    if module is None:
        raise TypeError("a variant stands in no module")
    source = inspect.getsource(module)
    lines = source.splitlines()
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("autograder"):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (
                (node.end_lineno or node.lineno) - node.lineno + 1
            )
            if str(node.module).startswith("autograder.mutants."):
                found += [
                    text for text in texts(importlib.import_module(str(node.module))) if text not in found
                ]
    return [*found, "\n".join(lines)]
