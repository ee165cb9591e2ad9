"""Packed layers compute what dense ones do, from far fewer bytes, and survive all that a module goes through."""

import copy
import math

import pytest
import torch
from torch import nn

from efflab import deep_compression, efz
from efflab.deep_compression import PackedConv2d, PackedLinear, load_packed, pack_
from efflab.deep_compression.codes import PackedMatrix, decode_rows, pack_matrix
from efflab.errors import CheckpointError, EfflabError

CONVOLUTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 1), "dilation": (1, 2), "padding": (2, 1)},
    {"groups": 4, "padding": 1},
    {"groups": 8, "bias": False},
    {"padding": "same", "dilation": 2},
    {"padding": "valid"},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": (1, 2), "padding_mode": "circular"},
    {"padding": "same", "padding_mode": "replicate"},
]


@torch.no_grad()
def few_values_(layer: nn.Module, density: float, k: int, seed: int = 0) -> nn.Module:
    """Give a layer k values, and zeros."""
    generator = torch.Generator().manual_seed(seed)
    for one in layer.modules():
        weight = getattr(one, "weight", None)
        if weight is not None and weight.dim() > 1:
            values = torch.randn(k, generator=generator).to(weight.dtype)
            weight.copy_(values[torch.randint(k, weight.shape, generator=generator)])
            weight[torch.rand(weight.shape, generator=generator) >= density] = 0
    return layer


