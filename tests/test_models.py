"""Shapes, counts and names of the models, against the papers' tables and torchvision's keys."""

import sys
import time

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from torch import nn

from efflab import data, models, training
from efflab.errors import EfflabError


def on_meta(name: str, **settings) -> nn.Module:
    """A model without memory: counting needs none."""
    with torch.device("meta"):
        return models.get(name, **settings)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def weights_by_layer(model: nn.Module) -> list[int]:
    return [m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet-300-100", 266_610),
        ("lenet5", 431_080),
        ("alexnet", 60_965_224),
        ("alexnet-torchvision", 61_100_840),
        ("vgg16", 138_357_544),
        ("squeezenet1-0", 1_248_424),
        ("squeezenet1-1", 1_235_496),
    ],
)
def test_parameter_counts_are_the_published_ones(name, expected):
    assert count(on_meta(name)) == expected


@pytest.mark.parametrize(("name", "millions"), [("resnet20", 0.27), ("resnet32", 0.46), ("resnet56", 0.85)])
def test_residual_networks_have_the_parameters_of_he_table_6(name, millions):
    # He et al. count no batch normalisation; both ways of counting round to the printed figure.
    model = on_meta(name)
    without = sum(
        p.numel()
        for m in model.modules()
        if not isinstance(m, nn.BatchNorm2d)
        for p in m.parameters(recurse=False)
    )
    assert round(count(model) / 1e6, 2) == millions
    assert round(without / 1e6, 2) == millions


@pytest.mark.parametrize(("name", "depth"), [("resnet20", 20), ("resnet32", 32), ("resnet56", 56)])
def test_residual_networks_are_as_deep_as_they_are_called(name, depth):
    assert len(weights_by_layer(on_meta(name))) == depth


def test_layers_have_the_weights_of_the_pruning_papers_tables():
    # NIPS 2015, Tables 2, 3 and 4, exact instead of rounded.
    assert weights_by_layer(on_meta("lenet-300-100")) == [235_200, 30_000, 1_000]
    assert weights_by_layer(on_meta("lenet5")) == [500, 25_000, 400_000, 5_000]
    assert weights_by_layer(on_meta("alexnet")) == [
        34_848, 307_200, 884_736, 663_552, 442_368, 37_748_736, 16_777_216, 4_096_000,
    ]  # fmt: skip


def test_fire_modules_have_the_parameters_of_squeezenet_table_1():
    features = on_meta("squeezenet1-0").features
    fires = [count(module) for module in features if hasattr(module, "squeeze")]
    assert count(features[0]) == 14_208
    assert fires == [11_920, 12_432, 45_344, 49_440, 104_880, 111_024, 188_992, 197_184]


def test_squeezenet_has_the_sizes_of_its_table_1():
    model = on_meta("squeezenet1-0")
    x = torch.empty(1, *models.input_shape("squeezenet1-0"), device="meta")
    sizes = []
    for layer in model.features:
        x = layer(x)
        sizes.append(tuple(x.shape[1:]))
    fires = [size for size, layer in zip(sizes, model.features, strict=True) if hasattr(layer, "squeeze")]
    assert sizes[0] == (96, 111, 111)
    assert fires == [
        (128, 55, 55), (128, 55, 55), (256, 55, 55),
        (256, 27, 27), (384, 27, 27), (384, 27, 27), (512, 27, 27),
        (512, 13, 13),
    ]  # fmt: skip


