"""Lab 08's machine, that of its hidden checks and that of `efflab.eie` are one: three programs, the same figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import build
from autograder import notebook as nb
from autograder.case import load
from autograder.checks import eie as checks
from autograder.checks import eie_machine
from efflab import eie


@pytest.fixture(scope="module")
def lab():
    case = load(nb.find(build.ROOT, ["08-eie"])[0])
    with case.namespace(case.source) as namespace:
        assert not namespace.errors
        yield namespace.names


def drawn(seed, rows=24, columns=40, density=0.2):
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random((rows, columns)) < density, rng.integers(1, 16, size=(rows, columns)), 0)
    vector = np.where(rng.random(columns) < 0.5, rng.integers(-900, 900, size=columns), 0)
    vector[0] = 7
    return codes, vector


machines = st.fixed_dictionaries(
    {
        "pes": st.integers(1, 9),
        "fifo": st.integers(2, 9),
        "index_bits": st.integers(1, 4),
        "sram_width": st.sampled_from([32, 64, 128, 256, 512]),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), machines)
def test_cycles_and_reads_are_those_of_the_package(lab, seed, figures):
    codes, vector = drawn(seed)
    machine = eie.Machine(**figures)
    elements = lab["interleave"](codes, machine.pes, machine.index_bits)
    layer = eie.encode(codes.astype(float), machine, codebook=np.arange(1.0, 16))
    for mine, theirs, oracle in zip(
        elements,
        layer.csc.elements,
        eie_machine.elements_of(codes, machine.pes, machine.index_bits),
        strict=True,
    ):
        for one, other, third in zip(mine, (theirs.v, theirs.z, theirs.p), oracle, strict=True):
            assert one.tolist() == other.tolist() == third
    counted = eie.simulate(layer, vector.astype(float), machine).counters
    width = machine.entries_per_row * 8
    found = lab["run"](elements, vector, machine.depth, width)
    # An index of fewer bits makes a shorter entry; the lab's has eight bits.
    compared = ["cycles", "broadcasts", "entries", "blocked", "balance"]
    assert [found[name] for name in compared] == pytest.approx([getattr(counted, name) for name in compared])
    if machine.index_bits == 4:
        assert found["rows"] == counted.spmat_reads
    inputs, gaps = eie_machine.scan(vector, machine.pes)
    entries = layer.counts[inputs].astype(int)
    sent, _, cycles = eie_machine.play(np.maximum(entries, 1), gaps, machine.depth)
    assert (cycles, sent[-1] + 1 - len(sent) - sum(gaps)) == (counted.cycles, counted.blocked)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(0, 9))
def test_sums_are_those_of_the_package_to_the_bit(lab, seed, pes, shift):
    codes, vector = drawn(seed)
    rng = np.random.default_rng(seed + 1)
    codebook = np.append(0, rng.integers(-2000, 2000, size=15))
    bias = rng.integers(-3000, 3000, size=len(codes))
    sums, inputs = bias.copy(), np.flatnonzero(vector)
    for k, element in enumerate(lab["interleave"](codes, pes)):
        sums[k::pes], _ = lab["run_pe"](element, codebook, inputs, vector[inputs], bias[k::pes], shift)
    formats = eie.Formats(eie.Fixed(16, shift), eie.Fixed(16, 0), eie.Fixed(16, 0))
    dense = codebook[codes]
    assert sums.tolist() == eie.dense_product(dense, vector, formats, bias).tolist()
    active = {int(j): int(vector[j]) for j in inputs}
    assert sums.tolist() == eie_machine.sums_of(dense, active, bias.tolist(), shift)


def test_the_example_is_told_as_it_runs(lab):
    """The trace and the figure at the top of the notebook are the machine's."""
    elements = lab["interleave"](lab["EXAMPLE"], 4, 1)
    inputs = np.arange(4, 8)
    entries = np.stack([np.diff(p)[inputs] for _, _, p in elements], 1)
    real = np.stack([np.count_nonzero(lab["EXAMPLE"][k::4][:, inputs], axis=0) for k in range(4)], 1)
    assert real.tolist() == [[4, 0, 1, 2], [1, 2, 0, 1], [2, 1, 1, 0], [1, 1, 2, 1]]
    assert (entries - real).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]
    sent, begun, cycles = eie_machine.play(np.maximum(entries, 1), [1, 0, 0, 0], 2)
    assert (sent, cycles) == ([1, 2, 3, 6], 11)
    case = load(nb.find(build.ROOT, ["08-eie"])[0])
    (text,) = (
        cell.source
        for cell in case.source.cells
        if cell.cell_type == "markdown" and "cycle      0" in cell.source
    )
    for k in range(4):
        (line,) = (line for line in text.splitlines() if line.startswith(f"PE {k}"))
        shown = line[:55].ljust(55)
        for cycle in range(cycles):
            here = [
                str(4 + j) if entries[j, k] else "o"
                for j in range(4)
                if begun[j][k] <= cycle < begun[j][k] + max(entries[j, k], 1)
            ]
            assert shown[11 + 4 * cycle] == (here[0] if here else " "), (k, cycle)


def test_the_graders_merit_is_the_notebooks(lab):
    for seed in range(3):
        codes, vectors = checks.draw_layer(np.random.default_rng(seed))
        for pes, width in ((4, 64), (3, 256)):
            choice = lab["first_machine"](codes) | {"pes": pes, "width": width}
            mine = lab["merit"](codes, vectors[:6], choice)
            assert mine == pytest.approx(checks.merit(codes, vectors[:6], pes, width))


def test_full_points_can_be_had_and_are_not_given_away(lab):
    for seed in range(4):
        codes, vectors = checks.draw_layer(np.random.default_rng(100 + seed))
        samples, held_out = vectors[: checks.SAMPLES], vectors[checks.SAMPLES :]
        choice = lab["design"](codes, samples)
        first = lab["merit"](codes, held_out, lab["first_machine"](codes))
        assert lab["merit"](codes, held_out, choice) < checks.FULL * first
        machines = [lab["first_machine"](codes) | {"pes": pes} for pes in (1, 2, 3, 6, 8)]
        assert min(lab["merit"](codes, held_out, one) for one in machines) > checks.FULL * first
