"""Submissions from wherever they come: folders and zips of nbgrader, Canvas, Gradescope, `efflab submit`, plain notebooks.

`collect` gives every attempt and a sentence for all that could not be used; `last` picks the attempts that count, and
`store` writes them where nbgrader keeps submissions.
"""

from collections.abc import Sequence
from pathlib import Path

from autograder import notebook as nb
from autograder.collecting.attempts import Attempt, Collected, in_order, last, store
from autograder.collecting.gathering import Gathering
from autograder.roster import Roster

__all__ = ["Attempt", "Collected", "collect", "last", "store"]


def collect(
    source: Path,
    *,
    labs: Sequence[nb.Lab],
    roster: Roster | None = None,
    lab: str | None = None,
    strict: bool = False,
) -> Collected:
    """Take in what students handed in.

    Args:
        source: a folder, a zip or a notebook.
        labs: the labs that are looked for.
        roster: the class; whoever is not in it is a problem.
        lab: the lab of every notebook that does not say which it is; None takes it from the notebook or its name.
        strict: leave out who is not in the roster, instead of taking them under their own id.

    Returns:
        All attempts, and all problems.

    Raises:
        EfflabError: the source is not there, or no archive or folder that can be read.
    """
    gathering = Gathering(labs=labs, roster=roster, lab=lab, strict=strict)
    gathering.source(Path(source))
    return Collected(in_order(gathering.attempts.all), gathering.problems.told())
