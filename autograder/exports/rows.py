"""What an export knows of a student's work in a lab."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Row:
    """A student's line for a lab.

    Attributes:
        student: the student's id.
        first_name: empty if it is not known, as are the next two.
        last_name: see above.
        email: see above.
        lab: the lab's name, ``"01-pruning"``.
        tasks: by grade id the score, None if nobody gave one yet, and the points that could be earned.
        total: what counts, late penalty subtracted.
        max: what could be earned.
        late_penalty: points subtracted.
        needs_manual: whether a written answer waits for a person.
        graded: whether any score is there; if not, the total is no zero but missing.
        timestamp: when it was handed in, None if that is not known.
    """

    student: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lab: str = ""
    tasks: Mapping[str, tuple[float | None, float]] = field(default_factory=dict)
    total: float = 0.0
    max: float = 0.0
    late_penalty: float = 0.0
    needs_manual: bool = False
    graded: bool = False
    timestamp: datetime | None = None
