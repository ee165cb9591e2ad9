"""Grade the bank and every mutant for real, and say what is not as it must be; ``--write`` records the figures.

``python -m autograder.bank`` takes about nine minutes on two cores; ``--names loops-in-a-call daemon`` tries a few.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from autograder import bank, build, notebook
from autograder.bank import batches, killing, running, traces
from autograder.bank.running import Graded
from autograder.case import Case, load
from efflab import results


def _record(name: str, measured: float, unit: str, **bar: Any) -> results.Result:
    return results.record(
        "grading", name, float(measured), unit, source="autograder/bank", command="python -m autograder.bank --write", **bar
    )  # fmt: skip


def batch_records(
    graded: Mapping[str, Graded], alone: Mapping[str, Graded], left: list[str]
) -> list[results.Result]:
    """How many submissions there were of each kind, and in how many things the bank was not as it must be."""
    kinds = [one.submission.kind for one in graded.values()]
    wrong, same = len(running.problems(graded)), batches.points(graded)
    moved = sum(same[name] != points for name, points in batches.points(alone).items())
    found = [_record(f"bank/{kind}", kinds.count(kind), "submissions") for kind in sorted(set(kinds))]
    return [
        *found,
        _record("bank/submissions", len(kinds), "submissions", bar="at least 60", holds=len(kinds) >= 60),
        _record("bank/wrong", wrong, "scores", bar="none", holds=not wrong),
        _record("bank/neighbours_moved", moved, "scores", bar="none", holds=not moved),
        _record("bank/left_behind", len(left), "traces", bar="none", holds=not left),
    ]


def series(graded: Mapping[str, Graded]) -> dict[str, Any]:
    """The bank by kind as columns and rows, for the book."""
    columns = [
        "kind",
        "submissions",
        "exact score asked",
        "upper bound asked",
        "file refused",
        "not as it must be",
    ]
    rows = []
    for kind in ("honest", "partial", "different", "broken", "hostile"):
        some = [one for one in graded.values() if one.submission.kind == kind]
        exact = sum(one.submission.exact and not one.submission.refused for one in some)
        refused = sum(one.submission.refused for one in some)
        wrong = sum(bool(one.problems) for one in some)
        rows.append([kind, len(some), exact, len(some) - exact - refused, refused, wrong])
    return {"columns": columns, "rows": rows}


def mutant_records(case: Case, losses: Mapping[str, float]) -> list[results.Result]:
    """How many mutants died and how many honest variants lived, in the sandbox."""
    mutants, honest = case.mutants(), case.honest()
    killed = sum(losses[one.name] > 0 for one in mutants)
    lived = sum(losses[one.name] <= 0 for one in honest)
    rate = 100 * killed / len(mutants)
    return [
        _record(f"mutants/{case.name}/kill_rate", rate, "%", bar="100 %", holds=killed == len(mutants)),
        _record(f"mutants/{case.name}/killed", killed, "mutants"),
        _record(
            f"mutants/{case.name}/accepted",
            lived,
            "variants",
            bar=f"all {len(honest)}",
            holds=lived == len(honest),
        ),
    ]


def main() -> int:
    """Grade; 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m autograder.bank", description=__doc__)
    parser.add_argument(
        "--names", nargs="*", default=[], help="only these submissions of lab 01, and no mutants"
    )
    parser.add_argument("--write", action="store_true", help="record the figures in results/grading.json")
    options = parser.parse_args()
    cases = {lab.name: load(lab) for lab in notebook.find(build.ROOT)}
    with traces.adopting():
        before = traces.look()
        if options.names:
            some = bank.submissions(cases["01-pruning"], options.names)
            return int(bool(running.problems(running.grade(some, cases, workers=1, progress=_say))))
        graded = running.grade(
            batches.shuffled(batches.everything(cases), 1), cases, workers=2, progress=_say
        )
        alone = running.grade(batches.neighbours(batches.everything(cases)), cases, workers=2)
        found = batch_records(graded, alone, traces.left(before))
    for case in cases.values():
        found += mutant_records(case, killing.losses(case))
    for one in found:
        sys.stdout.write(
            f"{one.id:36} {one.measured:8g} {one.unit:12} {f'bar: {one.bar}' if one.bar else ''}\n"
        )
    if options.write:
        sys.stdout.write(f"{results.write('grading', found, {'bank': series(graded)})}\n")
    return int(any(one.holds is False for one in found))


def _say(one: Graded) -> None:
    earned = f"{one.outcome.points:g}" if one.outcome else "refused"
    lines = [
        f"{one.submission.name:34} {earned:>8} of {one.submission.points:g}",
        *(f"  {text}" for text in one.problems),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
