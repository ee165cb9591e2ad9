"""Names of students, which become names of folders."""

import re

from efflab.errors import EfflabError

_STUDENT = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9._@+-]{0,63}")


def checked(student: str) -> str:
    """The student's id, if it can safely be the name of a folder.

    Raises:
        EfflabError: it cannot.
    """
    if not _STUDENT.fullmatch(student):
        raise EfflabError(
            f"a student's id has 1 to 64 of the signs A-Z a-z 0-9 . _ @ + - and begins with none of . and -, "
            f"got {student[:80]!r}"
        )
    return student
