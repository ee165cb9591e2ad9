"""Which lab a notebook belongs to: by the ids of its graded cells, else by what it or its folder is called."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from autograder import notebook as nb
from autograder.collecting.files import Unusable

_GRADE_ID = re.compile(rb'"grade_id"\s*:\s*"([A-Za-z0-9_.-]{1,100})"')
_MAX_IDS = 10_000
_LAB_FOLDER = re.compile(r"\d\d-[a-z]\w*")


class Elsewhere(Unusable):
    """A notebook that lies in the folder of a lab that is not collected; nothing has to be said."""


def which(parts: Sequence[str], content: bytes, labs: Sequence[nb.Lab], fallback: str | None) -> nb.Lab:
    """The lab of a notebook.

    The file is not parsed: a damaged notebook has a lab too.

    Args:
        parts: the names of its folders and its own.
        content: the file.
        labs: those that are looked for.
        fallback: the lab where nothing says which.

    Raises:
        Unusable: it is of another lab, or nobody can tell.
    """
    ids = [one[1].decode() for one in itertools.islice(_GRADE_ID.finditer(content), _MAX_IDS)]
    votes = Counter(lab for one in ids for lab in labs if one.startswith(f"{lab.topic}-"))
    named = _named(parts, labs)
    if votes:
        lab = max(votes, key=lambda one: (votes[one], one is named))
        return _wanted(lab, fallback)
    in_other_folder = named is None and any(_LAB_FOLDER.fullmatch(part) for part in parts[:-1])
    if ids or in_other_folder:
        example = f"; it has cells such as {ids[0]}" if ids else ""
        kind = Elsewhere if in_other_folder else Unusable
        raise kind(f"is no notebook of {_list(labs)}{example}")
    found = named or next((lab for lab in labs if lab.name == fallback), None)
    if found is None:
        raise Unusable(f"does not say of which lab it is; expected one of {_list(labs)}")
    return _wanted(found, fallback)


def _wanted(lab: nb.Lab, fallback: str | None) -> nb.Lab:
    if fallback not in {None, lab.name}:
        raise Unusable(f"is a notebook of {lab.name}; {fallback} was expected")
    return lab


def _list(labs: Sequence[nb.Lab]) -> str:
    return " or ".join(lab.name for lab in labs) or "no lab"


def _named(parts: Sequence[str], labs: Sequence[nb.Lab]) -> nb.Lab | None:
    """The lab that a folder or the file is called after, the nearest first."""
    for part in reversed(parts):
        for lab in labs:
            if re.search(rf"(?<![a-z]){re.escape(lab.topic)}(?![a-z])", part.lower()):
                return lab
    return None
