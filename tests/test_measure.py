"""Counting: against torch's own counter, brute force, shapes by hand, and the published tables."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import pack_sequence
from torch.utils.flop_counter import FlopCounterMode

from efflab import measure, models, paper
from efflab.errors import EfflabError
from efflab.measure import reproduce
from efflab.measure._watching import count_nonzero


def flop_by_torch(model: nn.Module, *inputs) -> int:
    """torch's counter sees operations and knows nothing of modules."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(*inputs)
    return counter.get_total_flops()


def by_name(profile: measure.Profile) -> dict[str, measure.LayerCount]:
    return {layer.name: layer for layer in profile.layers}


class Twice(nn.Module):
    """One linear layer called twice, its weight tied to a second one."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8, bias=False)
        self.tied.weight = self.shared.weight

    def forward(self, x):
        return self.tied(self.shared(self.shared(x)))


class Loose(nn.Module):
    """Matrix products and parameters that no module holds, and a layer that does not run."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 4))
        self.inner = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 2)

    def forward(self, x):
        return self.inner(x @ self.scale)


@settings(max_examples=40, deadline=None)
@given(
    dims=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
    batch=st.integers(1, 3),
)
def test_convolutions_of_any_shape(dims, groups, kernel, stride, padding, dilation, batch):
    layer = getattr(nn, f"Conv{dims}d")(4, 8, kernel, stride, padding, dilation, groups)
    x = torch.randn(batch, 4, *([7] * dims))
    counted = measure.profile(layer, x)
    assert counted.flop == flop_by_torch(layer, x)
    side = layer(x).shape[2:]
    assert counted.macs == batch * measure.conv_macs(4, 8, [kernel] * dims, side, groups)
    assert counted.activations == layer(x).numel()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions(dims, groups):
    layer = getattr(nn, f"ConvTranspose{dims}d")(4, 6, 3, stride=2, groups=groups)
    x = torch.randn(2, 4, *([5] * dims))
    # Brute force: each input element meets the kernels of its group.
    assert measure.macs(layer, x) == x.numel() * (6 // groups) * 3**dims


class Looped(nn.Module):
    """An LSTM written out in matrix products, which torch's counter can see."""

    def __init__(self, rnn: nn.LSTM):
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        for layer in range(self.rnn.num_layers):
            done = []
            for end in [""] if not self.rnn.bidirectional else ["", "_reverse"]:
                w_ih, w_hh = (getattr(self.rnn, f"weight_{part}_l{layer}{end}") for part in ("ih", "hh"))
                w_hr = getattr(self.rnn, f"weight_hr_l{layer}{end}", None)
                h = x.new_zeros(x.shape[1], w_hh.shape[1])
                steps = []
                for step in x:
                    gates = step @ w_ih.T + h @ w_hh.T
                    h = gates[:, : w_hh.shape[0] // 4]
                    h = h if w_hr is None else h @ w_hr.T
                    steps.append(h)
                done.append(torch.stack(steps))
            x = torch.cat(done, -1)
        return x


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch's choice of library
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("projection", [0, 3])
@pytest.mark.parametrize("layers", [1, 2])
def test_lstm_against_written_out_matrix_products(bidirectional, projection, layers):
    rnn = nn.LSTM(5, 6, layers, bidirectional=bidirectional, proj_size=projection)
    x = torch.randn(4, 2, 5)
    assert measure.profile(rnn, x).flop == flop_by_torch(Looped(rnn), x)


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_networks_by_hand(kind, gates):
    rnn = kind(5, 6, batch_first=True)
    once = gates * (6 * 5 + 6 * 6)
    counted = measure.profile(rnn, torch.randn(2, 4, 5))
    assert (counted.weights, counted.macs, counted.activations) == (once, once * 2 * 4, 2 * 4 * 6)
    packed = pack_sequence([torch.randn(3, 5), torch.randn(2, 5)])
    assert measure.macs(rnn, packed) == once * 5
    cell = getattr(nn, f"{kind.__name__}Cell")(5, 6)
    assert measure.macs(cell, torch.randn(2, 5)) == once * 2


@pytest.mark.parametrize(
    "settings",
    [{}, {"kdim": 5, "vdim": 7}, {"add_bias_kv": True, "add_zero_attn": True}, {"batch_first": True}],
)
def test_attention_against_torch(settings):
    attention = nn.MultiheadAttention(8, 2, **settings)
    query, source = torch.randn(3, 3, 8), torch.randn(5, 3, 8)
    key, value = source[..., : settings.get("kdim", 8)], source[..., : settings.get("vdim", 8)]
    if settings.get("batch_first"):
        key, value = key.transpose(0, 1), value.transpose(0, 1)
    counted = measure.profile(attention, {"query": query, "key": key, "value": value})
    assert counted.flop == flop_by_torch(attention, query, key, value)
    # key and value biases are vectors of 1 x 1 x E: parameters, and no matrices that multiply.
    assert counted.weights == sum(p.numel() for n, p in attention.named_parameters() if "bias" not in n)
    assert not counted.uncounted
    # The order in which arguments are named says nothing.
    key = key * (torch.arange(key.shape[-1]) > 1)
    named = measure.profile(attention, {"value": value, "key": key, "query": query})
    assert named == measure.profile(attention, (query, key, value))


def test_a_forward_that_fails_in_any_way_is_one_sentence_and_the_machines_faults_are_not_its_own():
    class Broken(nn.Module):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def forward(self, _x):
            raise self.error

    for error in (AttributeError("no such part"), KeyError("x"), ZeroDivisionError()):
        with pytest.raises(EfflabError, match=r"does not run on example_inputs of shape \(1, 2\)"):
            measure.profile(Broken(error), torch.ones(1, 2))
    for error in (OSError("disk"), MemoryError()):
        with pytest.raises(type(error)):
            measure.profile(Broken(error), torch.ones(1, 2))


def test_transformer_layer_is_counted_in_evaluation_mode_too():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    x = torch.randn(2, 5, 8)
    counted = measure.profile(layer, x)
    with torch.enable_grad():
        layer.train()
        with FlopCounterMode(display=False) as counter:
            layer(x)
    assert counted.flop == counter.get_total_flops()
    assert not counted.uncounted


def test_bilinear_embedding_and_norms():
    assert measure.macs(nn.Bilinear(3, 4, 5), (torch.randn(2, 3), torch.randn(2, 4))) == 2 * (5 * 12 + 5 * 3)
    looked_up = measure.profile(nn.Embedding(10, 4), torch.tensor([[1, 2, 3]]))
    assert (looked_up.weights, looked_up.macs, looked_up.activations) == (40, 0, 12)
    norm = measure.profile(nn.BatchNorm2d(3), torch.randn(1, 3, 4, 4))
    assert (norm.weights, norm.parameters, norm.macs, norm.uncounted) == (0, 6, 0, ())


@pytest.mark.parametrize(
    "name", [n for n in models.names() if not n.startswith(("lstm", "vgg16", "alexnet"))]
)
def test_every_image_model_against_torch(name):
    model, x = models.get(name), torch.randn(2, *models.input_shape(name))
    counted = measure.profile(model, x)
    assert counted.flop == flop_by_torch(model, x)
    assert counted.parameters == sum(p.numel() for p in model.parameters())
    assert sum(layer.parameters for layer in counted.layers) == counted.parameters
    assert counted.uncounted == ()


def test_shared_layers_count_their_work_twice_and_their_weights_once():
    counted = measure.profile(Twice(), torch.randn(1, 8))
    assert (counted.weights, counted.parameters, counted.macs) == (64, 72, 3 * 64)
    assert by_name(counted)["shared"].calls == 2
    assert by_name(counted)["tied"].weights == 0
    assert sum(layer.parameters for layer in counted.layers) == 72


def test_what_is_not_counted_is_said():
    counted = measure.profile(Loose(), torch.randn(1, 4))
    assert counted.macs == 16
    assert len(counted.uncounted) == 3
    for phrase in ("mm in the model", "(Loose) has parameters", "unused (Linear) did not run"):
        assert any(phrase in one for one in counted.uncounted), phrase
    assert "not counted" in str(counted)


def test_masks_and_zeros_in_weights():
    model = nn.Sequential(nn.Linear(10, 10, bias=False), nn.ReLU(), nn.Linear(10, 10, bias=False))
    with torch.no_grad():
        model[0].weight[:3] = 0
    mask = torch.ones(10, 10, dtype=torch.bool)
    mask[:, :6] = False
    model[2].register_buffer("weight_mask", mask)
    counted = measure.profile(model, torch.randn(1, 10))
    assert [layer.nonzeros for layer in counted.layers] == [70, 40]
    assert [layer.kept_macs for layer in counted.layers] == [70, 40]
    assert measure.nonzeros(model) == counted.nonzero_parameters == 110
    prune.l1_unstructured(model[0], "weight", 0.5)
    assert measure.profile(model, torch.randn(1, 10)).layers[0].nonzeros == 50
    assert measure.nonzeros(model) == 90


@given(
    st.integers(0, 2**19),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.bool, torch.int64]),
)
@settings(max_examples=15, deadline=None)
def test_nonzeros_of_any_size_and_format(size, dtype):
    tensor = torch.randint(0, 2, (size,)).to(dtype)
    assert count_nonzero(tensor) == int(torch.count_nonzero(tensor))


