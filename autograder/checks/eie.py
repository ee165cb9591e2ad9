"""Hidden checks of lab 08, EIE. Oracles share no code with `efflab.eie` or `efflab.sparse`.

Those of tasks 4, 5 and the challenge stand here, the others in `eie_elements`; `eie_machine` is the machine that all hold
the student's against.
"""

from typing import Any

import numpy as np

from autograder.checks.eie_elements import *  # noqa: F403 - tasks 1 to 3, collected from here
from autograder.checks.eie_elements import Rng
from autograder.checks.eie_machine import Array, elements_of, play, rows_touched, scan, used
from autograder.tasks import Student, expect, task


def draw_entries(rng: Rng, count: int, pes: int, mean: float) -> Array:
    """Entries by input and element, some of them none."""
    return rng.poisson(mean, size=(count, pes))


def hold_times(student: Student, work: Array, gaps: Array, depth: int, what: str) -> None:
    """Expect the student's times to be the machine's."""
    got = student.call("broadcast_times", work, gaps, depth)
    expect.true(
        isinstance(got, (list, tuple)) and len(got) == 2, "Two things come back: broadcasts and beginnings."
    )
    sent, begun, _ = play(work, gaps.tolist(), depth)
    expect.equal(expect.array(got[0], "the broadcasts"), sent, f"the cycles of the broadcasts {what}")
    expect.equal(
        expect.array(got[1], "the beginnings"),
        np.array(begun),
        f"the cycles in which the elements begin {what}",
    )


@task("eie-4", points=2)
def sends_and_begins(student: Student, rng: Rng) -> None:
    """With queues that never fill an input is sent each cycle, later by its gap, and each element begins when it has it and is done. Hint: an input is in the queue a cycle after it was sent."""
    for pes, mean in ((1, 0.8), (3, 0.6), (6, 2.0)):
        work = np.maximum(draw_entries(rng, 15, pes, mean), 1)
        hold_times(student, work, rng.poisson(0.7, size=15), 15, f"with queues of 15, {pes} elements")


@task("eie-4", points=2)
def stops_at_a_full_queue(student: Student, rng: Rng) -> None:
    """An input is sent only when every queue has room, and a place is free in the cycle in which its input is taken. Hint: the input `depth` before must have been taken everywhere."""
    for depth in (1, 2, 3, 7):
        work = 1 + draw_entries(rng, 40, 4, 1.5)
        hold_times(student, work, np.zeros(40, int), depth, f"with queues of {depth}")


@task("eie-4", points=1)
def scans_and_stops(student: Student, rng: Rng) -> None:
    """Rows of zeros and full queues together, up to the smallest machine. Hint: the scan looks for the next input only after it has sent the last."""
    for depth, pes in ((1, 3), (2, 5), (4, 2), (1, 1)):
        work = np.maximum(draw_entries(rng, 60, pes, 1.8), 1)
        hold_times(
            student, work, rng.poisson(0.8, size=60), depth, f"with queues of {depth} and rows of zeros"
        )
    hold_times(student, np.array([[3, 1]]), np.array([2]), 1, "of a single input")


def told(student: Student, rng: Rng) -> list[tuple[Any, Any, str]]:
    """The student's tallies, the machine's, and of what."""
    found = []
    for depth, pes, mean in ((1, 4, 1.2), (3, 2, 0.7), (7, 8, 2.0), (2, 1, 0.4)):
        entries = draw_entries(rng, 50, pes, mean)
        # The first and the last element are often done long before or behind the others.
        entries[-3:, 0], entries[-1, -1] = 0, 4
        gaps = rng.poisson(0.6, size=50)
        got = student.call("tally", entries, gaps, depth)
        expect.true(isinstance(got, dict), "The tally should be a dict of three numbers.")
        sent, _, cycles = play(np.maximum(entries, 1), gaps.tolist(), depth)
        right = {
            "cycles": cycles,
            "blocked": sent[-1] + 1 - 50 - int(gaps.sum()),
            "balance": entries.sum() / (pes * cycles),
        }
        expect.equal(sorted(got), sorted(right), "the names of the tally")
        found.append((got, right, f"of {pes} elements with queues of {depth}"))
    return found


@task("eie-4", points=1)
def counts_all_cycles(student: Student, rng: Rng) -> None:
    """The cycles run until the last element is done, an empty column taking one. Hint: where an element begins, and how long it works."""
    for got, right, what in told(student, rng):
        expect.equal(expect.number(got["cycles"], "the cycles"), right["cycles"], f"the cycles {what}")


@task("eie-4", points=1)
def counts_stalls(student: Student, rng: Rng) -> None:
    """Blocked are the cycles in which a non-zero input waited for a full queue, rows of zeros not among them. Hint: compare with a broadcast that is never stopped."""
    for got, right, what in told(student, rng):
        expect.equal(
            expect.number(got["blocked"], "the blocked cycles"),
            right["blocked"],
            f"the blocked cycles {what}",
        )


