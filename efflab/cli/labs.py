"""``efflab lab`` opens JupyterLab on the student's own copies; ``efflab submit`` makes the zip to hand in."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from efflab.cli import doctor, jupyter, start_page
from efflab.cli.output import Json, note, print_json
from efflab.errors import EfflabError


def course_folder(start: Path) -> Path:
    """The folder with the released labs: ``start`` or one above it, else the checkout that efflab is installed from.

    Raises:
        EfflabError: there is none.
    """
    checkout = Path(__file__).resolve().parents[2]
    for folder in (start, *start.parents, checkout):
        if any(folder.glob("labs/[0-9][0-9]-*/*.ipynb")):
            return folder
    raise EfflabError(
        f"there are no labs in {start}: run this in the course's folder, the one that holds labs/"
    )


def prepare(root: Path, folder: Path) -> Path:
    """Make or update the student's copies and write the start page.

    Args:
        root: the course's folder.
        folder: the student's.

    Returns:
        The start page.
    """
    from efflab.files import write_atomic
    from efflab.lab import my_labs

    copies = my_labs(root, folder)
    entries = [
        start_page.entry(copy, root / "labs" / copy.notebook.relative_to(folder), folder) for copy in copies
    ]
    for copy in copies:
        if copy.note:
            note(f"{copy.lab}: {copy.note}")
    return write_atomic(folder / start_page.PAGE, start_page.render(entries))


def look_over(folder: Path) -> None:
    """Show what hampers the labs.

    Raises:
        EfflabError: something blocks them.
    """
    findings = [finding for finding in doctor.quick(folder) if finding.status in {"warning", "problem"}]
    for finding in findings:
        doctor.show(finding)
    if any(finding.status == "problem" for finding in findings):
        raise EfflabError(
            "the labs cannot start before the problems above are put right (`efflab doctor` shows more)"
        )


def lab(
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of JupyterLab \\[default: the first free one from 8888 on]."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Your folder \\[default: my-labs in the course's folder].")
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Prepare everything, but start nothing.")
    ] = False,
) -> None:
    """Open JupyterLab on your own copies of the labs; Ctrl-C ends it."""
    root = course_folder(Path.cwd())
    own = (folder.expanduser() if folder else root / "my-labs").absolute()
    look_over(own)
    chosen = jupyter.choose_port(port)
    jupyter.register_kernel(Path(sys.prefix))
    jupyter.prepare_settings(Path(sys.prefix))
    page = prepare(root, own)
    if check_only:
        typer.echo(f"Ready: {page}")
        return
    seen = browser and jupyter.has_display()
    with (
        _ctrl_c_ends(),
        jupyter.running(jupyter.Server(own, chosen, jupyter.new_token(), seen)) as (server, process),
    ):
        typer.echo(f"Your labs: {server.address}")
        typer.echo("Ctrl-C ends JupyterLab; your work is saved in " + str(own))
        sys.stdout.flush()
        if process.wait():
            raise EfflabError(f"JupyterLab ended with status {process.returncode} (log: {server.log})")


@contextlib.contextmanager
def _ctrl_c_ends() -> Iterator[None]:
    """Ctrl-C is the way to end JupyterLab, not a failure."""
    try:
        yield
    except KeyboardInterrupt:
        note("JupyterLab has ended.")


def submit(
    notebook: Annotated[Path, typer.Argument(help="Your notebook, saved.")],
    run: Annotated[bool, typer.Option("--run", help="Run it before, and say which cells fail.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Hand in although cells are missing or doubled.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where the zip goes \\[default: handed-in in your folder].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a lab's notebook and make the one zip to hand in."""
    from efflab.lab import submit as make

    with contextlib.redirect_stdout(sys.stderr):  # its notices are not the answer
        made = make(notebook, run=run, anyway=anyway, folder=folder)
    if as_json:
        print_json({"zip": str(made), "bytes": made.stat().st_size})
    else:
        typer.echo(f"Hand in this file: {made}")
