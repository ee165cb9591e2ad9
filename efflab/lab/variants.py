"""A student's own variant of a task: a number that follows from the lab and the student's id, the same everywhere."""

import hashlib

from efflab.errors import EfflabError


def variant(lab: str, student: str, course: str = "") -> int:
    """The number of a student's variant; the grader computes the same from the roster's id.

    It is no secret: a task takes layer sizes, thresholds or data from it, so that neighbours' answers differ.

    Args:
        lab: the lab's name, ``"01-pruning"``.
        student: your id as the course has it; surrounding blanks and upper case do not matter.
        course: the name that the course gave its variants, if any.

    Returns:
        A whole number from 0 to 2**32 - 1.

    Raises:
        EfflabError: the id is empty.

    >>> variant("01-pruning", "ada") == variant("01-pruning", " Ada ")
    True
    """
    name = student.strip().lower()
    if not name:
        raise EfflabError('a variant needs your id as the course has it, got ""')
    text = f"variant\x00{course}\x00{lab}\x00{name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
