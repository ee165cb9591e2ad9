"""A bank of submissions with the score that each must get: honest, partial, different but right, broken and hostile.

`submissions` gives those of a lab. Each says in one sentence what it tries; its file is made from the lab's own source,
so that the bank follows the labs. `running.grade` sends a batch through the engine as ``autograder grade`` does, and
`traces` tells what a batch left behind.
"""

from collections.abc import Sequence

from autograder.bank import broken, channel, cheating, escaping, exhausting, files, hanging, honest, searching
from autograder.bank.submission import Entry, Kind, Submission
from autograder.case import Case

__all__ = ["ENTRIES", "Entry", "Kind", "Submission", "submissions"]

ENTRIES: tuple[Entry, ...] = (
    *honest.ENTRIES,
    *broken.ENTRIES,
    *cheating.ENTRIES,
    *searching.ENTRIES,
    *hanging.ENTRIES,
    *exhausting.ENTRIES,
    *escaping.ENTRIES,
    *files.ENTRIES,
    *channel.ENTRIES,
)


def submissions(case: Case, names: Sequence[str] = ()) -> tuple[Submission, ...]:
    """The submissions of a lab.

    Args:
        case: the lab.
        names: only these; all if empty.
    """
    chosen = [one for one in ENTRIES if not names or one.name in names]
    return tuple(one.bind(case) for one in chosen if not one.labs or case.name in one.labs)
