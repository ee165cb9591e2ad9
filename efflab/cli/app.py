"""The ``efflab`` command: its subcommands, and what becomes of their errors.

A mistake of the user or of the machine (``EfflabError``, ``OSError``) is one sentence on stderr and exit status 1; a
wrong command line is 2, Ctrl-C 130. ``--debug`` shows the traceback instead.
"""

import errno
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from efflab import __version__
from efflab.cli import compressed, data, doctor, experiments, labs, networks, pruned, simulated, swept
from efflab.errors import EfflabError


class _Commands(TyperGroup):
    """Turns errors into sentences, for all commands in one place."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader has gone (``efflab results | head``): no error to tell
        except KeyboardInterrupt:
            typer.echo("efflab: interrupted", err=True)
            raise typer.Exit(130) from None
        except (EfflabError, OSError, MemoryError) as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"efflab: {sentence(error)}", err=True)
            raise typer.Exit(1) from None


def sentence(error: Exception) -> str:
    """An error as one line for the person at the keyboard."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if not isinstance(error, OSError) or error.errno is None:
        return " ".join(str(error).split())
    where = f": {error.filename}" if error.filename else ""
    remedy = (
        "; free some space and run the command again" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
    )
    return f"{error.strerror}{where}{remedy}"


app = typer.Typer(
    name="efflab",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Efficient deep learning, rebuilt and measured.",
    epilog="A model is a name (see `efflab measure --help`) or package.module:factory of your own.",
)


@app.callback()
def settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Efficient deep learning, rebuilt and measured."""
    del debug  # read from the context by the group


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


app.command()(doctor.doctor)
app.add_typer(data.app, name="data")
app.command()(labs.lab)
app.command()(labs.submit)
app.command()(experiments.reproduce)
app.command()(experiments.results)
app.command()(networks.measure)
app.command()(pruned.prune)
app.command()(compressed.compress)
app.command()(compressed.inspect)
app.command()(compressed.decompress)
app.command()(simulated.simulate)
app.command()(swept.sweep)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sign that the terminal lacks is no error
    status: Any = 0
    try:
        app()
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
