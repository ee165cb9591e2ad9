"""The whole procedure: on any model, interrupted anywhere, and always holding what its file gives back."""

import copy
import functools
import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from efflab import data, deep_compression, efz, models, pruning, training
from efflab.deep_compression import Layer, Settings, compress_
from efflab.deep_compression.run import title_of
from efflab.deep_compression.stages import Stages, drop
from efflab.errors import CheckpointError, EfflabError


@pytest.fixture(scope="module")
def digits():
    """Little data, of all three splits."""
    whole = data.load("digits", validation=100)
    return SimpleNamespace(
        train=whole.train.take(256),
        validation=whole.validation,
        test=whole.test.take(100),
        classes=whole.classes,
    )


@pytest.fixture
def one_thread():
    """Sums come out the same to the last bit while the number of threads stays."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(144, 24), nn.ReLU(),
        nn.Linear(24, 10),
    )  # fmt: skip


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype
        assert (
            tensor.contiguous().view(-1).numpy().tobytes()
            == other[name].contiguous().view(-1).numpy().tobytes()
        ), name


QUICK = {"epochs": 1, "lr": 0.1, "batch_size": 64, "progress": False}


def test_trained_by_the_paper_s_chain(digits, tmp_path):
    torch.manual_seed(0)
    model = models.passport()
    training.fit(model, digits.train, epochs=30, lr=0.1, batch_size=32, progress=False)
    dense = training.evaluate(model, digits.test).error_percent
    settings = Settings(sparsity=0.8, fc_bits=4)
    report = compress_(
        model, digits, settings, path=tmp_path / "m.efz", epochs=8, lr=0.1, batch_size=32, progress=False
    )
    assert [stage.stage for stage in report.stages] == [
        "dense",
        "pruned and retrained",
        "shared",
        "fine-tuned",
    ]
    assert report.dense_error_percent == dense
    assert report.error_percent == training.evaluate(model, digits.test).error_percent < dense + 6
    assert 0.8 <= report.sparsity + 1e-3 < 0.85  # dead neurons go too
    assert report.file_bytes == (tmp_path / "m.efz").stat().st_size
    assert report.rate == report.dense_bytes / report.file_bytes > 10
    assert report.dense_bytes == 4 * sum(parameter.numel() for parameter in model.parameters())
    for layer in report.layers:
        weight = model.get_parameter(layer.name)
        bits = 8 if weight.dim() == 4 else 4
        assert layer.sizes.clusters == weight[weight != 0].unique().numel() <= 2**bits
        assert layer.sizes.kept == weight.count_nonzero()
    assert_same(efz.load(tmp_path / "m.efz"), state_of(model))
    assert_same(state_of(efz.load(tmp_path / "m.efz", models.passport())), state_of(model))


def test_the_report_shows_itself(digits, tmp_path):
    report = compress_(network(), digits, 0.5, path=tmp_path / "m.efz", **QUICK)
    table = str(report)
    assert all(layer.name in table for layer in report.layers)
    assert "test error" in table
    assert "total" in str(report.stage_table())
    assert "fine-tuned" in str(report.error_table())
    assert "<table>" in report._repr_html_()
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["file_bytes"] == report.file_bytes
    assert [layer["layer"] for layer in plain["layers"]] == ["0.weight", "5.weight", "7.weight"]
    stages = report.stage_table().rows
    assert stages[-1][-1] == f"{report.file_bytes:,}"
    figure = report.plot()
    assert len(figure.axes) == 5


def test_without_data_the_drift_is_told(tmp_path):
    model = network().eval()
    before, x = copy.deepcopy(model), torch.randn(4, 1, 8, 8)
    report = compress_(model, path=tmp_path / "m.efz", example_inputs=x, progress=False)
    assert report.stages == ()
    assert report.sparsity == pytest.approx(0.5, abs=0.001)
    moved = torch.linalg.vector_norm(model(x) - before(x)) / torch.linalg.vector_norm(before(x))
    assert report.output_drift == pytest.approx(moved.item(), rel=1e-4)
    for layer in report.layers:
        old, new = before.get_parameter(layer.name), model.get_parameter(layer.name)
        drift = torch.linalg.vector_norm(new - old) / torch.linalg.vector_norm(old)
        assert layer.drift == pytest.approx(drift.item(), rel=1e-4)
    assert "drift" in str(report)
    assert_same(efz.load(tmp_path / "m.efz"), state_of(model))


def test_more_bits_drift_less():
    drifts = []
    for bits in (2, 4, 8, 32):
        report = compress_(network(), config=Settings(sparsity=0.0, bits=bits), progress=False)
        drifts.append(max(layer.drift for layer in report.layers))
    assert drifts == sorted(drifts, reverse=True)
    assert drifts[-1] == 0


def test_nothing_is_written_where_no_path_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = compress_(network(), config=0.9, progress=False)
    written = compress_(network(), config=0.9, path=tmp_path / "m.efz", progress=False)
    assert report.path is None
    assert report.file_bytes == written.file_bytes == (tmp_path / "m.efz").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["m.efz"]


def test_settings_by_layer():
    model = network()
    before = state_of(model)
    report = compress_(
        model,
        config={"5": Layer(sparsity=0.75, bits=3, init="optimal", index_bits=4), "7": Layer(sparsity=0.0)},
        progress=False,
    )
    assert [layer.name for layer in report.layers] == ["5.weight", "7.weight"]
    first, second = (layer.sizes for layer in report.layers)
    assert (first.kept, first.clusters, first.index_bits) == (144 * 24 // 4, 8, 4)
    assert (second.kept, second.clusters) == (240, 32)
    assert torch.equal(model[0].weight, before["0.weight"])
    assert report.left_dense == ("0.weight",)
    assert "Left dense: 0.weight" in str(report)


def test_settings_for_all_and_some_of_a_layer_s_own():
    report = compress_(
        network(),
        config=Settings(sparsity=0.5, bits=4, layers={"7": Layer(sparsity=0.25, bits=6)}),
        progress=False,
    )
    kept = {layer.name: layer.sizes.kept for layer in report.layers}
    assert kept["7.weight"] == 180
    assert kept["0.weight"] + kept["5.weight"] == (36 + 3456) // 2
    assert report.layers[2].sizes.clusters <= 64


def test_iterations_go_over_the_chain_again(digits):
    report = compress_(network(), digits, Settings(sparsity=0.8, iterations=2, rounds=1), **QUICK)
    assert [(stage.stage, stage.iteration) for stage in report.stages] == [
        ("dense", 0),
        *((name, 1) for name in ("pruned and retrained", "shared", "fine-tuned")),
        *((name, 2) for name in ("pruned and retrained", "shared", "fine-tuned")),
    ]
    assert 0.8 <= report.sparsity + 1e-3 < 0.85


class Interruptions:
    """Counts the moments at which a run's state is kept, and interrupts it right before or after one of them."""

    def __init__(self, monkeypatch):
        self.moment, self.stop = 0, None
        for owner in (Stages, training.loop.Run):
            monkeypatch.setattr(owner, "save", self.watched(owner.save))

    def watched(self, save):
        def wrapped(*arguments):
            for step in (lambda: None, lambda: save(*arguments)):
                step()
                self.moment += 1
                if self.moment == self.stop:
                    raise KeyboardInterrupt

        return wrapped


