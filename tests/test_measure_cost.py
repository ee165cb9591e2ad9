"""Bytes, time, roofline, energy, and the recorded run."""

import time

import pytest
import torch
from safetensors.torch import save_model
from torch import nn

from efflab import measure, models, paper, results
from efflab.errors import EfflabError
from efflab.measure import reproduce


@pytest.fixture(scope="module")
def lenet() -> measure.Profile:
    return measure.profile(models.lenet5(), torch.rand(1, 1, 28, 28))


def test_bytes_by_dtype_counts_shared_tensors_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False).half())
    assert measure.bytes_by_dtype(model) == {"float16": 32, "float32": 80 + 2 * 16 + 2 * 16, "int64": 8}
    model[2].weight = nn.Parameter(model[2].weight.float())
    tied = nn.Sequential(model[0], nn.Linear(4, 4, bias=False))
    tied[1].weight = model[0].weight
    assert measure.bytes_by_dtype(tied) == {"float32": 80}


def test_saved_bytes_are_those_of_the_real_file(tmp_path):
    model = models.lenet_300_100()
    path = models.save_weights(model, tmp_path / "lenet.safetensors")
    assert measure.file_bytes(path) == measure.saved_bytes(model)
    tied = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
    tied[1].weight = tied[0].weight
    save_model(tied, str(tmp_path / "tied.safetensors"))
    assert measure.saved_bytes(tied) == pytest.approx(
        measure.file_bytes(tmp_path / "tied.safetensors"), abs=100
    )
    with pytest.raises(EfflabError, match="existing file"):
        measure.file_bytes(tmp_path / "none")


def test_latency_of_something_of_known_length():
    calls = []

    def sleep(x):
        calls.append(x)
        time.sleep(0.005 if len(calls) > 2 else 0.05)

    timed = measure.latency(sleep, torch.zeros(1), warmup=2, repeats=9)
    assert len(calls) == 11
    assert 5 <= timed.floor_ms <= timed.lower_ms <= timed.median_ms <= timed.upper_ms
    assert timed.processor_ms < 1, "a sleeping call takes no processor"
    assert timed.median_ms < 50, "the slow calls of the warm-up must not count"
    assert timed.gflops(macs=10**6) == pytest.approx(2e6 / timed.median_ms / 1e6)
    assert "ms" in str(timed)
    assert "<table>" in timed._repr_html_()


def test_latency_runs_modules_in_evaluation_mode_and_restores_them():
    model, modes = nn.Dropout(), []
    model.register_forward_hook(
        lambda module, args, out: modes.append((module.training, torch.is_grad_enabled()))
    )
    measure.latency(model.train(), torch.zeros(1), warmup=0, repeats=2)
    assert modes == [(False, False)] * 2
    assert model.training


def test_latency_leaves_a_frozen_part_in_evaluation_mode():
    model = nn.Sequential(nn.Dropout(), nn.Dropout()).train()
    model[1].eval()
    measure.latency(model, torch.zeros(1), warmup=0, repeats=1)
    assert [module.training for module in model.modules()] == [True, True, False]


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warmup": -1}])
def test_latency_refuses(wrong):
    with pytest.raises(EfflabError, match="at least"):
        measure.latency(nn.Identity(), torch.zeros(1), **wrong)
    with pytest.raises(EfflabError, match="call"):
        measure.latency(3)


def test_roofline_of_this_machine_bounds_what_runs_on_it():
    roof = measure.roofline(seconds=0.6)
    assert roof.ridge == pytest.approx(roof.peak_gflops / roof.bandwidth_gb_s)
    assert roof.attainable(roof.ridge) == pytest.approx(roof.peak_gflops)
    assert roof.attainable(roof.ridge / 4) == pytest.approx(roof.peak_gflops / 4)
    assert (roof.bound(roof.ridge / 2), roof.bound(roof.ridge * 2)) == ("memory", "compute")
    assert roof.attainable(0.01, cached=True) == pytest.approx(0.01 * roof.cache_gb_s)
    with pytest.raises(EfflabError, match="cache"):
        measure.Roofline(100, 10).attainable(1, cached=True)
    matrix = torch.rand(512, 512)
    product = measure.latency(torch.mm, (matrix, matrix), warmup=3, repeats=20)
    achieved = 2 * 512**3 / (product.floor_ms * 1e6)
    assert achieved < 2 * roof.peak_gflops, (
        "a product cannot outrun the peak by more than a busy machine's noise"
    )


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_roofline_refuses(wrong):
    with pytest.raises(EfflabError, match="seconds"):
        measure.roofline(seconds=wrong)
    with pytest.raises(EfflabError, match="peak"):
        measure.Roofline(wrong, 1)


