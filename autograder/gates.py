"""The gates of a lab: ``python -m autograder.gates [--json] [LAB ...]``.

Each gate is a function of a `Case` (the lab's source, its hidden checks, its mutants and honest variants) and gives a
`Report`: what is wrong, in sentences, and what was measured.

`solved` runs the solution notebook on a fresh kernel without network, inside its budget; `scored` gives it full points by
the hidden checks; `released` runs the student's notebook, in which each stub fails with its own message and earns
nothing; `killed` catches every mutant; `accepted` lets every honest variant through; `agrees` holds the names, the
points and the docstrings of all floors against each other.
"""

import argparse
import ast
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode

from autograder import kernel, tasks
from autograder import notebook as nb
from autograder.agreement import agrees
from autograder.case import Case, Report, load
from autograder.mutating import Variant
from autograder.namespace import Namespace, visible_failure
from autograder.tasks import TaskScore

ROOT = Path(__file__).resolve().parents[1]
MUTANTS, HONEST = 5, 2
"""How many of each a task needs at least."""
NAMED_SHARE = 0.5
"""The part of the mutants that the visible checks must name."""
SEEDS = ("first", "second", "third")
"""Checks draw their inputs from a secret, so they must hold for any."""


def solved(case: Case) -> Report:
    """The solution notebook runs from top to bottom without network, inside its budget of time and memory."""
    run = _on_kernel(case, case.source)
    ungraded = {i for i, cell in enumerate(case.source.cells) if nb.tags(cell) & nb.UNGRADED_TAGS}
    measured = {
        "seconds": round(run.seconds, 2),
        "graded_seconds": round(sum(c.seconds for c in run.cells if c.index not in ungraded), 2),
        "memory_gb": round(run.peak_bytes / 1e9, 3),
    }
    problems = [
        f"cell {_where(case.source, cell)} raises {cell.error}: {cell.message[:200]}" for cell in run.errors
    ]
    problems += [
        f"{key} is {value}, more than the budget of {case.budget[key]:g}"
        for key, value in measured.items()
        if value > case.budget[key]
    ]
    return Report(case.name, "solved", tuple(problems), measured | {"isolation": run.isolation})


def scored(case: Case) -> Report:
    """The solution earns full points by the hidden checks."""
    with case.namespace(case.source) as namespace:
        problems = [f"cell {name} raises {error!r}" for name, error in namespace.errors.items()]
        runs = [tasks.grade(case.checks, namespace.student(), seed) for seed in SEEDS]
    problems += [f"{score.task}: {why}" for scores in runs for score in scores for why in _lost(score)]
    scores = runs[0]
    return Report(
        case.name, "scored", tuple(problems), {s.task: f"{s.points:g}/{s.max_points:g}" for s in scores}
    )


def released(case: Case) -> Report:
    """The student's notebook runs; each stub fails with its own message, earns nothing, and breaks nothing else."""
    notebook = nb.release(case.source)
    stubs = _stubs(notebook)
    run = _on_kernel(case, notebook)
    problems = _stub_problems(stubs)
    known = {message for messages in stubs.values() for message in messages}
    raised = {cell.index: cell for cell in run.errors}
    problems += [
        f"cell {_where(notebook, cell)} raises {cell.error}: {cell.message[:200]}, which is no stub's message"
        for cell in run.errors
        if cell.error != "NotImplementedError" or cell.message not in known
    ]
    for index, cell in enumerate(notebook.cells):
        if nb.is_check(cell):
            task = nb.grade_id(cell)
            if index not in raised or raised[index].message not in stubs[task]:
                problems.append(f"the visible check of {task} does not fail with the message of its own stub")
    with case.namespace(notebook) as namespace:
        scores = tasks.grade(case.checks, namespace.student(), SEEDS[0])
    problems += [f"{s.task} earns {s.points:g} points with its stub alone" for s in scores if s.points]
    return Report(case.name, "released", tuple(problems), {"seconds": round(run.seconds, 2)})


def killed(case: Case) -> Report:
    """Every mutant loses points by the hidden checks, and the visible checks name at least half of them."""
    problems = _too_few(case, case.mutants(), "mutants", MUTANTS)
    dead, named = 0, 0
    with case.namespace(case.source) as namespace:
        for variant in case.mutants():
            label = f"mutant {variant.name} of {variant.task}"
            with namespace.replaced(variant):
                dies = all(any(map(_lost, scores)) for scores in _grades(case, variant, namespace))
                names = _says(visible_failure(namespace, case.source, variant.task), variant.words)
            dead, named = dead + dies, named + names
            if not dies:
                problems.append(f"{label} earns full points: {variant.words}")
            if variant.named and not names:
                problems.append(f"{label} is not named by the visible check: {variant.words}")
    total = len(case.mutants())
    if named < NAMED_SHARE * total:
        problems.append(f"the visible checks name {named} of {total} mutants; half are needed")
    figures = {"mutants": total, "killed": dead, "named": named, "kill_rate": dead / total if total else 0.0}
    return Report(case.name, "killed", tuple(problems), figures)