def test_zero_inputs_leave_the_papers_product_of_densities():
    model = nn.Sequential(nn.Linear(100, 400), nn.ReLU(), nn.Linear(400, 10))
    with torch.no_grad():
        model[2].weight[:, ::4] = 0
    x = torch.randn(8, 100)
    first, second = measure.profile(model, x).layers
    active = torch.relu(model[0](x)) != 0
    assert first.activation_density == second.input_density == pytest.approx(active.float().mean().item())
    # Independence is an assumption; brute force over the pairs that are both non-zero comes close to it.
    pairs = (active.float() @ (model[2].weight != 0).float().T).sum().item()
    assert second.nonzero_macs == pytest.approx(pairs, rel=0.05)
    assert second.nonzero_macs == round(second.macs * 0.75 * second.input_density)


class Residual(nn.Module):
    def __init__(self, inplace: bool):
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace)

    def forward(self, x):
        return torch.relu(self.relu(self.norm(self.conv(x))) + x)


@pytest.mark.parametrize("inplace", [False, True])
def test_activation_density_is_seen_behind_norm_rectifier_and_residual_sum(inplace):
    model, x = Residual(inplace), torch.randn(2, 3, 6, 6)
    counted = by_name(measure.profile(model, x))["conv"]
    out = model.eval()(x)
    assert counted.activation_density == pytest.approx((out != 0).float().mean().item())
    assert counted.activations == out.numel()


