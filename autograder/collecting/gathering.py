"""One pass over a source: open, recognise, read, attribute. What goes wrong with a file is said and concerns it alone."""

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from autograder import notebook as nb
from autograder.collecting import archives, files, gradescope
from autograder.collecting.attempts import Attempt, Kept
from autograder.collecting.beside import Beside
from autograder.collecting.files import File, Parts, Unusable
from autograder.collecting.shares import Problems, Shares
from autograder.collecting.standing import TAKEN, Standing
from autograder.collecting.which import Elsewhere, which
from autograder.collecting.whose import NAME, Claim
from autograder.rebuild import MAX_BYTES
from autograder.roster import Roster, Student, is_id
from efflab.errors import EfflabError

MAX_ARCHIVES = 2  # a zip of submissions, and in it the zips that students handed in
MAX_ARCHIVE_BYTES = 64 * 2**20
MAX_TOTAL = 4 * 2**30  # of the attempts that count, kept in memory


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
        self.attempts = Kept(MAX_TOTAL)
        self.problems = Problems()
        self._standing = Standing(labs, roster)
        self._shares = Shares()
        self._beside = Beside({one.name for one in labs})
        self._users: dict[str, str] = {}
        self._with_notebook: set[str] = set()
        self._without: dict[str, str] = {}

    def source(self, path: Path) -> None:
        """Take in a folder, a zip or a notebook.

        Raises:
            EfflabError: it is none of them.
        """
        path = path.absolute()
        if path.is_dir():
            path = path.resolve()
            self._standing.of_one = path.parent.name == "submitted"
            reports: list[tuple[Parts, str]] = []
            self._gather(files.folder(path, lambda *one: reports.append(one)), reports)
        elif not path.is_file():
            raise EfflabError(f"there is no file or folder {path}")
        elif path.suffix.lower() == ".ipynb":
            self._gather([files.plain(path.resolve(), (path.parent.name, path.name))], [])
        else:
            try:
                self._archive(path, (path.name,), 1)
            except Unusable as error:
                raise EfflabError(f"{path} {error}; expected a folder, a zip or a notebook") from None
        for own, name in self._without.items():
            if own not in self._with_notebook:
                self.problems.add(f"{name} is no notebook, and no other file of {files.shown(own)} is one.")
        if not self.attempts.all and not self.problems:
            self.problems.add(f"{path} holds no notebook.")

    def _gather(self, found: Sequence[File], reports: Sequence[tuple[Parts, str]]) -> None:
        """Take files in, after what was found wrong with others where they lie."""
        self._standing.look(found)
        for parts, sentence in reports:
            self._say(parts, sentence)
        for file in sorted(found, key=lambda one: len(one.parts)):
            self._look_beside(file)
        for file in sorted(found, key=self._order):
            self._count(file)
            if file.suffix in TAKEN:
                self._take(file)

    def _take(self, file: File) -> None:
        try:
            self._shares.open(self._owner(file.parts))
            if file.suffix == ".ipynb":
                self._notebook(file)
            else:
                self._nested(file)
        except Elsewhere:
            return
        except Unusable as error:
            self._say(file.parts, str(error))
        except Exception as error:  # noqa: BLE001 - a file that nobody thought of must not stop the class
            self._say(file.parts, f"cannot be taken in ({type(error).__name__})")

    def _say(self, parts: Parts, sentence: str) -> None:
        self.problems.add(f"{files.place(parts)} {sentence}.", self._owner(parts))

    def _owner(self, parts: Parts) -> Parts:
        """What stands for the student whose file it is; the file itself if nothing does."""
        found = self._standing.owner((*parts, "") if parts[-1].lower().endswith(".zip") else parts)
        return parts[: found[0] + 1] if found else parts

    def _count(self, file: File) -> None:
        """Who handed in something through a platform, and whether it was a notebook."""
        for one in self._standing.claims(file.parts):
            if one.platform and file.suffix in TAKEN:
                self._with_notebook.add(one.own)
            elif one.platform:
                self._without.setdefault(one.own, file.path)

    def _order(self, file: File) -> tuple[int, float]:
        return max((one.order for one in self._standing.claims(file.parts)), default=0), file.modified

    def _look_beside(self, file: File) -> None:
        """What stands beside notebooks and says something of them."""
        if file.name not in files.BESIDE:
            return
        try:
            self._shares.open(self._owner(file.parts))
            self._beside.look(file)
            if file.name == gradescope.FILE:
                self._submitters(file)
        except Unusable as error:
            self._say(file.parts, str(error))
        except Exception as error:  # noqa: BLE001 - as in `_take`
            self._say(file.parts, f"cannot be read ({type(error).__name__})")

    def _submitters(self, file: File) -> None:
        """Gradescope's list, unless it lies where a student could have written it."""
        found = self._standing.owner((*file.parts[:-1], ""))
        if found is None:
            self._standing.give(file.parts[:-1], gradescope.claims(file.load(gradescope.MAX_BYTES)))
        elif not any(one.platform for one in found[1]):
            raise Unusable(f"was not read: it lies in what {_called(found[1][0])} handed in")

    def _nested(self, file: File) -> None:
        if file.level >= MAX_ARCHIVES:
            raise Unusable("is a zip in a zip in a zip and was left out")
        if file.disk is not None:
            self._archive(file.disk, file.parts, 1)
            return
        raw = io.BytesIO(file.load(MAX_ARCHIVE_BYTES))
        self._shares.read(self._owner(file.parts), len(raw.getbuffer()))
        self._inside(raw, file.parts, file.level + 1)

    def _archive(self, path: Path, parts: Parts, level: int) -> None:
        self._inside(path.open("rb", buffering=0), parts, level)

    def _inside(self, stream: io.RawIOBase | io.BytesIO, parts: Parts, level: int) -> None:
        reports: list[tuple[Parts, str]] = []
        own = self._standing.owner((*parts, "")) is not None
        most = archives.MAX_DIRECTORY if own or level > 1 else archives.MAX_CLASS_DIRECTORY
        with archives.archive(stream, parts, level, lambda *one: reports.append(one), most) as found:
            self._gather(found, reports)

    def _notebook(self, file: File) -> None:
        content = file.load(MAX_BYTES)
        self._shares.read(self._owner(file.parts), len(content))
        manifest = self._beside.manifest(file)
        fallback = self.lab or (manifest.lab if manifest else None)
        lab = which(file.parts, content, self.labs, fallback if fallback in self._names() else None)
        if self.lab not in {None, lab.name}:
            raise Unusable(f"is a notebook of {lab.name}; {self.lab} was expected")
        for one in self._standing.claims(file.parts):
            self._attempt(file, content, lab, one)
        self._ask(file.parts)

    def _names(self) -> set[str]:
        return {lab.name for lab in self.labs}

    def _ask(self, parts: Parts) -> None:
        """Tell of a folder that was taken for a student's and may be a class's."""
        found = self._standing.owner(parts)
        if found and not found[1][0].platform and (name := self._standing.crowded(parts, found[0])):
            own = parts[: found[0] + 1]
            sentence = f"was taken for a student's; if it holds the work of {files.shown(name)} and others, "
            self._say(own, f"{sentence}collect it by itself or with a roster")

    def _attempt(self, file: File, content: bytes, lab: nb.Lab, one: Claim) -> None:
        student, manifest = self._student(file, one), self._beside.manifest(file)
        time, notes = (one.time, ()) if one.time else self._time(file, one)
        if manifest and not manifest.fits(file.name, content):
            notes = (*notes, "The notebook was changed after `efflab submit` packed it.")
        made = Attempt(student, lab.name, content, time, file.path, (*one.notes, *notes))
        if not self.attempts.add(made):
            raise Unusable(f"was left out: all files together have more than {MAX_TOTAL / 2**30:.0f} GiB")

    def _time(self, file: File, one: Claim) -> tuple[datetime | None, tuple[str, ...]]:
        found = self._standing.owner(file.parts)
        return self._beside.time(file, found[0] if found else None, platform=one.platform)

    def _student(self, file: File, one: Claim) -> str:
        """The student's id in the roster, else the one that names give."""
        for name, kinds in one.names if self.roster else ():
            found = self.roster.match(name, kinds=kinds) if self.roster else None
            if found and (kinds != NAME or self._is_user(found, one.own)):
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
            self._say(file.parts, problem)
        return one.own

    def _is_user(self, student: Student, user: str) -> bool:
        """Whether a user of Canvas may be the student of that name; names can be changed, numbers cannot.

        Raises:
            Unusable: another user has the same name.
        """
        if student.canvas_id:
            return student.canvas_id == user
        if self._users.setdefault(student.id, user) != user:
            raise Unusable(
                f"is of a second user of Canvas with the name of {student.id}; the roster needs canvas_id"
            )
        return True


def _called(one: Claim) -> str:
    return " or ".join(dict.fromkeys(files.shown(name) for name, _ in one.names)) or one.own
