"""Ending the grader at random moments: ``python -m autograder.bank.kills --moments 50``.

A small class is graded again and again by the ``autograder grade`` command. At a moment drawn by a seed the grader is
killed, or one of its workers, or the machine loses its power; then the same command runs once more. At the moment of
the blow the gradebook must be whole, with no half submission in it, and at the end equal to that of an undisturbed run.
"""
