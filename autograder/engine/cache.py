"""Outcomes kept by what decides them: what did not change is not graded again, and an interrupted run goes on."""

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from autograder.job import Outcome
from efflab.files import write_atomic


@dataclass(frozen=True)
class Cache:
    """A folder of outcomes, each in a file of its own that is written whole or not at all.

    Attributes:
        folder: made when the first outcome is kept.
    """

    folder: Path

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Outcome | None:
        """The outcome of a key; None if there is none, or if its file is damaged: it is then graded again."""
        try:
            entry = json.loads(self.path(key).read_bytes())
            text = entry["outcome"]
            if entry["sha256"] != _sum(text):
                return None
            outcome = Outcome.from_json(text)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return outcome if outcome.key == key and not outcome.failure else None

    def put(self, outcome: Outcome) -> None:
        """Keep an outcome under its key.

        One that says why nothing was graded is not kept: the reason may be the machine's, and gone the next time.
        """
        if outcome.failure or not outcome.key:
            return
        text = outcome.to_json()
        entry = json.dumps({"sha256": _sum(text), "outcome": text}, ensure_ascii=True)
        # The gradebook's writer removes what others have only begun; a cache may miss an entry.
        with contextlib.suppress(FileNotFoundError):
            write_atomic(self.path(outcome.key), entry)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
