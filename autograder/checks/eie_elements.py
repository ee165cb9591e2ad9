"""Hidden checks of lab 08, tasks 1 to 3; `eie` collects them. Oracles share no code with `efflab.eie` or `efflab.sparse`."""

from typing import Any

import numpy as np

from autograder.checks.eie_machine import Array, Element, added, elements_of, scan, sums_of
from autograder.tasks import Student, expect, task

Rng = np.random.Generator


def draw_codes(rng: Rng, rows: int, columns: int, density: float) -> Array:
    """4-bit codes, zero where a weight is removed."""
    return np.where(rng.random((rows, columns)) < density, rng.integers(1, 16, size=(rows, columns)), 0)


def hold(student: Student, codes: Array, pes: int, bits: int) -> None:
    """Expect the student's elements to be the oracle's."""
    got = student.call("interleave", codes, pes, bits)
    expect.true(isinstance(got, (list, tuple)), "The elements should come in a list.")
    expect.equal(len(got), pes, f"the number of elements of a machine of {pes}")
    for k, (part, right) in enumerate(zip(got, elements_of(codes, pes, bits), strict=True)):
        whole = isinstance(part, (list, tuple)) and len(part) == 3
        expect.true(whole, f"Element {k} should be three arrays: v, z and p.")
        for name, one, other in zip(
            ("p", "z", "v"), (part[2], part[1], part[0]), (right[2], right[1], right[0]), strict=True
        ):
            flat = expect.array(one, f"{name} of element {k}")
            expect.equal(
                flat, np.array(other, dtype=int), f"{name} of element {k} of {pes}, index of {bits} bits,"
            )


@task("eie-1", points=2)
def deals_rows_out(student: Student, rng: Rng) -> None:
    """Row i belongs to element i mod N, and zeros are those of the element's own rows. Hint: every N-th row, from row k on."""
    for pes in (1, 2, 3, 8):
        codes = draw_codes(rng, int(rng.integers(9, 15)) * pes, 6, 0.5)
        hold(student, codes, pes, 4)


@task("eie-1", points=2)
def pads_long_runs(student: Student, rng: Rng) -> None:
    """Where more zeros stand than the index can count there are padding zeros, as many as it takes, for any width. Hint: one stands for 2 ** bits rows, its own included."""
    for bits, density, pes in ((1, 0.15, 3), (2, 0.1, 2), (3, 0.05, 4), (4, 0.02, 2), (5, 0.01, 1)):
        codes = draw_codes(rng, 150 * pes, 5, density)
        hold(student, codes, pes, bits)


@task("eie-1", points=1)
def begins_columns_anew(student: Student, rng: Rng) -> None:
    """Each column begins at the element's first row, zeros behind its last weight leave no trace, and an empty column has no entry. Hint: p says where each column begins, and at its end where the last one ends."""
    codes = draw_codes(rng, 40, 12, 0.3)
    codes[12:, ::2] = 0
    codes[:, rng.permutation(12)[:4]] = 0
    for pes, bits in ((1, 3), (2, 2), (4, 1)):
        hold(student, codes, pes, bits)


@task("eie-1", points=1)
def edges_of_a_matrix(student: Student, rng: Rng) -> None:
    """Runs just within the index and just beyond it, more elements than rows, a matrix of zeros, a single column. Hint: an element without a weight has no entries, but its pointers."""
    for bits in (1, 4):
        for zeros in (2**bits - 1, 2**bits, 2 ** (bits + 1), 3 * 2**bits - 1):
            column = np.array([[0]] * zeros + [[int(rng.integers(1, 16))]])
            hold(student, column, 1, bits)
    hold(student, draw_codes(rng, 3, 4, 0.7), 5, 4)
    hold(student, np.zeros((10, 3), int), 2, 4)


