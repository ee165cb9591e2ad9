"""Linear quantization against torch's own functions and observers; integer layers against exact integer arithmetic."""

import copy
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn
from torch.ao.quantization import MinMaxObserver, PerChannelMinMaxObserver

from efflab import quantization as q
from efflab.errors import EfflabError
from efflab.quantization import Affine, Int8Conv2d, Int8Linear
from efflab.quantization.int8 import integer_product

values = arrays.arrays(np.float32, st.integers(1, 30), elements=st.floats(-100, 100, width=32))


@settings(deadline=None)
@given(values)
def test_affine_parameters_and_integers_equal_torch_s(x):
    x = torch.from_numpy(x)
    observer = MinMaxObserver(
        dtype=torch.qint8, qscheme=torch.per_tensor_affine, quant_min=-128, quant_max=127
    )
    observer(x)
    theirs_scale, theirs_zero = observer.calculate_qparams()
    scale, zero = q.affine_parameters(x.min(), x.max())
    assert float(scale) == float(theirs_scale)
    assert int(zero) == int(theirs_zero)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of its quantized tensors
        theirs = torch.quantize_per_tensor(x, float(scale), int(zero), torch.qint8)
    ours = q.quantize(x, scale, zero)
    assert torch.equal(ours, theirs.int_repr())
    assert torch.equal(q.dequantize(ours, scale, zero), theirs.dequantize())


@settings(deadline=None)
@given(arrays.arrays(np.float32, (4, 6), elements=st.floats(-100, 100, width=32)))
def test_per_channel_equals_torch_s(x):
    x = torch.from_numpy(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        observer = PerChannelMinMaxObserver(
            0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-127, quant_max=127
        )
    observer(x)
    scales, zeros = observer.calculate_qparams()
    ours, zero = q.affine_parameters(x.amin(1), x.amax(1), symmetric=True)
    assert torch.equal(ours, scales)
    assert torch.equal(zero, zeros.to(torch.int32))
    theirs = torch.fake_quantize_per_channel_affine(x, scales, zeros.to(torch.int32), 0, -127, 127)
    assert torch.equal(q.fake_quantize(x, ours, zero, symmetric=True, axis=0), theirs)
    assert torch.equal(
        q.dequantize(q.quantize(x, ours, zero, symmetric=True, axis=0), ours, zero, axis=0), theirs
    )


@pytest.mark.parametrize("bits", [2, 4, 8, 12, 16])
def test_the_straight_through_gradient_equals_torch_s(bits):
    least, most = q.integer_range(bits)
    x = torch.linspace(-3, 3, 400)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    scale, zero = 4.0 / 2**bits, 1
    factor = torch.randn(400, generator=torch.Generator().manual_seed(0))
    (q.fake_quantize(ours, scale, zero, bits) * factor).sum().backward()
    (torch.fake_quantize_per_tensor_affine(theirs, scale, zero, least, most) * factor).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


@settings(deadline=None)
@given(values, st.integers(2, 16), st.booleans())
def test_rounding_is_off_by_half_a_step_at_most(x, bits, symmetric):
    x = x.astype(np.float64)
    scale, zero = q.affine_parameters(x.min(), x.max(), bits, symmetric)
    integers = q.quantize(x, scale, zero, bits, symmetric=symmetric)
    assert integers.dtype == (np.int8 if bits <= 8 else np.int16)
    back = q.dequantize(integers, np.float64(scale), zero)
    # The zero point is rounded, which may cut half a step off an end.
    assert np.abs(back - x).max() <= scale * (1 if not symmetric else 0.5) * (1 + 1e-6)
    assert q.dequantize(q.quantize(np.zeros(1), scale, zero, bits), scale, zero)[0] == 0


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)).eval()


