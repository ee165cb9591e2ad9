"""nbgrader's database, opened so that many steps of its API are one transaction.

nbgrader's `Gradebook` commits after each step. Here its session is bound to a connection that is already inside a
transaction, so that those commits are savepoints, and one commit at the end makes all of it real, or nothing.
"""

import contextlib
import sqlite3
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efflab.errors import EfflabError
from efflab.files import atomic_path

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

COURSE_ID = "efflab"
KEPT_BACKUPS = 20
_BUSY_SECONDS = 30
# What a written answer was when its grade was last written, so that a manual grade is reviewed if it changed since.
_ANSWERS = """CREATE TABLE IF NOT EXISTS efflab_answer (
    student TEXT NOT NULL, lab TEXT NOT NULL, cell TEXT NOT NULL, answer TEXT NOT NULL,
    PRIMARY KEY (student, lab, cell))"""


class Connection:
    """A gradebook file, open for transactions through nbgrader's API."""

    def __init__(self, path: Path) -> None:
        """Open the gradebook, and make it if it is missing.

        Raises:
            EfflabError: the file is damaged, or another program holds it.
        """
        from nbgrader.api import Gradebook  # noqa: PLC0415 - seconds to import

        self.path = path
        self._engine = _engine(path)
        if path.exists():
            _check(path)
        else:
            _create(path)
        self._book: Gradebook = Gradebook(_url(path), course_id=COURSE_ID)
        self._book.close()
        with self._engine.begin() as connection:
            connection.exec_driver_sql(_ANSWERS)

    @contextlib.contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator["Gradebook"]:
        """Give nbgrader's gradebook; whatever is done with it in the block happens as a whole or not at all.

        Args:
            keep: whether it stays; otherwise it is undone at the end.
        """
        from sqlalchemy.exc import SAWarning  # noqa: PLC0415
        from sqlalchemy.orm import scoped_session, sessionmaker  # noqa: PLC0415

        with self._engine.connect() as connection, connection.begin() as whole:
            maker = sessionmaker(bind=connection, join_transaction_mode="create_savepoint")
            self._book.db = scoped_session(maker)
            try:
                with warnings.catch_warnings():
                    # nbgrader makes the parts of a submission before it adds them to the session.
                    warnings.filterwarnings("ignore", r"Object of type <\w+> not in session", SAWarning)
                    yield self._book
                self._book.db.flush()
                self._book.db.commit()
            finally:
                self._book.db.remove()
            if not keep:
                whole.rollback()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()


def _url(path: Path) -> Any:
    """The file's address, whatever signs are in its name."""
    from sqlalchemy import URL  # noqa: PLC0415 - slow to import

    return URL.create("sqlite", database=str(path))


def _engine(path: Path) -> Any:
    """An engine whose transactions and savepoints are SQLite's own, begun here and not by the driver."""
    from sqlalchemy import create_engine, event  # noqa: PLC0415

    engine = create_engine(_url(path), connect_args={"timeout": _BUSY_SECONDS})

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous = FULL")

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _check(path: Path) -> None:
    """Refuse a damaged file before anything is written on top of it."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as database:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise EfflabError(f"{path} cannot be opened now: {error}") from error
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        copies = sorted((path.parent / "backups").glob("gradebook-*.db"))
        way = (
            f"put {copies[-1]} in its place and grade again"
            if copies
            else "there is no backup; remove it and grade again"
        )
        raise EfflabError(f"{path} is damaged ({' '.join(found.split())[:120]}): {way}")


def _create(path: Path) -> None:
    """Make an empty gradebook beside its place and move it there, complete and private.

    nbgrader would ask the ``alembic`` command for the version, which is not on the path of an environment that is not
    activated.
    """
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from nbgrader.api import Base  # noqa: PLC0415
    from nbgrader.dbutil import ALEMBIC_DIR  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415

    head = ScriptDirectory(ALEMBIC_DIR).get_current_head()
    with atomic_path(path) as part:
        engine = create_engine(_url(part))
        with engine.begin() as connection:
            Base.metadata.create_all(connection)
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (head,))
        engine.dispose()
    path.chmod(0o600)


def backup(path: Path, folder: Path) -> Path:
    """Copy the gradebook while it may be in use; the newest `KEPT_BACKUPS` copies are kept.

    Returns:
        The copy.

    Raises:
        EfflabError: the gradebook is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"gradebook-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.db"
    try:
        with (
            atomic_path(target) as part,
            contextlib.closing(sqlite3.connect(path)) as old,
            contextlib.closing(sqlite3.connect(part)) as new,
        ):
            old.backup(new)
    except sqlite3.DatabaseError as error:
        raise EfflabError(f"{path} cannot be backed up ({error}): restore a copy from {folder}") from error
    target.chmod(0o600)
    for old_copy in sorted(folder.glob("gradebook-*.db"))[:-KEPT_BACKUPS]:
        old_copy.unlink()
    return target
