"""Shared weights over training: gradients, zeros, optimisers, copies, files, recurrent and tied layers."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from efflab import data, pruning, training
from efflab import quantization as q
from efflab.errors import CheckpointError, EfflabError
from efflab.quantization import KMeans, Sharing, share_weights_
from efflab.quantization._decode import LARGE, Gather


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 4))


def train(model, optimizer, steps=5, scale=1.0):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x, y = torch.randn(32, 12, generator=generator), torch.randint(4, (32,), generator=generator)
        optimizer.zero_grad()
        (scale * nn.functional.cross_entropy(model(x), y)).backward()
        optimizer.step()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.5),
}


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("n", [40, LARGE])
def test_the_centroids_gradient_is_autograd_s_of_a_gather(zero, n):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5 + zero, (n // 8, 8), generator=generator).to(torch.uint8)
    centroids = torch.randn(5, dtype=torch.float64, generator=generator, requires_grad=True)
    factor = torch.randn(n // 8, 8, dtype=torch.float64, generator=generator)
    (ours,) = torch.autograd.grad((Gather.apply(centroids, labels, zero).sin() * factor).sum(), centroids)
    table = torch.cat([torch.zeros(1, dtype=torch.float64), centroids]) if zero else centroids
    (theirs,) = torch.autograd.grad((table[labels.long()].sin() * factor).sum(), centroids)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("zero", [False, True])
def test_gradcheck_once_and_twice(zero):
    labels = torch.tensor([[0, 1, 2], [2, 2, 0]], dtype=torch.uint8)
    centroids = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def decode(c):
        return Gather.apply(c, labels, zero) ** 2

    assert torch.autograd.gradcheck(decode, centroids)
    assert torch.autograd.gradgradcheck(decode, centroids)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_moves_k_values_and_keeps_zeros(name):
    model = net()
    pruner = pruning.prune_(model, pruning.Magnitude(0.7))
    pruned = {fqn: ~mask for fqn, mask in pruner.masks.items()}
    sharing = share_weights_(model, KMeans(bits=3))
    before = {fqn: book.labels for fqn, book in sharing.codebooks().items()}
    train(model, OPTIMIZERS[name](model.parameters()))
    for fqn, book in sharing.codebooks().items():
        assert book.k == 8
        assert torch.equal(book.labels, before[fqn])
    values = {fqn: book.decode() for fqn, book in sharing.codebooks().items()}
    sharing.finalize()
    for fqn, zeros in pruned.items():
        weight = model.get_parameter(fqn).detach()
        assert torch.equal(weight, values[fqn])
        assert not bool(weight[zeros].view(torch.int32).any())
        assert len(weight[~zeros].unique()) <= 8
    assert set(model.state_dict()) == set(net().state_dict())
    assert list(dict(model.named_parameters())) == list(dict(net().named_parameters()))


def test_one_step_moves_a_centroid_by_its_clusters_summed_gradient():
    model = net()
    weight = model[0].weight.detach().clone()
    sharing = share_weights_(model, {"0": KMeans(bits=2)})
    book = sharing.codebooks()["0.weight"]
    assert book.squared_error(weight) == pytest.approx(
        float((book.decode() - weight).double().square().sum())
    )
    plain = net()
    plain[0].weight.data.copy_(book.decode())
    for each in (model, plain):
        train(each, torch.optim.SGD(each.parameters(), lr=0.1), steps=1)
    summed = q.centroid_gradient(plain[0].weight.grad, book.labels, 4)
    moved = sharing.codebooks()["0.weight"].centroids
    torch.testing.assert_close(moved, book.centroids - 0.1 * summed)


def test_masks_exclude_what_a_step_moved_and_go():
    model = net()
    pruner = pruning.prune_(model, pruning.Magnitude(0.5))
    with torch.no_grad():
        model[0].weight.add_(1.0)
    mask = pruner.masks["0.weight"].clone()
    sharing = share_weights_(model)
    assert torch.equal(model[0].weight != 0, mask)
    assert not any("mask" in name for name in model.state_dict())
    sharing.finalize()
    assert pruning.sparsity(model[0].weight) == pytest.approx(0.5, abs=0.2)


def test_zeros_can_be_shared_like_the_rest():
    model = net()
    pruning.prune_(model, pruning.Magnitude(0.9))
    books = share_weights_(model, KMeans(bits=1, zeros="share")).codebooks()
    assert books["0.weight"].k == 2
    assert not any(book.zero for book in books.values())


def test_state_goes_into_a_fresh_model_whatever_its_codebooks_size():
    model = net()
    pruning.prune_(model, {"0": pruning.Magnitude(0.5), "3": pruning.Magnitude(0.95)})
    share_weights_(model, KMeans(bits=8))
    train(model, torch.optim.Adam(model.parameters()))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh = net(seed=7)
    sharing = share_weights_(fresh, KMeans(bits=8))
    fresh.load_state_dict(torch.load(file, weights_only=True))
    model.eval(), fresh.eval()
    x = torch.randn(5, 12)
    assert torch.equal(model(x), fresh(x))
    assert sharing.codebooks()["3.weight"].k == 3
    train(fresh, torch.optim.Adam(fresh.parameters()))


def test_copies_are_independent_also_when_one_ends():
    model = net().eval()
    sharing = share_weights_(model)
    twin = copy.deepcopy(model)
    x = torch.randn(3, 12)
    expected = model(x)
    sharing.finalize()
    assert torch.equal(model(x), expected)
    assert torch.equal(twin(x), expected)
    assert type(model[0]) is nn.Linear
    Sharing(twin).finalize()
    assert torch.equal(twin(x), expected)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_train_their_centroids(kind):
    torch.manual_seed(0)
    layer = kind(6, 8, num_layers=2, bidirectional=True)
    plain = copy.deepcopy(layer)
    sharing = share_weights_(layer, KMeans(bits=3))
    for fqn, book in sharing.codebooks().items():
        plain.get_parameter(fqn).data.copy_(book.decode())
    x = torch.randn(5, 2, 6)
    ours, theirs = layer(x)[0], plain(x)[0]
    assert torch.equal(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for fqn, book in sharing.codebooks().items():
        summed = q.centroid_gradient(plain.get_parameter(fqn).grad, book.labels, 8)
        torch.testing.assert_close(layer.parametrizations[fqn].original.grad, summed)
    twin = copy.deepcopy(layer)
    sharing.finalize()
    assert torch.equal(layer(x)[0], theirs)
    assert torch.equal(twin(x)[0], theirs)
    assert list(layer.state_dict()) == list(plain.state_dict())
    layer.double()(x.double())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.two(self.one(x).relu())


def test_tied_weights_share_one_codebook():
    torch.manual_seed(0)
    model = Tied()
    sharing = share_weights_(model, KMeans(bits=2))
    assert list(sharing.codebooks()) == ["one.weight"]
    assert len(list(model.parameters())) == 1
    assert torch.equal(model.one.weight, model.two.weight)
    model(torch.randn(4, 6)).sum().backward()
    twin = copy.deepcopy(model)
    assert len(list(twin.parameters())) == 1
    sharing.finalize()
    assert model.one.weight is model.two.weight
    assert model.one.weight.shape == (6, 6)


def test_other_layers_attention_and_embeddings():
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    share_weights_(model, KMeans(bits=3))
    assert parametrize.is_parametrized(model.self_attn, "in_proj_weight")
    model(torch.randn(3, 2, 8)).sum().backward()
    with torch.no_grad():
        model.eval()(torch.randn(3, 2, 8))
    words = nn.Sequential(nn.Embedding(10, 4), nn.Conv1d(4, 2, 3), nn.ConvTranspose2d(2, 2, 3))
    assert list(share_weights_(words).codebooks()) == ["1.weight", "2.weight"]
    words = nn.Sequential(nn.Embedding(10, 4))
    books = share_weights_(words, filter_fn=lambda module, _: isinstance(module, nn.Embedding)).codebooks()
    assert list(books) == ["0.weight"]


@pytest.mark.parametrize("bits", [8, 16])
def test_wide_codebooks(bits):
    torch.manual_seed(0)
    model = nn.Linear(300, 300)
    weight = model.weight.detach().clone()
    sharing = share_weights_(model, KMeans(bits=bits, init="density"))
    book = sharing.codebooks()["weight"]
    assert book.k <= 1 << bits
    assert book.squared_error(weight) < 1e-4 * float(weight.square().sum())
    model(torch.randn(2, 300)).sum().backward()


def test_autocast_and_half():
    model = net()
    share_weights_(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(torch.randn(8, 12)).float().square().mean()
    loss.backward()
    optimizer.step()
    half = nn.Linear(80, 80).to(torch.bfloat16)
    sharing = share_weights_(half, KMeans(bits=3))
    half(torch.randn(2, 80, dtype=torch.bfloat16)).sum().backward()
    assert sharing.codebooks()["weight"].centroids.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "fill",
    [lambda w: w.zero_(), lambda w: w.fill_(0.5), lambda w: w.copy_((w > 0).float())],
    ids=["0", "c", "01"],
)
def test_layers_of_few_values(fill):
    model = nn.Linear(6, 5)
    with torch.no_grad():
        fill(model.weight)
    expected = model.weight.detach().clone()
    sharing = share_weights_(model, KMeans(bits=5))
    torch.testing.assert_close(model.weight.detach(), expected)
    model(torch.randn(2, 6)).sum().backward()
    assert torch.equal(sharing.finalize().weight == 0, expected == 0)


def test_an_empty_layer_and_one_weight():
    model = nn.ModuleList([nn.Linear(2, 3), nn.Linear(1, 1)])
    model[0].weight = nn.Parameter(torch.empty(3, 0))
    sharing = share_weights_(model)
    assert model[0].weight.shape == (3, 0)
    sharing.finalize()
    assert model[1].weight.shape == (1, 1)


def test_reclustering_assigns_drifted_weights_anew():
    model = net()
    sharing = share_weights_(model, KMeans(bits=3, recluster=2))
    before = sharing.codebooks()["0.weight"].labels
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    sharing.attach(optimizer)
    train(model, optimizer, steps=6, scale=5.0)
    book = sharing.codebooks()["0.weight"]
    assert not torch.equal(book.labels, before)
    assert len(book.decode().unique()) <= 8
    same = sharing.codebooks()["0.weight"]
    sharing.recluster()
    assert torch.equal(sharing.codebooks()["0.weight"].decode(), same.decode())
    sharing.finalize()
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), steps=1)


def test_reclustering_keeps_zeros():
    model = net()
    pruning.prune_(model, pruning.Magnitude(0.6))
    zeros = model[0].weight == 0
    sharing = share_weights_(model, KMeans(bits=2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    sharing.attach(optimizer, every=1)
    train(model, optimizer)
    assert torch.equal(model[0].weight == 0, zeros)


def test_fit_trains_shared_weights():
    digits = data.load("digits")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    training.fit(model, digits.train, epochs=4, lr=0.1, progress=False)
    share_weights_(model, KMeans(bits=2))
    shared = training.evaluate(model, digits.test).loss
    training.fit(model, digits.train, epochs=3, lr=0.01, progress=False)
    assert training.evaluate(model, digits.test).loss < shared


def test_what_is_refused():
    with pytest.raises(EfflabError, match="no layer with weights matches 'fc9'"):
        share_weights_(net(), {"fc9": KMeans()})
    with pytest.raises(EfflabError, match=r"bits must be an integer from 1 to 16, got 2\.5"):
        KMeans(bits=2.5)
    with pytest.raises(EfflabError, match="init must be one of"):
        KMeans(init="best")
    with pytest.raises(EfflabError, match="zeros must be"):
        KMeans(zeros="drop")
    with pytest.raises(EfflabError, match="config must be KMeans or a dictionary"):
        share_weights_(net(), 4)
    with pytest.raises(EfflabError, match="has no layers with weights"):
        share_weights_(nn.ReLU())
    with pytest.raises(EfflabError, match="no shared weights"):
        Sharing(net())
    model = net()
    share_weights_(model)
    with pytest.raises(EfflabError, match="parametrized already"):
        share_weights_(model)
    model = net()
    with torch.no_grad():
        model[3].weight[0, 0] = float("nan")
    with pytest.raises(EfflabError, match=r"layer '3\.weight' holds 1 NaN"):
        share_weights_(model)
    assert not parametrize.is_parametrized(model[0]), "changed wholly or not at all"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("0.labels", lambda labels: torch.full_like(labels, 255)),
        ("0.labels", lambda labels: labels.to(torch.int8).fill_(-1)),
        ("0.labels", torch.Tensor.float),
        ("original", lambda centroids: centroids[:2]),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_labels_outside_the_codebook_are_refused(part, change, alone):
    model = nn.Sequential(nn.Linear(128, 64))
    share_weights_(model, KMeans(bits=4))
    before, key = model[0].weight.detach().clone(), f"0.parametrizations.weight.{part}"
    state = model.state_dict()
    wrong = {key: change(state[key])}
    with pytest.raises(CheckpointError, match=r"layer '0\.weight' has labels"):
        model.load_state_dict(wrong if alone else state | wrong, strict=not alone)
    assert torch.equal(model[0].weight, before)


def test_reclustering_names_a_layer_that_has_diverged():
    model = net()
    sharing = share_weights_(model)
    model[3].parametrizations.weight.original.data.fill_(torch.nan)
    with pytest.raises(EfflabError, match=r"layer '3\.weight' holds"):
        sharing.recluster()


def test_calibration_sees_inputs_given_by_name():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(input=x)

    ranges = q.calibrate(Named(), [torch.tensor([[-1.0, 2.0]])]).ranges
    assert ranges["layer"] == (-1.0, 2.0)


@pytest.mark.parametrize("act", [share_weights_, q.quantize_, q.quantize_int8_])
def test_a_layer_without_values_is_refused_by_name(act):
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(EfflabError, match=r"layer '0(\.weight)?' is on the meta device"):
        act(model)


def test_an_optimizer_reclusters_by_its_own_centroids_alone():
    model = net()
    sharing = share_weights_(model, KMeans(bits=2, zeros="share"))
    first, last = (torch.optim.SGD(model[i].parameters(), lr=0.1) for i in (0, 3))
    for optimizer in (first, last):
        sharing.attach(optimizer, every=100)
    model(torch.randn(4, 12)).square().sum().backward()
    first.step()
    last.step()
    drifts = [model[i].parametrizations.weight[0].drift for i in (0, 3)]
    assert all(drift is not None and drift.any() for drift in drifts)


def test_attaching_again_forgets_gradients_of_no_step():
    model = net()
    sharing = share_weights_(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sharing.attach(optimizer, every=100).remove()
    model(torch.ones(4, 12)).square().sum().backward()
    sharing.attach(optimizer, every=100)
    assert model[0].parametrizations.weight[0].gradient is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_rounded_to_the_nearest_level(dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(256, 64)).to(dtype)
    wide = copy.deepcopy(model).float()
    q.quantize_(model)
    q.quantize_(wide)
    assert torch.equal(model[0].weight, wide[0].weight.to(dtype))


def test_transformer_layers_run_in_integers():
    torch.manual_seed(0)
    layer, x = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval(), torch.randn(2, 5, 16)
    with torch.no_grad():
        expected = layer(x)
        q.quantize_int8_(layer)
        assert float((layer(x) - expected).abs().max()) < 0.1


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_points_of_two_features_are_refused(method):
    model = q.KMeans1D(2).fit([0.0, 1.0, 2.0])
    with pytest.raises(EfflabError, match=r"X must have shape \(n,\) or \(n, 1\), got \(3, 2\)"):
        getattr(model, method)([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
