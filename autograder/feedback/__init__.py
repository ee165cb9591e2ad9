"""What students get back: a page for each submission that says what was checked, in words, and what to try.

A page holds no check, no rubric and no solution, loads nothing from anywhere, and runs nothing.
"""

from autograder.feedback.pages import page, write
from autograder.feedback.render import Graded, render

__all__ = ["Graded", "page", "render", "write"]
