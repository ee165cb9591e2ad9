"""``autograder release``: the labs into the gradebook, and the bundle that goes to students."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from autograder import notebook as nb
    from autograder.engine import batch


def release(
    out: Annotated[Path | None, typer.Option("--out", help="Write the bundle as a folder.")] = None,
    archive: Annotated[Path | None, typer.Option("--zip", help="Write the bundle as a zip.")] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch", help="Commit the bundle on this branch (as students); nothing is checked out."
        ),
    ] = None,
    course: options.CourseFolder = options.DEFAULT,
    as_json: Json = False,
) -> None:
    """Check that labs/ is what its sources give, bring the labs into the gradebook, and make the students' bundle."""
    from autograder import build
    from autograder.cli.grade import due_dates, enrol
    from autograder.engine import batch
    from autograder.gradebook import open_book
    from autograder.release import branch as branches
    from autograder.release import bundle, folder, zipped

    labs = options.labs(None)
    wanted = sum(one is not None for one in (out, archive, branch))
    with show.bar("releasing", 2 + len(labs) + wanted) as step:
        lines = build.differences(options.ROOT, build.build(options.ROOT))
        if lines:
            raise EfflabError(
                f"labs/ is not what solutions/ gives ({'; '.join(lines[:3])}); run `make labs` first"
            )
        step()
        files = bundle.files(options.ROOT)
        step()
        opened = options.open_course(course, create=True)
        people = batch.People(opened)
        with open_book(opened) as book:
            book.backup()
            for lab in labs:
                book.prepare([lab], due=due_dates([lab], people))
                step()
            enrol(book, people)
        results = {"course": str(opened.root), "files": len(files), "bytes": sum(map(len, files.values()))}
        if out is not None:
            results["folder"] = str(folder.write(files, out))
            step()
        if archive is not None:
            results["zip"] = str(zipped.write(files, archive))
            step()
        if branch is not None:
            results["commit"] = branches.commit(options.ROOT, branch, files)
            step()
    if as_json:
        show.print_json(results)
        return
    show.table(("lab", "tasks", "points", "by hand", "due"), [_row(one, people) for one in labs])
    show.say(f"{len(labs)} labs are in the gradebook of {opened.root}.")
    show.say(f"The students' bundle has {len(files)} files; no solution, check or mutant was found in it.")
    for kind in ("folder", "zip", "commit"):
        if kind in results:
            show.say(f"{kind}: {results[kind]}")


def _row(lab: "nb.Lab", people: "batch.People") -> tuple[str, ...]:
    """A lab's tasks, what they are worth, how much of that is given by hand, and when it is due."""
    from autograder import notebook as nb
    from autograder.gradebook import labs

    cells = [cell for cell in labs.read(lab).released.cells if nb.nbgrader(cell).get("grade")]
    points = [float(nb.nbgrader(cell)["points"]) for cell in cells]
    by_hand = sum(worth for cell, worth in zip(cells, points, strict=True) if nb.is_answer(cell))
    due = people.due(lab.name, "")
    tasks = sum(nb.is_check(cell) for cell in cells)
    return lab.name, str(tasks), f"{sum(points):g}", f"{by_hand:g}", f"{due:%Y-%m-%d %H:%M}" if due else "-"