def test_an_interrupted_run_ends_as_an_undisturbed_one(digits, tmp_path, monkeypatch, one_thread):
    interruptions = Interruptions(monkeypatch)
    settings = Settings(sparsity=0.8, rounds=2, init="random", layers={"0": Layer(sparsity=0.3)})

    def run(name, model=None, **more):
        model = network() if model is None else model
        report = compress_(model, digits, settings, path=tmp_path / f"{name}.efz", **QUICK, **more)
        return model, report

    model, report = run("plain")
    expected, file = state_of(model), (tmp_path / "plain.efz").read_bytes()
    run("kept", checkpoint=tmp_path / "kept")
    assert (tmp_path / "kept.efz").read_bytes() == file
    moments = interruptions.moment // 2
    assert moments > 15
    for moment in range(1, moments + 1, 3):
        interruptions.moment, interruptions.stop = 0, moment
        folder, interrupted = tmp_path / f"run{moment}", network()
        with pytest.raises(KeyboardInterrupt):
            run("resumed", interrupted, checkpoint=folder)
        assert state_of(interrupted).keys() == expected.keys()
        interruptions.stop = None
        # In a notebook the model is the interrupted one, elsewhere a fresh one.
        again, resumed = run("resumed", interrupted if moment % 2 else None, checkpoint=folder)
        assert_same(state_of(again), expected)
        assert (tmp_path / "resumed.efz").read_bytes() == file
        assert [s.error_percent for s in resumed.stages] == [s.error_percent for s in report.stages]


