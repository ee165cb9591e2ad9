"""The LSTM against torch's, against a step written out, and in fixed point against whole numbers of Python."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from efflab import ese, paper, pruning
from efflab.errors import EfflabError
from efflab.ese.fixed import Format, product
from efflab.ese.fixed_lstm import ranges
from efflab.ese.lookup import Lookup, reach


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(2, 9),
    st.integers(0, 8),
    st.integers(1, 6),
    st.booleans(),
    st.integers(0, 99),
)
def test_without_peepholes_it_is_torch_s_lstm(inputs, hidden, outputs, frames, bias, seed):
    torch.manual_seed(seed)
    theirs = nn.LSTM(inputs, hidden, proj_size=min(outputs, hidden - 1), bias=bias, batch_first=True).double()
    ours = ese.LSTM.from_torch(theirs)
    x = torch.randn(3, frames, inputs, dtype=torch.float64)
    state = torch.randn(1, 3, theirs.proj_size or hidden).double(), torch.randn(1, 3, hidden).double()
    for start in (None, state):
        expected, (y, c) = theirs(x, start)
        got, (last, cells) = ours(x, None if start is None else (start[0][0], start[1][0]))
        assert torch.allclose(got, expected, atol=1e-12)
        assert torch.allclose(last, y[0], atol=1e-12)
        assert torch.allclose(cells, c[0], atol=1e-12)


def test_gradients_are_torch_s_where_peepholes_are_zero():
    torch.manual_seed(0)
    theirs = nn.LSTM(5, 8, proj_size=3, batch_first=True).double()
    ours = ese.LSTM.from_torch(theirs)
    x = torch.randn(2, 6, 5, dtype=torch.float64)
    for layer in (theirs, ours):
        layer(x)[0].square().sum().backward()
    for name in ("weight_ih_l0", "weight_hh_l0", "weight_hr_l0"):
        assert torch.allclose(getattr(ours, name).grad, getattr(theirs, name).grad, atol=1e-5)
    assert torch.allclose(ours.bias_l0.grad, theirs.bias_ih_l0.grad, atol=1e-5)


def test_a_step_with_peepholes_is_what_the_equations_say():
    torch.manual_seed(1)
    layer = ese.LSTM(3, 4, proj_size=2)
    x = torch.randn(1, 5, 3)
    named = {name: matrix.numpy() for name, matrix in ese.matrices(layer).items()}
    bias = dict(zip("ifco", layer.bias_l0.detach().numpy().reshape(4, 4), strict=True))
    hole = dict(zip("ifo", layer.peephole_l0.detach().numpy(), strict=True))
    y, c = np.zeros(2), np.zeros(4)
    for t, frame in enumerate(x[0].numpy()):
        sums = {g: named[f"W{g}x"] @ frame + named[f"W{g}r"] @ y + bias[g] for g in "ifco"}
        i, f = (1 / (1 + np.exp(-(sums[g] + hole[g] * c))) for g in "if")
        c = f * c + i * np.tanh(sums["c"])
        o = 1 / (1 + np.exp(-(sums["o"] + hole["o"] * c)))
        y = named["Wym"] @ (o * np.tanh(c))
        assert np.allclose(layer(x)[0][0, t].detach().numpy(), y, atol=1e-6)


def test_gradients_of_peepholes_agree_with_differences():
    torch.manual_seed(2)
    layer = ese.LSTM(3, 4, proj_size=2).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda peephole: torch.func.functional_call(layer, {"peephole_l0": peephole}, (x,))[0],
        layer.peephole_l0.detach().requires_grad_(),
    )


def test_it_goes_on_where_a_state_stands_and_can_be_copied_and_saved(tmp_path):
    torch.manual_seed(3)
    layer = ese.LSTM(3, 6, proj_size=2)
    x = torch.randn(2, 7, 3)
    whole, end = layer(x)
    first, state = layer(x[:, :3])
    second, last = layer(x[:, 3:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(end, last, strict=True))
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other = ese.LSTM(3, 6, proj_size=2)
    other.load_state_dict(torch.load(tmp_path / "layer.pt"))
    assert torch.equal(other(x)[0], whole)
    assert torch.equal(copy.deepcopy(layer)(x)[0], whole)


def test_without_a_projection_or_peepholes():
    plain = ese.LSTM(3, 5, peepholes=False)
    assert plain.weight_hr_l0 is None
    assert plain.peephole_l0 is None
    assert list(ese.matrices(plain)) == ["Wix", "Wfx", "Wcx", "Wox", "Wir", "Wfr", "Wcr", "Wor"]
    assert plain(torch.zeros(1, 2, 3))[0].shape == (1, 2, 5)
    assert "peepholes=False" in repr(plain)


def test_masks_of_a_pruned_layer_come_along():
    theirs = nn.LSTM(5, 8, proj_size=4, batch_first=True)
    pruned = pruning.prune_(theirs, pruning.Magnitude(0.75, scope="layer"))
    ours = ese.LSTM.from_torch(theirs)
    again = pruning.Pruner(ours)
    assert {name: mask.tolist() for name, mask in again.masks.items()} == {
        name: mask.tolist() for name, mask in pruned.masks.items()
    }
    optimizer = torch.optim.SGD(ours.parameters(), lr=1.0)
    again.attach(optimizer)
    ours(torch.randn(2, 3, 5))[0].sum().backward()
    optimizer.step()
    assert again.sparsity() == 0.75
    assert all(not ours.get_parameter(name)[~mask].any() for name, mask in again.masks.items())


def test_autocast_sees_to_dtypes():
    layer = ese.LSTM(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.zeros(2, 5, 3, dtype=torch.bfloat16))[0].shape == (2, 5, 4)


def test_one_layer_and_direction_of_several_is_chosen():
    made = nn.LSTM(5, 8, num_layers=2, bidirectional=True, proj_size=4)
    for layer, reverse, end in ((0, False, "l0"), (1, False, "l1"), (1, True, "l1_reverse")):
        named = ese.matrices(made, layer, reverse=reverse)
        assert torch.equal(named["Wfx"], getattr(made, f"weight_ih_{end}")[8:16])
        assert torch.equal(named["Wor"], getattr(made, f"weight_hh_{end}")[24:])
        assert torch.equal(named["Wym"], getattr(made, f"weight_hr_{end}"))
    plain = nn.LSTM(5, 8)
    assert ese.matrices(plain, 0)["Wix"].data_ptr() == ese.matrices(plain)["Wix"].data_ptr()


@pytest.mark.parametrize("kind", ["ese", "torch", "cell"])
def test_matrices_are_views_by_the_paper_s_names(kind):
    made = {"ese": ese.LSTM(5, 8, 4), "torch": nn.LSTM(5, 8, proj_size=4), "cell": nn.LSTMCell(5, 8)}[kind]
    named = ese.matrices(made)
    assert named["Wcx"].shape == (8, 5)
    named["Wfx"].zero_()
    weight = made.weight_ih if kind == "cell" else made.weight_ih_l0
    assert not weight[8:16].any()
    assert weight[:8].all()
    assert ("Wym" in named) == (kind != "cell")


# Fixed point.


SIZES = st.floats(1e-280, 1e6)
SIGNED = st.one_of(st.just(0.0), SIZES, SIZES.map(lambda size: -size))


@settings(max_examples=200, deadline=None)
@given(st.lists(SIGNED, min_size=1, max_size=8), st.integers(2, 16))
def test_a_format_holds_what_it_was_made_for_and_none_finer_does(values, bits):
    form = Format.holding(values, bits)
    finer = Format(bits, form.fraction + 1)
    largest = max(map(abs, values))
    assert round(largest / form.unit) <= form.largest
    if largest:
        assert round(largest / finer.unit) > finer.largest
    error = np.abs(form.floats(form.integers(values)) - values)
    assert (error <= form.unit / 2 + 1e-12 * largest).all()


def test_the_smallest_numbers_have_a_format():
    form = Format.holding([5e-324], 12)
    assert form.integers(np.array([5e-324])).tolist() == [0] and form.unit > 0


@given(st.integers(-(2**40), 2**40), st.integers(-4, 40), st.integers(-4, 20), st.integers(2, 32))
def test_rounding_a_sum_is_rounding_a_fraction_halves_up(integer, fraction, target, bits):
    form = Format(bits, target)
    exact = Fraction(integer) / Fraction(2) ** fraction * Fraction(2) ** target
    expected = max(-form.largest - 1, min(form.largest, math.floor(exact + Fraction(1, 2))))
    assert int(form.rounded(np.array([integer]), fraction)[0]) == expected


def test_floats_saturate_and_round_to_even():
    assert Format(8, 0).integers([0.5, 1.5, 2.5, 1e30, -1e30]).tolist() == [0, 2, 2, 127, -128]
    assert Format.holding([0.0], 8) == Format(8, 7)
    assert Format.holding([0.9999], 8).integers([0.9999]).tolist() == [64]


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@pytest.mark.parametrize("entries", [16, 256, 2048])
def test_a_table_is_as_close_as_its_step(name, entries):
    form = Format(16, 11)
    table = Lookup.of(name, form, 16, entries)
    inputs = np.arange(-(1 << 15), 1 << 15)
    x = form.floats(inputs)
    exact = np.tanh(x) if name == "tanh" else 1 / (1 + np.exp(-x))
    error = np.abs(table.output.floats(table(inputs)) - exact).max()
    assert error <= (0.25 if name == "sigmoid" else 1) * table.step / 2 + 2 * table.output.unit
    assert (np.diff(table(inputs)) >= 0).all()
    assert table.reach == reach(name, entries)


@given(st.integers(-3, 20), st.integers(-(1 << 15), (1 << 15) - 1))
def test_a_table_is_asked_by_the_top_bits_of_its_input(fraction, integer):
    table = Lookup.of("tanh", Format(16, fraction))
    place = math.floor(Fraction(integer) / Fraction(2) ** fraction / Fraction(table.step))
    expected = table.values[min(max(place + 1024, 0), 2047)]
    assert int(table(np.array([integer]))[0]) == expected


def by_hand(fixed, frames):
    """The fixed-point LSTM in whole numbers of Python, a sequence at a time, an element at a time."""

    def shifted(value, source, form):
        exact = Fraction(value) / Fraction(2) ** source * Fraction(2) ** form.fraction
        return max(-form.largest - 1, min(form.largest, math.floor(exact + Fraction(1, 2))))

    def times(name, row, vector, source, form):
        weight = fixed.weights[name]
        total = sum(int(w) * int(v) for w, v in zip(weight.integers[row], vector, strict=True))
        return shifted(total, weight.format.fraction + source.fraction, form)

    forms = fixed.formats
    hidden, outputs = fixed.weights["Wir"].integers.shape
    y, c = [0] * outputs, [0] * hidden

    def asked(gate, row, frame, cell):
        form = forms[f"sum {gate}"]
        total = times(f"W{gate}x", row, frame, forms["x"], form) + times(
            f"W{gate}r", row, y, forms["y"], form
        )
        total += int(fixed.biases[gate][row])
        if gate in fixed.peepholes:
            hole = fixed.peepholes[gate]
            total += shifted(int(hole.integers[row]) * cell, hole.format.fraction + forms["c"].fraction, form)
        return max(-form.largest - 1, min(form.largest, total))

    def look(table, value):
        return int(table(np.array([value]))[0])

    for frame in frames:
        m = []
        for row in range(hidden):
            before = c[row]
            i = look(fixed.sigmoids["i"], asked("i", row, frame, before))
            f = look(fixed.sigmoids["f"], asked("f", row, frame, before))
            g = look(fixed.tanhs["g"], asked("c", row, frame, before))
            cells = forms["c"]
            total = shifted(f * before, 15 + cells.fraction, cells) + shifted(i * g, 30, cells)
            c[row] = max(-cells.largest - 1, min(cells.largest, total))
            o = look(fixed.sigmoids["o"], asked("o", row, frame, c[row]))
            m.append(shifted(o * look(fixed.tanhs["h"], c[row]), 30, forms["m"]))
        y = (
            [times("Wym", row, m, forms["m"], forms["y"]) for row in range(outputs)]
            if "Wym" in fixed.weights
            else [shifted(value, 15, forms["y"]) for value in m]
        )
        yield list(y)


@pytest.mark.parametrize(("outputs", "peepholes"), [(3, True), (0, True), (3, False)])
def test_fixed_point_is_what_whole_numbers_give(outputs, peepholes):
    torch.manual_seed(4)
    layer = ese.LSTM(4, 6, outputs, peepholes=peepholes)
    x = 3 * torch.randn(2, 5, 4)
    fixed = ese.FixedLSTM.of(layer, x)
    frames = fixed.formats["x"].integers(x.double().numpy())
    made = fixed.formats["y"].integers(fixed(x).double().numpy())
    for sequence, expected in zip(frames, made, strict=True):
        assert list(by_hand(fixed, sequence)) == expected.tolist()


def test_fixed_point_comes_close_and_closer_with_more_bits():
    torch.manual_seed(5)
    layer = ese.LSTM(20, 64, proj_size=32)
    x = torch.randn(8, 12, 20)
    exact = layer(x)[0].detach()
    errors = [
        float((ese.FixedLSTM.of(layer, x, weight_bits=bits)(x) - exact).abs().max())
        for bits in (4, 8, 12, 16)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.004


def test_large_terms_that_cancel_are_held():
    """The total of a gate is small here, and its two terms are not."""
    torch.manual_seed(0)
    layer = ese.LSTM(1, 4, peepholes=False)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_ih_l0.fill_(10)
        layer.bias_l0.fill_(-10)
        x = 1 + 0.05 * torch.randn(20, 10, 1)
        exact = layer(x)[0]
    fixed = ese.FixedLSTM.of(layer, x)
    for gate in "ifco":
        form = fixed.formats[f"sum {gate}"]
        assert float(form.floats(form.saturate(np.array([1 << 20])))[0]) >= float(10 * x.max())
        assert form.floats(fixed.biases[gate]).tolist() == [-10.0] * 4
    assert float((fixed(x) - exact).abs().max()) < 0.005


@pytest.mark.parametrize("part", ["weight_hh_l0", "peephole_l0"])
def test_every_term_of_a_sum_is_in_its_range(part):
    torch.manual_seed(1)
    layer, x = ese.LSTM(3, 5, 2), torch.randn(4, 6, 3)
    with torch.no_grad():
        layer.get_parameter(part).mul_(50)
    found = ranges(layer, x)
    state, most = layer.empty(x), dict.fromkeys("ifco", 0.0)
    with torch.no_grad():
        for frame in x.unbind(1):
            before = state
            _, state = layer(frame[:, None], state)
            for at, gate in enumerate("ifco"):
                term = (before[0] @ layer.weight_hh_l0.T).chunk(4, 1)[at]
                if part == "peephole_l0" and gate != "c":
                    term = layer.peephole_l0["ifo".index(gate)] * (state if gate == "o" else before)[1]
                most[gate] = max(most[gate], float(term.abs().max()))
    assert all(found[f"sum {gate}"] >= most[gate] * (1 - 1e-6) for gate in "ifco")
    assert found["c"] <= 1 + 6


def test_fixed_point_goes_on_where_a_state_stands():
    torch.manual_seed(2)
    layer, x = ese.LSTM(3, 5, 2), torch.randn(4, 6, 3)
    fixed = ese.FixedLSTM.of(layer, x)
    whole, end = fixed.run(x)
    first, state = fixed.run(x[:, :2])
    second, last = fixed.run(x[:, 2:], state)
    assert torch.equal(torch.cat([first, second], 1), whole)
    assert torch.equal(fixed(x[:, 2:], state), second)
    assert all(map(torch.equal, end, last))
    assert torch.equal(last[0], whole[:, -1])
    assert fixed(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_fixed_point_answers_on_the_device_of_its_input(device):
    layer, x = ese.LSTM(3, 5), torch.randn(2, 4, 3)
    fixed = ese.FixedLSTM.of(layer.to(device), x.to(device))
    assert fixed(x.to(device)).device.type == device
    assert torch.equal(fixed(x.to(device)).cpu(), fixed(x))


def test_fixed_point_has_the_paper_s_widths():
    fixed = ese.FixedLSTM.of(ese.LSTM(3, 5), torch.randn(2, 4, 3))
    bits = {
        name: int(paper.get(f"ese/configuration/{name}").value) for name in ("weight_bits", "activation_bits")
    }
    assert {one.format.bits for one in fixed.weights.values()} == {bits["weight_bits"]}
    assert {one.bits for one in fixed.formats.values()} == {bits["activation_bits"]}
    entries = paper.get("ese/configuration/table_entries").value
    assert {table.values.size for table in (*fixed.sigmoids.values(), *fixed.tanhs.values())} == {entries}


def test_no_order_of_rows_or_columns_changes_fixed_point():
    torch.manual_seed(6)
    weight, x = torch.randint(-2048, 2048, (9, 33)), torch.randint(-(2**15), 2**15, (2, 33))
    order = torch.randperm(33)
    plain = product(weight.numpy(), x.numpy(), 28)
    assert (plain == (x @ weight.T).numpy()).all()
    assert (plain == product(weight[:, order].numpy(), x[:, order].numpy(), 28)).all()


def test_ranges_are_those_of_the_layer_s_own_run():
    torch.manual_seed(7)
    layer, x = ese.LSTM(3, 5, 2), torch.randn(4, 6, 3)
    found = ranges(layer, x)
    with torch.no_grad():
        y, (_, c) = layer(x)
    assert found["y"] == pytest.approx(float(y.abs().max()), rel=1e-6)
    assert found["c"] >= float(c.abs().max()) - 1e-6
    assert found["x"] == float(x.abs().max())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ese.LSTM(0, 4), "input_size must be a whole number of at least 1, got 0"),
        (lambda: ese.LSTM(3, 4, 4), "proj_size must be below hidden_size 4, got 4"),
        (lambda: ese.LSTM(3, 4, -1), "proj_size must be a whole number of at least 0"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 3)), r"x must have shape \(n, frames, 3\), got \(2, 3\)"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 5, 4)), r"got \(2, 5, 4\)"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 0, 3)), r"got \(2, 0, 3\)"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 0, 3)), "with one frame at least"),
        (lambda: ese.LSTM(3, 4)(nn.utils.rnn.pack_sequence([torch.zeros(5, 3)])), "x must have shape .*, got PackedSequence"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 5, 3, dtype=torch.int64)), "x must be of a floating dtype, got torch.int64"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 5, 3).double()), "x must have the layer's dtype torch.float32, got torch.float64"),
        (lambda: _with_state((1, 2, 2), (1, 2, 4)), r"state must be y of shape \(2, 2\) and c of shape \(2, 4\), without torch's axis"),
        (lambda: _with_state((3, 2), (3, 4)), r"state must be y of shape \(2, 2\)"),
        (lambda: _with_state((2, 4), (2, 2)), r"state must be y of shape \(2, 2\)"),
        (lambda: ese.LSTM(3, 4)(torch.zeros(2, 5, 3), torch.zeros(2, 4)), "state must be y"),
        (lambda: ese.LSTM.from_torch(nn.LSTM(3, 4)), "batch_first=True"),
        (lambda: ese.LSTM.from_torch(_held()), "weight_ih_l0 is held by torch.nn.utils.prune"),
        (lambda: ese.LSTM.from_torch(nn.LSTM(3, 4, num_layers=2)), "one layer"),
        (lambda: ese.LSTM.from_torch(nn.LSTM(3, 4, bidirectional=True)), "one direction"),
        (lambda: ese.matrices(nn.Linear(3, 4)), "must be an LSTM"),
        (lambda: ese.matrices(nn.LSTM(3, 4, num_layers=2)), "layer=0 and reverse=False; this module has 2 layers and 1 dir"),
        (lambda: ese.matrices(nn.LSTM(3, 4, bidirectional=True)), "1 layers and 2 directions"),
        (lambda: ese.matrices(nn.LSTM(3, 4, num_layers=2), 2), "layer must be a whole number from 0 to 1, got 2"),
        (lambda: ese.matrices(nn.LSTM(3, 4), reverse=True), "bidirectional"),
        (lambda: ese.matrices(ese.LSTM(3, 4), 1), "layer must be a whole number from 0 to 0, got 1"),
        (lambda: Format(12, 2000), "fraction must be a whole number from -1000 to 1000, got 2000"),
        (lambda: Format(12, 1.5), "fraction must be a whole number from -1000 to 1000, got 1.5"),
        (lambda: Format(12, 3).integers([0.0, float("nan")]), "values hold NaN"),
        (lambda: _fixed(weight_bits="a"), "weight_bits must be a whole number from 2 to 32, got 'a'"),
        (lambda: _fixed(activation_bits=40), "activation_bits must be a whole number from 2 to 32, got 40"),
        (lambda: _fixed(table_entries=None), "table_entries must be a whole number of at least 4, got None"),
        (lambda: _fixed()(torch.full((1, 2, 3), torch.nan)), "x must not hold NaN"),
        (lambda: _fixed()(torch.ones(1, 0, 3)), "with one frame at least"),
        (lambda: _fixed()(torch.ones(1, 2, 3, dtype=torch.int32)), "x must be of a floating dtype"),
        (lambda: _fixed()(torch.ones(1, 2, 3), (torch.ones(1, 4), torch.ones(1, 3))), "state must be y of shape"),
        (lambda: _fixed()(torch.ones(1, 2, 3), (torch.ones(1, 4), torch.full((1, 4), torch.nan))), "state's c must not hold NaN"),
        (lambda: ese.FixedLSTM.of(nn.LSTM(3, 4), torch.ones(1, 2, 3)), "lstm must be an efflab.ese.LSTM, .* got LSTM"),
        (lambda: ese.FixedLSTM.of(ese.LSTM(3, 4), torch.ones(1, 2, 3).double()), "layer's dtype"),
        (lambda: ese.FixedLSTM.of(_infinite(), torch.ones(1, 2, 3)), "weight_hh_l0 must be finite"),
        (lambda: Format(1, 0), "bits must be a whole number from 2 to 32, got 1"),
        (lambda: Format.holding([float("nan")], 8), "finite"),
        (lambda: Lookup.of("relu", Format(16, 8)), "sigmoid or tanh"),
        (lambda: Lookup.of("tanh", Format(16, 8), entries=1000), "power of two"),
        (lambda: product(np.zeros((1, 4), np.int64), np.zeros((1, 4), np.int64), 60), "not exact"),
        (lambda: ese.FixedLSTM.of(ese.LSTM(3, 4), torch.zeros(0, 2, 3)), "not be empty"),
        (lambda: ese.FixedLSTM.of(ese.LSTM(3, 4), torch.ones(1, 2, 3))(torch.ones(1, 2, 4)), "x must have shape"),
        (lambda: ese.FixedLSTM.of(ese.LSTM(3, 4), torch.full((1, 2, 3), torch.nan)), "finite"),
    ],
)  # fmt: skip
def test_says_what_is_wrong(call, words):
    with pytest.raises(EfflabError, match=words):
        call()


def _with_state(y, c):
    return ese.LSTM(3, 4, 2)(torch.zeros(2, 5, 3), (torch.zeros(y), torch.zeros(c)))


def _held():
    layer = nn.LSTM(3, 4, batch_first=True)
    prune.l1_unstructured(layer, "weight_ih_l0", 0.5)
    return layer


def _fixed(**settings_):
    return ese.FixedLSTM.of(ese.LSTM(3, 4), torch.ones(1, 2, 3), **settings_)


def _infinite():
    layer = ese.LSTM(3, 4)
    nn.init.constant_(layer.weight_hh_l0, torch.inf)
    return layer
