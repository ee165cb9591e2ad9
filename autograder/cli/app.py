"""The ``autograder`` command: its subcommands, and what becomes of their errors.

As with ``efflab``: a mistake of the user or of the machine is one sentence on stderr and exit status 1, a wrong command
line is 2, Ctrl-C 130. ``--debug`` shows the traceback instead.
"""

import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from autograder.cli import books, doctor, grade, regrade, release, report, show
from efflab.cli.app import sentence
from efflab.errors import EfflabError


class _Commands(TyperGroup):
    """Turns errors into sentences, for all commands in one place."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader has gone: no error to tell
        except KeyboardInterrupt:
            typer.echo("autograder: interrupted; what was graded is kept, the same command goes on", err=True)
            raise typer.Exit(130) from None
        except (EfflabError, OSError, MemoryError, ValueError) as error:
            if ctx.params.get("debug") or not _users(error):
                raise
            show.note(f"autograder: {sentence(error)}")
            raise typer.Exit(1) from None


def _users(error: Exception) -> bool:
    """Whether an error is the user's or the machine's, and not the program's."""
    if isinstance(error, (EfflabError, OSError, MemoryError)):
        return True
    # Wrong lab sources have errors of their own, in modules that are slow to import.
    return type(error).__name__ in {"LabError", "LeakError"} and type(error).__module__.startswith(
        "autograder."
    )


app = typer.Typer(
    name="autograder",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Release labs, grade submissions in a sandbox, give feedback, keep the gradebook.",
    epilog="From a zip of notebooks to a table: autograder release; autograder grade FILE.zip; "
    "autograder export --format csv -o marks.csv",
)


@app.callback()
def settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Release labs, grade submissions in a sandbox, give feedback, keep the gradebook."""
    del debug  # read from the context by the group


app.command()(release.release)
app.command()(grade.grade)
app.command()(regrade.regrade)
app.command()(books.feedback)
app.command()(books.export)
app.command()(report.report)
app.command()(books.serve)
app.command()(books.forget)
app.command()(doctor.doctor)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sign that the terminal lacks is no error
    status: Any = 0
    try:
        app(prog_name="autograder")
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        status = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or 1
    sys.exit(status)