@task("eie-4", points=1)
def weighs_the_balance(student: Student, rng: Rng) -> None:
    """The balance is the share of all elements' cycles in which an entry is processed. Hint: the cycle of an empty column processes none."""
    for got, right, what in told(student, rng):
        expect.close(
            expect.number(got["balance"], "the balance"), right["balance"], f"the balance {what}", rtol=1e-9
        )


def draw_reads(rng: Rng, mean: float, columns: int = 60) -> tuple[Array, list[int]]:
    """Pointers of an element, and the columns that are read."""
    p = np.concatenate([[0], np.cumsum(rng.poisson(mean, size=columns))])
    return p, np.flatnonzero(rng.random(columns) < 0.6).tolist()


@task("eie-5", points=2)
def reads_rows(student: Student, rng: Rng) -> None:
    """A read brings the whole row in which an entry lies, whatever the width. Hint: entry i lies in row i // (width / 8)."""
    for width, mean in ((32, 6.0), (64, 3.0), (128, 20.0), (512, 9.0)):
        p, inputs = draw_reads(rng, mean)
        got = expect.number(student.call("row_reads", p, np.array(inputs), width), "the reads")
        expect.equal(got, rows_touched(p.tolist(), inputs, width), f"the reads of rows of {width} bits")


@task("eie-5", points=1)
def keeps_the_row_it_has(student: Student, rng: Rng) -> None:
    """The next column may begin in the row that is held; empty columns read nothing. Hint: remember the last row."""
    for width, mean in ((64, 0.6), (256, 1.0), (512, 0.3)):
        p, inputs = draw_reads(rng, mean, 90)
        got = expect.number(student.call("row_reads", p, np.array(inputs), width), "the reads")
        expect.equal(
            got, rows_touched(p.tolist(), inputs, width), f"the reads of short columns, {width} bits"
        )
    expect.equal(
        expect.number(student.call("row_reads", np.array([0, 3, 3, 8]), np.array([1]), 64), "the reads"),
        0,
        "the reads of an empty column",
    )
    expect.equal(
        expect.number(
            student.call("row_reads", np.array([0, 3, 3, 8]), np.array([], dtype=int), 64), "the reads"
        ),
        0,
        "the reads of no input",
    )


EVENTS = ("row", "pointer", "multiply", "add", "register", "clock")


def ledgers(student: Student, rng: Rng) -> list[tuple[Any, dict[str, float]]]:
    """The student's energies by module, and what they should be."""
    found = []
    for pes in (1, 5, 64):
        counts = {
            "pes": pes,
            "broadcasts": int(rng.integers(50, 900)),
            "entries": int(rng.integers(2000, 9000)),
        }
        counts |= {"rows": int(rng.integers(500, 1900)), "cycles": int(rng.integers(1000, 5000))}
        pj = {name: float(value) for name, value in zip(EVENTS, rng.uniform(0.1, 30, size=6), strict=True)}
        got = student.call("energy", counts, pj)
        expect.true(isinstance(got, dict), "The energy should be a dict of numbers by module.")
        found.append((got, used(counts, pj)))
    return found


def _modules(found: list[tuple[Any, dict[str, float]]], *names: str) -> None:
    for got, right in found:
        for name in names:
            expect.true(name in got, f"The energy has no entry {name}.")
            expect.close(expect.number(got[name], name), right[name], f"the energy of {name}", rtol=1e-6)


@task("eie-5", points=1)
def pays_for_memory(student: Student, rng: Rng) -> None:
    """Pointers by broadcast and element, the matrix by rows. Hint: two pointers are read for a column."""
    _modules(ledgers(student, rng), "PtrRead", "SpmatRead")


@task("eie-5", points=1)
def pays_for_registers_and_sums(student: Student, rng: Rng) -> None:
    """Queues, arithmetic and accumulators, and no module that was not asked for. Hint: what is written is also read."""
    found = ledgers(student, rng)
    _modules(found, "ActQueue", "ArithmUnit", "ActRW")
    for got, right in found:
        expect.equal(sorted(got), sorted(right), "the names of the modules")


@task("eie-5", points=1)
def pays_for_the_clock(student: Student, rng: Rng) -> None:
    """The clock reaches all elements in all cycles. Hint: idle elements are clocked too."""
    _modules(ledgers(student, rng), "Clock")


DEPTH, MHZ = 7, 800.0
FULL = 0.5
"""The part of the first machine's energy times time that earns full points."""
ROWS, COLUMNS, EMPTY_ROWS, EMPTY_COLUMNS = 32, 160, 2, 16
DENSITY, SAMPLES, HELD_OUT = 0.12, 16, 24
WIDTHS = (32, 64, 128, 256, 512)


