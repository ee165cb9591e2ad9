"""Deadlines that do not charge a submission for time in which the machine ran others."""

import time
from collections.abc import Callable

LONGEST = 5
"""How many times itself a deadline can become, so that who makes others wait gains an end as well."""
_now = time.monotonic


def _never() -> float:
    return 0.0


class Deadline:
    """Some seconds from now, and so many more as the submission's processes wait for a processor meanwhile.

    Args:
        seconds: wall time on a machine that has nothing else to do.
        waited: tells how long the processes have waited for a processor until now, in seconds.
        within: a deadline that this one cannot outlast.
    """

    def __init__(
        self, seconds: float, waited: Callable[[], float] = _never, within: "Deadline | None" = None
    ) -> None:
        self._start, self._seconds, self._added = _now(), seconds, 0.0
        self._waited, self._before, self._within = waited, waited(), within

    def left(self) -> float:
        """Seconds until it has passed, as far as that is known now; nothing or less where it has passed."""
        left = self._start + self._seconds + self._added - _now()
        if left <= 0:
            # Asked only where it matters: it takes a walk through /proc.
            waited = max(0.0, self._waited() - self._before)
            left += min(waited, (LONGEST - 1) * self._seconds - self._added)
        return left if self._within is None else min(left, self._within.left())

    def add(self, seconds: float) -> None:
        """Give back time that was not the peer's, which can make the deadline twice as long."""
        self._added += max(0.0, min(seconds, self._seconds - self._added))
