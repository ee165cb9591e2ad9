"""A student's notebook read with suspicion and rebuilt from the released lab, so that only the student's work is theirs.

`rebuild` gives a notebook that holds the released cells in their order, each with its own metadata, the student's
solutions and answers in their places, and between them what the student added. `cells` gives those that grading runs.
"""

from autograder.rebuild.building import Rebuilt, rebuild
from autograder.rebuild.reading import MAX_BYTES, Unreadable
from autograder.rebuild.running import cells

__all__ = ["MAX_BYTES", "Rebuilt", "Unreadable", "cells", "rebuild"]
