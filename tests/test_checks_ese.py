"""The oracles of lab 09 against each other, against EIE's engine, and against the lab's own reader and channel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import build
from autograder import notebook as nb
from autograder.case import load
from autograder.checks import ese, ese_channel, ese_network
from efflab import eie


@pytest.fixture(scope="module")
def lab():
    case = load(nb.find(build.ROOT, ["09-ese"])[0])
    with case.namespace(case.source) as namespace:
        assert not namespace.errors
        yield namespace.names


def drawn(seed, columns, pes, share):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.uniform(0.2, 3), size=(columns, pes))
    x = np.where(rng.random(columns) < share, rng.normal(size=columns), 0.0)
    x[rng.integers(columns)] = 1.0
    return counts, x


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(1, 9),
    st.sampled_from([0.05, 0.5, 1.0]),
)
def test_the_stepped_channel_is_the_recurrence_of_eie(seed, columns, pes, depth, share):
    counts, x = drawn(seed, columns, pes, share)
    broadcasts, starts, cycles = ese_channel.cycle_by_cycle(counts, x, depth)
    places = np.flatnonzero(x)
    gaps = [item for item in ese_channel.scanned(x, pes) if item is not None]
    before = [gaps[: place + 1].count("zeros") for place, item in enumerate(gaps) if item == "input"]
    counted = eie.run_counts(counts[places], np.diff(before, prepend=0), depth)
    assert (len(broadcasts), cycles) == (counted.broadcasts, counted.cycles)
    assert min(min(row) for row in starts) > broadcasts[0]
    assert (
        ese_channel.finish(counts[places], depth)
        == ese_channel.cycle_by_cycle(counts[places], np.ones(len(places)), depth)[2]
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_the_plan_oracle_keeps_its_promises(seed, buffers, shared):
    tasks = ese.draw_tasks(np.random.default_rng(seed), 6, shared=shared)
    plan = ese.plan_oracle(tasks, buffers)
    loads = [name for name, resource, *_ in tasks if resource == "memory"]
    for name, resource, cycles, needs in tasks:
        begin, end = plan[name]
        before = [
            plan[other][1]
            for other, one, *_ in tasks[: [task[0] for task in tasks].index(name)]
            if one == resource
        ]
        bounds = [0, *before[-1:], *(plan[need][1] for need in needs)]
        if name in loads[buffers:]:
            old = loads[loads.index(name) - buffers]
            bounds += [plan[old][1], *(plan[user][1] for user, *_, theirs in tasks if old in theirs)]
        assert end == begin + cycles
        assert begin == max(bounds)


@settings(max_examples=60, deadline=None)
@given(st.floats(2.0**-30, 2.0**30), st.integers(2, 16))
def test_one_bit_more_would_not_fit(largest, bits):
    fraction = ese.format_oracle(np.array([largest, -largest / 3]), bits)
    limit = 2 ** (bits - 1) - 1
    assert largest * 2.0**fraction <= limit < largest * 2.0 ** (fraction + 1)


def test_the_graders_reader_is_the_labs(lab):
    torch.manual_seed(3)
    reader = ese_network.Reader()
    for value in reader.parameters():
        value.data += 0.1 * torch.randn(value.shape)
    state = reader.state()
    images = torch.rand(7, 1, 8, 8)
    theirs = lab["reader"](state)
    assert list(ese_network.SHAPES) == list(lab["MATRICES"])
    torch.testing.assert_close(theirs(images), reader(images))
    again = ese_network.Reader()
    again.load(theirs.state_dict())
    torch.testing.assert_close(again(images), reader(images))


def test_both_count_the_same_cycles_of_a_step(lab):
    assert (lab["PES"], lab["DEPTH"]) == (ese_network.PES, ese_network.DEPTH)
    torch.manual_seed(4)
    for density in (1.0, 0.3, 0.05, 0.0):
        state = ese_network.Reader().state()
        pruned = {
            name: value * (torch.rand(value.shape) < density) if name in ese_network.SHAPES else value
            for name, value in state.items()
        }
        assert ese_network.step_cycles(pruned) == lab["step_cycles"](lab["reader"](pruned))