def macs(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Multiplications of the convolutions and of the matrices, from weights and output sizes."""
    found = {nn.Conv2d: 0, nn.Linear: 0}

    def note(module, _inputs, output):
        positions = output.shape[2] * output.shape[3] if isinstance(module, nn.Conv2d) else 1
        found[type(module)] += module.weight.numel() * positions

    for module in model.modules():
        if type(module) in found:
            module.register_forward_hook(note)
    model(torch.empty(1, *shape, device="meta"))
    return found[nn.Conv2d], found[nn.Linear]


def test_vgg_nagadomi_has_the_multiplications_behind_sparse_winograds_totals():
    # 228.26 M and 5.25 M reproduce the totals of Table 1: 13.3x on the convolutions, 10.4x overall.
    conv, dense = macs(on_meta("vgg-nagadomi"), (3, 32, 32))
    assert (round(conv / 1e6, 2), round(dense / 1e6, 2)) == (228.26, 5.25)


def test_grouped_alexnet_has_the_published_flops():
    # NIPS 2015, Table 4: 211 M, 448 M, 299 M, 224 M and 150 M; 75 M, 34 M and 8 M, two a multiplication.
    conv, dense = macs(on_meta("alexnet"), models.input_shape("alexnet"))
    assert 2 * conv == pytest.approx((211 + 448 + 299 + 224 + 150) * 1e6, rel=2e-3)
    assert 2 * dense == pytest.approx((75 + 34 + 8) * 1e6, rel=1e-2)


def pairs(*layers: str) -> list[str]:
    return [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]


def fires(*indices: int) -> list[str]:
    return pairs(*(f"features.{i}.{part}" for i in indices for part in ("squeeze", "expand1x1", "expand3x3")))


ALEXNET_KEYS = pairs(
    "features.0", "features.3", "features.6", "features.8", "features.10", "classifier.1", "classifier.4", "classifier.6"
)  # fmt: skip
TORCHVISION_KEYS = {
    "alexnet": ALEXNET_KEYS,
    "alexnet-torchvision": ALEXNET_KEYS,
    "vgg16": pairs(
        "features.0", "features.2", "features.5", "features.7", "features.10", "features.12", "features.14",
        "features.17", "features.19", "features.21", "features.24", "features.26", "features.28",
        "classifier.0", "classifier.3", "classifier.6",
    ),
    "squeezenet1-0": pairs("features.0") + fires(3, 4, 5, 7, 8, 9, 10, 12) + pairs("classifier.1"),
    "squeezenet1-1": pairs("features.0") + fires(3, 4, 6, 7, 9, 10, 11, 12) + pairs("classifier.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCHVISION_KEYS)
def test_keys_are_torchvisions(name):
    assert list(on_meta(name).state_dict()) == TORCHVISION_KEYS[name]


def test_torchvision_alexnet_has_torchvisions_shapes():
    state = on_meta("alexnet-torchvision").state_dict()
    assert [tuple(v.shape) for k, v in state.items() if k.endswith("weight")] == [
        (64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3),
        (4096, 9216), (4096, 4096), (1000, 4096),
    ]  # fmt: skip


@pytest.mark.parametrize("name", models.names())
def test_every_model_takes_its_input_shape(name):
    model = on_meta(name)
    kind = torch.int64 if name == "lstm-language-model" else torch.float32
    output = model(torch.empty(2, *models.input_shape(name), dtype=kind, device="meta"))
    assert output.shape[0] == 2
    assert output.shape[-1] == {1: 65}.get(len(models.input_shape(name)), output.shape[-1])
    assert output.dim() == (3 if name == "lstm-language-model" else 2)


def test_lenet5_computes_what_its_layers_say():
    model = models.lenet5()
    x = torch.randn(3, 1, 28, 28)
    h = F.max_pool2d(F.conv2d(x, model.conv1.weight, model.conv1.bias).clamp(min=0), 2)
    h = F.max_pool2d(F.conv2d(h, model.conv2.weight, model.conv2.bias).clamp(min=0), 2)
    h = (h.reshape(3, 800) @ model.fc1.weight.T + model.fc1.bias).clamp(min=0)
    torch.testing.assert_close(model(x), h @ model.fc2.weight.T + model.fc2.bias)


def test_lenet_drops_out_only_where_asked():
    assert not [m for m in models.lenet_300_100().modules() if isinstance(m, nn.Dropout)]
    assert [m.p for m in models.lenet_300_100(dropout=0.5).modules() if isinstance(m, nn.Dropout)] == [
        0.5,
        0.5,
    ]
    assert list(models.lenet5(dropout=0.5).state_dict()) == list(models.lenet5().state_dict())


def test_residual_shortcut_is_option_a():
    block = models.resnet20().layer2[0]
    x = torch.randn(1, 16, 4, 4)
    out = block.shortcut(x)
    assert out.shape == (1, 32, 2, 2)
    for channel in range(32):
        inside = 8 <= channel < 24
        expected = x[0, channel - 8, ::2, ::2] if inside else torch.zeros(2, 2)
        assert torch.equal(out[0, channel], expected)
    assert not list(nn.Module.parameters(block.relu))


def test_lstm_classifier_equals_torchs_packed_sequences():
    model = models.lstm_classifier(features=5, hidden=7, layers=2, classes=3)
    x, lengths = torch.randn(4, 6, 5), torch.tensor([6, 2, 5, 1])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    _, (hidden, _) = model.lstm(packed)
    torch.testing.assert_close(model(x, lengths), model.fc(hidden[-1]))


def test_lstm_classifier_reads_lengths_off_the_padding():
    model = models.lstm_classifier(features=2, hidden=4)
    x, lengths = torch.randn(3, 5, 2), torch.tensor([5, 3, 1])
    # A frame of zeros amid a sequence is a frame.
    x[0, 2] = 0
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    torch.testing.assert_close(model(x), model(x, lengths))
    assert model(torch.zeros(1, 5, 2)).isfinite().all()


def test_lstm_classifier_refuses_lengths_of_another_batch():
    with pytest.raises(EfflabError, match=r"lengths has shape \(2,\).* 3 sequences"):
        models.lstm_classifier(features=2)(torch.zeros(3, 5, 2), torch.tensor([1, 2]))


def test_language_model_sees_no_future():
    model = models.lstm_language_model(11, embedding=6, hidden=6)
    tokens = torch.randint(0, 11, (2, 8))
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5], after[:, 5])


def test_language_model_carries_its_state():
    model = models.lstm_language_model(11, embedding=6, hidden=8, layers=2)
    tokens = torch.randint(0, 11, (2, 9))
    first, state = model.step(tokens[:, :4])
    second, _ = model.step(tokens[:, 4:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), model(tokens))


def test_tied_language_model_has_one_matrix():
    tied, free = (models.lstm_language_model(11, embedding=6, hidden=6, tied=tied) for tied in (True, False))
    assert tied.decoder.weight is tied.embedding.weight
    assert count(free) - count(tied) == 11 * 6
    with pytest.raises(EfflabError, match="embedding=6 and hidden=8"):
        models.lstm_language_model(11, embedding=6, hidden=8, tied=True)


def test_passport_network_learns_digits():
    digits = data.load("digits")
    torch.manual_seed(0)
    model = models.passport()
    assert count(model) < 10_000
    started = time.process_time()
    training.fit(model, digits.train, epochs=20, lr=0.1, batch_size=64, progress=False)
    assert time.process_time() - started < 20
    assert training.evaluate(model, digits.test).accuracy >= 0.97


@pytest.mark.parametrize("name", ["lenet_300_100", "LeNet-300-100", "lenet-300-100"])
def test_names_are_written_as_one_likes(name):
    assert count(models.get(name)) == 266_610


@pytest.mark.parametrize(
    ("name", "same"), [("lenet-5", "lenet5"), ("squeezenet1.0", "squeezenet1-0"), ("vgg-16", "vgg16")]
)
def test_names_of_the_papers_are_known(name, same):
    assert models.input_shape(name) == models.input_shape(same)


def test_get_passes_settings_on_and_refuses_unknown_ones():
    assert models.get("lenet5", classes=7).fc2.out_features == 7
    with pytest.raises(EfflabError, match=r"'lenet5' takes dropout, classes: .*'width'"):
        models.get("lenet5", width=3)


def test_unknown_name_is_guessed():
    with pytest.raises(EfflabError, match=r"'lenett5' is not known; did you mean lenet5\?"):
        models.resolve("lenett5")


MODULE = """
import torch
from torch import nn
class Net(nn.Module):
    class Small(nn.Linear):
        def __init__(self):
            super().__init__(3, 2)
def make():
    return nn.Linear(4, 2)
def wide(width, *, depth):
    return nn.Linear(width, depth)
def broken():
    raise RuntimeError("no luck")
def seven():
    return 7
number = 7
ready = nn.Linear(5, 2)
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_models.py").write_text(MODULE)
    (tmp_path / "own_broken.py").write_text("1 / 0")
    (tmp_path / "own_needy.py").write_text("import not_installed_anywhere")
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("own_models", "own_broken", "own_needy"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("own_module")
def test_resolve_builds_a_users_own_model_from_the_current_folder():
    before = list(sys.path)
    assert models.resolve("own_models:make").in_features == 4
    assert models.resolve("own_models:Net.Small").in_features == 3
    assert models.resolve("own_models:ready").in_features == 5
    assert models.resolve("passport")[0].out_channels == 8
    assert sys.path == before


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere_at_all:make", "no module named 'nowhere_at_all'"),
        ("own_models.deeper:make", "no module named 'own_models.deeper'"),
        ("own_needy:make", "'own_needy' needs 'not_installed_anywhere', which is not installed"),
        ("own_broken:make", "importing 'own_broken' failed: ZeroDivisionError"),
        ("own_models:nothing", "own_models has no attribute 'nothing'"),
        ("own_models:wide", r"needs arguments \(width, depth\)"),
        ("own_models:broken", "failed when called: RuntimeError: no luck"),
        ("own_models:seven", "returned a int, expected an nn.Module"),
        ("own_models:number", "is a int, expected a function"),
        ("own_models:", "neither a known name nor of the form"),
        (":make", "neither a known name nor of the form"),
        (".own_models:make", "neither a known name nor of the form"),
    ],
)
def test_resolve_says_what_is_wrong(name, sentence):
    with pytest.raises(EfflabError, match=sentence) as caught:
        models.resolve(name)
    assert "\n" not in str(caught.value)
