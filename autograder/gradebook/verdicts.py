"""What the gradebook shall hold for a submission: points and comments, from what grading gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.gradebook.entry import Entry
from autograder.gradebook.labs import LabNotebooks
from autograder.job import digest
from autograder.tasks import TaskScore

NO_RESPONSE = "No response."
NO_SANDBOX = "Graded without a sandbox, at the instructor's own risk."


@dataclass(frozen=True)
class Verdicts:
    """What grading says of each cell.

    Attributes:
        scores: the automatic points by grade id; None: a person has to give them.
        comments: the automatic comments by the solution cell's id; None: nothing to say.
        answers: a digest of each written answer by grade id, to see later whether it changed.
    """

    scores: Mapping[str, float | None]
    comments: Mapping[str, str | None]
    answers: Mapping[str, str] = field(default_factory=dict)


def verdicts(entry: Entry, lab: LabNotebooks) -> Verdicts:
    """What grading says of each cell of a submission.

    A submission that could not be graded gets no points rather than zero points, so that it waits for a person.
    """
    cells = _cells(entry.rebuilt)
    if entry.outcome.failure or entry.rebuilt is None:
        return _ungraded(lab, entry.outcome.failure or "The submission could not be read.", cells)
    tasks = {one.task: one for one in entry.outcome.tasks}
    scores: dict[str, float | None] = {
        task: tasks[task].points if task in tasks else None for task in nb.tasks(lab.released)
    }
    comments: dict[str, str | None] = {}
    for task, solutions in nb.solution_cells(lab.released).items():
        for cell in solutions:
            comments[nb.grade_id(cell)] = NO_RESPONSE if _unchanged(cell, cells) else None
        if solutions and task in tasks:
            last = nb.grade_id(solutions[-1])
            comments[last] = _join(comments[last], words(tasks[task]))
    for name, cell in lab.answers.items():
        empty = _unchanged(cell, cells)
        scores[name], comments[name] = (0.0, NO_RESPONSE) if empty else (None, None)
    if entry.outcome.sandbox == "none":
        first = next(iter(comments))
        comments[first] = _join(NO_SANDBOX, comments[first])
    return Verdicts(scores, comments, _answers(lab, cells))


def _answers(lab: LabNotebooks, cells: Mapping[str, NotebookNode]) -> dict[str, str]:
    return {name: digest(cells[name].source) for name in lab.answers if name in cells}


def words(score: TaskScore) -> str | None:
    """What the failed checks of a task say, for the student; None if all passed."""
    failed = [f"{one.words.strip()}\n{one.message.strip()}" for one in score.results if not one.passed]
    return "\n\n".join(failed) or None


def _ungraded(lab: LabNotebooks, reason: str, cells: Mapping[str, NotebookNode]) -> Verdicts:
    text = f"Not graded: {reason}"
    scores = dict.fromkeys([*nb.tasks(lab.released), *lab.answers])
    solutions = [nb.grade_id(cell) for cell in lab.released.cells if nb.is_solution(cell)]
    comments = dict.fromkeys([*solutions, *lab.answers], text)
    return Verdicts(scores, comments, _answers(lab, cells))


def _cells(rebuilt: NotebookNode | None) -> dict[str, NotebookNode]:
    found = [] if rebuilt is None else rebuilt.cells
    return {nb.grade_id(cell): cell for cell in found if nb.grade_id(cell)}


def _unchanged(released: NotebookNode, cells: Mapping[str, NotebookNode]) -> bool:
    """Whether a cell is as it was handed out; one that is not there is no answer either."""
    mine = cells.get(nb.grade_id(released))
    return mine is None or mine.source.strip() in {"", released.source.strip()}


def _join(*parts: str | None) -> str | None:
    return "\n\n".join(part for part in parts if part) or None