def hold_scan(student: Student, activations: Array, pes: int, what: str) -> None:
    """Expect the student's scan to be the oracle's."""
    got = student.call("nonzero_scan", activations, pes)
    expect.true(isinstance(got, (list, tuple)) and len(got) == 2, "Two things come back: indices and gaps.")
    indices, gaps = scan(activations, pes)
    flat = [expect.array(one, name) for one, name in zip(got, ("the indices", "the gaps"), strict=True)]
    expect.equal(flat[0], np.array(indices, dtype=int), f"the indices of the non-zero inputs {what}")
    expect.equal(flat[1], np.array(gaps, dtype=int), f"the gaps {what}")


def draw_inputs(rng: Rng, size: int, density: float) -> Array:
    """Fixed-point inputs of both signs, small ones too."""
    values = rng.integers(1, 4, size=size) * rng.choice([1, 1, 5000, -1, -300], size=size)
    return np.where(rng.random(size) < density, values, 0)


@task("eie-2", points=1)
def finds_every_input(student: Student, rng: Rng) -> None:
    """All non-zero inputs are found in order, whatever their sign and size. Hint: the index is that in the whole vector."""
    for pes, density in ((4, 0.9), (2, 0.6), (7, 0.7)):
        hold_scan(student, draw_inputs(rng, 12 * pes, density), pes, f"of a dense vector, {pes} elements")


@task("eie-2", points=2)
def counts_rows_of_zeros(student: Student, rng: Rng) -> None:
    """A gap is the number of rows of N zeros between an input and the one before. Hint: input j stands in row j // N."""
    for pes, density in ((2, 0.2), (4, 0.05), (8, 0.04), (16, 0.01)):
        values = draw_inputs(rng, 60 * pes, density)
        values[[5 * pes, 5 * pes + 1]] = 1, -1
        hold_scan(student, values, pes, f"of a sparse vector, {pes} elements")


@task("eie-2", points=1)
def begins_and_ends(student: Student, rng: Rng) -> None:
    """Rows of zeros before the first non-zero input count, those behind the last do not, and the last row may be short. Hint: before the first input the scan stands at row -1."""
    for pes in (3, 4):
        values = np.zeros(10 * pes + 2, int)
        values[[4 * pes + 1, 4 * pes + 2, 7 * pes]] = rng.integers(1, 9, size=3)
        hold_scan(student, values, pes, "of a vector with zeros at both ends")
        values[-1] = 3
        hold_scan(student, values, pes, "of a vector whose last row is short")


@task("eie-2", points=1)
def smallest_scans(student: Student, rng: Rng) -> None:
    """No zero at all, nothing but zeros, one element, more elements than inputs. Hint: where nothing is found both arrays are empty."""
    hold_scan(student, rng.integers(1, 9, size=12), 4, "of a vector without a zero")
    hold_scan(student, np.zeros(12, int), 4, "of a vector of zeros")
    hold_scan(student, draw_inputs(rng, 20, 0.4), 1, "of one element")
    hold_scan(student, np.array([0, 5, 0, -1, 0]), 8, "of more elements than inputs")


def total(student: Student, *data: int) -> int:
    """The student's sum after one product."""
    got = expect.number(student.call("multiply_add", *data), "the sum")
    expect.true(got == int(got), "A sum is a whole number.")
    return int(got)


