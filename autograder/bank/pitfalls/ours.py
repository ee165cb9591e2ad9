"""The same rows through this autograder: rebuilt, run in the sandbox, asked by hidden checks."""

import dataclasses
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder import engine, rebuild, sandbox
from autograder import notebook as nb
from autograder.bank.pitfalls import lab
from autograder.bank.pitfalls.answer import Answer
from autograder.bank.pitfalls.rows import Row
from autograder.job import Job, Limits, Outcome
from autograder.sandbox import runner

SECRET = "pitfalls"  # noqa: S105 - of a course without students


def _job(row: Row, released: engine.Released, loot: str, limits: Limits | None) -> Job:
    raw = nb.to_bytes(row.notebook(released.notebook, loot))
    rebuilt = rebuild.rebuild(raw, released.notebook).notebook
    return engine.job(released, rebuilt, secret=SECRET, limits=limits)


def _answer(outcomes: list[Outcome], seconds: float, loot: Path) -> Answer:
    shown = "".join(str(outcome.cells) + outcome.to_json() for outcome in outcomes)
    leaked = loot.exists() or lab.HIDDEN_SIGN in shown or "argmin(np.where" in shown
    return Answer(
        min(outcome.points for outcome in outcomes), seconds, leaked=leaked, failed=any(outcome.failure for outcome in outcomes)
    )  # fmt: skip


def grade(rows: list[Row], limits: Limits | None = None) -> dict[str, Answer]:
    """Each row graded, by its id; what stands behind a row in the table's batch is graded behind it here too.

    Args:
        rows: the rows.
        limits: other than the usual ones.
    """
    released = engine.Released(nb.Lab(lab.NAME, Path("prune.md")), lab.for_efflab(), {})
    found = {}
    with tempfile.TemporaryDirectory(prefix="pitfalls-") as folder, sandbox.choose(None) as opened:
        loot = Path(folder) / "loot.txt"
        for row in rows:
            job = _job(row, released, str(loot), limits)
            later = [_job(Row("later", "", (9, 9)), released, "", limits)] * (2 if row.id == "doubled" else 0)
            start = time.perf_counter()
            with ThreadPoolExecutor(2 if row.copies > 1 else 1) as pool:
                jobs = [job] * row.copies + later
                outcomes = list(pool.map(lambda one: runner.grade(one, lab.CHECKS, opened), jobs))
            seconds = time.perf_counter() - start
            answer = _answer(outcomes[: row.copies], seconds, loot)
            stopped = sum(outcome.points < lab.FULL for outcome in outcomes[row.copies :])
            found[row.id] = dataclasses.replace(answer, stopped=stopped)
    return found
