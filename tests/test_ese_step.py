"""A channel and a step: against a plain recurrence, against bounds, and against the paper's table."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from efflab import ese, paper
from efflab.eie.machine import FILL
from efflab.errors import EfflabError
from efflab.ese import published
from efflab.sparse import RelativeCSC

MACHINE = ese.Machine()
SMALL = ese.Machine(pes=4, fifo=2, channels=3)


def cycles_in_python(counts, depth):
    """The broadcast and its queues, written out."""
    columns, pes = counts.shape
    sent, taken, done = -1, [], [0] * pes
    for j in range(columns):
        sent = max(sent + 1, max(taken[j - depth]) if j >= depth else 0)
        starts = [max(sent + 1, done[k]) for k in range(pes)]
        done = [starts[k] + max(1, int(counts[j, k])) for k in range(pes)]
        taken.append(starts)
    return max(done)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 12),
    st.floats(0, 1),
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_a_product_is_the_recurrence_over_what_the_format_stores(rows, columns, density, pes, fifo, seed):
    weight = np.random.default_rng(seed).random((rows, columns)) < density
    machine = ese.Machine(pes=pes, fifo=fifo)
    made = ese.product(weight, machine, "W")
    stored = RelativeCSC.from_dense(weight.astype(np.float32), bits=4, pes=pes)
    counts = np.stack([np.diff(element.p) for element in stored.elements], axis=1)
    assert made.cycles == cycles_in_python(counts, fifo) + FILL
    assert made.entries == counts.sum()
    assert made.lane == counts.sum(0).max()
    assert made.nonzeros == weight.sum()
    assert made.cycles >= max(made.lane, columns)
    assert 0 <= made.utilisation <= 1
    assert made.stored >= made.entries >= made.nonzeros


def test_the_sizes_in_memory():
    made = ese.product(torch.eye(64), MACHINE)
    assert (made.lane, made.bytes) == (2, 2 * 64)
    assert made.pointer_bytes == 65 * 32 * 2
    assert MACHINE.port_gb_s == pytest.approx(12.8)
    assert MACHINE.peak_gops == pytest.approx(409.6)
    assert MACHINE.words(513) == 2
    assert MACHINE.element_wise(1024) == 1024 + MACHINE.stages


def test_the_machine_is_the_published_one():
    for name, id_ in {"pes": "pes_per_channel", "fifo": "fifo_depth", "clock_mhz": "clock"}.items():
        assert getattr(MACHINE, name) == paper.get(f"ese/headline/{id_}").value
    for name in ("channels", "weight_bits", "index_bits", "activation_bits", "table_entries"):
        figure = paper.get(f"ese/configuration/{name}")
        assert getattr(MACHINE, name) == figure.value
        assert figure.status == "unverified"


@pytest.fixture(scope="module")
def pruned():
    torch.manual_seed(0)
    layer = ese.LSTM(30, 64, proj_size=32)
    ese.prune_(layer, ese.Balanced(0.8, pes=4))
    return layer


def test_a_step_counts_what_its_matrices_hold(pruned):
    run = ese.simulate(pruned, SMALL)
    assert run.weights == sum(matrix.numel() for matrix in ese.matrices(pruned).values())
    assert run.entries == sum(one.lane for one in run.products) * 4
    assert run.traffic["weights"] == run.entries * 2
    assert run.traffic["vectors"] == (30 + 32) * 3 * 2
    assert run.gops == pytest.approx(2 * run.entries * 3 / run.time_us / 1000)
    assert run.equivalent_tops == pytest.approx(run.gops * run.weights / run.entries / 1000)
    assert run.bandwidth_gb_s == pytest.approx(sum(run.traffic.values()) / run.time_us / 1000)
    assert 0 < run.utilisation < 1
    assert run.time_us >= run.theoretical_us
    assert run.cycles <= run.schedule.makespan


def test_the_states_of_a_step_add_up_to_it(pruned):
    run = ese.simulate(pruned, SMALL)
    states = [*ese.matrices(pruned), "o", "m"]
    assert sum(run.state_us(name) for name in states) == pytest.approx(run.time_us)
    with pytest.raises(EfflabError, match="no state 'x'"):
        run.state_us("x")


@pytest.mark.parametrize("kind", [nn.LSTM, nn.LSTMCell])
def test_torch_s_layers_run_too(kind):
    made = kind(30, 64)
    run = ese.simulate(made, SMALL)
    assert run.entries == run.weights
    assert [one.name for one in run.products][-1] == "Wor"
    named = {name: matrix.numpy() for name, matrix in ese.matrices(made).items()}
    assert ese.simulate(named, SMALL).time_us == run.time_us


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_network_of_any_dtype_runs(dtype):
    torch.manual_seed(0)
    layer = ese.LSTM(8, 64, 32)
    ese.prune_(layer, ese.Balanced(0.8, pes=4))
    assert ese.simulate(layer.to(dtype), SMALL).time_us == ese.simulate(layer.float(), SMALL).time_us


def test_one_layer_of_several_runs():
    made = nn.LSTM(30, 64, num_layers=2, bidirectional=True)
    run = ese.simulate(made, SMALL, layer=1, reverse=True)
    assert run.sizes == {"hidden": 64, "inputs": 128, "outputs": 64}
    with torch.no_grad():
        made.weight_hh_l1_reverse[:, ::2] = 0
    assert ese.simulate(made, SMALL, layer=1, reverse=True).entries < run.entries
    assert ese.simulate(made, SMALL, layer=1).entries == run.entries


def test_balance_never_costs_and_memory_in_time_never_slows(pruned):
    torch.manual_seed(1)
    other = ese.LSTM(30, 64, proj_size=32)
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "weight_hr_l0"):
            weight = getattr(other, name)
            weight[::4] *= 6  # the first element's rows are the large ones
    even, uneven = (
        ese.simulate({n: m * ese.balanced_mask(m, 0.8, pes) for n, m in ese.matrices(other).items()}, SMALL)
        for pes in (4, 1)
    )
    assert even.time_us < 0.7 * uneven.time_us
    assert ese.simulate(pruned, SMALL, ample=True).time_us <= ese.simulate(pruned, SMALL).time_us
    free = ese.simulate(pruned, SMALL, overlaps=None)
    assert free.time_us <= ese.simulate(pruned, SMALL).time_us


def test_a_step_shows_itself(pruned):
    run = ese.simulate(pruned, SMALL)
    assert "GOP/s" in str(run)
    assert run._repr_html_().count("<tr>") == 10
    assert len(run.plot().axes[0].patches) == len(run.schedule.tasks)


# The paper.


def test_the_theoretical_time_is_the_published_one_within_a_percent():
    stated = paper.get("ese/matrices/total/theoretical_time").value
    assert published.theoretical_us() == pytest.approx(stated, rel=0.01)
    assert published.simulated().theoretical_us == pytest.approx(stated, rel=0.01)


def test_the_table_s_cells_follow_from_each_other():
    found = published.identities()
    assert len(found) == 60
    off = [one for one in found if not one.agrees]
    # Rates of three rows were computed from times with more digits than are printed.
    assert {one.column for one in off} <= {"performance", "equivalent_performance"}
    assert all(abs(one.computed / one.figure.value - 1) < 1e-3 for one in off)


def test_every_published_size_is_a_whole_number_of_words():
    assert all(value == int(value) for value in published.words().values())
    # Densities are printed to a tenth of a percent.
    for one in published.table():
        assert abs(one.lane(32) - published.words()[one.name]) <= 0.0005 * one.size / 32 + 1


def test_the_step_comes_near_the_published_one_without_any_constant_from_it():
    run = published.simulated()
    assert run.time_us == pytest.approx(paper.get("ese/headline/latency").value, rel=0.06)
    assert run.gops == pytest.approx(paper.get("ese/headline/gops").value, rel=0.06)
    assert run.equivalent_tops == pytest.approx(paper.get("ese/headline/equivalent_tops").value, rel=0.06)
    for name in ("Wir", "Wfr", "Wcr", "Wor"):
        assert run.state_us(name) == pytest.approx(published.published(name, "real_time"), rel=0.05)


def test_random_places_have_the_loads_they_were_drawn_for():
    counts = published.drawn(37, (64, 10), 4, np.random.default_rng(0))
    assert counts.shape == (10, 4)
    assert counts.sum(0).tolist() == [37] * 4
    assert counts.max() <= 16
    full = published.drawn(160, (64, 10), 4, np.random.default_rng(0))
    assert (full == 16).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ese.Machine(pes=0), "pes must be a whole number of at least 1, got 0"),
        (lambda: ese.Machine(fifo=-1), "fifo must be a whole number of at least 1, got -1"),
        (lambda: ese.Machine(clock_mhz=0), "clock_mhz must be a number above 0, got 0"),
        (lambda: ese.Machine(index_bits=17), "index_bits must be a whole number from 1 to 16"),
        (lambda: ese.Machine(channels=True), "channels must be"),
        (lambda: dataclasses.replace(MACHINE, elements_per_cycle=0.5), "elements_per_cycle must be a whole"),
        (lambda: ese.product(np.zeros(4)), "two axes"),
        (lambda: ese.product_of_counts(np.zeros((3, 4), np.int32), (8, 3)), r"counts must have shape \(3, 32\)"),
        (lambda: ese.product_of_counts(np.full((3, 32), -1), (8, 3)), "counts must be from 0, and hold -1"),
        (lambda: ese.product_of_counts(np.full((3, 32), 0.5), (8, 3)), "counts must be integers, got float64"),
        (lambda: ese.product(np.full((3, 4), np.nan), name="Wix"), "Wix must not hold NaN"),
        (lambda: ese.product(torch.full((3, 4), torch.nan)), "weight must not hold NaN"),
        (lambda: ese.product("Wix"), "weight must be a matrix of numbers, got str"),
        (lambda: ese.product(np.ones((3, 4)), {"pes": 4}), "machine must be an efflab.ese.Machine, got dict"),
        (lambda: ese.simulate(None), "source must be an LSTM, or a dictionary .*, got NoneType"),
        (lambda: ese.simulate([np.ones((3, 4))]), "source must be an LSTM, or a dictionary .*, got list"),
        (lambda: ese.simulate(nn.LSTM(3, 4), {"pes": 4}), "machine must be an efflab.ese.Machine, got dict"),
        (lambda: ese.simulate(nn.LSTM(3, 4, num_layers=2)), "say which with layer=0 and reverse=False"),
        (lambda: ese.simulate({"Wix": np.ones((4, 3))}, layer=0), "source is a dictionary of matrices"),
        (lambda: ese.simulate(nn.LSTM(3, 4), overlaps="buffers"), r"overlaps must be a collection of names, .* got 'buffers'"),
        (lambda: published.simulated(overlaps="buffers"), "overlaps must be a collection of names"),
        (lambda: ese.simulate(nn.Linear(3, 4)), "must be an LSTM"),
        (lambda: ese.simulate({"Wix": np.ones((4, 3))}), "Wir is missing"),
        (lambda: ese.simulate({n: np.ones((4, 3)) for n in published.NAMES}), r"Wym must have shape \(3, 4\)"),
        (lambda: ese.simulate(nn.LSTM(3, 4), overlaps=["all"]), "no overlap 'all'"),
    ],
)  # fmt: skip
def test_says_what_is_wrong(call, words):
    with pytest.raises(EfflabError, match=words):
        call()
