"""The gradebook: a course's folder, and nbgrader's database written as a whole or not at all."""

from autograder.gradebook.book import Book, open_book
from autograder.gradebook.course import Course
from autograder.gradebook.entry import Change, Entry, TaskChange

__all__ = ["Book", "Change", "Course", "Entry", "TaskChange", "open_book"]