def test_a_finished_run_is_not_trained_again(digits, tmp_path, monkeypatch):
    compress_(network(), digits, 0.5, path=tmp_path / "a.efz", checkpoint=tmp_path / "run", **QUICK)
    monkeypatch.setattr("efflab.training.fit", None)
    monkeypatch.setattr("efflab.training.evaluate", None)
    monkeypatch.setattr("efflab.quantization.share_weights_", None)
    compress_(network(1), digits, 0.5, path=tmp_path / "b.efz", checkpoint=tmp_path / "run", **QUICK)
    assert (tmp_path / "a.efz").read_bytes() == (tmp_path / "b.efz").read_bytes()


def test_a_checkpoint_of_another_run(digits, tmp_path):
    kept = tmp_path / "run"
    compress_(network(), digits, 0.5, checkpoint=kept, **QUICK)
    with pytest.raises(CheckpointError, match=r"another seed"):
        compress_(network(), digits, 0.5, checkpoint=kept, seed=1, **QUICK)
    with pytest.raises(CheckpointError, match=r"another config"):
        compress_(network(), digits, 0.6, checkpoint=kept, **QUICK)
    with pytest.raises(CheckpointError, match=r"another"):
        compress_(models.passport(), digits, 0.5, checkpoint=kept, **QUICK)
    report = compress_(network(), digits, 0.6, checkpoint=kept, resume=False, **QUICK)
    assert report.sparsity == pytest.approx(0.6, abs=0.001)


@pytest.mark.parametrize("what", ["json", "tensors", "run", "lost"])
def test_a_damaged_stage(what, digits, tmp_path):
    kept = tmp_path / "run"
    compress_(network(), digits, 0.5, checkpoint=kept, **QUICK)
    path = kept / {"json": "1-tune.json", "tensors": "1-tune.safetensors"}.get(what, "run.json")
    path.write_bytes(path.read_bytes()[:-20]) if what != "lost" else path.unlink()
    with pytest.raises(CheckpointError, match="resume=False"):
        compress_(network(), digits, 0.5, checkpoint=kept, **QUICK)


