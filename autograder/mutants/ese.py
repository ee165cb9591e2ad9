"""Mutants and honest variants of lab 09, the sparse LSTM engine, collected from where they stand."""

from autograder.mutants.ese_channel import *  # noqa: F403 - task 3
from autograder.mutants.ese_numbers import *  # noqa: F403 - task 4
from autograder.mutants.ese_pruning import *  # noqa: F403 - tasks 1 and 2
from autograder.mutants.ese_readers import *  # noqa: F403 - the challenge
from autograder.mutants.ese_schedule import *  # noqa: F403 - task 5
