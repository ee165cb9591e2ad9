"""The gate that holds the floors of a topic against each other: names, points, parameters and docstrings."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.case import Case, Report
from autograder.namespace import Namespace
from autograder.tasks import Check


def agrees(case: Case) -> Report:
    """Names, points and docstrings are the same in the notebook, the checks and the variants."""
    points = nb.tasks(case.source)
    cells = nb.solution_cells(case.source)
    functions = {task: [d for cell in found for d in _definitions(cell)] for task, found in cells.items()}
    with case.namespace(case.source) as namespace:
        problems = _point_problems(case, points)
        problems += _check_problems(case, functions, namespace)
        problems += _variant_problems(case, functions, namespace)
    problems += [why for found in functions.values() for node in found for why in _doc_problems(node)]
    problems += [
        f"{task} has no solution cell before its check" for task, found in cells.items() if not found
    ]
    placed = sum(map(len, cells.values()))
    if placed != sum(map(nb.is_solution, case.source.cells)):
        problems.append("a solution cell stands after the last grade cell")
    return Report(
        case.name, "agrees", tuple(problems), {"tasks": len(points), "points": sum(points.values())}
    )


def _point_problems(case: Case, points: dict[str, float]) -> list[str]:
    hidden: dict[str, float] = {}
    for check in case.checks:
        hidden[check.task] = hidden.get(check.task, 0.0) + check.points
    problems = [f"{task} has hidden checks but no grade cell" for task in hidden if task not in points]
    problems += [
        f"{task} gives {points[task]:g} points in the notebook and {hidden.get(task, 0):g} by its hidden checks"
        for task in points
        if points[task] != hidden.get(task, 0)
    ]
    checks = [cell for cell in case.source.cells if nb.is_check(cell)]
    return problems + [
        f"{nb.grade_id(cell)} has no tag check" for cell in checks if "check" not in nb.tags(cell)
    ]


def _check_problems(case: Case, functions: dict[str, list[Any]], namespace: Namespace) -> list[str]:
    problems = []
    asked = {check: _asked(check) for check in case.checks}
    for check, names in asked.items():
        problems += [
            f"check {check.name} of {check.task} asks for {name}, which the notebook does not define"
            for name in names
            if name.split(".")[0] not in namespace.names
        ]
    for task, nodes in functions.items():
        used = {name for check, names in asked.items() if check.task == task for name in names}
        visible = {
            node.id
            for cell in case.source.cells
            if nb.grade_id(cell) == task
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Name)
        }
        for node in nodes:
            if node.name.startswith("_"):
                continue
            if used and node.name not in used:
                problems.append(f"no hidden check of {task} asks for {node.name}")
            if node.name not in visible:
                problems.append(f"the visible check of {task} does not use {node.name}")
    return problems


def _variant_problems(case: Case, functions: dict[str, list[Any]], namespace: Namespace) -> list[str]:
    problems = []
    for variant in case.variants:
        if variant.replaces not in {node.name for node in functions.get(variant.task, [])}:
            problems.append(
                f"{variant.name} replaces {variant.replaces}, which is no solution of {variant.task}"
            )
        elif (theirs := _parameters(variant.function)) != (
            ours := _parameters(namespace.names[variant.replaces])
        ):
            problems.append(f"{variant.name} takes {theirs} where {variant.replaces} takes {ours}")
    return problems


def _doc_problems(node: Any) -> list[str]:
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
        return []
    text = ast.get_docstring(node) or ""
    names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return [
        f"the docstring of {node.name} does not describe {name}" for name in names if f"{name}:" not in text
    ]


def _definitions(cell: NotebookNode) -> list[Any]:
    return [node for node in ast.parse(cell.source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def _asked(check: Check) -> set[str]:
    """The names that a check asks the student for, its module's helpers included."""
    module = inspect.getmodule(check.function)
    sources = [inspect.getsource(check.function)]
    helpers = (
        {name: value for name, value in vars(module).items() if inspect.isfunction(value)} if module else {}
    )
    sources += [
        inspect.getsource(f) for name, f in helpers.items() if name in check.function.__code__.co_names
    ]
    return {
        str(node.args[0].value)
        for source in sources
        for node in ast.walk(ast.parse(textwrap.dedent(source)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"call", "make", "get"}
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "student"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