def test_a_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4)).train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    measure.profile(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert [module.training for module in model] == [True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_parametrized_weights_count_as_what_they_are():
    layer = parametrizations.weight_norm(nn.Linear(6, 5))
    counted = measure.profile(layer, torch.randn(1, 6))
    assert (counted.macs, counted.weights, counted.uncounted) == (30, 30, ())


def test_bad_inputs_are_answered_in_a_sentence():
    with pytest.raises(EfflabError, match=r"\(1, 3\)"):
        measure.profile(nn.Linear(4, 4), torch.randn(1, 3))
    with pytest.raises(EfflabError, match="Module"):
        measure.profile(lambda x: x, torch.randn(1, 3))
    model = nn.Linear(4, 4).train()
    with pytest.raises(EfflabError):
        measure.profile(model, torch.randn(1, 3))
    assert model.training
    assert not model._forward_hooks


# The published tables ------------------------------------------------------------------------------------------------

# Weights and MACs by layer, from the shapes by hand: (out x in / groups x kernel, times output positions).
EXACT = {
    "lenet-300-100": [(235_200, 1), (30_000, 1), (1_000, 1)],
    "lenet5": [(500, 24 * 24), (25_000, 8 * 8), (400_000, 1), (5_000, 1)],
    "alexnet": [
        (96 * 3 * 121, 55 * 55),
        (256 * 48 * 25, 27 * 27),
        (384 * 256 * 9, 13 * 13),
        (384 * 192 * 9, 13 * 13),
        (256 * 192 * 9, 13 * 13),
        (9216 * 4096, 1),
        (4096 * 4096, 1),
        (4096 * 1000, 1),
    ],
    "vgg16": [
        *((64 * c * 9, 224 * 224) for c in (3, 64)),
        *((128 * c * 9, 112 * 112) for c in (64, 128)),
        *((256 * c * 9, 56 * 56) for c in (128, 256, 256)),
        *((512 * c * 9, 28 * 28) for c in (256, 512, 512)),
        *((512 * 512 * 9, 14 * 14) for _ in range(3)),
        (25_088 * 4096, 1),
        (4096 * 4096, 1),
        (4096 * 1000, 1),
    ],
}
TABLES = {"lenet-300-100": "table2", "lenet5": "table3", "alexnet": "table4", "vgg16": "table5"}
TOTALS = {
    "lenet-300-100": (266_200, 266_610, 266_200),
    "lenet5": (430_500, 431_080, 2_293_000),
    "alexnet": (60_954_656, 60_965_224, 724_406_816),
    "vgg16": (138_344_128, 138_357_544, 15_470_264_320),
}


@pytest.fixture(scope="module", params=TABLES)
def published(request):
    return request.param, reproduce._published(request.param)


def test_published_networks_exactly(published):
    name, counted = published
    assert [(layer.weights, layer.macs) for layer in counted.layers] == [
        (weights, weights * positions) for weights, positions in EXACT[name]
    ]
    assert (counted.weights, counted.parameters, counted.macs) == TOTALS[name]


def test_published_networks_as_printed(published):
    name, counted = published
    table = paper.table("pruning", TABLES[name])
    for layer, label in zip(counted.layers, table.labels, strict=False):
        row = table.row(label)
        assert row["weights"].agrees(layer.weights), label
        assert row["flop"].agrees(layer.flop), label
    total = table.row("total")
    assert total["weights"].agrees(counted.weights)
    assert total["flop"].agrees(counted.flop)
