"""The command line: ``efflab --help``.

Commands import what they need when they run, so that help and completion answer at once.
"""

from efflab.cli.app import app, main

__all__ = ["app", "main"]
