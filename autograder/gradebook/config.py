"""nbgrader's settings for a course folder, so that its commands and the formgrader grade by the same path."""

import hashlib

EARLIER = frozenset(
    {
        "b052a603f558f4f2e8591773c69f5e685ccbff25d11cd053dc715600e682a26f",
        "457c874d439da20dc8838b2a99d989c10767f52bd1e497cb9dc33c46bd2c9a77",
        "20e6fafc21e5056bb5c66064aa5df96883845680512a664843180d9caf4c7478",
        "67c40b225ba55105a94d62d9d0efe4c8edcdb2be4f2f25f925cc861b72de8178",
    }
)
"""SHA-256 of the texts that were written before: a file with one of them was changed by nobody, and may be brought up to date.

Whoever changes the text adds the hash of the one before.
"""
_TEXT = '''"""Settings of nbgrader, written by the autograder; `nbgrader` commands are run in this folder."""

import os
from importlib import resources

c = get_config()  # noqa: F821

c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))
c.CourseDirectory.course_id = "efflab"
c.CourseDirectory.source_directory = "source"
c.CourseDirectory.release_directory = "release"
c.CourseDirectory.submitted_directory = "submitted"
c.CourseDirectory.autograded_directory = "autograded"
c.CourseDirectory.feedback_directory = "feedback"
c.CourseDirectory.db_url = "sqlite:///" + os.path.join(c.CourseDirectory.root, "gradebook.db")
# Nothing else that lies in a student's folder is laid beside the autograded notebook, from where the formgrader would
# serve it; no file but the notebook is ever graded.
c.CourseDirectory.include = ["*.ipynb", "timestamp.txt"]
c.CourseDirectory.ignore = [".*", "__pycache__", "feedback"]

# Submissions are read defensively, rebuilt from the released lab, run in the sandbox and checked outside of it: the same
# path as `autograder grade`. The sandbox has its own deadlines, so that Execute.timeout has no effect.
c.Autograde.exporter_class = "autograder.nbgrading.Rebuilding"
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = ["autograder.nbgrading.Grade", "autograder.nbgrading.Save"]

# A lab is released from its source in the repository, rubrics and answers left out.
c.GenerateAssignment.exporter_class = "autograder.nbgrading.Releasing"
c.GenerateAssignment.preprocessors = []

# Feedback names what was expected and a hint; it holds no check and no rubric.
c.GenerateFeedback.exporter_class = "autograder.nbgrading.Feedback"
c.GenerateFeedback.preprocessors = []

# The formgrader shows what students wrote; none of it may run.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {"markdown2html": "autograder.nbgrading.harmless.markdown"}
# Formulas are set by the MathJax that `autograder serve` serves, not by another host's.
c.HTMLExporter.template_paths.insert(0, str(resources.files("autograder.nbgrading") / "templates"))

# What a late submission loses: nothing ("none") or everything ("zero"), or a plugin of your own.
# c.LateSubmissionPlugin.penalty_method = "zero"
# c.AssignLatePenalties.plugin_class = "my_penalties.OneTenthADay"
'''


def text() -> str:
    """The content of ``nbgrader_config.py``; it holds no path, so that the folder can be moved."""
    return _TEXT


def outdated(content: bytes) -> bool:
    """Whether a file is one that was written by an earlier release and that nobody changed since."""
    plain = content.replace(b"\r\n", b"\n")
    return hashlib.sha256(plain).hexdigest() in EARLIER and plain != _TEXT.encode()
