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
    assert found.matrix[0, -1] == 0 and found.values.size <= 3
    assert ((found.matrix - matrix) ** 2).sum() == pytest.approx(
        best(np.array(values, float), 3), rel=1e-3, abs=1e-9
    )


def test_few_values_stay_as_they_are():
    matrix = np.arange(-7, 8, dtype=np.float32).reshape(3, 5)
    found = recluster(matrix)
    assert found.drift == 0 and found.matrix is matrix and found.values.size == 14


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


# Inputs and runs.


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
