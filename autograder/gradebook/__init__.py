"""The gradebook: a course's folder, and nbgrader's database written as a whole or not at all."""

from autograder.gradebook.book import Book, open_book
from autograder.gradebook.course import Course
from autograder.gradebook.entry import Change, Entry, TaskChange
from autograder.gradebook.forgetting import Forgotten, forget
from autograder.gradebook.table import rows

__all__ = ["Book", "Change", "Course", "Entry", "Forgotten", "TaskChange", "forget", "open_book", "rows"]
