"""Channels and neurons that really go: the small model computes what the masked one did."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from efflab import pruning
from efflab.errors import EfflabError
from efflab.pruning import Channel, Magnitude
from efflab.pruning._trace import trace_channels
from efflab.pruning.channels import _coupled, _scores


def conv(i, o, k=3, **kw):
    return nn.Conv2d(i, o, k, padding=k // 2, **kw)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16), nn.BatchNorm2d(16), nn.ReLU())
        self.a, self.b, self.n = conv(16, 12), conv(12, 16), nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(x + self.n(self.b(F.relu(self.a(x)))))
        return self.head(x.mean((2, 3)))


class Concat(nn.Module):
    """A Fire module, a depthwise and a grouped convolution, and a transposed one."""

    def __init__(self):
        super().__init__()
        self.squeeze, self.one, self.three = conv(3, 8, 1), conv(8, 12, 1), conv(8, 12)
        self.depth, self.group = conv(24, 24, groups=24), conv(24, 16, groups=2)
        self.up = nn.ConvTranspose2d(16, 6, 2, stride=2)
        self.head = nn.Linear(6 * 16 * 16, 5)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        x = F.relu(torch.cat([self.one(x), self.three(x)], 1))
        x = F.relu(self.up(F.relu(self.group(self.depth(x)))))
        return self.head(torch.flatten(x, 1))


def plain():
    return nn.Sequential(
        conv(3, 8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        conv(8, 10),
        nn.Tanh(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(160, 20),
        nn.ReLU(),
        nn.Linear(20, 5),
    )


X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def ready(build):
    torch.manual_seed(0)
    model = build()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean), nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight), nn.init.normal_(module.bias)
    return model.eval()


@pytest.mark.parametrize("build", [plain, Residual, Concat])
@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.8])
def test_small_model_equals_the_silenced_one(build, ratio):
    """Channels whose norm is zero are the ones to go, and then the function must not change at all."""
    model = ready(build)
    channels = trace_channels(model, X)
    fixed = channels.is_fixed()
    with torch.no_grad():
        for members, classes in _coupled(channels).items():
            scores = _scores(channels, members, 1, {})
            movable = sorted(set(classes) - fixed, key=scores.get)
            for channel in movable[: len(movable) - max(round(ratio * len(movable)), 1)]:
                for use in channels.layers:
                    made = torch.from_numpy(channels.classes(use.outputs) == channel)
                    if made.any():
                        dim = 1 if isinstance(use.module, nn.ConvTranspose2d) else 0
                        use.module.weight.index_fill_(dim, made.nonzero().flatten(), 0)
                        use.module.bias[made] = 0
                for scale in channels.scales:
                    at = torch.from_numpy(channels.classes(scale.channels) == channel)
                    scale.module.bias[at] = 0
                    scale.module.weight[at] = 0
    small = pruning.remove_channels(model, X, Channel(ratio))
    count = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in small.parameters()) < count * (ratio + 0.15)
    torch.testing.assert_close(small(X), model(X), rtol=1e-5, atol=1e-5)
    small.train()(X).sum().backward()
    assert all(p.grad is not None for p in small.parameters())


def test_shapes_of_the_residual():
    small = pruning.remove_channels(ready(Residual), X, Channel(0.5))
    assert (
        small.stem[0].out_channels,
        small.a.out_channels,
        small.b.out_channels,
        small.head.in_features,
    ) == (8, 6, 8, 8)
    assert small.n.num_features == 8
    kept = pruning.remove_channels(ready(Residual), X, {"a": Channel(0.5)}, round_to=4)
    assert (kept.a.out_channels, kept.b.out_channels) == (8, 16)
    ignored = pruning.remove_channels(ready(Residual), X, Channel(0.5), ignored_layers=["stem"])
    assert (ignored.stem[0].out_channels, ignored.a.out_channels) == (16, 6)


class Joined(nn.Module):
    """A concatenation that meets a residual sum: half of c's channels are a's too, the other half b's."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.head = conv(3, 8), conv(3, 8), conv(3, 16), nn.Linear(16, 5)

    def forward(self, x):
        return self.head(F.relu(torch.cat([self.a(x), self.b(x)], 1) + self.c(x)).mean((2, 3)))