def accepted(case: Case) -> Report:
    """Every honest variant earns full points and passes the visible check."""
    problems = _too_few(case, case.honest(), "honest variants", HONEST)
    with case.namespace(case.source) as namespace:
        for variant in case.honest():
            label = f"honest variant {variant.name} of {variant.task}"
            with namespace.replaced(variant):
                runs = _grades(case, variant, namespace)
                failure = visible_failure(namespace, case.source, variant.task)
            problems += [
                f"{label} loses points: {why}" for scores in runs for score in scores for why in _lost(score)
            ]
            if failure is not None:
                problems.append(f"{label} fails the visible check: {failure[:300]}")
    return Report(case.name, "accepted", tuple(problems), {"honest": len(case.honest())})


def _stubs(notebook: NotebookNode) -> dict[str, list[str]]:
    """The messages of each task's stubs."""
    return {
        task: [str(ast.literal_eval(call.args[0])) for cell in cells for call in _raised(cell) if call.args]
        for task, cells in nb.solution_cells(notebook).items()
    }


def _raised(cell: NotebookNode) -> list[ast.Call]:
    calls = (node.exc for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Raise))
    return [
        call
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "NotImplementedError"
        and all(isinstance(argument, ast.Constant) for argument in call.args)
    ]


def _stub_problems(stubs: dict[str, list[str]]) -> list[str]:
    messages = [message for found in stubs.values() for message in found]
    problems = [
        f"{task} has no stub that raises NotImplementedError('...')"
        for task, found in stubs.items()
        if not found
    ]
    return problems + [f"two stubs say {m!r}" for m in sorted(set(messages)) if messages.count(m) > 1]


def _grades(case: Case, variant: Variant, namespace: Namespace) -> list[list[TaskScore]]:
    """The scores of a variant's own task, for each seed."""
    own = [check for check in case.checks if check.task == variant.task]
    return [tasks.grade(own, namespace.student(), seed) for seed in SEEDS]


def _too_few(case: Case, variants: list[Variant], what: str, least: int) -> list[str]:
    counts = {task: sum(v.task == task for v in variants) for task in nb.tasks(case.source)}
    return [
        f"{task} has {count} {what}; {least} are needed" for task, count in counts.items() if count < least
    ]


def _lost(score: TaskScore) -> list[str]:
    return [f"{r.name}: {r.message} {r.detail}".strip() for r in score.results if r.points < r.max_points]


def _says(failure: str | None, sentence: str) -> bool:
    """Whether a failure shows the sentence, however it is broken into lines."""
    return failure is not None and " ".join(sentence.split()).casefold() in failure.casefold()


def _where(notebook: NotebookNode, cell: kernel.CellRun) -> str:
    node = notebook.cells[cell.index]
    return nb.grade_id(node) or f"{cell.index} ({node.source.splitlines()[0][:50]!r})"


def _on_kernel(case: Case, notebook: NotebookNode) -> kernel.Run:
    with tempfile.TemporaryDirectory() as folder:
        for path, file in case.data.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, Path(folder) / path)
        return kernel.run(notebook, Path(folder))


GATES: tuple[Callable[[Case], Report], ...] = (agrees, scored, killed, accepted, solved, released)


def run(case: Case, gates: tuple[Callable[[Case], Report], ...] = GATES) -> list[Report]:
    """All gates of a lab."""
    return [gate(case) for gate in gates]


def main(arguments: list[str] | None = None) -> int:
    """Run the gates; 1 if one is not passed."""
    parser = argparse.ArgumentParser(
        prog="python -m autograder.gates", description="Run the gates of the labs."
    )
    parser.add_argument(
        "labs", nargs="*", metavar="LAB", help="such as 01-pruning or pruning; all by default"
    )
    parser.add_argument("--json", action="store_true", help="print a list of reports")
    parser.add_argument("--gate", action="append", choices=[g.__name__ for g in GATES], help="only this gate")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    chosen = tuple(gate for gate in GATES if not options.gate or gate.__name__ in options.gate)
    reports = []
    try:
        for lab in nb.find(options.root, options.labs):
            for gate in chosen:
                reports.append(gate(load(lab)))
                if not options.json:
                    _show(reports[-1])
    except (nb.LabError, ModuleNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        rows = [dataclasses.asdict(report) | {"passed": report.passed} for report in reports]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    return 0 if all(report.passed for report in reports) else 1


def _show(report: Report) -> None:
    figures = ", ".join(f"{key} {value}" for key, value in report.figures.items())
    sys.stdout.write(f"{report.lab} {report.gate}: {'passed' if report.passed else 'FAILED'} ({figures})\n")
    sys.stdout.writelines(f"  {problem}\n" for problem in report.problems)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
