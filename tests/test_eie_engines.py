"""The machine's engines: the recurrence, the count of cycles and the moved data agree, and nothing is lost or done twice."""

import numpy as np
import pytest
from eie_machines import VALUES, cases, machines
from hypothesis import given, settings
from hypothesis import strategies as st

from efflab import eie
from efflab.eie import cycle, datapath, event


def differing(one, other):
    """The counters in which two runs differ."""
    one, other = one.counters.to_dict(), other.counters.to_dict()
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def agree(case):
    fast = eie.simulate(case.layer, case.inputs)
    slow = eie.simulate(case.layer, case.inputs, engine="cycle")
    assert not differing(fast, slow)
    assert np.array_equal(fast.raw, slow.raw)
    assert fast.output.tolist() == slow.output.tolist()
    held = fast.formats.act.encode(case.inputs) if fast.formats else case.inputs
    timed = eie.simulate(case.layer.pattern, held, case.machine)
    counted = eie.simulate(case.layer.pattern, held, case.machine, engine="cycle")
    assert not differing(timed, counted)
    assert not differing(timed, fast)


@settings(max_examples=500, deadline=None)
@given(cases())
def test_the_engines_agree_on_every_counter_and_every_output(case):
    agree(case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None)
@given(cases())
def test_the_engines_agree_ten_thousand_times(case):
    agree(case)


@pytest.mark.parametrize(
    ("rows", "columns", "density", "active", "pes"),
    [
        (1, 1, 1.0, 1.0, 1),
        (1, 1, 0.0, 1.0, 4),
        (3, 7, 1.0, 1.0, 64),
        (70, 30, 0.3, 0.0, 8),
        (70, 30, 0.0, 1.0, 8),
        (129, 130, 0.2, 0.5, 1),
        (300, 400, 0.02, 0.3, 64),
        (64, 5000, 0.05, 0.3, 64),
    ],
)
@pytest.mark.parametrize("fifo", [1, 2, 8])
def test_the_engines_agree_at_the_edges(rows, columns, density, active, pes, fifo):
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((rows, columns)) < density, 1.0, 0)
    inputs = (rng.random(columns) < active) * rng.normal(size=columns)
    layer = eie.encode(matrix, eie.Machine(pes=pes, fifo=fifo))
    one, other = (eie.simulate(layer, inputs, engine=engine) for engine in ("event", "cycle"))
    assert not differing(one, other)
    assert one.raw.tolist() == other.raw.tolist()


def test_the_engines_agree_on_a_layer_of_the_paper():
    pattern = eie.draw(1000, 4096, 0.25, seed=0)
    active = eie.draw_active(4096, 0.375, seed=1)
    for machine in (eie.Machine(), eie.Machine(pes=256, fifo=32), eie.Machine(bypass=False)):
        one, other = (eie.simulate(pattern, active, machine, engine) for engine in ("event", "cycle"))
        assert not differing(one, other)


def by_the_recurrence(counts, gaps, depth):
    """b and s of the module's docstring, spelled out."""
    broadcasts, pes = counts.shape
    b, s, w = np.zeros(broadcasts, int), np.zeros((broadcasts, pes), int), np.maximum(counts, 1)
    for j in range(broadcasts):
        b[j] = (b[j - 1] if j else -1) + 1 + gaps[j]
        if j >= depth and depth:
            b[j] = max(b[j], s[j - depth].max())
        if j and not depth:
            b[j] = max(b[j], (s[j - 1] + w[j - 1]).max() - 1)
        s[j] = np.maximum(b[j] + 1, s[j - 1] + w[j - 1] if j else 0)
    return b, s, w


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 70), st.integers(0, 9))
def test_the_recurrence(seed, broadcasts, pes, depth):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.choice([0.2, 1, 4]), (broadcasts, pes)).astype(np.int32)
    gaps = rng.choice([0, 0, 0, 1, 7], broadcasts).astype(np.int32)
    b, s, w = by_the_recurrence(counts, gaps, depth)
    found = eie.run_counts(counts, gaps, depth)
    assert found.cycles == (s[-1] + w[-1]).max()
    assert found.blocked == b[-1] + 1 - broadcasts - gaps.sum()
    assert found.busy.tolist() == counts.sum(axis=0).tolist()
    assert found.empty == (counts == 0).sum()
    assert cycle.count_cycles(counts, gaps, depth) == found
    ends = np.zeros(pes, np.int32)
    if depth:
        assert event.queued.py_func(counts, gaps, depth, ends) == b[-1]
    else:
        assert event.direct.py_func(counts, gaps, ends) == b[-1]
    assert ends.tolist() == (s[-1] + w[-1]).tolist()


