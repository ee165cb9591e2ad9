"""Hidden checks of lab 09, the sparse LSTM engine. Oracles share no code with `efflab.ese` or `efflab.eie`.

Those of tasks 4, 5 and the challenge stand here, the others in `ese_channel`; `ese_network` trains and times the challenge's reader.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from autograder.checks.ese_channel import *  # noqa: F403 - tasks 1 to 3, collected from here
from autograder.checks.ese_channel import Array, Rng
from autograder.checks.ese_network import accuracy, state_of, step_cycles, trained_reader
from autograder.tasks import Student, expect, task


def format_oracle(weight: Array, bits: int) -> int:
    """Fraction bits, by trying them in exact arithmetic."""
    largest = max(abs(Fraction(float(value))) for value in weight.ravel())
    limit = 2 ** (bits - 1) - 1
    return max(f for f in range(-60, 90) if largest * Fraction(2) ** f <= limit) if largest else 0


def compare_codes(student: Student, weight: Array, bits: int, what: str) -> None:
    """Hold the student's codes against the exact ones, wherever rounding is clear."""
    got = student.call("quantize", weight, bits)
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    expect.true(pair, "Two things come back: codes and fraction bits.")
    right = format_oracle(weight, bits)
    fraction = expect.number(got[1], "the fraction bits")
    expect.equal(fraction, right, f"the fraction bits {what}")
    codes = expect.shape(got[0], weight.shape, f"the codes {what}").astype(np.float64)
    expect.equal(codes, np.round(codes), f"the codes {what}, rounded to whole numbers")
    scaled = np.asarray(weight, np.float64) * 2.0**right
    near = bool(np.all(np.abs(codes - scaled) <= 0.5 + 1e-6))
    expect.true(
        near, f"Each code {what} should be the nearest whole number to the weight in units of its last place."
    )


@task("ese-4", points=2)
def fills_the_range(student: Student, rng: Rng) -> None:
    """The fraction bits are as many as leave the largest magnitude inside the range, for any number of bits; codes are rounded to the nearest. Hint: max |w| times 2 ** f is at most 2 ** (bits - 1) - 1."""
    for bits, scale in ((12, 1.0), (12, 0.03), (8, 5.0), (16, 0.4), (4, 1.7)):
        weight = rng.normal(0, scale, size=(int(rng.integers(4, 9)), 17))
        sign = -1 if rng.random() < 0.5 else 1
        weight[1, 2] = sign * 1.2 * np.abs(weight).max()
        compare_codes(student, weight, bits, f"of {bits} bits")
        compare_codes(student, -weight, bits, f"of {bits} bits, signs exchanged")


@task("ese-4", points=1)
def large_small_and_none(student: Student, rng: Rng) -> None:
    """Fraction bits may be negative, may exceed the bits, and are 0 for a matrix of zeros; a weight that just fits is no overflow. Hint: try the largest magnitude 2047 and 2048 at 12 bits."""
    for exponent in (-20, -9, 6, 14):
        compare_codes(student, 2.0**exponent * rng.uniform(-1, 1, size=(3, 8)), 12, "of 12 bits")
    power = 2.0 ** int(rng.integers(-12, 12))
    for largest in (2047, 2047.75, 2048, 1024, 1023.5):
        weight = power * np.array([[1.0, -float(largest), 3.0]])
        compare_codes(
            student, weight, 12, f"of a matrix whose largest magnitude is {largest:g} powers of two"
        )
    compare_codes(student, np.zeros((3, 4)), 12, "of a matrix of zeros")


def product_oracle(codes: Array, x: Array, shift: int, bits: int) -> list[list[int]]:
    """The product in exact whole numbers."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    rows = []
    for row in codes.tolist():
        sums = [sum(a * b for a, b in zip(row, column, strict=True)) for column in x.T.tolist()]
        rows.append(
            [
                min(max(math.floor(Fraction(s) / Fraction(2) ** shift + Fraction(1, 2)), low), high)
                for s in sums
            ]
        )
    return rows


def compare_products(
    student: Student, codes: Array, x: Array, formats: tuple[int, int, int], what: str, *, bits: int = 16
) -> None:
    """Hold the student's product against the exact one."""
    fraction, x_fraction, out_fraction = formats
    got = student.call("fixed_product", codes, fraction, x, x_fraction, out_fraction, bits)
    right = np.array(product_oracle(codes, x, fraction + x_fraction - out_fraction, bits))
    expect.equal(expect.shape(got, right.shape, f"the product {what}"), right, f"the product {what}")


