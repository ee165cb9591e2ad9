"""Dynamic programming over ascending weights, compiled by Numba; each loop is plain Python under ``.py_func``.

Items are distinct weights or bins of many; ``sums`` are (5, m + 1) prefix sums of theirs, as ``prefixes`` makes them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efflab.quantization._kernels import Array, Doubles


@njit(cache=True, nogil=True)
def distinct(ordered: Array, items: Doubles, counts: Doubles) -> int:
    """Write the distinct values of an ascending array and how often each occurs; return how many there are."""
    found = 0
    for i in range(ordered.size):
        if found and ordered[i] == items[found - 1]:
            counts[found - 1] += 1.0
        else:
            items[found] = ordered[i]
            counts[found] = 1.0
            found += 1
    return found


@njit(cache=True, nogil=True)
def prefixes(items: Doubles, counts: Doubles, middle: int) -> Doubles:
    """Sum counts, values and squares from the middle item outwards, values taken from it.

    Sums grow outwards, so that far outliers take no digits from the differences of sums nearer to the middle.

    Returns:
        (5, m + 1): counts, values, squares, and what the sums of values and of squares lack (Neumaier).
    """
    m = items.size
    out = np.zeros((5, m + 1))
    for side in range(2):
        sign = 1.0 if side else -1.0
        n, s, s_low, q, q_low = 0.0, 0.0, 0.0, 0.0, 0.0
        for step in range(m - middle if side else middle):
            i = middle + step if side else middle - 1 - step
            value = items[i] - items[middle]
            n += counts[i]
            part = counts[i] * value
            total = s + part
            s_low += (s - total) + part if abs(s) >= abs(part) else (part - total) + s
            s = total
            part = part * value
            total = q + part
            q_low += (q - total) + part if abs(q) >= abs(part) else (part - total) + q
            q = total
            at = i + side
            out[0, at], out[1, at], out[2, at] = sign * n, sign * (s + s_low), sign * (q + q_low)
            out[3, at] = sign * ((s - (s + s_low)) + s_low)
            out[4, at] = sign * ((q - (q + q_low)) + q_low)
    return out


@njit(cache=True, nogil=True, inline="always")
def _split(a: float) -> tuple[float, float]:
    """Dekker's halves of a number's digits."""
    big = 134217729.0 * a
    high = big - (big - a)
    return high, a - high


@njit(cache=True, nogil=True, inline="always")
def _product(a: float, b: float) -> tuple[float, float]:
    """A product and its rounding error."""
    p = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(cache=True, nogil=True, inline="always")
def _gap(a: float, b: float) -> tuple[float, float]:
    """A difference and its rounding error."""
    d = a - b
    part = d - a
    return d, (a - (d - part)) - (b + part)


@njit(cache=True, nogil=True, inline="always")
def _cost(sums: Doubles, i: int, j: int, wide: bool) -> float:
    """Squared error of the items [i, j), which are not empty, around their mean; ``wide``: in twice the digits."""
    count = sums[0, j] - sums[0, i]
    if count == 1.0:
        return 0.0
    if not wide:
        total = sums[1, j] - sums[1, i]
        plain: float = (sums[2, j] - sums[2, i]) - total * total / count
        return plain
    s, s_low = _gap(sums[1, j], sums[1, i])
    s_low += sums[3, j] - sums[3, i]
    square, square_low = _product(s, s)
    square_low += 2 * s * s_low
    mean = square / count
    back, back_low = _product(mean, count)
    mean_low = ((square - back) - back_low + square_low) / count
    q, q_low = _gap(sums[2, j], sums[2, i])
    rest, rest_low = _gap(q, mean)
    precise: float = rest + (rest_low + (q_low + (sums[4, j] - sums[4, i])) - mean_low)
    return precise


@njit(cache=True, nogil=True)
def cost(sums: Doubles, bounds: NDArray[np.int64], wide: bool) -> tuple[float, float]:
    """Squared error of a partition, and the size of the numbers it is a difference of."""
    total, size = 0.0, 0.0
    for c in range(bounds.size - 1):
        i, j = bounds[c], bounds[c + 1]
        if sums[0, j] - sums[0, i] > 1:
            total += max(_cost(sums, i, j, wide), 0.0)
            size += max(abs(sums[2, i]), abs(sums[2, j]))
    return total, size


@njit(cache=True, nogil=True)
def partition(sums: Doubles, k: int, wide: bool) -> NDArray[np.int64]:
    """Split ascending items into k runs of the least squared error: dynamic programming, divide and conquer.

    D[c][j] = min over i of D[c-1][i] + cost(i, j), where the best i does not fall as j grows.

    Args:
        sums: (5, m + 1) prefix sums of the items.
        k: number of runs, at most m.
        wide: whether to compute in twice the digits.

    Returns:
        (k + 1,) boundaries, from 0 to m, strictly ascending.
    """
    m = sums.shape[1] - 1
    best = np.empty((k, m + 1), np.int32)
    before, after = np.empty(m + 1), np.empty(m + 1)
    before[0] = np.inf
    for j in range(1, m + 1):
        before[j] = _cost(sums, 0, j, wide)
    stack = np.empty((256, 4), np.int64)
    for c in range(1, k):
        after[:] = np.inf
        # c + 1 runs need as many items and leave one each to the rest; of the last row only the end is wanted.
        stack[0, 0], stack[0, 1] = (m if c == k - 1 else c + 1), m - (k - 1 - c)
        stack[0, 2], stack[0, 3] = c, m - 1
        height = 1
        while height:
            height -= 1
            low, high, left, right = stack[height, 0], stack[height, 1], stack[height, 2], stack[height, 3]
            j = (low + high) // 2
            least, arg = np.inf, left
            for i in range(np.uint64(left), np.uint64(min(right, j - 1) + 1)):
                value = before[i] + _cost(sums, i, j, wide)
                if value < least:
                    least, arg = value, np.int64(i)
            after[j], best[c, j] = least, arg
            if low < j:
                stack[height, 0], stack[height, 1] = low, j - 1
                stack[height, 2], stack[height, 3] = left, arg
                height += 1
            if j < high:
                stack[height, 0], stack[height, 1] = j + 1, high
                stack[height, 2], stack[height, 3] = arg, right
                height += 1
        before, after = after, before
    bounds = np.empty(k + 1, np.int64)
    bounds[0], bounds[k] = 0, m
    for c in range(k - 1, 0, -1):
        bounds[c] = best[c, bounds[c + 1]]
    return bounds


@njit(cache=True, nogil=True)
def refine(
    sums: Doubles, bounds: NDArray[np.int64], steps: NDArray[np.int64], reach: int, wide: bool
) -> bool:
    """Move boundaries to the best of ``2 reach + 1`` places each, all together; return whether any moved.

    Args:
        sums: as in ``partition``.
        bounds: (k + 1,) strictly ascending boundaries, changed in place.
        steps: (k + 1,) distance between the places of a boundary, in items.
        reach: places on each side.
        wide: as in ``partition``.
    """
    k, m = bounds.size - 1, sums.shape[1] - 1
    width = 2 * reach + 1
    best = np.zeros((k + 1, width), np.int64)
    before, after = np.full(width, np.inf), np.empty(width)
    before[reach] = 0.0
    for c in range(1, k + 1):
        after[:] = np.inf
        for a in range(width):
            j = bounds[c] + (a - reach) * steps[c]
            if (c == k and a != reach) or j < 1 or (j >= m and c < k):
                continue
            for b in range(width):
                i = bounds[c - 1] + (b - reach) * steps[c - 1]
                if before[b] < np.inf and i < j:
                    value = before[b] + _cost(sums, i, j, wide)
                    if value < after[a] or (value == after[a] and b == reach):
                        after[a], best[c, a] = value, b
        before, after = after, before
    at, moved = reach, False
    places = np.empty(k + 1, np.int64)
    for c in range(k, 0, -1):
        places[c] = at
        at = best[c, at]
    for c in range(1, k):
        moved = moved or places[c] != reach
        bounds[c] += (places[c] - reach) * steps[c]
    return moved


@njit(cache=True, nogil=True)
def _move(  # noqa: PLR0917 - Numba compiles positional calls
    items: Doubles, sums: Doubles, shift: float, centroids: Doubles, width: float, out: Doubles
) -> None:
    """Write where one of Lloyd's iterations moves ascending centroids."""
    n, s = sums[0], sums[1]
    k, m = centroids.size, items.size
    last_n, last_s, low = n[0], s[0], 0
    for c in range(k):
        at_n, at_s = n[m], s[m]
        if c < k - 1:
            line = centroids[c] / 2 + centroids[c + 1] / 2
            left, right = low, m
            while left < right:
                middle = (left + right) >> 1
                if items[middle] <= line:
                    left = middle + 1
                else:
                    right = middle
            low = left
            at_n, at_s = n[left], s[left]
            # The line may cut the item before it or the one after: part of the one goes with the other.
            if width > 0 and left and line - items[left - 1] < width / 2:
                part = 0.5 - (line - items[left - 1]) / width
                count = (n[left] - n[left - 1]) * part
                at_n -= count
                at_s -= count * (items[left - 1] - shift + (1 - part) * width / 2)
            elif width > 0 and left < m and items[left] - line < width / 2:
                part = 0.5 - (items[left] - line) / width
                count = (n[left + 1] - n[left]) * part
                at_n += count
                at_s += count * (items[left] - shift - (1 - part) * width / 2)
        count = at_n - last_n
        out[c] = (at_s - last_s) / count + shift if count > 0 else centroids[c]
        last_n, last_s = at_n, at_s


