"""Hidden checks of lab 09, tasks 1 to 3; `ese` collects them. The oracle of task 3 moves the channel cycle by cycle."""

from typing import Any

import numpy as np
import torch

from autograder.tasks import Student, expect, task

Array = np.ndarray[Any, Any]
Rng = np.random.Generator


def mask_oracle(weight: Array, sparsity: float, pes: int) -> Array:
    """The balanced mask, by sorting each PE's weights with their places."""
    mask = np.ones(weight.shape, bool)
    for pe in range(pes):
        places = [(row, column) for row in range(pe, len(weight), pes) for column in range(weight.shape[1])]
        ranked = sorted(places, key=lambda place: abs(float(weight[place])))
        for place in ranked[: round(sparsity * len(places))]:
            mask[place] = False
    return mask


def the_mask(student: Student, weight: Array, sparsity: float, pes: int) -> Array:
    """The student's mask, of the right kind."""
    got = student.call("balanced_mask", torch.from_numpy(weight.astype(np.float32)), sparsity, pes)
    return expect.shape(got, weight.shape, "the mask")


def draw_weight(rng: Rng, rows: int, columns: int) -> Array:
    """Weights whose rows differ in size, so that PEs do."""
    scale = np.exp(rng.normal(0, 0.7, size=(rows, 1)))
    return np.asarray((scale * rng.normal(size=(rows, columns))).astype(np.float32))


@task("ese-1", points=2)
def keeps_the_largest_of_each_pe(student: Student, rng: Rng) -> None:
    """Of each PE's rows, the weights of largest magnitude stay. Hint: row i belongs to PE i % pes; each PE's rows are pruned as a matrix of their own."""
    for pes, part, columns in ((2, 6, 5), (4, 5, 12), (8, 3, 9)):
        weight = draw_weight(rng, pes * part, columns)
        sparsity = float(rng.uniform(0.4, 0.9))
        got = the_mask(student, weight, sparsity, pes)
        expect.dtype(got, "bool", "the mask")
        expect.equal(got, mask_oracle(weight, sparsity, pes), f"the mask for {pes} PEs at {sparsity:.2f}")


@task("ese-1", points=1)
def all_keep_the_same_number(student: Student, rng: Rng) -> None:
    """Every PE keeps equally many weights where each has equally many rows, round(sparsity * n) of them gone, even among equal magnitudes. Hint: count, do not compare with a threshold."""
    for pes, part, columns in ((4, 4, 7), (8, 2, 11)):
        weight = rng.integers(-2, 3, size=(pes * part, columns)).astype(np.float32)
        sparsity = float(rng.uniform(0.2, 0.8))
        got = the_mask(student, weight, sparsity, pes)
        left = part * columns - round(sparsity * part * columns)
        for pe in range(pes):
            expect.equal(int(np.count_nonzero(got[pe::pes])), left, f"the weights that PE {pe} keeps")


@task("ese-1", points=1)
def uneven_rows(student: Student, rng: Rng) -> None:
    """Where the rows do not divide evenly each PE loses the same part of its own weights, and there may be fewer rows than PEs. Hint: `n` is that PE's number of weights."""
    for rows, pes in ((11, 4), (13, 8), (3, 8), (7, 1)):
        weight = draw_weight(rng, rows, int(rng.integers(5, 12)))
        sparsity = float(rng.uniform(0.4, 0.8))
        got = the_mask(student, weight, sparsity, pes)
        expect.equal(got != 0, mask_oracle(weight, sparsity, pes), f"the mask of {rows} rows over {pes} PEs")


@task("ese-1", points=1)
def first_of_equals(student: Student, rng: Rng) -> None:
    """Of equal magnitudes the first in the PE's rows goes first, nothing goes at sparsity 0, and the weights are left as they were. Hint: a stable sort."""
    weight = rng.integers(-2, 3, size=(12, 6)).astype(np.float32)
    for sparsity in (0.0, float(rng.uniform(0.3, 0.7))):
        given = student.put(torch.from_numpy(weight.copy()))
        got = expect.shape(student.call("balanced_mask", given, sparsity, 3), weight.shape, "the mask")
        expect.equal(got != 0, mask_oracle(weight, sparsity, 3), f"the mask at {sparsity:.2f}")
        expect.equal(student.fetch(given), weight, "the weights after the call")