def test_a_small_layer_in_a_sum_keeps_channels():
    model = ready(Joined)
    model.a.weight.data.mul_(1e-3)
    model.c.weight.data[:8].mul_(1e-3)
    small = pruning.remove_channels(model, X, Channel(0.5))
    made = [layer.out_channels for layer in (small.a, small.b, small.c)]
    assert made == [4, 4, 8]
    norms = model.a.weight.flatten(1).norm(1, 1) + model.c.weight[:8].flatten(1).norm(1, 1)
    kept = norms.topk(4).indices.sort().values
    assert torch.equal(small.a.weight, model.a.weight[kept])
    assert torch.equal(small.c.weight[:4], model.c.weight[kept])
    other = pruning.remove_channels(model, X, {"b": Channel(0.5)}, ignored_layers=["a"])
    assert [layer.out_channels for layer in (other.a, other.b, other.c)] == [8, 4, 12]


def test_importance_decides():
    model = ready(plain)
    small = pruning.remove_channels(model, X, {"0": Channel(0.25)}, importance={"0": torch.arange(8.0)})
    assert torch.equal(small[0].weight, model[0].weight[6:])
    assert torch.equal(small[3].weight, model[3].weight[:, 6:])
    assert model[0].out_channels == 8


def test_masks_shrink_along():
    model = ready(plain)
    pruner = pruning.prune_(model, Magnitude(0.5, "layer"))
    small = pruning.remove_channels(model, X, Channel(0.5))
    assert small[3].weight_mask.shape == small[3].weight.shape
    assert torch.equal(small[3].weight != 0, small[3].weight_mask)
    assert pruner.masks["3.weight"].shape == (10, 8, 3, 3)


class Sized(nn.Module):
    """Reshapes by the sizes of its tensors, as older models do."""

    def __init__(self, flatten):
        super().__init__()
        self.conv, self.fc, self.flatten = conv(3, 6), nn.Linear(6 * 64, 4), flatten

    def forward(self, x):
        return self.fc(self.flatten(F.relu(self.conv(x))))


def unpacked(x):
    batch, channels, height, width = x.shape
    return x.reshape(batch, channels * height * width)


@pytest.mark.parametrize(
    "flatten",
    [
        lambda x: x.view(x.size(0), -1),
        lambda x: x.view(x.size()[0], -1),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: x.view(-1, x.size(1) * x.size(2) * x.size(3)),
        unpacked,
    ],
)
def test_sizes_fix_no_channels(flatten):
    model = ready(lambda: Sized(flatten))
    model.conv.weight.data[:3] = 0
    model.conv.bias.data[:3] = 0
    small = pruning.remove_channels(model, X, Channel(0.5))
    assert (small.conv.out_channels, small.fc.in_features) == (3, 3 * 64)
    torch.testing.assert_close(small(X), model(X))
    assert pruning.zero_dead_neurons_(model, X).neurons["conv"] == 3


def test_a_size_that_is_computed_with_fixes_its_channels():
    model = ready(lambda: Sized(lambda x: x.flatten(1) / x.size(1)))
    with pytest.raises(EfflabError, match="has no channels that may be removed"):
        pruning.remove_channels(model, X, Channel(0.5))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(192, 4)

    def forward(self, x):
        return self.fc(x.flatten(1)) if x.sum() > 0 else x.flatten(1)[:, :4]


class Fixed(nn.Module):
    """Everything its layers make meets an operation that mixes channels."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = conv(3, 6), nn.Linear(6 * 64, 4)

    def forward(self, x):
        return self.fc(torch.softmax(self.conv(x), 1).flatten(1))


def test_structural_errors():
    with pytest.raises(EfflabError, match=r"Branching cannot be traced by torch\.fx"):
        pruning.remove_channels(Branching(), X, Channel(0.5))
    with pytest.raises(EfflabError, match="does not run on example_inputs of shape"):
        pruning.remove_channels(plain(), X[:, :2], Channel(0.5))
    with pytest.raises(EfflabError, match="has no channels that may be removed"):
        pruning.remove_channels(Fixed(), X, Channel(0.5))
    with pytest.raises(EfflabError, match="no prunable layer matches 'fc'"):
        pruning.remove_channels(plain(), X, {"fc": Channel(0.5)})
    with pytest.raises(EfflabError, match="expected"):
        pruning.remove_channels(plain(), X, Channel(0.5), importance={"0": torch.ones(3)})
    with pytest.raises(EfflabError, match="importance of '9' has shape"):
        pruning.remove_channels(plain(), X, Channel(0.5), importance={"9": torch.ones(3)})
    with pytest.raises(EfflabError, match=r"preserve_ratio must lie in \(0, 1\]"):
        Channel(0.0)


def test_tracing_leaves_the_mode():
    model = plain().train()
    model[6].eval()
    pruning.remove_dead_neurons(model, X)
    assert model.training
    assert not model[6].training


def kill(model: nn.Module, fraction: float = 0.4) -> None:
    """Take all inputs of some neurons, and all outputs of others."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and getattr(module, "groups", 1) == 1:
                for dim in (0, 1):
                    gone = (
                        (torch.rand(module.weight.shape[dim], generator=generator) < fraction)
                        .nonzero()
                        .flatten()
                    )
                    module.weight.index_fill_(dim, gone, 0)