@njit(cache=True, nogil=True)
def lloyd_items(  # noqa: PLR0917 - as above
    items: Doubles, sums: Doubles, shift: float, centroids: Doubles, width: float, most: int
) -> int:
    """Iterate Lloyd's on ascending items until nothing moves, with Nesterov's momentum, dropped where it misleads.

    Plain iterations take about k^2 to converge from the wrong number of centroids in a region.

    Args:
        items: (m,) ascending means.
        sums: (5, m + 1) prefix sums of the items.
        shift: what they take from the values.
        centroids: (k,) ascending, changed in place.
        width: of the values in an item around its mean, spread evenly; 0: an item is a single value.
        most: iterations.

    Returns:
        The number of iterations.
    """
    k = centroids.size
    ahead, moved = centroids.copy(), np.empty(k)
    reach = 1e-9 * (centroids[k - 1] - centroids[0])
    speed = 1.0
    for iteration in range(most):
        _move(items, sums, shift, ahead, width, moved)
        largest, along = 0.0, 0.0
        for c in range(k):
            largest = max(largest, abs(moved[c] - ahead[c]))
            along += (ahead[c] - moved[c]) * (moved[c] - centroids[c])
        if along > 0:
            speed = 1.0
        faster = 0.5 + np.sqrt(0.25 + speed * speed)
        pull = (speed - 1) / faster
        speed = faster
        for c in range(k):
            ahead[c] = moved[c] + pull * (moved[c] - centroids[c])
            centroids[c] = moved[c]
        for c in range(1, k):
            if ahead[c] <= ahead[c - 1]:
                speed = 1.0
        if speed == 1.0:
            ahead[:] = centroids
        if largest <= reach:
            return iteration + 1
    return most