def draw_entries(rng: Rng, columns: int, pes: int, mean: float) -> Array:
    """Entries by column and PE, of which some PEs and some columns have more."""
    rates = mean * rng.gamma(4, 1 / 4, size=(columns, 1)) * rng.gamma(9, 1 / 9, size=(1, pes))
    return np.asarray(rng.poisson(rates))


@task("ese-2", points=2)
def mean_over_busiest(student: Student, rng: Rng) -> None:
    """The entries over N times those of the busiest PE; 1 for a matrix without entries. Hint: sum over the columns first."""
    cases = [draw_entries(rng, 40, 8, 3.0), draw_entries(rng, 9, 4, 0.3), draw_entries(rng, 25, 16, 1.0)]
    idle = draw_entries(rng, 30, 6, 2.0)
    idle[:, int(rng.integers(6))] = 0
    for counts in (*cases, idle, np.zeros((5, 3), int)):
        sums = [sum(int(n) for n in column) for column in counts.T]
        right = sum(sums) / (len(sums) * max(sums)) if any(sums) else 1.0
        got = expect.number(student.call("balance", counts), "the balance")
        expect.close(got, right, f"the balance of {counts.sum()} entries over {len(sums)} PEs")


@task("ese-2", points=2)
def columns_in_step(student: Student, rng: Rng) -> None:
    """The entries over N times the cycles, where each column takes as many as its busiest PE and at least one. Hint: the busiest of each column first, then the sum."""
    sparse_one = draw_entries(rng, 60, 5, 0.2)
    for counts in (draw_entries(rng, 40, 8, 3.0), sparse_one, np.zeros((4, 2), int)):
        cycles = sum(max(1, *(int(n) for n in row)) for row in counts)
        got = expect.number(student.call("balance_in_step", counts), "the balance in step")
        expect.close(got, int(counts.sum()) / (counts.shape[1] * cycles), "the balance in step")


def cycle_by_cycle(counts: Array, x: Array, depth: int) -> tuple[list[int], list[list[int]], int]:
    """A channel that moves its registers: broadcasts, starts and cycles."""
    pes = counts.shape[1]
    queues: list[list[int]] = [[] for _ in range(pes)]
    left, starts = [0] * pes, [[-1] * pes for _ in range(int(np.count_nonzero(x)))]
    broadcasts: list[int] = []
    scan = scanned(x, pes)
    cycle, item = 0, next(scan)
    while item is not None or any(queues) or any(left):
        for pe, queue in enumerate(queues):
            if left[pe] == 0 and queue:
                number = queue.pop(0)
                starts[number][pe] = cycle
                left[pe] = max(1, int(counts[places(x)[number], pe]))
        if item == "zeros":
            item = next(scan)
        elif item is not None and max(map(len, queues)) < depth:
            for queue in queues:
                queue.append(len(broadcasts))
            broadcasts.append(cycle)
            item = next(scan)
        left = [max(0, one - 1) for one in left]
        cycle += 1
    return broadcasts, starts, cycle


def places(x: Array) -> list[int]:
    """Where the non-zero inputs are."""
    return [place for place, value in enumerate(x) if value != 0]


def scanned(x: Array, pes: int) -> Any:
    """What the scan meets, a cycle each: a non-zero input or a row of zeros; None where nothing more comes."""
    found: list[Any] = []
    for row in range(0, len(x), pes):
        values = [value for value in x[row : row + pes] if value != 0]
        found += ["input" for _ in values] or ["zeros"]
    while found and found[-1] == "zeros":
        found.pop()
    return iter([*found, None])