@pytest.mark.parametrize("density", [0.0, 0.004, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("k", [1, 7, 30, 300])
def test_a_matrix_comes_back_as_it_was(density, k):
    weight = few_values_(nn.Linear(701, 41), density, k).weight.detach()
    packed = pack_matrix(weight)
    assert packed is not None
    assert packed.nbytes < 0.52 * weight.nbytes
    assert torch.equal(decode_rows(packed, 0, 41, 701), weight)
    assert torch.equal(decode_rows(packed, 7, 12, 701), weight[7:12])


def test_both_ways_of_decoding_agree():
    for density, k in ((0.05, 20), (0.9, 5), (0.9, 100), (0.05, 300)):
        weight = few_values_(nn.Linear(65, 33), density, k).weight.detach()
        packed = pack_matrix(weight)
        wide = PackedMatrix(packed.codes, packed.gaps, packed.starts, packed.codebook.double())
        assert torch.equal(decode_rows(wide, 3, 20, 65).float(), decode_rows(packed, 3, 20, 65))


@pytest.mark.parametrize("shape", [(500,), (1, 500), (13, 500), (2, 3, 500), (0, 500)])
@pytest.mark.parametrize(("density", "k"), [(0.05, 31), (0.08, 300), (0.7, 16), (0.9, 200)])
def test_linear(shape, density, k):
    layer = few_values_(nn.Linear(500, 60), density, k)
    packed = PackedLinear.of(layer)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(packed(x), layer(x), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(packed(x), layer(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("density", [0.05, 0.8])
def test_convolution(settings, density):
    layer = few_values_(nn.Conv2d(8, 48, (3, 5), **settings), density, 15)
    packed = PackedConv2d.of(layer)
    for shape in ((8, 11, 13), (1, 8, 11, 13), (3, 8, 9, 10)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(packed(x), layer(x), atol=1e-4, rtol=1e-4)


def test_both_ways_of_computing_are_taken(monkeypatch):
    calls = []
    times = deep_compression.PackedLayer._times
    monkeypatch.setattr(
        deep_compression.PackedLayer, "_times", lambda *a: calls.append(a[1].shape) or times(*a)
    )
    sparse = PackedLinear.of(few_values_(nn.Linear(500, 60), 0.05, 31))
    dense = PackedLinear.of(few_values_(nn.Linear(500, 60), 0.9, 31))
    x = torch.randn(4, 500)
    sparse(x)
    dense(x)
    assert calls == [(500, 4)]
    x.requires_grad_()
    sparse(x).sum().backward()
    assert calls == [(500, 4)]
    assert torch.allclose(x.grad, sparse.weight.sum(0).expand(4, -1), atol=1e-5)
    convolution = PackedConv2d.of(few_values_(nn.Conv2d(8, 48, 3), 0.05, 15))
    convolution(torch.randn(2, 8, 7, 7))
    assert calls[1:] == [(72, 50)]


def test_no_dense_weight_is_kept_and_the_bytes_are_few():
    layer = few_values_(nn.Linear(1000, 400), 0.09, 32)
    packed = PackedLinear.of(layer)
    held = sum(part.nbytes for part in (*packed.buffers(), *packed.parameters()))
    assert held < 0.06 * sum(part.nbytes for part in layer.parameters())
    packed(torch.randn(3, 1000))
    assert sum(part.nbytes for part in (*packed.buffers(), *packed.parameters())) == held
    assert not any(isinstance(one, torch.Tensor) and one.numel() == 400_000 for one in vars(packed).values())
    dense_codes = PackedConv2d.of(few_values_(nn.Conv2d(64, 64, 3), 1.0, 16))
    assert dense_codes.packed.nbytes == 64 * 64 * 9 / 2 + 16 * 4


def test_state_dict_deepcopy_and_another_number_of_codes():
    first, second = (PackedLinear.of(few_values_(nn.Linear(300, 50), 0.1, 31, seed)) for seed in (1, 2))
    x = torch.randn(2, 300)
    assert first.codes.shape != second.codes.shape
    second.load_state_dict(first.state_dict())
    twin = copy.deepcopy(first)
    assert torch.equal(second(x), first(x))
    assert torch.equal(twin(x), first(x))
    assert twin.codes.data_ptr() != first.codes.data_ptr()
    torch.testing.assert_close(first.double()(x.double()), second(x).double(), atol=1e-4, rtol=1e-4)


def test_half_precision():
    layer = few_values_(nn.Linear(300, 50).half(), 0.1, 31)
    packed = PackedLinear.of(layer)
    x = torch.randn(2, 300).half()
    torch.testing.assert_close(packed(x), layer(x), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("damage", ["codes", "gaps", "starts", "shape", "kind"])
def test_codes_that_would_read_outside_are_refused(damage):
    packed = PackedLinear.of(few_values_(nn.Linear(300, 50), 0.1, 31))
    before = {key: value.clone() for key, value in packed.state_dict().items()}
    state = {key: value.clone() for key, value in before.items()}
    if damage == "codes":
        state["codes"][-1] = 200
    elif damage == "gaps":
        state["gaps"][-1] = 254
    elif damage == "starts":
        state["starts"][5] = 10**6
    elif damage == "shape":
        state["codes"] = state["codes"][:-1]
    else:
        state["codes"] = state["codes"].float()
    with pytest.raises(RuntimeError, match="packed weights"):
        packed.load_state_dict(state)
    assert all(torch.equal(value, before[key]) for key, value in packed.state_dict().items())


@pytest.mark.parametrize("x", [torch.zeros(2, 299), torch.zeros(())])
def test_an_input_that_does_not_fit(x):
    with pytest.raises(EfflabError, match="x must have 300 features"):
        PackedLinear.of(few_values_(nn.Linear(300, 50), 0.1, 31))(x)


def test_an_image_that_does_not_fit():
    packed = PackedConv2d.of(few_values_(nn.Conv2d(8, 48, 5), 0.1, 15))
    with pytest.raises(EfflabError, match="x must be N x 8 x H x W"):
        packed(torch.zeros(2, 3, 9, 9))
    with pytest.raises(EfflabError, match="smaller than the kernel"):
        packed(torch.zeros(2, 8, 4, 9))


def test_a_layer_that_would_not_become_smaller():
    with pytest.raises(EfflabError, match="share its weights first"):
        PackedLinear.of(nn.Linear(30, 30))
    layer = few_values_(nn.Linear(300, 50), 0.1, 31)
    layer.weight.data[0, 0] = math.nan
    with pytest.raises(EfflabError, match="share its weights first"):
        PackedLinear.of(layer)


class Branches(nn.Module):
    """A model with a reused layer, tied weights, an embedding, and a layer that keeps its bias alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 64)
        self.first = nn.Linear(64, 64)
        self.again = self.first
        self.tied = nn.Linear(64, 64)
        self.tied.weight = self.first.weight
        self.decoder = nn.Linear(64, 50)
        self.decoder.weight = self.embedding.weight
        self.hooked = nn.Linear(64, 64)
        self.hooked.register_forward_hook(lambda *_: None)

    def forward(self, tokens):
        x = self.embedding(tokens)
        x = x + self.again(torch.relu(self.first(x)))
        return self.decoder(self.hooked(self.tied(x)))


def test_a_whole_model_is_packed():
    model = few_values_(Branches(), 0.1, 15)
    tokens = torch.randint(50, (3, 5))
    before = model(tokens)
    packing = pack_(model, lambda _, name: name != "nothing")
    torch.testing.assert_close(model(tokens), before)
    assert set(packing.packed) == {"first", "tied"}
    assert model.again is model.first
    assert model.tied.codes.data_ptr() == model.first.codes.data_ptr()
    assert "tied" in packing.left["decoder"]
    assert packing.left["hooked"] == "it has hooks"
    assert packing.dense_bytes == 64 * 64 * 4
    assert pack_(model).packed == {}


def test_a_complex_layer_is_left_as_it_is():
    packing = pack_(nn.Sequential(nn.Linear(8, 8, dtype=torch.complex64)))
    assert packing.left == {"0": "its weights are complex"}


def test_a_model_that_is_one_layer():
    with pytest.raises(EfflabError, match=r"PackedLinear\.of"):
        pack_(few_values_(nn.Linear(300, 50), 0.1, 31))


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, groups=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 36, 40),
        nn.Linear(40, 3),
    )


@pytest.mark.parametrize("meta", [False, True])
@pytest.mark.parametrize(
    ("density", "k", "order"), [(0.05, 31, "rows"), (0.05, 300, "columns"), (0.9, 10, "auto")]
)
def test_a_file_is_run_without_its_dense_weights(meta, density, k, order, tmp_path, monkeypatch):
    model = few_values_(network(), density, k).eval()
    model[1].running_mean.normal_()
    efz.save(model, tmp_path / "model.efz", order=order)
    read = []
    reader = efz.File.read
    monkeypatch.setattr(efz.File, "read", lambda self, name: read.append(name) or reader(self, name))
    with torch.device("meta" if meta else "cpu"):
        empty = network()
    packed = load_packed(tmp_path / "model.efz", empty).eval()
    assert packed is empty
    assert isinstance(packed[0], PackedConv2d)
    assert isinstance(packed[4], PackedLinear)
    assert not {"0.weight", "4.weight"} & set(read)
    assert torch.equal(packed[4].weight, model[4].weight)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(packed(x), model(x), atol=1e-4, rtol=1e-4)


def test_a_reused_and_a_tied_layer_come_from_a_file(tmp_path):
    model = few_values_(Branches(), 0.1, 15)
    efz.save(model, tmp_path / "model.efz")
    packed = load_packed(tmp_path / "model.efz", Branches())
    tokens = torch.randint(50, (3, 5))
    torch.testing.assert_close(packed(tokens), model(tokens))
    assert packed.again is packed.first


def test_a_file_of_another_model_changes_nothing(tmp_path):
    efz.save(few_values_(network(), 0.1, 15), tmp_path / "model.efz")
    other = nn.Sequential(*network()[:-1], nn.Linear(40, 4))
    with pytest.raises(CheckpointError, match=r"belongs to another model: 5\.weight"):
        load_packed(tmp_path / "model.efz", other)
    assert isinstance(other[0], nn.Conv2d)
    with pytest.raises(CheckpointError, match=r"it holds no 6\.weight"):
        load_packed(tmp_path / "model.efz", nn.Sequential(*network(), nn.Linear(3, 3)))


def test_attention_runs_from_codes_of_its_feed_forward_part():
    layer = few_values_(nn.TransformerEncoderLayer(32, 2, 128, batch_first=True), 0.1, 15).eval()
    x = torch.randn(2, 4, 32)
    before = layer(x)
    packing = pack_(layer)
    assert set(packing.packed) == {"linear1", "linear2"}
    assert "out_proj" in "".join(packing.left)
    torch.testing.assert_close(layer(x), before, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), before, atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore")  # torch's own, of what tracing is for
@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Linear(64, 32), (1, 64)), (nn.Conv2d(4, 16, 3, padding=1), (1, 4, 6, 6))]
)
def test_a_trace_computes_with_the_input_it_is_given(layer, shape):
    few_values_(layer, 0.05, 4)
    model = nn.Sequential(layer)
    expected = copy.deepcopy(model)
    pack_(model)
    with torch.no_grad():
        traced = torch.jit.trace(model, torch.ones(shape))
    x = torch.randn(shape)
    torch.testing.assert_close(traced(x), expected(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own modules use torch.jit.script
def test_tangents_pass_through_a_packed_layer():
    layer = few_values_(nn.Linear(64, 32), 0.05, 4)
    packed, x, direction = PackedLinear.of(layer), torch.randn(1, 64), torch.randn(1, 64)
    with torch.autograd.forward_ad.dual_level():
        y = packed(torch.autograd.forward_ad.make_dual(x, direction))
        tangent = torch.autograd.forward_ad.unpack_dual(y).tangent
        torch.testing.assert_close(tangent, direction @ layer.weight.detach().t())


def test_a_layer_whose_weight_is_computed_is_left_as_it_is():
    held = nn.Linear(64, 32)
    torch.nn.utils.prune.l1_unstructured(held, "weight", 0.5)
    model = nn.Sequential(held, few_values_(nn.Linear(32, 32), 0.2, 4))
    packing = pack_(model)
    assert list(packing.packed) == ["1"]
    assert "torch.nn.utils.prune" in packing.left["0"]


def test_a_layer_on_the_meta_device_is_left_or_refused_by_name():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4))
    assert "meta device" in pack_(model).left["0"]
    with pytest.raises(EfflabError, match=r"layer '0\.weight' is on the meta device"):
        deep_compression.compress_(model, progress=False)
