"""The grader's own memory while a check compares."""

import sys

import numpy as np
import pytest

from autograder.sandbox import memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux bounds the address space")
def test_more_than_the_bound_is_a_memory_error_and_the_bound_ends_with_the_block():
    with memory.bounded(2**28):
        np.zeros(2**26, np.uint8)
        with pytest.raises(MemoryError):
            np.zeros(2**30, np.uint8)
    assert np.zeros(2**30, np.uint8).nbytes == 2**30
