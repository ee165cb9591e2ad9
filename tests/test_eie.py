"""The machine, its encoding, its numbers: what a layer gives, what fits, and what is refused."""

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from eie_machines import VALUES, cases, machines
from hypothesis import given, settings
from hypothesis import strategies as st

from efflab import eie, paper
from efflab.errors import EfflabError
from efflab.sparse import RelativeCSC

# Encoding.


def test_the_paper_s_column():
    """Section III: [0,0,1,2, 18 zeros, 3] becomes v = [1,2,0,3] and z = [2,0,15,2]."""
    column = np.zeros((23, 1))
    column[[2, 3, 22], 0] = 1, 2, 3
    layer = eie.encode(column, eie.Machine(pes=1))
    (element,) = layer.csc.elements
    assert element.v.tolist() == [1, 2, 0, 3]
    assert element.z.tolist() == [2, 0, 15, 2]
    assert layer.codebook[element.v].tolist() == [1, 2, 0, 3]
    assert layer.padding == 1


@settings(max_examples=200, deadline=None)
@given(cases())
def test_the_encoding_is_the_sparse_room_s(case):
    layer = case.layer
    codes = np.zeros(case.matrix.shape, np.uint8)
    for code, value in enumerate(layer.codebook):
        codes[case.matrix == value] = code if value else 0
    expected = RelativeCSC.from_dense(codes, layer.machine.index_bits, layer.machine.pes)
    for one, other in zip(layer.csc.elements, expected.elements, strict=True):
        assert one.v.tolist() == other.v.tolist()
        assert one.z.tolist() == other.z.tolist()
        assert one.p.tolist() == other.p.tolist()
    assert np.array_equal(layer.counts.T, [np.diff(element.p) for element in expected.elements])
    assert layer.padding == expected.padding
    assert np.array_equal(layer.dense(), case.matrix)


def test_a_codebook_of_one_s_own_keeps_its_order():
    layer = eie.encode([[2.0, 0], [-1, 2]], codebook=[2.0, -1.0, 7.0])
    assert layer.codebook[:4].tolist() == [0, 2, -1, 7]
    assert layer.codes.tolist() == [1, 2, 1]
    assert eie.encode([[2.0, 0], [-1, 2]], codebook=[0, 2.0, -1.0]).codebook[:3].tolist() == [0, 2, -1]


def test_a_layer_moves_to_another_machine():
    matrix = np.where(np.random.default_rng(0).random((30, 20)) < 0.3, 1.5, 0)
    layer = eie.encode(matrix, eie.Machine(pes=4))
    other = layer.on(eie.Machine(pes=7, index_bits=2))
    assert other.counts.shape == (20, 7)
    assert np.array_equal(other.dense(), matrix)
    assert layer.on(layer.machine) is layer


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.integers(0, 100))
def test_drawn_positions_are_what_they_say(rows, columns, density, seed):
    pattern = eie.draw(rows, columns, density, seed)
    dense = np.zeros((rows, columns))
    dense[pattern.rows, np.repeat(np.arange(columns), pattern.real)] = 1
    assert pattern.nonzeros == dense.sum()
    again = eie.Pattern.of(dense)
    assert again.starts.tolist() == pattern.starts.tolist()
    assert again.rows.tolist() == pattern.rows.tolist()
    assert eie.draw(rows, columns, density, seed).rows.tolist() == pattern.rows.tolist()
    if density in {0, 1}:
        assert pattern.density == density


def test_draws_have_their_density():
    pattern = eie.draw(2000, 3000, 0.09, seed=0)
    sigma = math.sqrt(0.09 * 0.91 / 6e6)
    assert abs(pattern.density - 0.09) < 5 * sigma
    by_column = pattern.real
    assert abs(by_column.std() - math.sqrt(2000 * 0.09 * 0.91)) < 1
    assert abs(np.corrcoef(by_column[:-1], by_column[1:])[0, 1]) < 0.1


# Numbers.


