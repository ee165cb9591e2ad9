"""Networks on the machine: new clusters, inputs of every kind, sweeps that can be interrupted."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from efflab import efz
from efflab.eie import Machine, networks, simulate
from efflab.eie import inputs as vectors
from efflab.eie.model_output import output_change
from efflab.eie.network_run import run_network
from efflab.eie.recluster import recluster
from efflab.errors import EfflabError


class Small(nn.Module):
    """A convolution and two linear layers."""

    def __init__(self, padding="same"):
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=padding)
        self.fc1 = nn.Linear(6 * 64, 20)
        self.fc2 = nn.Linear(20, 5)

    def forward(self, x):
        x = torch.relu(self.conv(x)).flatten(1)
        return self.fc2(torch.relu(self.fc1(x)))


def few_values_(model, values=9, density=0.4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            levels = torch.randn(values, generator=generator)
            chosen = levels[torch.randint(values, parameter.shape, generator=generator)]
            parameter.data = chosen * (torch.rand(parameter.shape, generator=generator) < density)
    return model


@pytest.fixture
def model():
    torch.manual_seed(0)
    return few_values_(Small())


@pytest.fixture
def file(model, tmp_path):
    efz.save(model, tmp_path / "small.efz")
    return tmp_path / "small.efz"


# New clusters.


def best(weights, k):
    """Least squared error of ``k`` groups of a few sorted weights, each split tried."""
    ordered = np.sort(weights)
    cuts = itertools.combinations(range(1, ordered.size), k - 1)
    return min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(ordered, list(cut))) for cut in cuts
    )


@settings(max_examples=40)
@given(st.lists(st.integers(-50, 50).filter(bool), min_size=4, max_size=9, unique=True))
def test_new_clusters_are_the_best_there_are(values):
    matrix = np.array([[*values, 0]], float)
    found = recluster(matrix, code_bits=2)
    assert found.matrix[0, -1] == 0 and found.values.size <= 3 and 0 not in found.values
    assert found.removed == len(values) - np.count_nonzero(found.matrix)
    assert ((found.matrix - matrix) ** 2).sum() == pytest.approx(
        best(np.array(values, float), 3), rel=1e-3, abs=1e-9
    )


def test_few_values_stay_as_they_are():
    matrix = np.arange(-7, 8, dtype=np.float32).reshape(3, 5)
    found = recluster(matrix)
    assert found.drift == 0 and found.matrix is matrix and found.values.size == 14


def test_a_cluster_around_zero_takes_no_code():
    found = recluster([[1, -1, 0]], code_bits=1)
    assert found.matrix.tolist() == [[0, 0, 0]]
    assert (found.values.size, found.drift, found.removed) == (0, 1.0, 2)


@pytest.mark.parametrize(
    ("matrix", "bits"), [([[np.nan]], 4), ([[np.inf]], 4), ([["a"]], 4), ([[1.0]], 9), ([[1.0]], 0)]
)
def test_what_cannot_be_clustered(matrix, bits):
    with pytest.raises(EfflabError, match=r"finite numbers|code_bits"):
        recluster(matrix, bits)


# Networks of a file.


def test_a_file_gives_its_layers(file, model):
    network = networks.load(file)
    assert [one.name for one in network.layers] == ["conv", "fc1", "fc2"]
    for one in network.layers:
        weight = model.get_submodule(one.name).weight.detach().flatten(1).numpy()
        assert np.array_equal(one.layer.dense().astype(np.float32), weight)
        assert one.drift == 0
    assert [one.weight.kind for one in network.layers] == [
        "convolution",
        "fully connected",
        "fully connected",
    ]


def test_other_tensors_are_left_with_a_reason(tmp_path):
    state = {"a.weight": torch.eye(4), "table": torch.eye(3), "n.weight": torch.ones(2, 2, dtype=torch.int64)}
    efz.save(state, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz")
    assert [one.name for one in network.layers] == ["a"]
    assert set(network.left) == {"table", "n.weight"}


def test_too_many_values_are_clustered_or_refused(tmp_path):
    torch.manual_seed(0)
    efz.save({"fc.weight": torch.randn(30, 40)}, tmp_path / "x.efz")
    (layer,) = networks.load(tmp_path / "x.efz").layers
    assert 0 < layer.drift < 0.2
    assert np.unique(layer.layer.codes).size <= 15
    with pytest.raises(EfflabError, match=r"^fc: its weights have 1,200 different values"):
        networks.load(tmp_path / "x.efz", as_is=True)
    assert networks.load(tmp_path / "x.efz", Machine(code_bits=8)).layers[0].drift < layer.drift


def test_a_layer_that_does_not_fit_is_named(tmp_path):
    efz.save({"fc.weight": torch.ones(400, 400)}, tmp_path / "x.efz")
    with pytest.raises(EfflabError, match=r"^fc: .*PEs would do"):
        networks.load(tmp_path / "x.efz", Machine(pes=1, spmat_kb=1))


def test_unknown_layers_and_files_without_matrices(file, tmp_path):
    with pytest.raises(EfflabError, match=r"no layer 'fc9'; its layers are conv, fc1, fc2"):
        networks.load(file, only=["fc9"])
    efz.save({"a.bias": torch.ones(4)}, tmp_path / "x.efz")
    with pytest.raises(EfflabError, match="no matrix"):
        networks.load(tmp_path / "x.efz")


def test_as_is_minds_the_index_and_names_what_would_fit(tmp_path):
    torch.manual_seed(0)
    sparse = torch.randint(1, 8, (200, 400)) * (torch.rand(200, 400) < 0.05) / 4
    efz.save({"fc.weight": sparse}, tmp_path / "x.efz")
    with efz.open(tmp_path / "x.efz") as file:
        bits = file.entries[0].index_bits
    assert bits
    assert networks.load(tmp_path / "x.efz", Machine(index_bits=bits), as_is=True).layers[0].drift == 0
    other = 3 if bits != 3 else 4
    message = rf"^fc: .* zeros in {bits} bits, .* without as_is \(--as-is\) .*, and index_bits={bits} \(--index-bits {bits}\)"
    with pytest.raises(EfflabError, match=message):
        networks.load(tmp_path / "x.efz", Machine(index_bits=other), as_is=True)
    efz.save({"fc.weight": torch.arange(1.0, 41).reshape(5, 8)}, tmp_path / "y.efz")
    with pytest.raises(
        EfflabError, match=r"40 different values .*, and code_bits=6 \(--code-bits 6\) would fit"
    ):
        networks.load(tmp_path / "y.efz", as_is=True)
    assert networks.load(tmp_path / "y.efz", Machine(code_bits=6), as_is=True)


class Odd(nn.Module):
    """Every kind of tensor that looks like a matrix."""

    def __init__(self):
        super().__init__()
        self.emb, self.out = nn.Embedding(50, 16), nn.Linear(16, 50)
        self.out.weight = self.emb.weight
        self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 16)
        self.b.weight = self.a.weight
        self.again = self.a
        self.t, self.g = nn.ConvTranspose2d(5, 7, 3), nn.Conv2d(8, 6, 3, groups=2)
        self.lstm, self.mha = nn.LSTM(16, 8), nn.MultiheadAttention(16, 2)

    def forward(self, x):
        return self.out(self.b(self.a(x)))


def test_a_model_tells_what_is_no_matrix(tmp_path):
    model = few_values_(Odd())
    model.b.weight, model.out.weight, model.again = model.a.weight, model.emb.weight, model.a
    efz.save(model, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz", model=model)
    assert {one.name for one in network.layers} == {"out", "a", "b", "g"}
    left = network.left
    assert "looks rows up" in left["emb.weight"] and "rows are its inputs" in left["t.weight"]
    assert "under another name" in left["again.weight"]
    assert (
        "MultiheadAttention" in left["mha.in_proj_weight"]
        and "MultiheadAttention" in left["mha.out_proj.weight"]
    )
    assert "LSTM" in left["lstm.weight_ih_l0"]
    for one in network.layers:
        own = model.get_submodule(one.name)
        assert np.array_equal(one.weight.bias, own.bias.detach().double().numpy())
        assert np.array_equal(one.values().reshape(own.weight.shape), own.weight.detach().numpy())
    with pytest.raises(EfflabError, match=r"emb.weight is no layer .* looks rows up"):
        networks.load(tmp_path / "x.efz", model=model, only=["emb"])


def test_without_a_model_shapes_are_taken_and_said(tmp_path):
    model = few_values_(Odd())
    efz.save(model, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz")
    assert {"emb", "out", "a", "b", "t", "g", "mha.in_proj_weight"} <= {one.name for one in network.layers}
    notes = network.notes()
    assert notes[0].startswith("taken by their shapes: ") and "t, g as convolutions of one group" in notes[0]
    assert "t.bias is left out: it has 7 values, and its layer 5 outputs" in notes
    assert any("Winograd" in one and one.startswith("t, g: ") for one in notes)
    bias = next(one.weight.bias for one in network.layers if one.name == "mha.in_proj_weight")
    assert np.array_equal(bias, model.mha.in_proj_bias.detach().double().numpy())


# Inputs and runs.


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_blocks_of_one_product(groups, tmp_path):
    torch.manual_seed(1)
    conv = few_values_(nn.Sequential(nn.Conv2d(4, 8, 3, groups=groups)), density=0.8)
    efz.save(conv, tmp_path / "x.efz")
    x = torch.rand(1, 4, 6, 6)
    machine = Machine(pes=4, precision="float32")
    network = networks.load(tmp_path / "x.efz", machine, model=conv)
    given = vectors.watched(network, conv, x, most=10**6)["0"]
    outputs = [simulate(network.layers[0].layer, vector).output for vector in given.values]
    right = conv(x).detach()
    torch.testing.assert_close(
        torch.from_numpy(np.stack(outputs)).T.reshape(right.shape[1:]).float(), right[0]
    )
    with pytest.raises(EfflabError, match=rf"^0 has {groups} groups in the model and was loaded with 1"):
        vectors.watched(networks.load(tmp_path / "x.efz", machine), conv, x)


class Repeated(nn.Module):
    """One layer, five times."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(16, 16)

    def forward(self, x):
        for _ in range(5):
            x = torch.relu(self.a(x))
        return x


