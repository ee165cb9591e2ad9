"""The engine: from rebuilt submissions to outcomes, each computed once and kept by what decides it.

`job` makes the job of a submission, `outcome` grades one here, `run.grade_all` grades a class on all cores or on an
existing scheduler. Nothing here writes to the gradebook.
"""

from autograder.engine.cache import Cache
from autograder.engine.inline import outcome
from autograder.engine.jobs import Released, job, released

__all__ = ["Cache", "Released", "job", "outcome", "released"]