def test_intensity_by_hand(lenet):
    fc1 = lenet.layer("fc1")
    assert measure.arithmetic_intensity(fc1) == 2 * 400_000 / (4 * (400_500 + 800 + 500))
    moved = 431_080 + (784 + 2880 + 800 + 500) + lenet.activations
    assert measure.arithmetic_intensity(lenet) == pytest.approx(lenet.flop / (4 * moved))
    assert measure.arithmetic_intensity(lenet, dtype_bytes=1) == pytest.approx(
        4 * measure.arithmetic_intensity(lenet)
    )
    with pytest.raises(EfflabError, match="dtype_bytes"):
        measure.arithmetic_intensity(lenet, dtype_bytes=0)


def test_batches_raise_the_intensity_of_matrices():
    one, many = (measure.profile(models.lenet_300_100(), torch.rand(batch, 1, 28, 28)) for batch in (1, 64))
    assert measure.arithmetic_intensity(one) < 0.5
    assert measure.arithmetic_intensity(many) > 20


def test_energy_by_hand():
    counted = measure.profile(nn.Linear(100, 10), torch.rand(1, 100))
    spent = measure.energy(counted)
    assert spent.arithmetic_pj == pytest.approx(1000 * (3.7 + 0.9))
    assert spent.weights_pj == 1010 * 640
    assert spent.activations_pj == 110 * 5
    assert spent.total_pj == spent.arithmetic_pj + spent.weights_pj + spent.activations_pj
    on_chip = measure.energy(counted, weights_from="sram")
    assert spent.weights_pj / on_chip.weights_pj == paper.DRAM_READ_PJ_PER_WORD / paper.SRAM_READ_PJ_PER_WORD
    assert measure.energy(counted, weight_bits=8).weights_pj == spent.weights_pj / 4


def test_skipping_zeros_saves_in_proportion():
    layer = nn.Linear(100, 10, bias=False)
    with torch.no_grad():
        layer.weight[:, ::2] = 0
    x = torch.rand(1, 100) + 0.1
    x[:, :25] = 0
    counted = measure.profile(layer, x)
    dense, sparse = measure.energy(counted), measure.energy(counted, skip_zeros=True)
    assert sparse.arithmetic_pj / dense.arithmetic_pj == pytest.approx(0.5 * 0.75)
    assert sparse.weights_pj / dense.weights_pj == 0.5
    indexed = measure.energy(counted, skip_zeros=True, index_bits=8)
    assert indexed.weights_pj / sparse.weights_pj == 1.25
    assert sparse.activations_pj == (75 + 10) * 5


def test_energy_refuses(lenet):
    with pytest.raises(EfflabError, match="weights_from"):
        measure.energy(lenet, weights_from="disk")
    with pytest.raises(EfflabError, match="activations_from"):
        measure.energy(lenet, activations_from="disk")
    with pytest.raises(EfflabError, match="weight_bits"):
        measure.energy(lenet, weight_bits=0)


def test_everything_shows_itself(lenet):
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    spent, roof = measure.energy(lenet), measure.Roofline(100, 10)
    for shown in (lenet, spent, roof):
        assert "<table>" in shown._repr_html_()
        assert str(shown)
    for figure in (lenet.plot(), spent.plot(), roof.plot({"lenet5": (2.0, 5.0)})):
        assert figure.axes
        plt.close(figure)
    assert "conv1" in str(lenet)
    with pytest.raises(KeyError, match="conv1, conv2"):
        lenet.layer("conv9")


def test_reproduction_meets_its_bars(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path))
    measured = reproduce.run("smoke", (0,), progress=False)
    assert not list(tmp_path.iterdir()), "writing is the caller's business"
    results.write("measuring", measured.records, measured.series)
    records = results.read("measuring")
    assert len(results.series("measuring", "roofline")["gflops"]) == 6
    assert len({one.id for one in records}) == len(records)
    barred = [one for one in records if one.bar]
    assert len(barred) > 60
    assert [one.id for one in barred if not one.holds] == []
    assert {one.scale for one in records} == {"smoke"}
    found = {one.id: one for one in records}
    assert found["vgg16/total/macs"].measured == 15_470_264_320
    assert found["alexnet/conv4/weights"].paper == 663_000
