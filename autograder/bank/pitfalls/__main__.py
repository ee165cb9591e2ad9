"""Measure both sides of the table; ``--write`` records it."""

import argparse
import sys

from autograder.bank.pitfalls import ROWS, holds, ours, plain, records, series, table
from efflab import results


def main() -> int:
    """Grade every row on both sides; 1 if one of ours is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m autograder.bank.pitfalls", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the figures in results/grading.json")
    parser.add_argument("--rows", nargs="*", default=[], metavar="ROW", help="only these rows")
    parser.add_argument("--only", choices=("nbgrader", "efflab"), help="only one side")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.rows or row.id in options.rows]
    theirs = {} if options.only == "efflab" else plain.grade(rows)
    mine = {} if options.only == "nbgrader" else ours.grade(rows)
    sys.stdout.write(f"{table(theirs, mine)}\n")
    if options.write:
        written = results.write("grading", records(rows, theirs, mine), {"pitfalls": series(theirs, mine)})
        sys.stdout.write(f"{written}\n")
    return int(any(not holds(row, mine[row.id]) for row in rows if row.id in mine))


if __name__ == "__main__":
    raise SystemExit(main())
