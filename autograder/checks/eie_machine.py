"""What the hidden checks of lab 08 know of the machine, written without a line of `efflab.eie` or `efflab.sparse`.

The machine is moved cycle by cycle through real queues; rows of the memory are told apart by the addresses of their entries.
"""

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from autograder.checks.huffman_file import index_oracle

Array = np.ndarray[Any, Any]

Element = tuple[list[int], list[int], list[int]]
"""v, z and p."""

LOW, HIGH = -(2**15), 2**15 - 1


def elements_of(codes: Array, pes: int, bits: int) -> list[Element]:
    """What each element keeps, one column of one element after the other."""
    found: list[Element] = []
    for k in range(pes):
        v: list[int] = []
        z: list[int] = []
        p = [0]
        for column in range(codes.shape[1]):
            zeros, values = index_oracle(codes[k::pes, column], bits)
            v += values
            z += zeros
            p.append(p[-1] + len(values))
        found.append((v, z, p))
    return found


def scan(activations: Array, pes: int) -> tuple[list[int], list[int]]:
    """Non-zero inputs and the rows of zeros before each, by a clock that looks at one row after the other."""
    indices: list[int] = []
    cycles: list[int] = []
    cycle = 0
    for row in range(0, len(activations), pes):
        waiting = [row + place for place, value in enumerate(activations[row : row + pes]) if value]
        for index in waiting:
            indices.append(index)
            cycles.append(cycle)
            cycle += 1
        cycle += not waiting
    before = [-1, *cycles]
    return indices, [at - before[place] - 1 for place, at in enumerate(cycles)]


def added(total: int, weight: int, activation: int, shift: int) -> int:
    """A sum after one product, in exact fractions."""
    product = Fraction(weight * activation, 2**shift)
    return sorted((LOW, total + floor(product + Fraction(1, 2)), HIGH))[1]


def sums_of(weights: Array, activations: dict[int, int], sums: Sequence[int], shift: int) -> list[int]:
    """The sums of some rows of dense weights, each product rounded, in the order of the broadcasts."""
    found = [int(one) for one in sums]
    for column, activation in activations.items():
        for row, weight in enumerate(weights[:, column].tolist()):
            found[row] = added(found[row], weight, activation, shift)
    return found


def play(work: Array, gaps: Sequence[int], depth: int) -> tuple[list[int], list[list[int]], int]:
    """Move the machine from cycle to cycle.

    Args:
        work: (broadcasts, pes) cycles that each input keeps each element.
        gaps: rows of zeros before each.
        depth: inputs that a queue holds.

    Returns:
        The cycle of each broadcast, the cycles in which each element begins with it, and all cycles until the last ends.
    """
    count, pes = work.shape
    queues: list[deque[int]] = [deque() for _ in range(pes)]
    left = [0] * pes
    sent: list[int] = []
    begun = [[-1] * pes for _ in range(count)]
    looking = gaps[0] if count else 0
    cycle = 0
    while len(sent) < count or any(queues) or any(one > 1 for one in left):
        for k, queue in enumerate(queues):
            left[k] = max(left[k] - 1, 0)
            if not left[k] and queue:
                taken = queue.popleft()
                begun[taken][k] = cycle
                left[k] = int(work[taken, k])
        if looking:
            looking -= 1
        elif len(sent) < count and all(len(queue) < depth for queue in queues):
            for queue in queues:
                queue.append(len(sent))
            sent.append(cycle)
            looking = gaps[len(sent)] if len(sent) < count else 0
        cycle += 1
    return sent, begun, cycle


def rows_touched(p: Sequence[int], inputs: Sequence[int], width: int) -> int:
    """Rows of the memory that hold an entry of some columns."""
    size = width // 8
    pairs = [(int(p[j]), int(p[j + 1])) for j in inputs]
    return len({entry // size for begin, end in pairs for entry in range(begin, end)})


def used(counts: dict[str, int], pj: dict[str, float]) -> dict[str, float]:
    """Picojoules by module."""
    pairs, entries = counts["broadcasts"] * counts["pes"], counts["entries"]
    lookup = pj["register"]
    return {
        "ActQueue": pairs * pj["register"] + pairs * pj["register"],
        "PtrRead": pairs * pj["pointer"] + pairs * pj["pointer"],
        "SpmatRead": pj["row"] * counts["rows"],
        "ArithmUnit": entries * lookup + entries * pj["multiply"] + entries * pj["add"],
        "ActRW": entries * pj["register"] + entries * pj["register"],
        "Clock": pj["clock"] * counts["cycles"] * counts["pes"],
    }
