"""Timing rivals and floors side by side: one process, interleaved rounds, ratios of medians."""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from efflab.tables import TextTable


@dataclass(frozen=True)
class Timings:
    """Seconds of each contestant, one a round."""

    seconds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Median seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times longer ``slow`` takes: the median over rounds, so that a busy moment hits both."""
        rounds = min(len(self.seconds[slow]), len(self.seconds[fast]))
        pairs = zip(self.seconds[slow][:rounds], self.seconds[fast][:rounds], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def spread(self, slow: str, fast: str) -> tuple[float, float]:
        """Smallest and largest of the rounds' ratios."""
        ratios = [a / b for a, b in zip(self.seconds[slow], self.seconds[fast], strict=False)]
        return min(ratios), max(ratios)

    def table(self, caption: str) -> TextTable:
        """Median and range in milliseconds."""
        rows = [
            (
                name,
                f"{1e3 * self.median(name):.3f}",
                f"{1e3 * min(times):.3f} to {1e3 * max(times):.3f}",
                len(times),
            )
            for name, times in self.seconds.items()
        ]
        return TextTable.of(("", "median (ms)", "range (ms)", "rounds"), rows, caption=caption)


def race(
    contestants: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    prepare: Callable[[], object] | None = None,
    seldom: Mapping[str, int] | None = None,
) -> Timings:
    """Time the contestants in turn.

    Args:
        contestants: functions by name; each runs once beforehand to warm up.
        rounds: how often each is timed.
        clock: by default the processor time of the process, which other programs do not stretch; with several threads
            take ``time.perf_counter``, since processor time adds them up.
        prepare: called before each timing, untimed.
        seldom: slow ones, and how many rounds they get; they are not warmed up.
    """
    few = dict(seldom or {})
    setup = prepare or (lambda: None)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for name, run in contestants.items():
        if name not in few:
            setup()
            run()
    for number in range(rounds):
        for name, run in contestants.items():
            if number < few.get(name, rounds):
                setup()
                gc.collect()
                start = clock()
                run()
                seconds[name].append(clock() - start)
    return Timings(seconds)


def arguments(description: str) -> argparse.Namespace:
    """Read ``--write`` and ``--threads``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help="record the ratios in results/")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads, for all contestants")
    return parser.parse_args()
