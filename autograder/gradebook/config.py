"""nbgrader's settings for a course folder, so that its commands and the formgrader grade by the same path."""

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
# Not laid beside the autograded notebook, from where the formgrader would serve it.
c.CourseDirectory.ignore = [".*", "__pycache__", "*.py*", "*.md", "*.pt", "*.safetensors", "feedback"]
c.CourseDirectory.ignore += ["*.htm*", "*.xhtml", "*.xml", "*.svg", "*.js", "*.pdf"]

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
