"""The paper's procedures: dropout, sensitivity, iterative pruning and retraining, interrupted and not."""

import copy
import csv
import io
import math

import pytest
import torch
from torch import nn

from efflab import data, pruning, training
from efflab.errors import CheckpointError, EfflabError
from efflab.pruning import Magnitude, prune_and_retrain


def alexnet_head() -> nn.Sequential:
    """Torchvision's order: a dropout stands first."""
    return nn.Sequential(
        nn.Dropout(0.5), nn.Linear(20, 10), nn.ReLU(), nn.Dropout(0.5), nn.Linear(10, 10), nn.Linear(10, 4)
    )


def test_dropout_follows_the_connections():
    model = alexnet_head()
    pruning.prune_(model, {"1": Magnitude(0.91, "layer"), "4": Magnitude(0.5)})
    kept = int(model[1].weight_mask.sum())
    rates = pruning.adjust_dropout_(model)
    expected = 0.5 * math.sqrt(kept / 200)
    assert rates == pytest.approx({"0": expected, "3": expected})
    assert model[0].p == model[3].p == pytest.approx(expected)
    pruning.prune_(model, {"1": Magnitude(0.99, "layer")})
    again = pruning.adjust_dropout_(copy.deepcopy(model))
    assert again["3"] == pytest.approx(0.5 * math.sqrt(2 / 200))
    assert pruning.adjust_dropout_(model, {"3": "4"})["3"] == pytest.approx(0.5 * math.sqrt(0.5))
    pruning.restore_dropout_(model)
    assert (model[0].p, model[3].p) == (0.5, 0.5)


def test_dropout_of_a_dense_model_stays_and_lstm_has_its_own():
    model = nn.Sequential(nn.LSTM(4, 4, num_layers=2, dropout=0.4))
    assert pruning.adjust_dropout_(model) == {"0": 0.4}
    pruning.prune_(model, Magnitude(0.75))
    assert pruning.adjust_dropout_(model)["0"] == pytest.approx(0.4 * 0.5)
    assert model[0].dropout == pytest.approx(0.2)
    pruning.restore_dropout_(model)
    assert model[0].dropout == 0.4
    with pytest.raises(EfflabError, match="'1' is not a dropout module"):
        pruning.adjust_dropout_(alexnet_head(), {"1": "1"})
    with pytest.raises(EfflabError, match="no prunable layer matches 'fc'"):
        pruning.adjust_dropout_(alexnet_head(), {"0": "fc"})


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(72, 48),
        nn.ReLU(),
        nn.Linear(48, 10),
    )


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", validation=200)


@pytest.fixture(scope="module")
def trained(digits):
    model = network()
    training.fit(model, digits.train, epochs=8, lr=0.1, progress=False)
    return model


def test_sensitivity_scan(trained, digits):
    before = copy.deepcopy(trained.state_dict())
    scan = pruning.sensitivity_scan(trained, digits.validation, (0.0, 0.5, 0.9, 0.99), progress=False)
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())
    assert scan.layers == ("0.weight", "5.weight", "7.weight")
    assert all(errors[0] == scan.baseline_percent for errors in scan.error_percent)
    assert max(errors[-1] for errors in scan.error_percent) > scan.baseline_percent + 5
    rows = list(csv.DictReader(io.StringIO(scan.to_csv())))
    assert [float(row["error_percent"]) for row in rows] == [
        error for errors in scan.error_percent for error in errors
    ]
    one = copy.deepcopy(trained)
    pruning.prune_(one, {"5": Magnitude(0.9)})
    assert training.evaluate(one, digits.validation).error_percent == scan.error_percent[1][2]
    assert "7.weight" in scan._repr_html_()
    assert len(scan.plot().axes[0].lines) == 4


def test_suggestions_stop_before_the_first_rise():
    scan = pruning.SensitivityScan(
        layers=("a", "b", "c"),
        sparsities=(0.3, 0.6, 0.9),
        error_percent=((1.0, 1.2, 1.4), (1.0, 3.0, 1.0), (9.0, 9.0, 9.0)),
        baseline_percent=1.0,
        weights=(1, 1, 1),
    )
    assert scan.suggest(0.5) == {"a": Magnitude(0.9, "layer"), "b": Magnitude(0.3, "layer")}


