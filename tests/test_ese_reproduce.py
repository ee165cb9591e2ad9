"""ESE's reproduction: what it records, what is kept, and what its curves must obey."""

import json
import math

import pytest
import torch
from torch import nn

from efflab import data, paper, results
from efflab.data import SpeechData
from efflab.data.split import SpeechSplit
from efflab.errors import EfflabError
from efflab.ese import Machine, _curves, _digits, _training, matrices, reproduce
from efflab.ese._training import Recipe
from efflab.ese.speech import Recogniser


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "reproduce" / "ese"


@pytest.fixture(scope="module")
def noise():
    """Recordings of noise of different lengths."""
    torch.manual_seed(0)
    lengths = torch.randint(5, 30, (128,))
    x = torch.randn(128, 30, 40) * (torch.arange(30) < lengths[:, None])[:, :, None]
    split = SpeechSplit(x, torch.arange(128) % 10, lengths)
    return SpeechData("spoken-digits", split, split, split, tuple("0123456789"))


def test_a_recogniser_does_not_see_padding(noise):
    torch.manual_seed(0)
    model = Recogniser(hidden=16, outputs=8).eval()
    whole = model(noise.test.x)
    for at in (0, 5, 9):
        alone = noise.test.x[at : at + 1, : int(noise.test.lengths[at])]
        assert torch.allclose(model(alone), whole[at : at + 1], atol=1e-5)
    assert model(torch.zeros(1, 3, 40)).shape == (1, 10)
    cut = Recogniser(hidden=16, outputs=8, longest=4)
    assert cut.frames(noise.test.x)[0].shape == (128, 1, 160)
    with pytest.raises(EfflabError, match="stack must be a whole number"):
        Recogniser(stack=0)


def test_curves_begin_at_one_and_balance_never_loses():
    torch.manual_seed(0)
    weights = matrices(nn.LSTM(40, 128, proj_size=64))
    drawn = _curves.curve(weights, Machine(), (0, 60, 90))
    for method in _curves.METHODS:
        for kind in _curves.KINDS:
            line = _curves.speedups(drawn[method][kind])
            assert line[0] == 1
            assert line == sorted(line)
        assert drawn[method]["balance"][0] == 1
    # Shares differ by one weight at most, out of 6.4 in the smallest matrix.
    assert min(drawn["balanced"]["balance"]) > 0.9 > min(drawn["unbalanced"]["balance"])
    assert drawn["balanced"]["products"][-1] < drawn["unbalanced"]["products"][-1]


def test_the_published_curves_are_those_of_the_records():
    assert _curves.PRUNED_PCT == (0, 20, 30, 40, 50, 60, 70, 80, 85, 90)
    assert _curves.published_curve("balanced")[-1] == paper.get("ese/load_balance/pruned_90/balanced").value
    assert all(a >= b for a, b in zip(*map(_curves.published_curve, _curves.METHODS), strict=True))


def test_random_weights_have_the_paper_s_shapes():
    weights = _curves.random_weights(0)
    assert weights["Wix"].shape == (1024, 153)
    assert weights["Wym"].shape == (512, 1024)
    assert torch.equal(weights["Wor"], _curves.random_weights(0)["Wor"])
    assert not torch.equal(weights["Wor"], _curves.random_weights(1)["Wor"])


def test_networks_are_pruned_to_their_sparsity_with_equal_loads_and_kept(noise, monkeypatch):
    recipe = Recipe(64, 32, 1, (0.5, 1.0), 1, pes=8, recordings=64)
    made = {
        method: _training.trained(recipe, 0, method, noise, progress=False)
        for method in ("dense", "balanced", "unbalanced")
    }
    machine = Machine(pes=8)
    for method, one in made.items():
        network = _training.loaded(recipe, one["weights"])
        assert network.fc.weight.all()
        found = _digits.measured(network, machine)
        assert found["sparsity"] == pytest.approx(0.0 if method == "dense" else 0.9, abs=0.001)
        assert (min(found["balance"].values()) > 0.95) == (method != "unbalanced")
    for name in ("train_dense", "prune"):
        monkeypatch.setattr(_training, name, lambda *_, **__: pytest.fail("trained again"))
    assert _training.trained(recipe, 0, "balanced", noise, progress=False) == made["balanced"]


def test_many_bits_change_no_answer_and_few_change_some(noise):
    torch.manual_seed(0)
    model = Recogniser(hidden=32, outputs=16).eval()
    exact = 100 * float((model(noise.test.x).argmax(1) != noise.test.y).double().mean())
    assert _digits.fixed_error(model, (16, 16), noise.train, noise.test) == pytest.approx(exact, abs=1)
    assert _digits.FORMATS[_digits.PAPER] == (Machine().weight_bits, Machine().activation_bits)


def test_a_smoke_run_records_everything(noise, monkeypatch):
    monkeypatch.setattr(data, "load", lambda *_, **__: noise)
    monkeypatch.setattr(_curves, "random_weights", _small)
    measured = reproduce.run("smoke", (3,), progress=False)
    found = {one.id: one for one in measured.records}
    assert len(found) == len(measured.records)
    assert all(math.isfinite(one.measured) and one.seeds == (3,) for one in measured.records)
    theory = found["step/theoretical"]
    assert theory.holds
    assert theory.paper == paper.get("ese/matrices/total/theoretical_time").value
    assert "unverified" in theory.source
    assert found["step/time"].paper == paper.get("ese/headline/latency").value
    for variant in ("free", "ample"):
        assert found[f"step/{variant}/time"].measured <= found["step/time"].measured
    for overlap in ("buffers", "ports", "passes", "steps"):
        assert found[f"step/without-{overlap}/time"].measured > found["step/time"].measured
    names = ("wix", "wfx", "wcx", "wox", "wir", "wfr", "wcr", "wor", "wym")
    total = sum(found[f"matrix/{name}/real"].measured for name in names)
    assert found["step/matrices"].measured == pytest.approx(total)
    assert total < found["step/time"].measured
    assert {"digits/dense/error", "digits/balanced/error_fixed12", "digits/gain/step"} <= set(found)
    assert found["digits/compression"].measured == pytest.approx(20, rel=0.01)
    assert found["step/time"].command == "efflab reproduce ese --scale smoke --seeds 3"
    results.write("ese", measured.records, measured.series)
    drawn = results.series("ese", "curves")
    assert json.loads(json.dumps(drawn)) == drawn
    (axes,) = reproduce.plot(drawn["digits"], "step", results.series("ese", "pruned_pct")).axes
    assert [line.get_label() for line in axes.lines] == ["with balance", "without"]


def _small(seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = {f"W{gate}{source}": (64, 40) for source in "xr" for gate in "ifco"} | {"Wym": (40, 64)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_scales_that_do_not_exist_are_refused():
    with pytest.raises(EfflabError, match="smoke, cpu, full"):
        reproduce.run("tiny", progress=False)
