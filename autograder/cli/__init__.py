"""The instructor's command line: ``autograder --help``.

Commands import what they need when they run, so that help and completion answer at once.
"""

from autograder.cli.app import app, main

__all__ = ["app", "main"]