def test_interrupted_scan_restores(trained, digits):
    before = trained[0].weight.detach().clone()
    calls = []

    def stop(_model):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        pruning.sensitivity_scan(trained, digits.validation, (0.5, 0.9), error_percent=stop, progress=False)
    assert torch.equal(trained[0].weight, before)
    with pytest.raises(EfflabError, match="sparsities"):
        pruning.sensitivity_scan(trained, digits.validation, (0.5, 1.0), progress=False)


SHORT = {"epochs": 3, "lr": 0.5, "seed": 3, "progress": False}


def test_prune_and_retrain_keeps_the_accuracy(trained, digits):
    model = copy.deepcopy(trained)
    report = prune_and_retrain(model, digits, Magnitude(0.8), iterations=3, **SHORT)
    assert report.measured_on == "validation"
    assert [one.iteration for one in report.rounds] == [1, 2, 3]
    assert report.rounds[-1].sparsity == pytest.approx(0.8, abs=1e-3)
    assert report.sparsity >= 0.8 - 1e-3
    assert report.compression == pytest.approx(1 / (1 - report.sparsity))
    assert report.error_percent < report.dense_error_percent + 2.5
    assert report.error_percent == training.evaluate(model, digits.test).error_percent
    assert report.rounds[-1].error_percent < report.rounds[-1].threshold_error_percent
    last = report.rounds[-1].dropout["4"]
    assert 0 < last < 0.2
    assert model[4].p == 0.2
    assert report.dead_neurons is not None
    for name, mask in pruning.Pruner(model).masks.items():
        assert torch.equal(model.get_parameter(name) != 0, mask)
    kept = {layer.name: layer.kept for layer in report.layers}
    assert kept["5.weight"] == int(model[5].weight.count_nonzero())
    assert "x fewer weights" in report._repr_html_()
    assert "total" in str(report)
    assert len(report.plot().axes[0].lines) == 2


@pytest.fixture(scope="module")
def undisturbed(trained, digits):
    model = copy.deepcopy(trained)
    report = prune_and_retrain(model, digits, Magnitude(0.7), iterations=2, **SHORT)
    return model.state_dict(), report


@pytest.mark.parametrize("stop_at", [2, 4])
def test_resumed_after_ctrl_c(trained, undisturbed, digits, tmp_path, monkeypatch, stop_at):
    """Stopped in the second epoch of the first retraining, or in the first of the second."""
    path = tmp_path / "run.pt"
    epochs = iter(range(1, 100))
    fit = training.fit

    def stop(*_):
        if next(epochs) == stop_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit", lambda *args, **kwargs: fit(*args, after_epoch=stop, **kwargs))
    with pytest.raises(KeyboardInterrupt):
        prune_and_retrain(
            copy.deepcopy(trained), digits, Magnitude(0.7), iterations=2, checkpoint=path, **SHORT
        )
    monkeypatch.setattr(training, "fit", fit)
    fresh = copy.deepcopy(trained)
    report = prune_and_retrain(fresh, digits, Magnitude(0.7), iterations=2, checkpoint=path, **SHORT)
    assert all(torch.equal(value, undisturbed[0][key]) for key, value in fresh.state_dict().items())
    assert len(report.rounds) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]
    finished = prune_and_retrain(
        copy.deepcopy(trained), digits, Magnitude(0.7), iterations=2, checkpoint=path, **SHORT
    )
    assert finished == report
    with pytest.raises(CheckpointError, match="belongs to a run with another config"):
        prune_and_retrain(
            copy.deepcopy(trained), digits, Magnitude(0.6), iterations=2, checkpoint=path, **SHORT
        )
    for other in ({"weights": torch.ones(1)}, {"kind": "efflab.pruning"}):
        torch.save(other, path)
        with pytest.raises(CheckpointError, match="is no checkpoint of prune_and_retrain"):
            prune_and_retrain(copy.deepcopy(trained), digits, checkpoint=path, **SHORT)


def interrupt_first_epoch(monkeypatch, model, digits, config, path):
    fit = training.fit

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", lambda *args, **kwargs: fit(*args, after_epoch=stop, **kwargs))
        with pytest.raises(KeyboardInterrupt):
            prune_and_retrain(model, digits, config, iterations=2, checkpoint=path, **SHORT)


