"""Late penalties as nbgrader's: its plugin, chosen in the course's ``nbgrader_config.py``."""

import sys
from dataclasses import dataclass
from typing import Any

from autograder.gradebook.course import Course
from efflab.errors import EfflabError


@dataclass(frozen=True)
class _Notebook:
    """What nbgrader asks of a notebook to keep a penalty between nothing and everything."""

    score: float


class Penalties:
    """The course's rule for late submissions."""

    def __init__(self, course: Course) -> None:
        """Read the rule.

        Raises:
            EfflabError: the settings cannot be read, or name a plugin that there is not.
        """
        from nbgrader.preprocessors import AssignLatePenalties  # noqa: PLC0415 - seconds to import
        from traitlets.config.loader import PyFileConfigLoader  # noqa: PLC0415

        # A plugin of the instructor's own lies in the course folder, where nbgrader finds it too.
        sys.path.insert(0, str(course.root))
        try:
            config = PyFileConfigLoader(course.config.name, path=str(course.root)).load_config()
            self._rule: Any = AssignLatePenalties(config=config)
            self._rule.init_plugin()
        except Exception as error:
            raise EfflabError(
                f"{course.config} does not give a rule for late submissions: {' '.join(str(error).split())[:300]}"
            ) from error
        finally:
            sys.path.remove(str(course.root))

    def penalty(self, student: str, score: float, seconds: float) -> float | None:
        """The points lost.

        Args:
            student: the student's id.
            score: what was earned.
            seconds: how late the submission is; not late if it is not positive.

        Returns:
            Points between 0 and ``score``; None if there is no penalty.

        Raises:
            EfflabError: the course's plugin raised.
        """
        if seconds <= 0:
            return None
        try:
            found = self._rule.plugin_inst.late_submission_penalty(student, score, seconds)
        except Exception as error:
            raise EfflabError(f"the plugin for late penalties failed for {student}: {error}") from error
        return None if found is None else float(self._rule._check_late_penalty(_Notebook(score), found))  # noqa: SLF001
