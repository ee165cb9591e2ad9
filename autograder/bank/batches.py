"""The bank as a class: hostile submissions among honest neighbours, in seeded orders."""

import random
from collections.abc import Mapping

from autograder import bank
from autograder.bank.running import Graded
from autograder.bank.submission import Submission
from autograder.case import Case
from efflab import topics

NEIGHBOURS = frozenset({"honest", "partial", "different"})
WHOLE = "01-pruning"
"""The lab whose submissions are all in the batch."""
SHARE = 4
"""Of each other lab's neighbours every so-many-th is taken, and of a batch for a sample of it."""
PART = 8
"""Of each other lab's broken and hostile ones every so-many-th is taken."""


def everything(cases: Mapping[str, Case]) -> list[Submission]:
    """All of lab 01; of every other ready lab a part of the neighbours and of the others, each lab another part."""
    batch = list(bank.submissions(cases[WHOLE]))
    labs = [topic.lab for topic in topics.TOPICS if topic.ready and topic.lab != WHOLE]
    for place, lab in enumerate(labs):
        found = bank.submissions(cases[lab])
        others = [one for one in found if one.kind not in NEIGHBOURS and not one.quick]
        batch += [*neighbours(list(found))[place % SHARE :: SHARE], *others[place % PART :: PART]]
    return batch


def neighbours(batch: list[Submission]) -> list[Submission]:
    """Those that want no more than their points."""
    return [one for one in batch if one.kind in NEIGHBOURS]


def sample(batch: list[Submission]) -> list[Submission]:
    """A part of a batch, of every kind and lab."""
    return batch[SHARE - 1 :: SHARE]


def shuffled(batch: list[Submission], seed: int) -> list[Submission]:
    """A batch in another order."""
    return random.Random(seed).sample(batch, len(batch))  # noqa: S311 - no secret


def points(graded: Mapping[str, Graded]) -> dict[str, dict[str, float]]:
    """The points of every check of the neighbours, by submission."""
    return {
        name: {result.name: result.points for task in one.outcome.tasks for result in task.results}
        for name, one in graded.items()
        if one.submission.kind in NEIGHBOURS and one.outcome is not None
    }
