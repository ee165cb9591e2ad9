"""Strike at many moments; ``--write`` records how many of them the gradebook came through."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from autograder.bank.kills.scene import BLOWS, CLASS
from autograder.bank.kills.trial import Trial, trials
from efflab import results


def records(found: Sequence[Trial], seed: int) -> list[results.Result]:
    """For each kind of blow how many moments left the gradebook whole, and how many fell into the writing."""
    records = []
    for blow in BLOWS:
        struck = [one for one in found if one.blow == blow]
        if struck:
            whole = sum(not one.problems for one in struck)
            records.append(
                _record(
                    f"kills/{blow}",
                    whole,
                    "moments",
                    seed,
                    bar=f"all {len(struck)}",
                    holds=whole == len(struck),
                )
            )
            amid = sum(0 < one.written < len(CLASS) for one in struck)
            records.append(_record(f"kills/{blow}_amid_writing", amid, "moments", seed))
    return records


WORDS = {"grader": "the grader, by kill -9", "worker": "a worker, by kill -9", "power": "the machine's power"}


def series(found: Sequence[Trial]) -> dict[str, Any]:
    """The table as columns and rows, for the book."""
    rows = []
    for blow in BLOWS:
        struck = [one for one in found if one.blow == blow]
        amid = sum(0 < one.written < len(CLASS) for one in struck)
        rows.append([WORDS[blow], len(struck), amid, sum(not one.problems for one in struck)])
    return {
        "columns": ["what was ended", "moments", "amid the writing", "whole and equal afterwards"],
        "rows": rows,
    }


def _record(name: str, measured: float, unit: str, seed: int, **bar: Any) -> results.Result:
    return results.record(
        "grading", name, float(measured), unit, source="autograder/bank/kills", seeds=(seed,),
        command=f"python -m autograder.bank.kills --moments 50 --seed {seed} --write", **bar,
    )  # fmt: skip


def main() -> int:
    """Strike; 1 if the gradebook was not whole at every moment."""
    parser = argparse.ArgumentParser(prog="python -m autograder.bank.kills", description=__doc__)
    parser.add_argument("--moments", type=int, default=3, help="how many blows")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    parser.add_argument("--write", action="store_true", help="record the figures in results/grading.json")
    options = parser.parse_args()

    def say(trial: Trial) -> None:
        words = "; ".join(trial.problems) or "whole"
        sys.stdout.write(f"{trial.blow:7} {trial.moment}, {trial.written} written: {words}\n")
        sys.stdout.flush()

    found = list(trials(options.moments, options.seed, say))
    if options.write:
        sys.stdout.write(
            f"{results.write('grading', records(found, options.seed), {'kills': series(found)})}\n"
        )
    return int(any(trial.problems for trial in found))


if __name__ == "__main__":
    raise SystemExit(main())