def one_by_one(case, formats):
    """The rule in whole numbers of Python: round half up, add, saturate, in order of the inputs."""
    weights, act, out = formats.weight, formats.act, formats.out

    def whole(value, form):
        scaled = math.floor(math.ldexp(float(value), form.fraction) + 0.5)
        return min(max(scaled, form.low), form.high)

    bias = case.layer.bias if case.layer.bias is not None else np.zeros(case.matrix.shape[0])
    inputs = [whole(x, act) for x in case.inputs]
    result = []
    for row, first in zip(case.matrix, bias, strict=True):
        total = whole(first, out)
        for w, a in zip(row, inputs, strict=True):
            product = whole(w, weights) * a
            total += (2 * product + 2**formats.shift) // 2 ** (formats.shift + 1)
            total = min(max(total, out.low), out.high)
        result.append(max(total, 0) if case.layer.relu else total)
    return result


@settings(max_examples=200, deadline=None)
@given(cases(machines(("int8", "int16", "int32"))), st.integers(-6, 6))
def test_fixed_point_is_the_rule_bit_for_bit(case, coarser):
    run = eie.simulate(case.layer, case.inputs)
    assert run.raw.tolist() == one_by_one(case, run.formats)
    # Also where sums overflow, and where their last places are lost.
    fraction = min(run.formats.out.fraction + coarser, run.formats.weight.fraction + run.formats.act.fraction)
    out = eie.Fixed(case.machine.bits, max(fraction, fraction - 60))
    rough = eie.simulate(case.layer, case.inputs, out=out, engine="cycle")
    assert rough.raw.tolist() == one_by_one(case, rough.formats)
    bias = None if case.layer.bias is None else out.encode(case.layer.bias)
    dense = eie.dense_product(
        rough.formats.weight.encode(case.matrix), rough.formats.act.encode(case.inputs), rough.formats, bias
    )
    assert rough.raw.tolist() == (np.maximum(dense, 0) if case.layer.relu else dense).tolist()


@settings(max_examples=100, deadline=None)
@given(cases(machines(("float32",))))
def test_floating_point_is_the_product(case):
    run = eie.simulate(case.layer, case.inputs)
    product = case.matrix @ case.inputs + (0 if case.layer.bias is None else case.layer.bias)
    expected = np.maximum(product, 0) if case.layer.relu else product
    size = np.abs(case.matrix) @ np.abs(case.inputs) + 1
    assert (np.abs(run.output - expected) <= 1e-6 * size).all()
    assert run.formats is None


@pytest.mark.parametrize(("precision", "error"), [("int32", 1e-7), ("int16", 2e-3), ("int8", 0.5)])
def test_more_bits_are_closer(precision, error):
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((64, 200)) < 0.1, rng.choice(VALUES, (64, 200)), 0)
    inputs = rng.normal(size=200)
    run = eie.simulate(eie.encode(matrix, eie.Machine(pes=8, precision=precision)), inputs)
    product = matrix @ inputs
    assert np.abs(run.output - product).max() < error * np.abs(product).max()


@settings(max_examples=100, deadline=None)
@given(cases(machines(("int16",))), st.sampled_from([1, 2, 3, 7, 64]), st.sampled_from([1, 3, 64]))
def test_the_result_does_not_depend_on_pes_or_batches(case, pes, regs):
    one = eie.simulate(case.layer, case.inputs)
    other = eie.simulate(case.layer, case.inputs, case.machine.with_(pes=pes, regs=regs), engine="cycle")
    assert one.raw.tolist() == other.raw.tolist()