def test_quantize_rounds_each_channel_once_or_in_every_pass():
    model, x = net(), torch.randn(4, 3, 6, 6)
    trained = copy.deepcopy(model)
    rounding = q.quantize_(
        model, {"0": Affine(bits=4), "3": Affine(bits=3, symmetric=False, per_channel=False)}
    )
    assert all(len(row.unique()) <= 15 for row in model[0].weight)
    assert len(model[3].weight.unique()) <= 8
    scale, zero = rounding.parameters()["0.weight"]
    assert scale.shape == (8,)
    assert not bool(zero.any())
    aware = q.quantize_(
        trained, {"0": Affine(bits=4), "3": Affine(bits=3, symmetric=False, per_channel=False)}, train=True
    )
    assert torch.equal(trained(x), model(x))
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.0005)
    for _ in range(3):
        optimizer.zero_grad()
        trained(x).square().sum().backward()
        optimizer.step()
    expected = trained(x)
    assert expected.square().sum() < model(x).square().sum()
    aware.finalize()
    assert torch.equal(trained(x), expected)
    assert type(trained[0]) is nn.Conv2d
    assert len(trained[3].weight.unique()) <= 8


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_calibration_finds_the_range_of_each_layer_s_inputs(method):
    model, batches = (
        net(),
        [torch.randn(64, 3, 6, 6, generator=torch.Generator().manual_seed(i)) for i in range(3)],
    )
    batches[0][0, 0, 0, 0] = 30.0
    calibration = q.calibrate(model, batches, method, percentile=99)
    low, high = calibration.ranges["0"]
    everything = torch.cat(batches)
    if method == "minmax":
        assert (low, high) == (float(everything.min()), float(everything.max()))
        assert calibration.ranges["3"][0] == 0.0
    else:
        assert high < 30
    scale, zero = q.affine_parameters(low, high)
    error = (q.fake_quantize(everything, scale, zero) - everything).square().sum()
    scale, zero = q.affine_parameters(everything.min(), everything.max())
    widest = (q.fake_quantize(everything, scale, zero) - everything).square().sum()
    if method == "mse":
        assert error <= widest
    assert not model.training


def exact_linear(layer, x):
    """The integer arithmetic in float64, which holds every sum exactly."""
    weight_scale = layer.weight_scale.double()
    scale, zero = layer._parameters_of(x)
    integers = (torch.round(x * (1 / scale)) + zero).clamp(-128, 127)
    return (integers.double() - float(zero)), weight_scale * scale.double()


@pytest.mark.parametrize("dynamic", [False, True])
def test_int8_linear_is_exact_in_integers_and_near_the_float_layer(dynamic):
    torch.manual_seed(0)
    plain, x = nn.Linear(300, 17), torch.randn(6, 4, 300)
    model = nn.Sequential(copy.deepcopy(plain))
    q.quantize_int8_(model, None if dynamic else q.calibrate(model, [x]))
    layer = model[0]
    assert isinstance(layer, Int8Linear)
    integers, factor = exact_linear(layer, x)
    sums = integers @ layer.weight.double().t()
    ours = layer.accumulate(layer._input(x)[0].reshape(-1, 300), layer._input(x)[2])
    assert torch.equal(ours.double(), sums.view(-1, 17))
    expected = sums * factor + layer.bias.double()
    torch.testing.assert_close(layer(x).double(), expected, rtol=1e-6, atol=1e-6)
    assert (layer(x) - plain(x)).abs().max() < 0.02 * plain(x).abs().max()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": 2, "stride": 2},
        {"padding": "same", "dilation": 2},
        {"groups": 4, "padding": (0, 1), "bias": False},
    ],
)
def test_int8_conv_is_exact_in_integers(settings):
    torch.manual_seed(0)
    plain, x = nn.Conv2d(8, 12, (3, 2), **settings), torch.randn(2, 8, 9, 10) + 0.5
    model = nn.Sequential(copy.deepcopy(plain))
    q.quantize_int8_(model, q.calibrate(model, [x]))
    layer = model[0]
    assert isinstance(layer, Int8Conv2d)
    integers, factor = exact_linear(layer, x)
    reference = copy.deepcopy(plain).double()
    reference.weight.data, reference.bias = layer.weight.double(), None
    sums = reference(integers)
    ours = layer.accumulate(layer._input(x)[0], layer._input(x)[2]).permute(0, 3, 1, 2)
    assert torch.equal(ours.double(), sums)
    bias = 0 if layer.bias is None else layer.bias.double().view(-1, 1, 1)
    torch.testing.assert_close(layer(x).double(), sums * factor.view(-1, 1, 1) + bias, rtol=1e-6, atol=1e-6)
    assert torch.equal(layer(x[0]), layer(x)[0])
    assert (layer(x) - plain(x)).abs().max() < 0.03 * plain(x).abs().max()