@task("ese-4", points=2)
def rounds_the_sum_once(student: Student, rng: Rng) -> None:
    """The exact sum is shifted to the fraction bits asked for: half of the last place added first when bits go, to the left when there are more. Hint: the product has the fraction bits of both factors."""
    for formats in ((11, 14, 11), (8, 11, 16), (4, 3, 9), (9, 2, 2), (3, 3, 6)):
        codes = rng.integers(-400, 401, size=(6, 9))
        x = rng.integers(-300, 301, size=(9, 4))
        compare_products(student, codes, x, formats, f"with the fraction bits {formats}", bits=32)
    ties = np.array([[1], [3], [-1], [-3], [-5]])
    compare_products(student, ties, np.array([[1, 2]]), (1, 0, 0), "where the rest is a half")


@task("ese-4", points=1)
def stays_in_the_range(student: Student, rng: Rng) -> None:
    """What does not fit stays at the end of the range, and sums that need more than 32 bits are right. Hint: saturate after the shift, not before."""
    codes, x = rng.integers(-2047, 2048, size=(8, 40)), rng.integers(-(2**15), 2**15, size=(40, 3))
    compare_products(student, codes, x, (11, 11, 11), "in 16 bits")
    compare_products(student, codes, x, (11, 13, 11), "in 12 bits", bits=12)
    wide = np.full((2, 200), 2047)
    wide[1] *= -1
    compare_products(student, wide, np.full((200, 1), 2**15 - 1), (11, 15, 4), "of large numbers alone")


Work = tuple[str, str, int, list[str]]


def plan_oracle(tasks: Sequence[Work], buffers: int) -> dict[str, tuple[int, int]]:
    """The overlapped plan, by asking in every cycle what may begin."""
    queues: dict[str, list[Work]] = {}
    for one in tasks:
        queues.setdefault(one[1], []).append(one)
    loads = [name for name, resource, *_ in tasks if resource == "memory"]
    plan: dict[str, tuple[int, int]] = {}
    cycle = 0

    def over(name: str) -> bool:
        return name in plan and plan[name][1] <= cycle

    def may_begin(one: Work) -> bool:
        ready = all(over(need) for need in one[3])
        if one[1] == "memory" and loads.index(one[0]) >= buffers:
            old = loads[loads.index(one[0]) - buffers]
            ready = ready and over(old) and all(over(name) for name, _, _, needs in tasks if old in needs)
        return ready

    running = dict.fromkeys(queues, 0)
    while any(queues.values()):
        begun = True
        while begun:
            begun = False
            for resource, queue in queues.items():
                if queue and running[resource] <= cycle and may_begin(queue[0]):
                    name, _, cycles, _ = queue.pop(0)
                    plan[name] = (cycle, cycle + cycles)
                    running[resource], begun = cycle + cycles, True
        cycle += 1
    return plan


def draw_tasks(rng: Rng, count: int, *, shared: bool = False) -> list[Work]:
    """Transfers with products that need them, and stages in between that need anything before."""
    tasks: list[Work] = []
    for number in range(count):
        tasks.append((f"load {number}", "memory", int(rng.integers(1, 12)), []))
        for user in range(1 + (shared and int(rng.integers(0, 3)))):
            others = [name for name, resource, *_ in tasks if resource != "memory"]
            extra = [str(rng.choice(others))] if others and rng.random() < 0.4 else []
            resource = str(rng.choice(["products", "stages"])) if user else "products"
            tasks.append((f"{number}.{user}", resource, int(rng.integers(1, 12)), [f"load {number}", *extra]))
        if rng.random() < 0.6:
            names = [name for name, *_ in tasks if not name.startswith("load")]
            needs = sorted({str(name) for name in rng.choice(names, size=min(2, len(names)), replace=False)})
            tasks.append((f"stage {number}", "stages", int(rng.integers(0, 9)), needs))
    return tasks