def test_formats():
    fixed = eie.Fixed(8, 4)
    assert fixed.encode([0.03125, -0.03125, 7.96875, -8.5]).tolist() == [1, 0, 127, -128]
    assert fixed.decode(np.array([-128, 24])).tolist() == [-8.0, 1.5]
    assert eie.Fixed.fitting(0.0, 16) == eie.Fixed(16, 15)
    for largest in (1e-20, 0.4999, 0.5, 32767.4, 32767.5, 3e9):
        fixed = eie.Fixed.fitting(largest, 16)
        assert fixed.encode([largest])[0] in range(fixed.high // 2, fixed.high + 1)
        finer = math.floor(math.ldexp(largest, fixed.fraction + 1) + 0.5)
        assert finer > fixed.high


@pytest.mark.parametrize("precision", ["int8", "int16", "int32"])
@pytest.mark.parametrize("small", [1e-5, 1e-9, 1e-14, 1e-30, 1e-200])
def test_products_too_small_for_the_sum_round_to_zero(precision, small):
    """The formats of a bias of 1 and of a tiny input are farther apart than a product can be shifted."""
    matrix, bias, inputs = np.array([[0.05, 0.1], [-0.1, 0]]), np.array([1.0, 0.5]), np.array([small, -small])
    for engine in ("event", "cycle"):
        run = eie.simulate(
            eie.encode(matrix, eie.Machine(pes=2, precision=precision), bias=bias), inputs, engine=engine
        )
        step = 2.0**-run.formats.out.fraction
        assert run.counters.broadcasts == 2
        assert np.abs(run.output - (matrix @ inputs + bias)).max() <= 1.5 * step


def test_layers_in_a_row():
    rng = np.random.default_rng(0)
    shapes = ((30, 50), (20, 30), (10, 20))
    matrices = [np.where(rng.random(s) < 0.3, rng.choice(VALUES, s), 0) for s in shapes]
    machine = eie.Machine(pes=8, precision="int32")
    layers = [eie.encode(m, machine, relu=i < 2) for i, m in enumerate(matrices)]
    inputs = rng.normal(size=50)
    runs = eie.chain(layers, inputs)
    expected = inputs
    for matrix, relu in zip(matrices, (True, True, False), strict=True):
        expected = np.maximum(matrix @ expected, 0) if relu else matrix @ expected
    assert np.abs(runs[-1].output - expected).max() < 1e-6 * np.abs(expected).max()
    for before, after in pairwise(runs):
        # What was written back is what is scanned, to the bit.
        assert after.formats.act == before.act_format
        assert after.counters.broadcasts == np.count_nonzero(before.raw)
    slow = eie.chain(layers, inputs, engine="cycle")
    assert [r.raw.tolist() for r in slow] == [r.raw.tolist() for r in runs]
    with pytest.raises(EfflabError, match=r"layers\[1\] must have 10 inputs, .* and has 50"):
        eie.chain([layers[2], layers[0]], rng.normal(size=20))


def test_a_long_vector_goes_in_batches():
    """Two registers a PE: eight inputs at a time, each batch drained before the next."""
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((16, 20)) < 0.5, 1.0, 0)
    inputs = rng.normal(size=20)
    machine = eie.Machine(pes=4, regs=2)
    run = eie.simulate(eie.encode(matrix, machine), inputs)
    parts = [eie.simulate(eie.encode(matrix[:, i : i + 8], machine), inputs[i : i + 8]) for i in (0, 8, 16)]
    assert run.cycles == sum(part.cycles for part in parts)
    assert run.counters.batches == 3
    assert run.counters.fill == 3 * eie.FILL
    assert run.counters.act_sram_reads == 20  # beyond the registers
    assert run.counters.act_sram_writes == 16


# Capacities.


@pytest.mark.parametrize("name", paper.table("eie", "table3").labels)
def test_the_benchmark_layers_fit(name):
    row = paper.table("eie", "table3").row(name)
    pattern = eie.draw(int(row["outputs"].value), int(row["inputs"].value), row["weights_pct"].value / 100)
    assert eie.fits(pattern, eie.Machine())


@pytest.mark.parametrize("seed", range(40))
def test_the_pes_that_would_do_do_and_one_fewer_does_not(seed):
    rng = np.random.default_rng(seed)
    pattern = eie.Pattern.of(rng.random((int(rng.integers(10, 80)), 20)) < rng.random() * 0.6)
    machine = eie.Machine(pes=int(rng.integers(1, 4)), spmat_kb=float(rng.integers(1, 30)) / 128, ptr_kb=None)
    enough = eie.pes_needed(pattern, machine)
    tried = [pes for pes in range(machine.pes, 200) if eie.fits(pattern.fresh(), machine.with_(pes=pes))]
    assert (enough is None) == (not tried)
    if tried:
        assert enough in tried
        assert enough == machine.pes or enough - 1 not in tried