@task("eie-3", points=2)
def rounds_products(student: Student, rng: Rng) -> None:
    """A product is rounded to the nearest, halves upwards, for either sign and any shift. Hint: add half of what is lost, then shift."""
    for shift in (0, 1, 4, 8, 12):
        for _ in range(12):
            weight, activation = (int(one) for one in rng.integers(-180, 180, size=2))
            before = int(rng.integers(-2000, 2000))
            told = f"the sum {before} after {weight} x {activation} with a shift of {shift}"
            expect.equal(
                total(student, before, weight, activation, shift),
                added(before, weight, activation, shift) if shift else before + weight * activation,
                told,
            )
    for product in (8, -8, 24, -24, 40, -40):
        expect.equal(total(student, 0, product, 1, 4), (product + 8) // 16, f"{product} sixteenths, rounded")


@task("eie-3", points=1)
def stays_in_range(student: Student, rng: Rng) -> None:
    """A sum beyond the range of 16 bits stays at its end, at either. Hint: hold the sum, not the product."""
    for before, weight, activation in (
        (32000, 181, 181),
        (-32000, -181, 181),
        (32767, -1, 3),
        (-32768, 0, 5),
        (30000, 32767, 32767),
        (0, -32768, 32767),
    ):
        moved = before - int(rng.integers(5)) if before > 0 else before
        told = f"the sum {moved} after {weight} x {activation} with a shift of 2"
        expect.equal(total(student, moved, weight, activation, 2), added(moved, weight, activation, 2), told)


def draw_work(
    rng: Rng, bits: int, density: float
) -> tuple[Array, Element, list[int], dict[int, int], list[int]]:
    """Dense weights, the element that keeps them, its codebook, the broadcasts, and where its sums begin."""
    rows, columns = int(rng.integers(20, 40)), 18
    codes = draw_codes(rng, rows, columns, density)
    codes[:, rng.permutation(columns)[:4]] = 0
    codebook = [0, *rng.integers(-900, 900, size=15).tolist()]
    (element,) = elements_of(codes, 1, bits)
    chosen = np.sort(rng.permutation(columns)[:11]).tolist()
    activations = {column: int(rng.integers(1, 2000)) * int(rng.choice([1, -1])) for column in chosen}
    return (
        np.array(codebook)[codes],
        element,
        codebook,
        activations,
        rng.integers(-500, 500, size=rows).tolist(),
    )


def run(student: Student, work: tuple[Any, ...], shift: int) -> tuple[Array, Array]:
    """What the student's element gives: sums and cycles."""
    _, element, codebook, activations, sums = work
    parts = tuple(np.array(part, dtype=int) for part in element)
    data = (
        np.array(codebook),
        np.array(list(activations)),
        np.array(list(activations.values())),
        np.array(sums),
    )
    got = student.call("run_pe", parts, *data, shift)
    expect.true(isinstance(got, (list, tuple)) and len(got) == 2, "Two things come back: sums and cycles.")
    return expect.shape(got[0], (len(sums),), "the sums"), expect.shape(
        got[1], (len(activations),), "the cycles"
    )


@task("eie-3", points=2)
def multiplies_and_adds(student: Student, rng: Rng) -> None:
    """The sums are those of the dense weights, whether columns are full, empty or padded. Hint: the row is the running sum of z + 1 in this column, minus 1."""
    for bits, density, shift in ((4, 0.5, 8), (4, 0.06, 6), (2, 0.15, 8), (1, 0.2, 0)):
        work = draw_work(rng, bits, density)
        right = sums_of(work[0], work[3], work[4], shift)
        expect.equal(run(student, work, shift)[0], right, f"the sums of an element, index of {bits} bits,")


@task("eie-3", points=1)
def counts_its_cycles(student: Student, rng: Rng) -> None:
    """Each broadcast keeps the element for a cycle an entry, padding included, and for one if there is none. Hint: p tells the number of entries of a column."""
    for bits, density in ((4, 0.05), (1, 0.1), (3, 0.6)):
        work = draw_work(rng, bits, density)
        lengths = np.diff(work[1][2])[list(work[3])]
        expect.equal(
            run(student, work, 8)[1], np.where(lengths == 0, 1, lengths), f"the cycles, index of {bits} bits,"
        )


@task("eie-3", points=1)
def holds_each_sum(student: Student, rng: Rng) -> None:
    """Sums begin with what was given, are held in range after every product, and the given ones do not change. Hint: copy them first."""
    weights, element, codebook, activations, _ = draw_work(rng, 4, 0.7)
    start = rng.choice([32000, -32000, 0], size=len(weights)).tolist()
    work = weights, element, codebook, {column: 9 * value for column, value in activations.items()}, start
    expect.equal(
        run(student, work, 5)[0],
        sums_of(weights, work[3], start, 5),
        "sums that reach the end of their range",
    )
    kept = student.put(np.array(start))
    parts = tuple(np.array(part, dtype=int) for part in element)
    student.call(
        "run_pe",
        parts,
        np.array(codebook),
        np.array(list(activations)),
        np.array(list(activations.values())),
        kept,
        8,
    )
    expect.equal(student.fetch(kept), start, "the sums that were given, after the call,")
