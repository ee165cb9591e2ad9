"""The manifest in a zip of ``efflab submit`` (`efflab.lab.handin`): written on the student's machine, so taken as a hint."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from autograder.collecting.attempts import read_time

FILE = "manifest.json"
MAX_BYTES = 2**18  # of a handful of files
MADE = "The only time known is that of the student's own machine."


@dataclass(frozen=True)
class Manifest:
    """What a zip says of itself.

    Attributes:
        lab: the lab's name.
        made: when, by the student's clock.
        sha256: checksums by file name.
    """

    lab: str = ""
    made: datetime | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)

    def fits(self, name: str, content: bytes) -> bool:
        """Whether a file is the one that was packed, as far as the manifest knows."""
        expected = self.sha256.get(name)
        return expected is None or expected == hashlib.sha256(content).hexdigest()


def read(raw: bytes) -> Manifest | None:
    """Read a manifest, or None if it is none."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("lab"), str):
        return None
    sums = content.get("sha256")
    return Manifest(
        content["lab"], _made(content.get("made")), _texts(sums) if isinstance(sums, dict) else {}
    )


def _texts(sums: Mapping[Any, Any]) -> dict[str, str]:
    return {name: value for name, value in sums.items() if isinstance(name, str) and isinstance(value, str)}


def _made(value: Any) -> datetime | None:
    """The time, unless it lies in the future."""
    moment = read_time(value) if isinstance(value, str) else None
    return moment if moment and moment <= datetime.now(UTC) + timedelta(days=1) else None