def test_every_run_of_a_layer_counts(tmp_path):
    torch.manual_seed(0)
    model = few_values_(Repeated())
    efz.save(model, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz", Machine(pes=4))
    x = torch.rand(1, 16)
    given = vectors.watched(network, model, x)["a"]
    assert given.total == len(given.values) == 5
    expected, rows = x, []
    for _ in range(5):
        rows.append(expected[0].detach().double().numpy())
        expected = torch.relu(model.a(expected))
    assert np.array_equal(given.values, np.stack(rows))
    few = vectors.watched(network, model, x, most=3)["a"]
    assert few.total == 5 and np.array_equal(few.values, np.stack(rows)[[0, 2, 4]])


def test_inputs_of_another_precision_or_without_a_batch(file, model):
    network = networks.load(file, Machine(pes=4))
    x = torch.rand(1, 2, 8, 8)
    whole = vectors.watched(network, model, x)
    half = vectors.watched(network, model.half(), x)
    for name, one in whole.items():
        assert np.allclose(one.values, half[name].values, rtol=1e-2, atol=1e-2)
    model.float()
    with pytest.raises(
        EfflabError, match=r"does not take an input of shape 2 x 8 x 8, batch axis included: it raised"
    ):
        vectors.watched(network, model, x[0])
    assert not any(module._forward_pre_hooks for module in model.modules())
    conv = networks.load(file, Machine(pes=4), only=["conv"])
    alone = nn.Sequential()
    alone.add_module("conv", model.conv)
    assert np.array_equal(vectors.watched(conv, alone, x[0])["conv"].values, whole["conv"].values)


def test_a_layer_has_one_format_for_all_its_vectors(tmp_path):
    efz.save({"fc.weight": torch.tensor([[1.0, 0.5]])}, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz", Machine(pes=1, precision="int8"))
    small, large = np.array([[0.01, 0.003]]), np.array([[100.0, 0.0]])
    both = vectors.Vectors(np.concatenate([small, large]), 2)
    (alone,) = run_network(network, {"fc": vectors.Vectors(small)}).layers
    (together,) = run_network(network, {"fc": both}).layers
    # Beside a vector of hundreds the small one is 0 in eight bits, and costs no broadcast.
    assert alone.run.counters.broadcasts == 2
    assert together.run.counters.broadcasts == 1


def test_clusters_and_numbers_are_told_apart(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 5))
    efz.save(model, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz", Machine(pes=4, code_bits=2, precision="int16"), model=model)
    x = torch.rand(1, 40)
    change = output_change(network, model, x)
    run = run_network(network, vectors.watched(network, model, x), change=change)
    first = network.layers[0]
    before = (model[0](x)).detach().double().numpy()
    after = x.double().numpy() @ first.layer.dense().T + first.weight.bias
    expected = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert run.layers[0].cluster_drift == pytest.approx(expected, rel=1e-5)
    assert run.layers[0].number_drift < 1e-3 < run.layers[0].cluster_drift
    # The whole model, by hand.
    own = [torch.from_numpy(one.layer.dense()) for one in network.layers]
    hidden = torch.relu(x.double() @ own[0].T + model[0].bias.double())
    last = hidden @ own[1].T + model[2].bias.double()
    right = model(x).double()
    assert change.relative == pytest.approx(float(((last - right).norm() / right.norm()).detach()), rel=1e-4)
    assert (change.places, change.moved) == (1, int(last.argmax() != right.argmax()))
    assert f"own output by {change.relative:.2%}" in str(run)
    assert run.to_dict()["model_output"]["relative"] == change.relative


def test_layers_that_kept_their_weights_do_not_drift_by_clusters(file):
    network = networks.load(file, Machine(pes=4, precision="int8"))
    run = run_network(network, vectors.drawn(network, 0.5))
    assert all(one.cluster_drift == 0 < one.number_drift == one.drift for one in run.layers)


@pytest.mark.parametrize("padding", ["same", "valid", 2])
def test_a_model_s_own_inputs_give_its_own_outputs(padding, tmp_path):
    torch.manual_seed(1)
    conv = few_values_(nn.Sequential(nn.Conv2d(2, 6, 3, padding=padding)))
    efz.save(conv, tmp_path / "x.efz")
    x = torch.relu(torch.randn(1, 2, 8, 8))
    network = networks.load(tmp_path / "x.efz", Machine(pes=4, precision="float32"))
    given = vectors.watched(network, conv, x, most=10**6)["0"]
    outputs = [simulate(network.layers[0].layer, vector).output for vector in given.values]
    right = conv(x).detach()
    torch.testing.assert_close(
        torch.from_numpy(np.stack(outputs)).T.reshape(right.shape[1:]).float(), right[0], rtol=1e-5, atol=1e-5
    )


def test_places_that_are_not_simulated_count_all_the_same(file, model):
    network = networks.load(file, Machine(pes=4))
    x = torch.rand(1, 2, 8, 8)
    whole = run_network(network, vectors.watched(network, model, x, most=10**6))
    part = run_network(network, vectors.watched(network, model, x, most=16))
    assert [one.total for one in whole.layers] == [one.total for one in part.layers] == [64, 1, 1]
    assert part.layers[0].simulated == 16
    assert part.cycles == pytest.approx(whole.cycles, rel=0.1)
    assert whole.cycles == sum(one.cycles for one in whole.layers)
    assert all(one.drift < 1e-2 for one in whole.layers)


def test_a_chain_computes_the_network(tmp_path):
    torch.manual_seed(0)
    chain = few_values_(nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10)))
    efz.save(chain, tmp_path / "x.efz")
    network = networks.load(tmp_path / "x.efz", Machine(pes=4, precision="float32"))
    x = torch.rand(30)
    run = run_network(network, vectors.chained(network, x.numpy()))
    active = int((chain[:2](x) > 0).sum())
    assert run.layers[1].run.counters.broadcasts == active
    assert run.layers[1].drift < 1e-6


def test_inputs_that_do_not_fit(file, model):
    network = networks.load(file)
    with pytest.raises(EfflabError, match="is a convolution"):
        vectors.chained(network, np.ones(18))
    only = networks.load(file, only=["fc1", "fc2"])
    with pytest.raises(EfflabError, match="fc1 takes 384 inputs, and 7 came"):
        vectors.chained(only, np.ones(7))
    with pytest.raises(EfflabError, match="density must be from 0 to 1"):
        vectors.drawn(network, 1.5)
    with pytest.raises(EfflabError, match="no vectors for conv"):
        run_network(network, {})
    with pytest.raises(EfflabError, match="fc1 is no layer in the model"):
        vectors.watched(only, nn.Sequential(nn.Linear(2, 2)), torch.ones(1, 2))
