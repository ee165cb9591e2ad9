"""What nbgrader's own commands and the formgrader's buttons run in a course folder (`autograder.gradebook.config`).

They take the same path as `autograder grade`: the submission is rebuilt from the released lab, run in the sandbox, checked
outside of it, and written into the gradebook in one transaction. This package is imported by nbgrader alone.
"""

from autograder.nbgrading.exporters import Feedback, Rebuilding, Releasing
from autograder.nbgrading.preprocessors import Grade, Save

__all__ = ["Feedback", "Grade", "Rebuilding", "Releasing", "Save"]
