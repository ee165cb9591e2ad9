"""Every mutant and honest variant of a lab handed in as a student would, through the real sandbox."""

import dataclasses
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from autograder import engine, rebuild, sandbox
from autograder import notebook as nb
from autograder.bank import sources
from autograder.bank.draft import Draft
from autograder.bank.running import SECRET
from autograder.case import Case
from autograder.job import Job
from autograder.mutating import Variant
from autograder.sandbox import runner


def hand_in(case: Case, variant: Variant) -> Job:
    """The job of a notebook in which all is solved, and one function is the variant; later tasks' cells are left out."""
    draft = Draft(case).solve(*nb.tasks(case.source))
    draft.write(sources.cell_of(case, variant), sources.cell_source(case, variant))
    released = engine.released(case.name)
    job = engine.job(released, rebuild.rebuild(draft.to_bytes(), released.notebook).notebook, secret=SECRET)
    end = max(place for place, cell in enumerate(job.cells) if cell.task == variant.task)
    return dataclasses.replace(job, cells=job.cells[: end + 1])


def losses(case: Case, workers: int = 2) -> dict[str, float]:
    """The points that each variant loses in its own task, by its name.

    Args:
        case: the lab.
        workers: how many are graded at a time.

    Raises:
        RuntimeError: one could not be graded.
    """
    # Made here, since Python 3.11 may fail when two threads build syntax trees at once.
    jobs = {variant.name: hand_in(case, variant) for variant in case.variants}
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def lost(variant: Variant) -> float:
        opened = free.get()
        try:
            checks = [check for check in case.checks if check.task == variant.task]
            outcome = runner.grade(jobs[variant.name], checks, opened)
        finally:
            free.put(opened)
        if outcome.failure:
            raise RuntimeError(f"{variant.name} could not be graded: {outcome.failure}")
        return outcome.max_points - outcome.points

    sandboxes = [sandbox.choose(None) for _ in range(workers)]
    try:
        for opened in sandboxes:
            free.put(opened)
        with ThreadPoolExecutor(workers) as pool:
            return dict(zip((one.name for one in case.variants), pool.map(lost, case.variants), strict=True))
    finally:
        for opened in sandboxes:
            opened.close()