@pytest.mark.parametrize("n", [1, 31, 1200])
def test_integer_products_do_not_saturate(n):
    extreme = torch.tensor([-128, 127, -128], dtype=torch.int8)
    a, b = (
        extreme.repeat(5, n)[:, :n].contiguous(),
        extreme.repeat(n, 4).t().repeat(1, 1)[:7].t().contiguous(),
    )
    assert torch.equal(integer_product(a, b).long(), a.long() @ b.long())


def test_int8_is_near_torch_s_dynamic_quantization():
    torch.manual_seed(0)
    plain, x = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8)), torch.randn(16, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}, dtype=torch.qint8)(x)
    ours = q.quantize_int8_(copy.deepcopy(plain))(x)
    float_output = plain(x).detach()
    assert (ours - float_output).square().sum() <= (theirs - float_output).square().sum()


def test_an_int8_model_saves_and_loads():
    model, x = net(), torch.randn(4, 3, 6, 6)
    calibration = q.calibrate(model, [x])
    other = q.quantize_int8_(copy.deepcopy(model), calibration)
    q.quantize_int8_(model, calibration)
    assert model[0].weight.dtype == torch.int8
    with torch.no_grad():
        other[3].weight.zero_()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


def test_constant_and_empty_input():
    layer = Int8Linear(nn.Linear(4, 2))
    assert layer(torch.zeros(3, 4)).shape == (3, 2)
    assert layer(torch.zeros(0, 4)).shape == (0, 2)
    torch.testing.assert_close(layer(torch.zeros(1, 4))[0], layer.bias)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: q.affine_parameters(1.0, -1.0), "low at most high"),
        (lambda: q.affine_parameters(float("nan"), 1.0), "finite"),
        (lambda: q.affine_parameters(0.0, 1.0, bits=1), "bits must be an integer from 2 to 16"),
        (lambda: q.quantize(np.array([np.nan]), 0.1), "x holds NaN"),
        (lambda: q.quantize(np.ones(2), 0.0), "scale must be above 0"),
        (lambda: q.quantize(np.ones(2), np.ones(2)), "axis="),
        (lambda: q.quantize(np.ones(2), np.ones(3), axis=0), "3 entries"),
        (lambda: q.quantize(np.ones(2), 1.0, axis=4), "axis must be a dimension"),
        (lambda: q.dequantize(np.ones(2), 1.0), "q must be integers"),
        (lambda: q.calibrate(nn.Linear(2, 2), []), "batches is empty"),
        (lambda: q.calibrate(nn.ReLU(), [torch.ones(2)]), "no linear or convolutional layers"),
        (lambda: q.calibrate(nn.Linear(2, 2), [], "best"), "method must be"),
        (lambda: q.calibrate(nn.Linear(1, 1), [torch.tensor([float("nan")])]), "hold NaN or infinity"),
        (lambda: q.quantize_int8_(nn.ReLU()), "no linear or convolutional"),
        (
            lambda: q.quantize_int8_(nn.Sequential(nn.Linear(1, 1)), q.Calibration({})),
            "no range of the inputs of '0'",
        ),
        (
            lambda: Int8Conv2d(nn.Conv2d(1, 1, 3, padding_mode="circular"), name="c"),
            "layer 'c' pads with 'circular'",
        ),
        (lambda: q.quantize_(net(), {"9": Affine()}), "no layer with weights matches '9'"),
        (lambda: Affine(bits=1), "bits"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(EfflabError, match=message):
        call()