def test_only_a_run_s_own_files_are_dropped(digits, tmp_path):
    kept = tmp_path / "run"
    kept.mkdir()
    (kept / "2024-photo.json").write_text("precious")
    compress_(network(), digits, 0.5, checkpoint=kept, resume=False, **QUICK)
    drop(kept)
    assert [path.name for path in kept.iterdir()] == ["2024-photo.json"]
    with pytest.raises(CheckpointError, match="is a file"):
        compress_(network(), digits, 0.5, checkpoint=kept / "2024-photo.json", **QUICK)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.body = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=2))
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.body(x)).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cells = kind(8, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.cells(x.flatten(1, 2))[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.layer(x.flatten(1, 2)).mean(1))


class Normed(nn.Module):
    """A layer that another parametrization holds, and a transposed convolution."""

    def __init__(self):
        super().__init__()
        self.held = nn.utils.parametrizations.weight_norm(nn.Linear(64, 16))
        self.up = nn.ConvTranspose2d(1, 4, 2)
        self.head = nn.Linear(16 + 4 * 81, 10)

    def forward(self, x):
        return self.head(torch.cat([self.held(x.flatten(1)), self.up(x).flatten(1)], 1))


class Tied(nn.Module):
    """Two tied linear layers, a reused one, an output layer tied to an embedding, and a kind of layer nobody knows."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 32)
        self.first, self.second, self.reused = (nn.Linear(32, 32) for _ in range(3))
        self.second.weight = self.first.weight
        self.again = self.reused
        self.lookup = nn.Parameter(torch.randn(64, 32))
        self.output = nn.Linear(32, 10)
        self.output.weight = self.embedding.weight

    def forward(self, x):
        x = x.flatten(1) @ self.lookup
        return self.output(self.again(self.reused(self.second(self.first(x)))))


@pytest.mark.parametrize(
    "make",
    [Residual, lambda: Recurrent(nn.LSTM), lambda: Recurrent(nn.GRU), Tied],
    ids=["residual", "lstm", "gru", "tied"],
)
def test_models_of_all_kinds(make, digits, tmp_path):
    torch.manual_seed(0)
    model = make()
    report = compress_(model, digits, Settings(sparsity=0.6, rounds=1), path=tmp_path / "m.efz", **QUICK)
    assert report.sparsity == pytest.approx(0.6, abs=0.002)
    assert_same(state_of(efz.load(tmp_path / "m.efz", make())), state_of(model))
    for layer in report.layers:
        weight = model.get_parameter(layer.name)
        assert weight.is_leaf
        assert (
            weight[weight != 0].unique().numel() == layer.sizes.clusters <= (256 if weight.dim() > 2 else 32)
        )
    assert model.state_dict().keys() == make().state_dict().keys()
    if make is Normed:
        assert report.left_dense == (
            "held.parametrizations.weight.original0",
            "held.parametrizations.weight.original1",
        )


def test_ties_stay_and_what_is_not_known_is_named(digits):
    torch.manual_seed(0)
    model = Tied()
    report = compress_(model, digits, Settings(sparsity=0.6, rounds=1), **QUICK)
    assert model.first.weight is model.second.weight
    assert model.again is model.reused
    assert model.output.weight is model.embedding.weight
    assert [layer.name for layer in report.layers] == ["first.weight", "reused.weight"]
    assert report.left_dense == ("lookup", "embedding.weight")


def test_a_model_that_is_pruned_already_keeps_its_zeros(digits):
    model = network()
    pruning.prune_(model, pruning.Magnitude(0.7, scope="layer"))
    zero = model[5].weight == 0
    compress_(model, digits, Settings(sparsity=0.0), **QUICK)
    assert (model[5].weight[zero] == 0).all()
    assert not any("mask" in name for name in model.state_dict())


def test_masks_are_neither_counted_nor_written(tmp_path):
    model = network()
    dense = sum(tensor.nbytes for tensor in model.state_dict().values())
    pruning.prune_(model, pruning.Magnitude(0.7))
    report = compress_(model, config=Settings(sparsity=0.0, bits=32), path=tmp_path / "m.efz", progress=False)
    assert report.dense_bytes == dense
    assert_same(state_of(efz.load(tmp_path / "m.efz", network())), state_of(model))


@torch.no_grad()
def odd(kind: str) -> nn.Sequential:
    model = network()
    weight = model[5].weight
    if kind == "zero":
        weight.zero_()
    elif kind == "constant":
        weight.fill_(0.25)
    elif kind == "few":
        weight.copy_(weight.sign() * 0.1)
    elif kind == "transposed":
        model[5].weight = nn.Parameter(weight.t().contiguous().t())
    elif kind == "half":
        model.half()
    elif kind == "double":
        model.double()
    elif kind == "empty":
        model.append(nn.Linear(10, 0, bias=False))
    elif kind == "one":
        model[7] = nn.Linear(24, 1)
        model.append(nn.Linear(1, 1))
    return model


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("kind", ["zero", "constant", "few", "transposed", "half", "double", "empty", "one"])
def test_layers_that_are_odd(kind, tmp_path):
    model = odd(kind)
    report = compress_(model, config=Settings(sparsity=0.5, bits=4), path=tmp_path / "m.efz", progress=False)
    assert_same(efz.load(tmp_path / "m.efz"), state_of(model))
    assert all(layer.sizes.clusters <= 16 for layer in report.layers)
    expected = ["0.weight", "5.weight", "7.weight", *(["8.weight"] if kind == "one" else [])]
    assert [layer.name for layer in report.layers] == expected


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("kind", ["zero", "constant", "few", "transposed", "double", "empty"])
def test_layers_that_are_odd_are_trained_too(kind, digits, tmp_path):
    model = odd(kind)
    if kind == "empty":
        model = nn.Sequential(*model[:-1], Skip())
    split = digits
    if kind == "double":
        split = SimpleNamespace(
            **{key: doubled(getattr(digits, key)) for key in ("train", "validation", "test")}
        )
    compress_(model, split, Settings(sparsity=0.5, bits=4), path=tmp_path / "m.efz", **QUICK)
    assert_same(efz.load(tmp_path / "m.efz"), state_of(model))


def doubled(split):
    return data.Split(split.x.double(), split.y)


class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.nothing = nn.Linear(10, 0)

    def forward(self, x):
        self.nothing(x)
        return x


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_name_their_layer(value, digits):
    model = network()
    model[5].weight.data[3, 3] = value
    before = state_of(model)
    with pytest.raises(
        EfflabError, match=r"layer '5.weight' holds 1 weights that are NaN or infinite, of 3456"
    ):
        compress_(model, digits, **QUICK)
    assert_same(state_of(model), before)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (1.0, "sparsity"),
        (-0.1, "sparsity"),
        (True, "config must be"),
        ("0.9", "config must be"),
        ({"9": Layer()}, "no prunable layer matches '9'"),
        ({"5": 0.9}, "layers must be"),
    ],
)
def test_configurations_that_are_wrong(config, told):
    with pytest.raises(EfflabError, match=told):
        compress_(network(), config=config, progress=False)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"bits": 0}, "bits must be a whole number from 1 to 16"),
        ({"conv_bits": 17}, "conv_bits must be"),
        ({"bits": 4.0}, "bits must be"),
        ({"init": "forgy"}, "init must be one of linear"),
        ({"index_bits": 0}, "index_bits must be"),
        ({"scope": "all"}, "scope must be"),
        ({"rounds": 0}, "rounds must be"),
        ({"iterations": 1.5}, "iterations must be"),
    ],
)
def test_settings_that_are_wrong(wrong, told):
    with pytest.raises(EfflabError, match=told):
        Settings(**wrong)


def test_what_cannot_be_compressed(tmp_path):
    with pytest.raises(EfflabError, match="no prunable layers"):
        compress_(nn.ReLU(), progress=False)
    with pytest.raises(EfflabError, match=r"data must have the splits train, .*, got int"):
        compress_(network(), 5, **QUICK)
    with pytest.raises(EfflabError, match="path is the folder"):
        compress_(network(), path=tmp_path, progress=False)
    with pytest.raises(EfflabError, match=r"retraining takes .*max_drop.*, got 'seed'"):
        compress_(network(), retraining={"seed": 1}, progress=False)
    with pytest.raises(EfflabError, match=r"tuning takes .*patience.*, got 'patiences'"):
        compress_(network(), tuning={"patiences": 1}, progress=False)


def test_stages_that_are_left_out(digits):
    untuned = compress_(network(), digits, Settings(sparsity=0.5), tune_epochs=0, **QUICK)
    assert [stage.stage for stage in untuned.stages] == ["dense", "pruned and retrained", "shared"]
    unshared = compress_(network(), digits, Settings(sparsity=0.5, bits=32), **QUICK)
    assert [stage.stage for stage in unshared.stages] == ["dense", "pruned and retrained"]
    assert all(layer.sizes.clusters == 0 for layer in unshared.layers)
    untrained = compress_(network(), digits, Settings(sparsity=0.5), **QUICK | {"epochs": 0})
    assert untrained.sparsity == pytest.approx(0.5, abs=0.02)


def test_further_arguments_reach_the_trainings(digits, tmp_path):
    more = {
        "retraining": {"schedule": pruning.Steps([0.2, 0.5, 0.6]), "lr_factor": 1.0},
        "tuning": {"clip": 1.0},
    }
    report = compress_(network(), digits, 0.6, checkpoint=tmp_path / "run", **more, **QUICK)
    assert report.sparsity == pytest.approx(0.6, abs=0.02)
    more["retraining"]["schedule"] = pruning.Steps([0.3, 0.5, 0.6])
    with pytest.raises(CheckpointError, match="another retraining"):
        compress_(network(), digits, 0.6, checkpoint=tmp_path / "run", **more, **QUICK)


def test_the_bar_names_every_stage(digits, monkeypatch, capsys):
    monkeypatch.setattr("efflab.deep_compression.progress.visible", lambda: True)
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)
    compress_(network(), digits, Settings(sparsity=0.5, rounds=1), **QUICK | {"progress": True})
    shown = capsys.readouterr().err
    assert all(stage in shown for stage in ("prune", "share", "fine-tune", "encode", "4/4"))


def test_a_failure_leaves_plain_parameters(digits, monkeypatch):
    def fail(*_arguments, **_named):
        raise OSError("the disk is full")

    model = network()
    monkeypatch.setattr("efflab.training.fit", fail)
    with pytest.raises(OSError, match="full"):
        compress_(model, digits, Settings(sparsity=0.0), **QUICK)
    assert state_of(model).keys() == state_of(network()).keys()
    assert deep_compression.pack_(model).packed


def test_a_run_knows_the_arguments_that_an_optimizer_was_bound_to():
    slow, fast = (functools.partial(torch.optim.SGD, lr=lr) for lr in (0.1, 0.2))
    assert title_of(slow) == title_of(functools.partial(torch.optim.SGD, lr=0.1))
    assert title_of(slow) != title_of(fast)
    assert title_of(slow) != title_of(functools.partial(torch.optim.Adam, lr=0.1))
