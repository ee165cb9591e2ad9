"""Loops of k-means, compiled by Numba; each is plain Python under ``.py_func``."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@njit(cache=True, nogil=True, inline="always")
def _cost(n: Doubles, s: Doubles, q: Doubles, i: int, j: int) -> float:
    """Squared error of the items [i, j) around their mean, from prefix sums of counts, values and squares."""
    count = n[j] - n[i]
    if count <= 0:
        return 0.0
    total = s[j] - s[i]
    return max(q[j] - q[i] - total * total / count, 0.0)


@njit(cache=True, nogil=True)
def partition(n: Doubles, s: Doubles, q: Doubles, k: int) -> NDArray[np.int64]:
    """Split ascending items into k runs of the least squared error: dynamic programming, divide and conquer.

    D[c][j] = min over i of D[c-1][i] + cost(i, j); the best i does not fall as j grows.

    Args:
        n: (m + 1,) prefix sums of the items' counts.
        s: of their values times counts.
        q: of their squares times counts.
        k: number of runs, at most m.

    Returns:
        (k + 1,) boundaries, from 0 to m.
    """
    m = n.size - 1
    best = np.zeros((k, m + 1), np.int32)
    before = np.empty(m + 1)
    for j in range(m + 1):
        before[j] = _cost(n, s, q, 0, j)
    after = np.empty(m + 1)
    stack = np.empty((128, 4), np.int64)
    for c in range(1, k):
        top = 0
        # In the last row only D[k][m] counts.
        first = m if c == k - 1 else c + 1
        stack[0] = np.array([first, m, c, m - 1])
        top = 1
        after[:] = np.inf
        while top:
            top -= 1
            low, high, left, right = stack[top]
            if low > high:
                continue
            j = (low + high) // 2
            least, arg = np.inf, max(left, c)
            for i in range(max(left, c), min(right, j - 1) + 1):
                value = before[i] + _cost(n, s, q, i, j)
                if value < least:
                    least, arg = value, i
            after[j], best[c, j] = least, arg
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = low, j - 1, left, arg
            top += 1
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = j + 1, high, arg, right
            top += 1
        before, after = after, before
    bounds = np.empty(k + 1, np.int64)
    bounds[k] = m
    for c in range(k - 1, 0, -1):
        bounds[c] = best[c, bounds[c + 1]]
    bounds[0] = 0
    return bounds