@pytest.mark.parametrize("build", [plain, Residual, Concat])
def test_dead_neurons_leave_the_function(build):
    model = ready(build)
    kill(model)
    before = model(X)
    zeroed = copy.deepcopy(model)
    report = pruning.zero_dead_neurons_(zeroed, X)
    assert sum(report.neurons.values()) > 3
    torch.testing.assert_close(zeroed(X), before, rtol=1e-5, atol=1e-5)
    again = pruning.zero_dead_neurons_(zeroed, X)
    assert sum(again.weights.values()) == 0
    small = pruning.remove_dead_neurons(model, X)
    torch.testing.assert_close(small(X), before, rtol=1e-5, atol=1e-5)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())
    assert "dead neurons" in report._repr_html_()


def test_constants_propagate_through_layers():
    """A neuron without inputs kills the next once its constant is folded; worked by hand."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
        net[0].bias.copy_(torch.tensor([0.5, 3.0]))
        net[2].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))  # neuron 1 reads the constant 3 alone
        net[2].bias.copy_(torch.tensor([0.0, -1.0]))
        net[4].weight.copy_(torch.tensor([[1.0, 10.0]]))
        net[4].bias.copy_(torch.tensor([0.25]))
    report = pruning.zero_dead_neurons_(net, torch.zeros(1, 2))
    assert report.neurons == {"0": 1, "2": 1, "4": 0}
    assert net[4].weight.tolist() == [[1.0, 0.0]]
    assert net[4].bias.tolist() == [0.25 + 10 * (2 * 3 - 1)]
    small = pruning.remove_dead_neurons(net, torch.zeros(1, 2))
    assert (small[0].out_features, small[2].out_features) == (1, 1)


def test_padding_and_missing_bias_keep_a_constant():
    net = nn.Sequential(conv(1, 2), nn.ReLU(), conv(2, 1))
    with torch.no_grad():
        net[0].weight[0] = 0
        net[0].bias.fill_(1.0)
    x = torch.randn(2, 1, 5, 5)
    before = net(x)
    assert sum(pruning.zero_dead_neurons_(net, x).neurons.values()) == 0
    assert torch.equal(net(x), before)
    net[0].bias.data.fill_(-1.0)  # ReLU makes it nothing, which any layer can lose
    before = net(x)
    assert pruning.zero_dead_neurons_(net, x).neurons["0"] == 1
    torch.testing.assert_close(net(x), before)
    bare = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1, bias=False))
    bare[0].weight.data[0] = 0
    assert sum(pruning.zero_dead_neurons_(bare, torch.zeros(1, 2)).neurons.values()) == 0


def test_all_dead_keeps_one_neuron():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    net[2].weight.data.zero_()
    small = pruning.remove_dead_neurons(net, torch.zeros(1, 3))
    assert small[0].out_features == 1
    torch.testing.assert_close(small(torch.ones(1, 3)), net(torch.ones(1, 3)))


def test_masks_follow_dead_neurons():
    net = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 4))
    pruner = pruning.prune_(net, Magnitude(0.95))
    x = torch.randn(3, 30)
    before = net(x)
    pruning.zero_dead_neurons_(net, x)
    torch.testing.assert_close(net(x), before)
    for name, mask in pruner.masks.items():
        assert torch.equal(net.get_parameter(name) != 0, mask)
