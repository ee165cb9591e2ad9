"""A lab in the gradebook: assignment, notebook and cells, as nbgrader's ``generate_assignment`` stores them.

nbgrader refuses to add or remove cells once there is a submission. Here a new cell is added to every submission, to be
graded; points are changed; and a removed cell goes with its automatic scores, which grading gives again. Only what a
person gave cannot be had again, and is never dropped without being asked for.
"""

import json
import shutil
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.gradebook.course import Course
from autograder.gradebook.labs import LabNotebooks
from efflab.errors import EfflabError
from efflab.files import write_atomic

if TYPE_CHECKING:
    from nbgrader.api import Gradebook


def files(course: Course, lab: LabNotebooks) -> None:
    """Write ``source/`` and ``release/``, which the formgrader lists."""
    for folder, notebook in ((course.source, lab.source), (course.release, lab.released)):
        _write_changed(folder / lab.lab.name / f"{lab.lab.topic}.ipynb", nb.to_bytes(notebook))
        for path, file in lab.lab.data.items():
            _write_changed(folder / lab.lab.name / path, file.read_bytes())


def _write_changed(path: Any, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)


def rows(book: "Gradebook", lab: LabNotebooks, due: datetime | None, *, discard_manual: bool = False) -> None:
    """Store the lab's assignment, notebook and cells.

    Args:
        book: inside a transaction.
        lab: the lab.
        due: when it is due (aware); None leaves what the gradebook has.
        discard_manual: give up what a person gave for a cell that the lab no longer has.

    Raises:
        EfflabError: a removed cell holds what a person gave.
    """
    name, topic = lab.lab.name, lab.lab.topic
    book.update_or_create_assignment(name, **({} if due is None else {"duedate": due}))
    kernel = json.dumps(lab.released.metadata.get("kernelspec", {}))
    notebook = book.update_or_create_notebook(topic, name, kernelspec=kernel)
    cells = [cell for cell in lab.released.cells if nb.nbgrader(cell)]
    _drop(book, lab, notebook, {nb.grade_id(cell) for cell in cells}, discard_manual=discard_manual)
    for cell in cells:
        _store(book, name, topic, cell)
    _complete(book, notebook)


def _store(book: "Gradebook", name: str, topic: str, cell: NotebookNode) -> None:
    meta = nb.nbgrader(cell)
    place = (nb.grade_id(cell), topic, name)
    if meta["grade"]:
        book.update_or_create_grade_cell(*place, max_score=float(meta["points"]), cell_type=cell.cell_type)
    if meta["solution"]:
        book.update_or_create_solution_cell(*place)
    if meta["grade"] or meta["solution"] or meta["locked"]:
        locked = meta["locked"] and not meta["solution"]
        book.update_or_create_source_cell(
            *place, cell_type=cell.cell_type, locked=locked, source=cell.source, checksum=meta["checksum"]
        )


def _drop(
    book: "Gradebook", lab: LabNotebooks, notebook: Any, kept: set[str], *, discard_manual: bool
) -> None:
    """Remove the cells that the lab no longer has, and what the gradebook holds for them."""
    removed = [cell for cell in (*notebook.grade_cells, *notebook.solution_cells) if cell.name not in kept]
    grades = [one for cell in removed for one in (cell.grades or ())]
    comments = [one for cell in removed for one in (cell.comments or ())]
    by_hand = [one for one in grades if one.manual_score is not None or one.extra_credit]
    by_hand += [one for one in comments if one.manual_comment]
    if by_hand and not discard_manual:
        names = ", ".join(sorted({one.name for one in by_hand}))
        raise EfflabError(
            f"lab {lab.lab.name} no longer has {names}, for which the gradebook holds {len(by_hand)} scores or comments "
            "given by hand: put the cell back, or prepare the lab with discard_manual=True after a backup"
        )
    old = [cell for cell in notebook.source_cells if cell.name not in kept]
    for one in (*grades, *comments, *removed, *old):
        book.db.delete(one)
    book.db.commit()
    book.db.expire_all()


def _complete(book: "Gradebook", notebook: Any) -> None:
    """Give every submission a grade and a comment for each cell; a new grade waits to be given."""
    from nbgrader.api import Comment, Grade  # noqa: PLC0415 - seconds to import

    book.db.expire_all()
    for submission in notebook.submissions:
        for cells, kind, present in (
            (notebook.grade_cells, Grade, submission.grades),
            (notebook.solution_cells, Comment, submission.comments),
        ):
            known = {one.cell_id for one in present}
            book.db.add_all(
                kind(cell_id=cell.id, notebook_id=submission.id) for cell in cells if cell.id not in known
            )
    book.db.commit()


def remove_strays(course: Course, lab: LabNotebooks) -> None:
    """Remove what else lies in the lab's release folder: nothing but the notebook and its data goes to students."""
    folder = course.release / lab.lab.name
    wanted = {folder / f"{lab.lab.topic}.ipynb", *(folder / path for path in lab.lab.data)}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not any(path in one.parents for one in wanted):
            shutil.rmtree(path)
        elif path.is_file() and path not in wanted:
            path.unlink()