def test_long_runs_do_not_overflow():
    counts = np.full((4, 3), 2**30, np.int64)
    run = eie.run_counts(counts, np.zeros(4, np.int32), 7)
    assert run.cycles == 4 * 2**30 + 1
    assert run.entries == 12 * 2**30
    small = eie.run_counts(counts.astype(np.int32), np.zeros(4, np.int32), 7)
    assert small == run


@settings(max_examples=200, deadline=None)
@given(cases())
def test_conservation(case):
    trace = eie.trace(case.layer, case.inputs)
    run, c, machine = trace.run, trace.run.counters, case.machine
    held = np.flatnonzero(trace.held)
    # Every weight of a non-zero input's column is processed once, and nothing else.
    row, column = np.nonzero(case.matrix[:, held])
    processed = trace.code > 0
    pairs = sorted(zip(trace.column[processed].tolist(), trace.row[processed].tolist(), strict=True))
    assert pairs == sorted(zip(held[column].tolist(), row.tolist(), strict=True))
    # By the PE that owns the row, in order of the inputs.
    assert (trace.row[processed] % machine.pes == np.nonzero(processed)[1]).all()
    for k in range(machine.pes):
        worked = trace.column[:, k][trace.column[:, k] >= 0]
        assert (np.diff(worked) >= 0).all()
    # Every non-zero input is sent once, in order, and no queue ever holds more than it can.
    assert trace.sent[trace.sent >= 0].tolist() == held.tolist()
    assert c.broadcasts == held.size
    assert trace.queue.max(initial=0) <= max(machine.depth, 1)
    assert c.blocked == trace.blocked.sum()
    states = np.bincount(trace.state.ravel(), minlength=5)
    assert states.tolist() == [c.starved, c.real_work, c.padding, c.empty, c.hazards]
    assert c.pes * c.cycles == c.entries + c.empty + c.hazards + c.starved
    assert c.cycles >= max(c.entries / c.pes, c.busy.max())
    assert 0 <= run.balance <= 1
    assert c.queue_pushes == c.queue_pops == c.broadcasts * c.pes
    assert c.spmat_reads <= c.entries <= c.spmat_reads * machine.entries_per_row
    assert machine.bypass <= (c.hazards == 0)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 20))
def test_deeper_queues_are_never_slower(case, more):
    deeper = case.machine.with_(fifo=case.machine.fifo + more)
    one, other = eie.simulate(case.layer, case.inputs), eie.simulate(case.layer, case.inputs, deeper)
    assert other.cycles <= one.cycles
    assert other.raw.tolist() == one.raw.tolist()
    assert other.counters.entries == one.counters.entries


@settings(max_examples=100, deadline=None)
@given(cases(machines(bypass=False)))
def test_a_bypass_is_never_slower(case):
    with_bypass = case.machine.with_(bypass=True)
    one, other = eie.simulate(case.layer, case.inputs), eie.simulate(case.layer, case.inputs, with_bypass)
    assert other.cycles <= one.cycles <= other.cycles + one.counters.hazards
    assert other.counters.hazards == 0
    assert other.raw.tolist() == one.raw.tolist()


def test_without_waiting_a_sum_would_be_read_too_early():
    """The pipeline is one: with neither bypass nor wait, the second entry of a row reads the sum before the first."""
    layer = eie.encode(np.ones((1, 2)), eie.Machine(pes=1, bypass=False))
    trace = eie.trace(layer, [1, 2])
    assert trace.state[:, 0].tolist() == [datapath.IDLE, datapath.ENTRY, datapath.WAIT, datapath.ENTRY]
    assert trace.run.output.tolist() == [3.0]


def test_plain_python_gives_the_same():
    rng = np.random.default_rng(1)
    matrix = np.where(rng.random((12, 9)) < 0.4, rng.choice(VALUES, (12, 9)), 0)
    for precision in ("int16", "float32"):
        layer = eie.encode(matrix, eie.Machine(pes=4, fifo=3, index_bits=1, precision=precision))
        inputs = rng.normal(size=9) * (rng.random(9) < 0.7)
        compiled = eie.simulate(layer, inputs, engine="cycle")
        batch = datapath.run_batch
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(datapath, "run_batch", batch.py_func)
            plain = eie.simulate(layer, inputs, engine="cycle")
        assert not differing(compiled, plain)
        assert compiled.raw.tolist() == plain.raw.tolist()
    counts, gaps = layer.counts[inputs != 0], eie.gaps(np.flatnonzero(inputs), 4)
    compiled = cycle.count_cycles(counts, gaps, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycle, "run_cycles", cycle.run_cycles.py_func)
        assert cycle.count_cycles(counts, gaps, 2) == compiled
