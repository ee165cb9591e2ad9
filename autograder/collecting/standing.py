"""Which folder stands for a student: the outermost that does counts, so that nothing below it makes anybody somebody else.

A student writes all that lies below a folder of their own, in an archive or not: names that look like a platform's, other
students' folders, lists of submitters. So names are looked at from the outside, and the first that stands for a student
ends the search: one in the roster, one that a platform gave, one that holds a lab's folder, and one beside which others
lie that could be students too. A folder that lies alone holds the class.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from autograder import notebook as nb
from autograder.collecting import whose
from autograder.collecting.files import File, Parts
from autograder.collecting.whose import Claim
from autograder.roster import KINDS, Roster

_ROOT_KINDS = ("id", "email", "sis_login_id", "sis_user_id")  # no numbers: a source may be called "3"
TAKEN = frozenset({".ipynb", ".zip"})


class Standing:
    """What was seen of a source's folders.

    Args:
        labs: the labs that are looked for.
        roster: the class, if it is known.
        of_one: whether the source is the folder of one student.
    """

    def __init__(self, labs: Sequence[nb.Lab], roster: Roster | None, *, of_one: bool = False) -> None:
        self.labs, self.roster, self.of_one = labs, roster, of_one
        self._given: dict[Parts, tuple[Claim, ...]] = {}
        self._levels: dict[Parts, set[str]] = {}
        self._rostered: dict[Parts, bool] = {}
        self._known = lru_cache(4096)(self._in_roster)

    def look(self, found: Iterable[File]) -> None:
        """See which folders, zips and notebooks lie beside each other."""
        for file in found:
            if file.suffix in TAKEN:
                self._add(file.parts)

    def _add(self, parts: Parts) -> None:
        for end in range(len(parts) - 1, 0, -1):
            new = parts[:end] not in self._levels
            level = self._levels.setdefault(parts[:end], set())
            name = whose.bare(parts[end])
            if whose.is_student(name, self.labs):
                level.add(name)
            if not new:
                return

    def give(self, folder: Parts, found: Mapping[str, tuple[Claim, ...]]) -> None:
        """Take what a platform's own list says of the folders beside it."""
        self._given |= {(*folder, name): claims for name, claims in found.items() if claims}

    def owner(self, parts: Parts) -> tuple[int, tuple[Claim, ...]] | None:
        """The place in a path of what stands for a student, and whose it is; None if nothing does."""
        for index in range(len(parts)):
            if found := self._given.get(parts[: index + 1]):
                return index, found
            if one := self._stands(parts, index):
                return index, (one,)
        return None

    def claims(self, parts: Parts) -> tuple[Claim, ...]:
        """Whose a file is."""
        found = self.owner(parts)
        return found[1] if found else (whose.plain(parts, self.labs),)

    def _stands(self, parts: Parts, index: int) -> Claim | None:
        folder = index < len(parts) - 1
        name = whose.bare(parts[index])
        could = folder and whose.is_student(name, self.labs)
        own = Claim(((name, KINDS),), name)
        if could and self._known(name, _ROOT_KINDS if index == 0 else KINDS):
            return own
        is_zip = name != parts[index]
        if found := whose.platform(parts[index], folder=folder and not is_zip and index > 0):
            return found
        return own if could and (self._is_level(parts, index) if index else self.of_one) else None

    def _is_level(self, parts: Parts, index: int) -> bool:
        """Whether a folder that no roster knows lies where students' folders do."""
        labs = {lab.name for lab in self.labs}
        if index + 1 < len(parts) - 1 and whose.bare(parts[index + 1]) in labs:
            return True
        above, name = parts[:index], whose.bare(parts[index])
        names = self._levels.get(above, set())
        if self.roster is None:
            return bool(names - {name})
        if above not in self._rostered:
            self._rostered[above] = any(self._known(one, KINDS) for one in names)
        return self._rostered[above]

    def _in_roster(self, name: str, kinds: Sequence[str]) -> bool:
        return self.roster is not None and self.roster.match(name, kinds=kinds) is not None

    def crowded(self, parts: Parts, index: int) -> str:
        """What could be another student's in a folder that no roster knows; then it may hold a class. Else an empty text."""
        above, name = parts[: index + 1], whose.bare(parts[index])
        if self._known(name, KINDS):
            return ""
        names = sorted(self._levels.get(above, set()))
        folders = [one for one in names if (*above, one) in self._levels]
        named = [one for one in names if whose.platform(one, folder=True)]
        return next(iter(named or (folders if len(folders) > 1 else ())), "")
