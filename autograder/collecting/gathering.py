"""One pass over a source: open, recognise, read, attribute. What goes wrong with a file is said and concerns it alone."""

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from autograder import notebook as nb
from autograder.collecting import archives, files, gradescope, manifests
from autograder.collecting.attempts import TIMESTAMP, Attempt, read_time
from autograder.collecting.files import File, Unusable
from autograder.collecting.which import Elsewhere, which
from autograder.collecting.whose import Claim, claim
from autograder.rebuild import MAX_BYTES
from autograder.roster import Roster, is_id
from efflab.errors import EfflabError

MAX_ARCHIVES = 2  # a zip of submissions, and in it the zips that students handed in
MAX_ARCHIVE_BYTES = 64 * 2**20
MAX_TOTAL = 4 * 2**30
MAX_STAMP = 1000

Parts = tuple[str, ...]


class Gathering:
    """What was found so far.

    Args:
        labs: the labs that are looked for.
        roster: the class, if it is known.
        lab: the lab where nothing says which.
        strict: leave out who is not in the roster.
    """

    def __init__(
        self, *, labs: Sequence[nb.Lab], roster: Roster | None, lab: str | None, strict: bool
    ) -> None:
        self.labs, self.roster, self.lab, self.strict = labs, roster, lab, strict
        self.attempts: list[Attempt] = []
        self.problems: list[str] = []
        self._claims: dict[Parts, tuple[Claim, ...]] = {}
        self._stamps: dict[Parts, str] = {}
        self._manifests: dict[Parts, manifests.Manifest] = {}
        self._with_notebook: set[str] = set()
        self._without: dict[str, str] = {}
        self._left = MAX_TOTAL

    def source(self, path: Path) -> None:
        """Take in a folder, a zip or a notebook.

        Raises:
            EfflabError: it is none of them.
        """
        path = path.absolute()
        if path.is_dir():
            self._gather(files.folder(path.resolve(), self.problems.append))
        elif not path.is_file():
            raise EfflabError(f"there is no file or folder {path}")
        elif path.suffix.lower() == ".ipynb":
            self._gather([files.plain(path.resolve(), (path.parent.name, path.name))])
        else:
            try:
                self._archive(path, (path.name,), 1)
            except Unusable as error:
                raise EfflabError(f"{path} {error}; expected a folder, a zip or a notebook") from None
        for own, name in self._without.items():
            if own not in self._with_notebook:
                self.problems.append(
                    f"{name} is no notebook, and no other file of {files.shown(own)} is one."
                )
        if not self.attempts and not self.problems:
            self.problems.append(f"{path} holds no notebook.")

    def _gather(self, found: Sequence[File]) -> None:
        for file in found:
            self._look_beside(file)
        for file in sorted(found, key=self._order):
            self._count(file)
            try:
                if file.suffix == ".ipynb":
                    self._notebook(file)
                elif file.suffix == ".zip":
                    self._nested(file)
            except Elsewhere:
                continue
            except Unusable as error:
                self.problems.append(f"{file.path} {error}.")
            except Exception as error:  # noqa: BLE001 - a file that nobody thought of must not stop the class
                self.problems.append(f"{file.path} cannot be taken in ({type(error).__name__}).")

    def _count(self, file: File) -> None:
        """Who handed in something through a platform, and whether it was a notebook."""
        for one in self._claimed(file):
            if one.platform and file.suffix in {".ipynb", ".zip"}:
                self._with_notebook.add(one.own)
            elif one.platform:
                self._without.setdefault(one.own, file.path)

    def _order(self, file: File) -> tuple[int, float]:
        return claim(file.parts, self.labs).order, file.modified

    def _look_beside(self, file: File) -> None:
        """What stands beside notebooks and says something of them."""
        folder = file.parts[:-1]
        try:
            if file.name == TIMESTAMP:
                self._stamps[folder] = file.load(MAX_STAMP).decode("utf-8", "replace")
            elif file.name == manifests.FILE and file.level:
                if manifest := manifests.read(file.load(manifests.MAX_BYTES)):
                    self._manifests[folder] = manifest
            elif file.name == gradescope.FILE and not self._inside_a_submission(folder):
                found = gradescope.claims(file.load(gradescope.MAX_BYTES))
                self._claims |= {(*folder, name): claims for name, claims in found.items()}
        except Unusable as error:
            self.problems.append(f"{file.path} {error}.")

    def _inside_a_submission(self, folder: Parts) -> bool:
        """Whether a student could have written the file."""
        named = any(part.startswith("submission_") for part in folder[1:])
        return named or claim((*folder, ""), self.labs).platform

    def _nested(self, file: File) -> None:
        if file.level >= MAX_ARCHIVES:
            raise Unusable("is a zip in a zip in a zip and was left out")
        if file.disk is not None:
            self._archive(file.disk, file.parts, 1)
            return
        raw = io.BytesIO(file.load(MAX_ARCHIVE_BYTES))
        self._spend(len(raw.getbuffer()))
        self._inside(raw, file.parts, file.level + 1)

    def _archive(self, path: Path, parts: Parts, level: int) -> None:
        self._inside(path.open("rb", buffering=0), parts, level)

    def _inside(self, stream: io.RawIOBase | io.BytesIO, parts: Parts, level: int) -> None:
        with archives.archive(stream, parts, level, self.problems.append) as found:
            self._gather(found)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Unusable(f"was left out: all files together have more than {MAX_TOTAL // 2**30} GiB")

    def _notebook(self, file: File) -> None:
        content = file.load(MAX_BYTES)
        self._spend(len(content))
        manifest = next((one for key, one in self._manifests.items() if key == file.parts[:-1]), None)
        fallback = self.lab or (manifest.lab if manifest else None)
        lab = which(file.parts, content, self.labs, fallback if fallback in self._names() else None)
        if self.lab not in {None, lab.name}:
            raise Unusable(f"is a notebook of {lab.name}; {self.lab} was expected")
        for one in self._claimed(file):
            self._attempt(file, content, lab, one, manifest)

    def _names(self) -> set[str]:
        return {lab.name for lab in self.labs}

    def _claimed(self, file: File) -> tuple[Claim, ...]:
        for end in range(len(file.parts), 0, -1):
            if found := self._claims.get(file.parts[:end]):
                return found
        return (claim(file.parts, self.labs),)

    def _attempt(
        self, file: File, content: bytes, lab: nb.Lab, one: Claim, manifest: manifests.Manifest | None
    ) -> None:
        student = self._student(file, one)
        time, notes = self._time(file, one, manifest)
        if manifest and not manifest.fits(file.name, content):
            notes = (*notes, "The notebook was changed after `efflab submit` packed it.")
        self.attempts.append(Attempt(student, lab.name, content, time, file.path, (*one.notes, *notes)))

    def _student(self, file: File, one: Claim) -> str:
        """The student's id in the roster, else the one that names give."""
        for name, kinds in one.names if self.roster else ():
            if found := self.roster.match(name, kinds=kinds) if self.roster else None:
                return found.id
        if not is_id(one.own):
            raise Unusable(
                f"does not say whose it is: {files.shown(one.own)!r} is no id of 1 to 64 letters, digits or ._@+-"
                if one.own
                else "does not say whose it is; put it into a folder named after the student"
            )
        if self.roster is not None:
            end = "and was left out" if self.strict else f"and is taken in as {one.own}"
            problem = f"is of {_called(one)}, who is not in the roster, {end}"
            if self.strict:
                raise Unusable(problem)
            self.problems.append(f"{file.path} {problem}.")
        return one.own

    def _time(
        self, file: File, one: Claim, manifest: manifests.Manifest | None
    ) -> tuple[datetime | None, tuple[str, ...]]:
        """When it was handed in: as the platform says, else by the file beside it, else by the student's clock."""
        if one.time:
            return one.time, ()
        stamp = self._stamps.get(file.parts[:-1])
        if stamp is not None and not one.platform and not manifest and file.level < MAX_ARCHIVES:
            time = read_time(stamp)
            unread = f"Its {TIMESTAMP} holds no time that can be read."
            return time, () if time else (unread,)
        if manifest and manifest.made:
            return manifest.made, (manifests.MADE,)
        return None, ()


def _called(one: Claim) -> str:
    return " or ".join(dict.fromkeys(files.shown(name) for name, _ in one.names)) or one.own
