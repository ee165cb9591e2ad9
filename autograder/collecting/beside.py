"""What lies beside notebooks and says when they were handed in: times that a platform wrote, and what students packed."""

from collections.abc import Collection
from datetime import datetime

from autograder.collecting import manifests, whose
from autograder.collecting.attempts import TIMESTAMP, read_time
from autograder.collecting.files import File, Parts
from autograder.collecting.manifests import Manifest

MAX_STAMP = 1000
_TRUSTED_LEVEL = 1  # a zip in a zip was packed by a student


class Beside:
    """The files with times, and the manifests of `efflab submit`, by the folder they lie in.

    Args:
        labs: the names of the labs.
    """

    def __init__(self, labs: Collection[str]) -> None:
        self.labs = labs
        self._stamps: dict[Parts, tuple[str, int]] = {}
        self._manifests: dict[Parts, Manifest] = {}

    def look(self, file: File) -> None:
        """Read a file if it is one of these.

        Raises:
            Unusable: it cannot be read.
        """
        if file.name == TIMESTAMP:
            self._stamps[file.parts[:-1]] = (file.load(MAX_STAMP).decode("utf-8", "replace"), file.level)
        elif file.name == manifests.FILE and file.level:
            manifest = manifests.read(file.load(manifests.MAX_BYTES))
            self._manifests |= {file.parts[:-1]: manifest} if manifest else {}

    def manifest(self, file: File) -> Manifest | None:
        """The manifest that a notebook was packed with."""
        return self._manifests.get(file.parts[:-1])

    def time(
        self, file: File, owner: int | None, *, platform: bool
    ) -> tuple[datetime | None, tuple[str, ...]]:
        """When a notebook was handed in, by the file beside it, else by the student's clock; and notes.

        Args:
            file: the notebook.
            owner: the place in its path of what stands for the student, None if nothing does.
            platform: whether a platform named it: then a time that lies beside it was written by the student.
        """
        manifest = self.manifest(file)
        stamp = None if platform else self._stamp(file, owner, packed=manifest is not None)
        if stamp is not None:
            time = read_time(stamp)
            return time, () if time else (f"Its {TIMESTAMP} holds no time that can be read.",)
        if manifest and manifest.made:
            return manifest.made, (manifests.MADE,)
        return None, ()

    def _stamp(self, file: File, owner: int | None, *, packed: bool) -> str | None:
        """The outermost file with a time in the student's folder of the lab: what lies deeper is the student's own."""
        folder = file.parts[:-1]
        first = len(folder) if owner is None else owner + 1
        in_lab = first < len(folder) and whose.bare(folder[first]) in self.labs
        for end in (*range(first + in_lab, len(folder) + 1), first):
            text, level = self._stamps.get(folder[:end], (None, 0))
            if text is not None and level <= _TRUSTED_LEVEL and not (packed and end == len(folder)):
                return text
        return None
