"""``autograder release``: the labs into the gradebook, and the bundle that goes to students."""

from pathlib import Path
from typing import Annotated

import typer

from autograder.cli import options, show
from efflab.cli.output import Json
from efflab.errors import EfflabError


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
    from autograder.cli.grade import prepare
    from autograder.engine import batch
    from autograder.gradebook import open_book
    from autograder.release import branch as branches
    from autograder.release import bundle, folder, zipped

    made = build.build(options.ROOT)
    lines = build.differences(options.ROOT, made)
    if lines:
        raise EfflabError(
            f"labs/ is not what solutions/ gives ({'; '.join(lines[:3])}); run `make labs` first"
        )
    files = bundle.files(options.ROOT)
    opened = options.open_course(course, create=True)
    with open_book(opened) as book:
        book.backup()
        prepare(book, options.labs(None), batch.People(opened))
    results = {"course": str(opened.root), "files": len(files), "bytes": sum(map(len, files.values()))}
    if out is not None:
        results["folder"] = str(folder.write(files, out))
    if archive is not None:
        results["zip"] = str(zipped.write(files, archive))
    if branch is not None:
        results["commit"] = branches.commit(options.ROOT, branch, files)
    if as_json:
        show.print_json(results)
        return
    show.say(f"{len(options.labs(None))} labs are in the gradebook of {opened.root}.")
    show.say(f"The students' bundle has {len(files)} files; no solution, check or mutant was found in it.")
    for kind in ("folder", "zip", "commit"):
        if kind in results:
            show.say(f"{kind}: {results[kind]}")