def test_first_round_of_another_run_is_not_resumed(trained, undisturbed, digits, tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    interrupt_first_epoch(monkeypatch, copy.deepcopy(trained), digits, Magnitude(0.5), path)
    fresh = copy.deepcopy(trained)
    with pytest.raises(CheckpointError, match="belongs to a run with another config"):
        prune_and_retrain(fresh, digits, Magnitude(0.7), iterations=2, checkpoint=path, **SHORT)
    path.unlink()  # what lies beside it is of no run that is known
    prune_and_retrain(fresh, digits, Magnitude(0.7), iterations=2, checkpoint=path, **SHORT)
    assert all(torch.equal(value, undisturbed[0][key]) for key, value in fresh.state_dict().items())


def test_the_interrupted_model_itself_goes_on(trained, undisturbed, digits, tmp_path, monkeypatch):
    path, model = tmp_path / "run.pt", copy.deepcopy(trained)
    interrupt_first_epoch(monkeypatch, model, digits, Magnitude(0.7), path)
    assert model[4].p == 0.2
    report = prune_and_retrain(model, digits, Magnitude(0.7), iterations=2, checkpoint=path, **SHORT)
    state, expected = undisturbed
    assert report.dense_error_percent == expected.dense_error_percent
    assert report.error_percent == expected.error_percent
    assert [one.threshold_error_percent for one in report.rounds] == [
        one.threshold_error_percent for one in expected.rounds
    ]
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def only_linear(module, _fqn):
    return isinstance(module, nn.Linear)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", "adam"),
        ("optimizer", torch.optim.Adam),
        ("retraining_schedule", "constant"),
        ("retraining_schedule", lambda fraction: 1 - fraction),
        ("filter_fn", only_linear),
        ("remove_dead", False),
    ],
)
def test_another_setting_is_another_run(trained, digits, tmp_path, name, value):
    path = tmp_path / "run.pt"
    tiny = {"iterations": 1, "epochs": 0, "progress": False, "checkpoint": path}
    prune_and_retrain(copy.deepcopy(trained), digits, **tiny)
    with pytest.raises(CheckpointError, match=f"belongs to a run with another {name};"):
        prune_and_retrain(copy.deepcopy(trained), digits, **tiny, **{name: value})
    path.unlink()
    first = prune_and_retrain(copy.deepcopy(trained), digits, **tiny, **{name: value})
    assert prune_and_retrain(copy.deepcopy(trained), digits, **tiny, **{name: value}) == first


def test_layers_in_turn_leave_the_others_fixed(trained, digits, monkeypatch):
    model = copy.deepcopy(trained)
    changed = []
    fit = training.fit

    def watched(model, *args, **kwargs):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        result = fit(model, *args, **kwargs)
        changed.append({name for name, p in model.named_parameters() if not torch.equal(p, before[name])})
        return result

    monkeypatch.setattr(training, "fit", watched)
    report = prune_and_retrain(
        model,
        digits,
        Magnitude(0.6, "layer"),
        iterations=1,
        alternate=True,
        remove_dead=False,
        epochs=1,
        lr=0.5,
        progress=False,
    )
    assert [one.layers for one in report.rounds] == ["fc", "conv"]
    assert changed == [{"5.weight", "5.bias", "7.weight", "7.bias"}, {"0.weight", "0.bias"}]
    assert all(p.requires_grad for p in model.parameters())
    assert [round(1 - layer.density, 1) for layer in report.layers] == [0.6, 0.6, 0.6]


def test_max_drop_goes_back(trained, digits):
    model = copy.deepcopy(trained)
    report = prune_and_retrain(
        model,
        digits,
        Magnitude(0.99),
        schedule=pruning.Steps([0.5, 0.99]),
        max_drop=3.0,
        remove_dead=False,
        epochs=1,
        lr=0.5,
        progress=False,
    )
    assert report.stopped
    assert len(report.rounds) == 1
    assert report.sparsity == pytest.approx(0.5, abs=1e-3)
    assert training.evaluate(model, digits.test).error_percent == report.error_percent


def test_procedure_errors(trained):
    bare = data.load("digits")
    with pytest.raises(EfflabError, match="max_drop needs a validation split"):
        prune_and_retrain(copy.deepcopy(trained), bare, max_drop=1.0, progress=False)
    with pytest.raises(EfflabError, match="iterations must be at least 1"):
        prune_and_retrain(copy.deepcopy(trained), bare, iterations=0, progress=False)
    with pytest.raises(EfflabError, match="no prunable layer matches"):
        prune_and_retrain(copy.deepcopy(trained), bare, {"head": Magnitude(0.5)}, progress=False)