def test_as_many_pes_as_there_can_be():
    """Twice 48, and so on, passes the most that a machine has."""
    rows = 60_000
    pattern = eie.Pattern(np.array([0, rows]), np.arange(rows, dtype=np.int32), (rows, 1))
    machine = eie.Machine(pes=48, sram_width=8, spmat_kb=1 / 1024, ptr_kb=None, regs=1)
    enough = eie.pes_needed(pattern, machine)
    assert enough == rows
    assert not any(key[0] != machine.pes for key in pattern._kept if isinstance(key, tuple))


def test_what_does_not_fit_is_refused_with_what_would_do():
    row = paper.table("eie", "table3").row("vgg-6")
    pattern = eie.draw(int(row["outputs"].value), int(row["inputs"].value), row["weights_pct"].value / 100)
    small = eie.Machine(pes=32)
    enough = eie.pes_needed(pattern, small)
    assert 32 < enough < 64
    assert eie.fits(pattern, small.with_(pes=enough))
    assert not eie.fits(pattern, small.with_(pes=enough - 1))
    message = rf"entries for one of 32 PEs, .* a matrix SRAM of 128 KB holds 131,072; {enough} PEs would do"
    with pytest.raises(EfflabError, match=message):
        eie.check_fits(pattern, small)
    assert eie.fits(pattern, small.with_(spmat_kb=None))


def test_a_matrix_too_wide_for_any_number_of_pes():
    with pytest.raises(EfflabError, match="holds 8; no number of PEs would do"):
        eie.encode(np.ones((4, 9)), eie.Machine(pes=2, spmat_kb=1 / 128))
    layer = eie.encode(np.ones((4, 8)), eie.Machine(pes=4, spmat_kb=1 / 128))
    with pytest.raises(EfflabError, match="4 PEs would do"):
        layer.on(eie.Machine(pes=2, spmat_kb=1 / 128))


def test_a_pointer_reaches_so_far():
    dense = eie.Pattern.of(np.ones((65 * 2, 1024)))
    assert eie.fits(dense, eie.Machine(pes=2, regs=504))
    with pytest.raises(
        EfflabError, match=r"a batch of 1,010 inputs has 65,650 entries .* 16 bits reaches 65,536"
    ):
        eie.check_fits(dense, eie.Machine(pes=2, regs=505))


def test_a_batch_has_pointers():
    assert eie.Machine().batch == 4096
    assert eie.Machine(pes=256).batch == 16_128  # 64 x 256 would take 16,385 pointers; there are 16,384
    assert eie.Machine(pes=256, ptr_kb=None).batch == 16_384


# What is refused.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pes": 0}, "pes is 0, and must be from 1 to 65,536"),
        ({"pes": 2.5}, "pes must be a whole number, got 2.5"),
        ({"fifo": -3}, "fifo is -3, and must be from 1 .*: a ring of N slots, of which N - 1 are usable"),
        ({"fifo": 0}, "fifo is 0"),
        ({"index_bits": 0}, "index_bits is 0, and must be from 1 to 8: it counts up to"),
        ({"index_bits": 9}, "index_bits is 9, and must be from 1 to 8"),
        ({"code_bits": 9}, "code_bits is 9, and must be from 1 to 8"),
        ({"precision": "int4"}, "precision must be one of int8, int16, int32, float32, got 'int4'"),
        ({"clock_mhz": 0.0}, "clock_mhz must be above 0, got 0.0"),
        ({"clock_mhz": math.nan}, "clock_mhz must be above 0, got nan"),
        ({"spmat_kb": -1}, "spmat_kb must be above 0 or None, got -1"),
        ({"sram_width": 7}, "sram_width is 7 bits, and one entry takes 8: 4 of code and 4 of index"),
        ({"ptr_kb": 0.1}, "ptr_kb is 0.1, too little for the pointers of 64 inputs"),
        ({"regs": True}, "regs must be a whole number, got True"),
        ({"precision": ["int8"]}, r"precision must be one of int8, .*, got \['int8'\]"),
        ({"bypass": "no"}, "bypass must be True or False, got 'no'"),
    ],
)
def test_machines_that_cannot_be(changes, message):
    with pytest.raises(EfflabError, match=message):
        eie.Machine(**changes)