def draw_layer(rng: Rng) -> tuple[Array, Array]:
    """A layer as training leaves it, rows and columns uneven and some empty, and inputs for it.

    Rows with many weights fall on the same element of two, four or eight, so that the order as it comes is a bad one.
    """
    bits = ROWS.bit_length() - 1
    places = [int(format(number, f"0{bits}b")[::-1], 2) for number in range(ROWS)]
    rows = np.zeros(ROWS)
    rows[places] = _uneven(ROWS, EMPTY_ROWS)
    columns = rng.permutation(_uneven(COLUMNS, EMPTY_COLUMNS))
    chance = np.outer(rows, columns)
    chance = np.minimum(chance * DENSITY / chance.mean(), 0.95)
    codes = np.where(rng.random(chance.shape) < chance, rng.integers(1, 16, size=chance.shape), 0)
    often = rng.permutation(np.sin(np.linspace(0, np.pi / 2, COLUMNS)) ** 2)
    shape = (SAMPLES + HELD_OUT, COLUMNS)
    return codes, np.where(rng.random(shape) < often, rng.integers(1, 4000, size=shape), 0)


def _uneven(size: int, empty: int) -> Array:
    """Shares that fall like those of an exponential distribution, and none for the last few."""
    return np.append(0.15 - np.log(np.linspace(0.02, 1, size - empty)), np.zeros(empty))


def cost_table(width: int) -> dict[str, float]:
    """Picojoules of each event, as the paper publishes them; pointers, sums and numbers have half a word."""
    from efflab import paper  # noqa: PLC0415 - this check alone needs it

    names = {
        "row": (f"eie/figure9/sram/width_{width}/energy_per_read", 1.0),
        "pointer": ("eie/table1/sram_32b_32kb", 0.5),
        "multiply": ("eie/figure10/int16/multiply_energy", 1.0),
        "add": ("eie/table1/int32_add", 0.5),
        "register": ("pruning/figure1/register_file_32b", 0.5),
        "clock": ("eie/table2/clock-network/power", 1000 / MHZ),
    }
    return {event: share * float(paper.get(name).value) for event, (name, share) in names.items()}


def merit(codes: Array, vectors: Array, pes: int, width: int) -> float:
    """Mean energy (nJ) times mean time (µs) of a layer on a machine."""
    parts, pj = elements_of(codes, pes, 4), cost_table(width)
    energy = time = 0.0
    for vector in vectors:
        inputs, gaps = scan(vector, pes)
        entries = np.array([[p[j + 1] - p[j] for _, _, p in parts] for j in inputs]).reshape(-1, pes)
        _, _, cycles = play(np.maximum(entries, 1), gaps, DEPTH)
        counts = {"pes": pes, "broadcasts": len(inputs), "entries": int(entries.sum()), "cycles": cycles}
        counts["rows"] = sum(rows_touched(p, inputs, width) for _, _, p in parts)
        energy += sum(used(counts, pj).values()) / 1000
        time += cycles / MHZ
    return energy * time / len(vectors) ** 2


def _order(got: Any, size: int, needed: Array, what: str) -> Array:
    """A choice of rows or inputs, each at most once, none left out that has a weight."""
    found = expect.array(got, what)
    whole = found.ndim == 1 and found.size > 0 and bool(np.all(found == np.round(found)))
    expect.true(whole, f"{what} should be a list of whole numbers.")
    order = found.astype(int)
    expect.true(((order >= 0) & (order < size)).all(), f"{what} should be from 0 to {size - 1}.")
    expect.true(len(set(order.tolist())) == len(order), f"{what} should name none twice.")
    expect.true(
        set(needed.tolist()) <= set(order.tolist()), f"{what} should leave out none that has a weight."
    )
    return order


@task("eie-challenge", points=4)
def little_energy_and_time(student: Student, rng: Rng) -> float:
    """A machine and an order of rows and inputs that need little energy times time on inputs never seen; half of the first machine's earns all points. Hint: few elements, nothing without a weight, and each column's weights spread over the elements."""
    codes, vectors = draw_layer(rng)
    samples, held_out = vectors[:SAMPLES], vectors[SAMPLES:]
    got = student.call("design", codes, samples)
    names = ("inputs", "pes", "rows", "width")
    expect.true(
        isinstance(got, dict) and sorted(got) == sorted(names),
        f"The design should be a dict of {', '.join(names)}.",
    )
    pes, width = (expect.number(got[name], name) for name in ("pes", "width"))
    expect.true(pes == int(pes) and 1 <= pes <= 64, "The machine should have 1 to 64 elements.")
    expect.true(width in WIDTHS, f"The width should be one of {', '.join(map(str, WIDTHS))} bits.")
    rows = _order(got["rows"], ROWS, np.flatnonzero(codes.any(axis=1)), "rows")
    inputs = _order(got["inputs"], COLUMNS, np.flatnonzero(codes.any(axis=0)), "inputs")
    found = merit(codes[rows][:, inputs], held_out[:, inputs], int(pes), int(width))
    first = merit(codes, held_out, 4, 64)
    return expect.scale(np.log(first / found), 0.0, -np.log(FULL), "the reduction")