def compare_plans(
    student: Student, tasks: Sequence[Work], buffers: int, what: str, *, overlap: bool = True
) -> None:
    """Hold the student's plan against the oracle's."""
    right = plan_oracle(tasks, buffers) if overlap else in_a_row(tasks)
    got = student.call("schedule", list(tasks), buffers, overlap)
    expect.true(isinstance(got, dict), "The plan should be a dict: start and end by the name of a task.")
    expect.equal(sorted(got), sorted(right), f"the names in the plan {what}")
    for name, times in right.items():
        expect.equal(
            expect.shape(got[name], (2,), f"start and end of {name!r}"),
            times,
            f"start and end of {name!r} {what}",
        )


def in_a_row(tasks: Sequence[Work]) -> dict[str, tuple[int, int]]:
    """One task after the other."""
    ends = np.cumsum([cycles for _, _, cycles, _ in tasks])
    return {
        name: (int(end) - cycles, int(end)) for (name, _, cycles, _), end in zip(tasks, ends, strict=True)
    }


@task("ese-5", points=2)
def waits_for_what_it_needs(student: Student, rng: Rng) -> None:
    """A task begins when the task before it on its resource is over and everything that it needs is there. Hint: the largest of all these ends."""
    for count in (3, 6, 10):
        tasks = draw_tasks(rng, count)
        compare_plans(student, tasks, 3 * count, "with buffers for all")


@task("ese-5", points=2)
def takes_turns_with_buffers(student: Student, rng: Rng) -> None:
    """A transfer waits for the buffer that it takes over until every task that needs its contents is over. Hint: transfer i takes over the buffer of transfer i - buffers."""
    for count, buffers in ((6, 1), (9, 2), (12, 2), (12, 3)):
        tasks = draw_tasks(rng, count, shared=True)
        compare_plans(student, tasks, buffers, f"with {buffers} buffers")


@task("ese-5", points=1)
def one_after_the_other(student: Student, rng: Rng) -> None:
    """Without overlap each task begins when the one before it in the list is over, on whatever resource. Hint: buffers and needs are then met by themselves."""
    for count in (4, 8):
        compare_plans(student, draw_tasks(rng, count, shared=True), 2, "one after the other", overlap=False)


@task("ese-5", points=1)
def unusual_lists(student: Student, rng: Rng) -> None:
    """Transfers that nobody needs, tasks of no duration, needs between transfers and an empty list are planned too. Hint: a buffer that nobody reads is free when its transfer is over."""
    size = [int(n) for n in rng.integers(2, 9, size=5)]
    tasks: list[Work] = [
        ("a", "memory", size[0], []),
        ("b", "memory", size[1], []),
        ("A", "products", size[2] + 12, ["a"]),
        ("zero", "stages", 0, ["A"]),
        ("c", "memory", size[3], ["zero"]),
        ("d", "memory", size[4], []),
        ("D", "products", 3, ["d", "A"]),
    ]
    for buffers in (2, 3):
        compare_plans(student, tasks, buffers, f"with {buffers} buffers")
    compare_plans(student, [], 2, "of nothing")


LIMIT = 2.0
"""Percentage points of accuracy that the challenge's reader may lose on images never seen."""
FULL = 7.0
"""Times fewer cycles than the dense reader that earn full points."""


@task("ese-challenge", points=4)
def few_cycles(student: Student, rng: Rng, shared: Rng) -> float:
    """A reader whose step takes few cycles of the channel, at most two points less accurate than the dense one on images it has never seen; a seventh of the cycles earns all points. Hint: balanced, in several rounds, and less of the matrices with many columns."""
    # Training takes seconds, so the course's secret draws one reader for all; the order of the images is each one's own.
    state, train, held_out = trained_reader(int(shared.integers(2**31)))
    given = {name: value.clone() for name, value in state.items()}
    order = torch.from_numpy(rng.permutation(len(train)))
    got: Any = student.call("fastest_reader", given, train.x[order], train.y[order])
    found = state_of(got, state)
    before, after = accuracy(state, held_out), accuracy(found, held_out)
    expect.true(
        after >= before - LIMIT,
        f"On new images the dense reader is right in {before:.1f} % and yours in {after:.1f} %; it may lose {LIMIT:g} points.",
    )
    faster = step_cycles(state) / step_cycles(found)
    return expect.scale(math.log(faster), 0.0, math.log(FULL), "the speed-up")