LAYER = eie.encode(np.eye(3), eie.Machine(pes=2))
SINGLE = eie.Machine(pes=2, precision="float32")


def test_numbers_of_numpy_make_the_same_machine():
    one = eie.Machine(fifo=np.int64(4), bypass=np.zeros(1, bool)[0], clock_mhz=np.float32(400))
    assert one == eie.Machine(fifo=4, bypass=False, clock_mhz=400.0)
    assert (type(one.fifo), type(one.bypass), type(one.clock_mhz)) == (int, bool, float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: eie.encode(np.ones(3)), "matrix must have two axes and not be empty, and has shape"),
        (lambda: eie.encode(np.ones((0, 3))), "matrix must have two axes and not be empty"),
        (lambda: eie.encode([["a"]]), "matrix must hold numbers"),
        (lambda: eie.encode([[np.nan]]), "matrix must hold finite numbers"),
        (lambda: eie.encode([np.arange(17)]), "16 different values beside 0, and codes of 4 bits tell 15 apart; .*recluster"),
        (lambda: eie.encode([[1.0]], codebook=range(1, 17)), "16 different values beside 0"),
        (lambda: eie.encode([[1.0]], codebook=[2.0]), "the weight 1, which codebook lacks; .*recluster"),
        (lambda: eie.encode([[1.0]], codebook=[]), "the weight 1, which codebook lacks"),
        (lambda: eie.encode([[1.0]], codebook=[1, 1]), "codebook must hold finite values that differ"),
        (lambda: eie.encode([[1.0]], bias=[1, 2]), "bias must be 1 finite numbers"),
        (lambda: LAYER.on(eie.Machine(code_bits=1, pes=2)) and eie.encode([[1, 2.0]], eie.Machine(code_bits=1)), "tell 1 apart"),
        (lambda: eie.encode([[1, 2.0]]).on(eie.Machine(code_bits=1)), "codes of 1 bits tell 1 apart"),
        (lambda: eie.simulate(LAYER, [1, 2]), r"activations must have shape \(3,\), .*, and have \(2,\)"),
        (lambda: eie.simulate(LAYER, [1, 2, np.inf]), "activations must be finite numbers"),
        (lambda: eie.simulate(LAYER, ["a", "b", "c"]), "activations must be numbers"),
        (lambda: eie.simulate(LAYER, [1, 2, 3], engine="fast"), "engine must be 'event' or 'cycle', got 'fast'"),
        (lambda: eie.simulate(LAYER, [1, 2, 3], out=eie.Fixed(16, 60)), "out has 60 places, more than the"),
        (lambda: eie.simulate(LAYER, [1, 2, 3], out=eie.Fixed(16, -60)), "at most 62 can be shifted out"),
        (lambda: eie.run_counts(np.ones((2, 3), int), np.zeros(3, int), 7), "counts must have shape"),
        (lambda: eie.run_counts(np.ones((2, 3), int), np.zeros(2, int), -1), "depth is -1, and must be at least 0"),
        (lambda: eie.draw(0, 5, 0.1), "rows is 0, and must be at least 1"),
        (lambda: eie.draw(5, 5, 1.1), "density must be from 0 to 1, got 1.1"),
        (lambda: eie.draw_active(0, 0.5), "inputs is 0, and must be at least 1"),
        (lambda: eie.Pattern(np.array([0, 2]), np.array([1, 1], np.int32), (3, 1)), "rows must rise in each column"),
        (lambda: eie.Pattern(np.array([0, 1]), np.array([3], np.int32), (3, 1)), "rows must be from 0 to 2"),
        (lambda: eie.Pattern(np.array([0, 2]), np.array([1], np.int32), (3, 1)), "starts must rise from 0 to the 1"),
        (lambda: eie.Pattern(np.array([0]), np.array([1], np.int32), (3, 1)), "starts must have shape"),
        (lambda: eie.Fixed.fitting(math.inf, 8), "numbers must be finite"),
        (lambda: eie.simulate(np.eye(3), [1, 2, 3]), "layer must be encoded by .* or be a Pattern, and is a ndarray"),
        (lambda: eie.chain([], [1, 2]), "layers must hold at least one layer"),
        (lambda: eie.chain([LAYER, eie.draw(3, 3, 0.5)], [1, 2, 3]), r"layers\[1\] must be encoded .*, and is a Pattern"),
        (lambda: eie.draw(10.5, 5, 0.1), "rows must be a whole number, got 10.5"),
        (lambda: eie.draw(5, 5, 0.1, seed=-1), "seed is -1, and must be at least 0"),
        (lambda: eie.draw_active(5, 0.1, seed=0.5), "seed must be a whole number, got 0.5"),
        (lambda: eie.encode([[1, 2], [3]]), "matrix must be an array, and has rows of different lengths"),
        (lambda: eie.simulate(LAYER, [1, [2], 3]), "activations must be an array"),
        (lambda: eie.simulate(LAYER.on(SINGLE), [1e39, 1, 1]), r"activations must be at most 3.4e\+38 in float32, .* 1e\+39"),
        (lambda: eie.simulate(eie.encode([[1e39]], SINGLE), [1]), "weights must be at most"),
        (lambda: eie.simulate(eie.encode([[1.0]], SINGLE, bias=[1e39]), [1]), "bias must be at most"),
        (lambda: eie.Fixed(8, 0).encode([math.nan]), "numbers must be finite, and some are not"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, message):
    with pytest.raises(EfflabError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# What it takes, and how it shows itself.


def test_memory_is_linear_in_the_weights():
    """Twice the columns take twice the memory, and a weight takes a few words: no dense matrix is ever made."""

    def peak(columns):
        tracemalloc.start()
        pattern = eie.draw(8192, columns, 0.02, seed=0)
        eie.simulate(pattern, np.ones(columns), eie.Machine())
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size, pattern.nonzeros

    peak(10)
    (small, few), (large, many) = peak(2000), peak(8000)
    assert large / small < 1.2 * many / few
    assert large < 40 * many < 8192 * 8000


def test_memory_does_not_grow_with_empty_columns():
    columns, pattern = 100_000, eie.draw(64, 100_000, 1e-4, seed=0)
    tracemalloc.start()
    run = eie.simulate(pattern, np.ones(columns, bool), eie.Machine(bypass=False))
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.counters.broadcasts == columns
    assert size < 10e6 < 4 * 64 * columns  # the counts of all columns and PEs are more


def test_empty_columns_count_as_ever():
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 30)) < 0.3) * (rng.random(30) < 0.5)
    pattern, pes = eie.Pattern.of(dense), 4
    expected = [[dense[k::pes, j].sum() for k in range(pes)] for j in range(30)]
    assert pattern.counts(pes, 8).tolist() == expected
    assert pattern.counts_of(np.array([3, 0, 29]), pes, 8).tolist() == [expected[j] for j in (3, 0, 29)]
    assert pattern.entries(pes, 8).tolist() == np.sum(expected, axis=0).tolist()
    first, last = pattern.ends(pes, 8)
    for j, k in np.ndindex(30, pes):
        places = np.flatnonzero(dense[k::pes, j])
        assert (first[j, k], last[j, k]) == ((places[0], places[-1]) if places.size else (-1, -1))


def test_a_run_shows_itself():
    layer = eie.encode(np.eye(8), eie.Machine(pes=4), name="fc1")
    run = eie.simulate(layer, np.ones(8))
    assert "fc1 of 8 x 8 on 4 PEs, FIFO 8, int16, 64-bit SRAM, 800 MHz" in str(run)
    assert "<table>" in run._repr_html_()
    assert repr(run).startswith("Run(fc1 8x8, ")
    assert run.plot().axes[0].get_xlabel() == "PE"
    assert run.counters.to_dict()["entries"] == 8
    assert run.counters == eie.simulate(layer, np.ones(8), engine="cycle").counters
    assert hash(run.counters) == hash(eie.simulate(layer, np.ones(8)).counters)