def finish(counts: Array, depth: int) -> int:
    """Cycles of a channel whose every input is non-zero, by events in plain numbers: for checks that need many."""
    begun: list[list[int]] = []
    ends, at = [0] * counts.shape[1], -1
    for number, row in enumerate(counts.tolist()):
        at = max(at + 1, max(begun[number - depth]) if number >= depth else 0)
        begun.append([max(at + 1, end) for end in ends])
        ends = [start + max(1, work) for start, work in zip(begun[-1], row, strict=True)]
    return max(ends)


def the_run(student: Student, counts: Array, x: Array, depth: int) -> tuple[Any, Any, Any]:
    """The student's broadcasts, starts and cycles."""
    got = student.call("channel", counts, x, depth)
    three = isinstance(got, (tuple, list)) and len(got) == 3
    expect.true(three, "Three things come back: broadcasts, starts and cycles.")
    return expect.array(got[0], "the broadcasts"), expect.array(got[1], "the starts"), got[2]


def compare(student: Student, counts: Array, x: Array, depth: int, what: str) -> None:
    """Hold the student's run against the oracle's."""
    broadcasts, starts, cycles = the_run(student, counts, x, depth)
    right = cycle_by_cycle(counts, x, depth)
    expect.equal(broadcasts, right[0], f"the cycles of the broadcasts {what}")
    expect.equal(starts, right[1], f"the starts {what}")
    expect.equal(expect.number(cycles, "the cycles"), right[2], f"the cycles {what}")


def draw_inputs(rng: Rng, columns: int) -> Array:
    """Inputs without a zero, of either sign."""
    return np.asarray(rng.uniform(0.1, 1.0, size=columns) * rng.choice([-1, 1], size=columns))


@task("ese-3", points=2)
def queues_deep_enough(student: Student, rng: Rng) -> None:
    """With queues that never fill up, a broadcast goes out every cycle and each PE works through its own entries. Hint: a PE begins when it is done with the last column, and one cycle after the broadcast at the earliest."""
    for columns, pes, mean in ((20, 4, 2.0), (35, 6, 0.8), (6, 1, 3.0)):
        counts = 1 + draw_entries(rng, columns, pes, mean)
        compare(student, counts, draw_inputs(rng, columns), columns, "with deep queues")


@task("ese-3", points=2)
def broadcast_waits(student: Student, rng: Rng) -> None:
    """A broadcast waits until every queue has a place, which is free as soon as a PE takes its entry. Hint: broadcast j looks at the starts of j - depth, in all PEs."""
    for columns, pes, depth in ((30, 4, 1), (40, 5, 2), (50, 8, 3), (60, 3, 7)):
        counts = 1 + draw_entries(rng, columns, pes, 2.0)
        compare(student, counts, draw_inputs(rng, columns), depth, f"with {depth} places in each queue")


@task("ese-3", points=1)
def empty_columns_cost_a_cycle(student: Student, rng: Rng) -> None:
    """A column in which a PE has no entry takes that PE one cycle. Hint: the work is at least 1."""
    for columns, pes, depth in ((40, 6, 2), (50, 4, 6)):
        counts = draw_entries(rng, columns, pes, 0.7)
        compare(student, counts, draw_inputs(rng, columns), depth, "where columns are empty")


@task("ese-3", points=2)
def scan_takes_time(student: Student, rng: Rng) -> None:
    """Zero inputs are not broadcast; a row of N zeros takes the scan one cycle, before the first input too, while queues drain as well. Hint: the row of input i is i // N."""
    for pes, depth in ((2, 4), (4, 1), (4, 3), (8, 2)):
        columns = 12 * pes + int(rng.integers(pes))
        x = draw_inputs(rng, columns) * (rng.random(columns) < 0.6 / pes)
        x[: int(rng.integers(1, 3)) * pes] = 0
        x[5 * pes : 5 * pes + int(rng.integers(2, 4)) * pes] = 0
        x[[3 * pes, 4 * pes + 1, 9 * pes]] = 0.5, -0.5, 1.5
        counts = draw_entries(rng, columns, pes, 3.0)
        compare(student, counts, x, depth, f"with zero inputs, {pes} PEs and {depth} places")
