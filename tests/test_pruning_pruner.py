"""Masks over training: they hold under any optimiser, survive copies and files, and follow schedules."""

import copy
import itertools

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from efflab import pruning
from efflab.errors import EfflabError
from efflab.pruning import NM, Channel, Magnitude, Pruner, Quality, prune_

untimed = settings(deadline=None)  # the first call compiles


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 4))


def train(model, optimizers, steps=5, scale=1.0):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(
            model(torch.randn(32, 12, generator=generator)), torch.randint(4, (32,), generator=generator)
        )
        for optimizer in optimizers:
            optimizer.zero_grad()
        (scale * loss).backward()
        for optimizer in optimizers:
            optimizer.step()


def assert_exact_zeros(model, masks):
    """Zero, and not -0: the bits are all clear."""
    for name, mask in masks.items():
        pruned = model.get_parameter(name).detach()[~mask]
        assert pruned.numel() > 0
        assert not bool(pruned.view(torch.int32).any()), name


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("late", [False, True])
def test_pruned_weights_stay_zero(name, late):
    model = net()
    optimizer = OPTIMIZERS[name](model.parameters())
    if late:
        train(model, [optimizer])  # momentum of weights that are about to go
    pruner = prune_(model, Magnitude(0.8))
    pruner.attach(optimizer)
    before = model[0].weight.detach().clone()
    train(model, [optimizer])
    assert_exact_zeros(model, pruner.masks)
    assert not torch.equal(model[0].weight, before)
    assert pruning.sparsity(model) == pytest.approx(0.8, abs=0.01)


def test_groups_two_optimizers_and_loaded_state():
    model = net()
    pruner = prune_(model, Magnitude(0.7, scope="layer"))
    sgd = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.2}, {"params": model[2].parameters()}],
        lr=0.1,
        momentum=0.9,
    )
    adam = torch.optim.Adam(model[3].parameters(), lr=0.1)
    for optimizer in (sgd, adam):
        pruner.attach(optimizer)
    train(model, [sgd, adam])
    sgd.load_state_dict(copy.deepcopy(sgd.state_dict()))
    adam.load_state_dict(copy.deepcopy(adam.state_dict()))
    train(model, [sgd, adam])
    assert_exact_zeros(model, pruner.masks)


def test_survivors_train_as_with_torch_prune():
    """Masking after the step is what torch's reparametrisation computes, for element-wise optimisers."""
    ours, theirs = net(), net()
    pruner = prune_(ours, Magnitude(0.6, scope="layer"))
    for i in (0, 3):
        torch.nn.utils.prune.custom_from_mask(theirs[i], "weight", ours.get_buffer(f"{i}.weight_mask"))
    first = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    pruner.attach(first)
    train(ours, [first])
    train(theirs, [torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)])
    x = torch.randn(8, 12)
    theirs.eval(), ours.eval()
    torch.testing.assert_close(ours(x), theirs(x))


def test_infinite_and_negative_weights_become_plus_zero():
    model = net()
    pruner = prune_(model, Magnitude(0.5))
    with torch.no_grad():
        model[0].weight.fill_(float("-inf"))
        model[3].weight.fill_(float("nan"))
    pruner.apply()
    assert_exact_zeros(model, pruner.masks)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes(dtype):
    model = net().to(dtype)
    pruner = prune_(model, Magnitude(0.5))
    with torch.no_grad():
        model[0].weight.sub_(1.0)
    pruner.apply()
    assert pruning.sparsity(model) == 0.5
    model.float()
    with torch.no_grad():
        model[0].weight.sub_(1.0)
    pruner.apply()
    assert_exact_zeros(model, pruner.masks)


def test_large_weight_is_erased_and_autograd_knows():
    layer = nn.Linear(1100, 1000, bias=False)
    version = layer.weight._version
    pruner = prune_(layer, Magnitude(0.9))
    assert_exact_zeros(layer, pruner.masks)
    assert layer.weight._version > version


def test_deepcopy_state_dict_and_files(tmp_path):
    model = net()
    pruner = prune_(model, Magnitude(0.8))
    twin = copy.deepcopy(model)
    again = Pruner(twin)
    assert again.sparsity() == pruner.sparsity()
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.1)
    again.attach(optimizer)
    train(twin, [optimizer])
    assert_exact_zeros(twin, again.masks)
    assert_exact_zeros(model, pruner.masks)

    torch.save(model.state_dict(), tmp_path / "model.pt")
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    for state in (
        torch.load(tmp_path / "model.pt", weights_only=True),
        safetensors.torch.load_file(tmp_path / "model.safetensors"),
    ):
        fresh = net()
        loaded = pruning.load_masked_state_dict(fresh, state)
        assert loaded.keys() == pruner.masks.keys()
        assert torch.equal(fresh[0].weight, model[0].weight)
        assert torch.equal(Pruner(fresh).masks["3.weight"], pruner.masks["3.weight"])
    target = net()
    Pruner(target, Magnitude(0.8))
    target.load_state_dict(model.state_dict())
    assert torch.equal(target[0].weight_mask, model[0].weight_mask)
    torch.save(model, tmp_path / "whole.pt")


def test_masks_follow_a_loaded_state():
    model = net()
    pruner = prune_(model, Magnitude(0.5))
    pruner.apply()
    other = net()
    prune_(other, Magnitude(0.9))
    model.load_state_dict(other.state_dict())
    with torch.no_grad():
        model[0].weight.add_(1.0)
    pruner.apply()
    assert torch.equal(model[0].weight != 0, other[0].weight_mask)


def test_finalize_leaves_no_trace():
    model = net()
    keys = list(model.state_dict())
    pruner = prune_(model, Magnitude(0.8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner.attach(optimizer)
    assert pruner.finalize() is model
    assert list(model.state_dict()) == keys
    assert pruning.sparsity(model) == pytest.approx(0.8, abs=0.01)
    train(model, [optimizer])
    assert pruning.sparsity(model) == 0.0


class Peephole(nn.Module):
    """A user's own layer."""

    def __init__(self):
        super().__init__()
        self.weight_ic = nn.Parameter(torch.randn(3, 4))
        self.position = nn.Parameter(torch.randn(3, 4))


def everything() -> nn.Module:
    model = nn.ModuleDict({
        "lstm": nn.LSTM(5, 6, num_layers=2, bidirectional=True, proj_size=3),
        "gru": nn.GRUCell(5, 6),
        "up": nn.ConvTranspose2d(4, 6, 2, groups=2),
        "conv": nn.Conv1d(4, 4, 3, groups=4),
        "attention": nn.MultiheadAttention(8, 2),
        "words": nn.Embedding(7, 8),
        "norm": nn.LayerNorm((3, 4)),
        "own": Peephole(),
        "decoder": nn.Linear(8, 7),
        "again": nn.Linear(5, 5),
    })  # fmt: skip
    model["decoder"].weight = model["words"].weight
    return model


def test_prunable_layers_of_everything():
    names = set(pruning.prunable_layers(everything()))
    assert {
        "lstm.weight_ih_l0",
        "lstm.weight_hr_l1_reverse",
        "gru.weight_hh",
        "up.weight",
        "conv.weight",
    } <= names
    assert {"attention.in_proj_weight", "attention.out_proj.weight", "own.weight_ic", "again.weight"} <= names
    assert not {
        name
        for name in names
        if "bias" in name or name.startswith(("words", "norm", "decoder")) or name == "own.position"
    }
    chosen = pruning.prunable_layers(everything(), lambda module, fqn: fqn in {"words", "own"})
    assert list(chosen) == ["words.weight", "own.weight_ic", "own.position"]


@pytest.mark.parametrize(
    "config",
    [
        Magnitude(0.5),
        Magnitude(0.5, "layer"),
        Magnitude(0.5, "deviation"),
        Quality(0.7),
        NM(1, 4),
        Channel(0.5),
    ],
)
def test_every_method_on_everything(config):
    model = everything()
    pruner = prune_(model, config)
    for name, mask in pruner.masks.items():
        assert torch.equal(model.get_parameter(name) != 0, mask)
    assert 0.3 < pruner.sparsity() < 0.8
    if not isinstance(config, Quality | NM):
        assert pruner.sparsity() == pytest.approx(0.5, abs=0.03)


def test_transposed_channels_by_group():
    layer = nn.ConvTranspose2d(4, 6, 2, groups=2)  # 4 inputs, 2 groups of 3 output channels
    mask = prune_(layer, Channel(0.5)).masks["weight"]
    norms = torch.stack([layer.weight_mask[2 * g : 2 * g + 2].float().mean(dim=(0, 2, 3)) for g in range(2)])
    assert mask.shape == (4, 3, 2, 2)
    assert sorted(norms.flatten().tolist()) == [0, 0, 0, 1, 1, 1]


def test_lstm_trains_pruned():
    model = nn.LSTM(5, 6, num_layers=2)
    pruner = prune_(model, Magnitude(0.75))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    pruner.attach(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 2, 5))[0].square().mean().backward()
        optimizer.step()
    assert_exact_zeros(model, pruner.masks)
    assert copy.deepcopy(model)(torch.randn(4, 2, 5))[0].shape == (4, 2, 6)


def test_tied_weights_are_pruned_once():
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    model[1].weight = model[0].weight
    pruner = prune_(model, Magnitude(0.5))
    assert list(pruner.masks) == ["0.weight"]
    assert model[1].weight is model[0].weight
    assert int(model[1].weight.count_nonzero()) == 18


def test_patterns():
    model = nn.ModuleDict(
        {
            "features": nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)),
            "fc1": nn.Linear(8, 8),
            "fc2": nn.Linear(8, 8),
        }
    )
    pruner = prune_(
        model, {"features.1": Magnitude(0.25), "features": Magnitude(0.5), "fc*": Magnitude(0.75)}
    )
    masks = {name: pruning.sparsity(mask) for name, mask in pruner.masks.items()}
    assert masks["features.1.weight"] == 0.25
    assert masks["features.0.weight"] == 0.5
    assert masks["fc1.weight"] + masks["fc2.weight"] == pytest.approx(1.5)
    with pytest.raises(EfflabError, match=r"no prunable layer matches 'fc9'; close names: .*fc1"):
        prune_(model, {"fc9": Magnitude(0.5)})
    with pytest.raises(EfflabError, match="config must be"):
        prune_(model, 0.5)


def test_deviation_scope_is_one_quality_for_all_layers():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 50), nn.Linear(50, 40))
    with torch.no_grad():
        model[1].weight.mul_(100)
    dense = copy.deepcopy(model)
    prune_(model, Magnitude(0.8, scope="deviation"))
    ratios = [dense[i].weight.abs() / dense[i].weight.std(correction=0) for i in (0, 1)]
    pruned = torch.cat([ratio[model[i].weight == 0] for i, ratio in enumerate(ratios)])
    kept = torch.cat([ratio[model[i].weight != 0] for i, ratio in enumerate(ratios)])
    assert pruned.max() < kept.min()
    assert pruning.sparsity(model) == pytest.approx(0.8)


SCHEDULES = [
    pruning.Constant(),
    pruning.Linear(4),
    pruning.Linear(3, begin=2),
    pruning.Cubic(5),
    pruning.Cubic(4, 1, 0.2),
    pruning.Steps([0.3, 0.6, 0.9]),
]


@untimed
@given(st.sampled_from(SCHEDULES), st.floats(0.01, 0.99))
def test_schedules_rise_to_the_target(schedule, final):
    values = [schedule.target(final, tick) for tick in range(schedule.length + 3)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(values))
    assert values[schedule.length :] == pytest.approx([final] * 3)
    twin = type(schedule)(
        *(
            [[1.0]]
            if isinstance(schedule, pruning.Steps)
            else []
            if isinstance(schedule, pruning.Constant)
            else [9]
        )
    )
    twin.load_state_dict(schedule.state_dict())
    assert twin == schedule


@pytest.mark.parametrize("config", [NM(2, 4), Channel(0.5), Magnitude(0.5)])
@pytest.mark.parametrize("last", [0.09, 0.41, 0.87, 0.9, 3.0])
def test_steps_end_at_the_configuration_itself(config, last):
    assert pruning.Steps([last / 3, last]).target(1.0, 2) == 1.0
    model = nn.Linear(8, 8)
    pruner = Pruner(model, config, pruning.Steps([last / 3, last]))
    pruner.step()
    pruner.step()
    assert pruner.sparsity() == 0.5


@pytest.mark.parametrize("key", ["rate", None])
def test_settings_of_another_schedule_are_refused(key):
    pruner = Pruner(net(), Magnitude(0.5), pruning.Linear(3))
    pruner.step()
    state = pruner.state_dict()
    if key is None:
        del state["schedule"]["begin"]
    else:
        state["schedule"][key] = 1
    with pytest.raises(EfflabError, match=r"a saved Linear schedule holds \['begin', 'steps'\], got"):
        pruner.load_state_dict(state)


def test_cubic_is_the_formula():
    assert pruning.Cubic(10, 0, 0.1).target(0.9, 3) == pytest.approx(0.9 + (0.1 - 0.9) * (1 - 0.3) ** 3)


def test_scheduled_pruning_resumes():
    whole, part = net(), net()
    one = Pruner(whole, Magnitude(0.9), pruning.Cubic(4))
    seen = []
    for _ in range(5):
        one.step()
        seen.append(one.sparsity())
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(0.9, abs=0.01)
    first = Pruner(part, Magnitude(0.9), pruning.Cubic(4))
    first.step()
    saved, weights = first.state_dict(), part.state_dict()
    fresh = net()
    second = Pruner(fresh, Magnitude(0.9), pruning.Cubic(1))
    fresh.load_state_dict(weights)
    second.load_state_dict(saved)
    for _ in range(4):
        second.step()
    assert torch.equal(fresh[0].weight, whole[0].weight)


def test_pruning_is_never_undone_and_counts_alive_zeros_once():
    model = nn.Linear(10, 10, bias=False)
    pruner = prune_(model, Magnitude(0.3))
    with torch.no_grad():
        model.weight[0] = torch.where(
            model.weight_mask[0], 0.0, model.weight[0]
        )  # survivors that happen to be zero
    before = model.weight_mask.clone()
    again = prune_(model, Magnitude(0.4))
    assert not bool((again.masks["weight"] & ~before).any())
    assert again.sparsity() == pytest.approx(0.4)
    prune_(model, Magnitude(0.1))
    assert Pruner(model).sparsity() == pytest.approx(0.4)
    assert pruner.masks["weight"] is model.weight_mask


def test_gradients_can_be_masked():
    model = net()
    pruner = prune_(model, Magnitude(0.5))
    model(torch.randn(4, 12)).sum().backward()
    pruner.mask_gradients()
    assert not bool(model[0].weight.grad[~pruner.masks["0.weight"]].any())


def test_errors_are_sentences():
    with pytest.raises(EfflabError, match="Sequential has no prunable layers"):
        prune_(nn.Sequential(nn.ReLU()), Magnitude(0.5))
    with pytest.raises(EfflabError, match="filter_fn chose none"):
        prune_(net(), Magnitude(0.5), lambda *_: False)
    with pytest.raises(EfflabError, match="has no masks"):
        Pruner(net())
    with pytest.raises(EfflabError, match="run the model once"):
        prune_(nn.LazyLinear(3), Magnitude(0.5))
    with pytest.raises(EfflabError, match=r"sparsity must lie in \[0, 1\), got 1\.2"):
        Magnitude(1.2)
    with pytest.raises(EfflabError, match="scope"):
        Magnitude(0.2, scope="row")
    model = net()
    with torch.no_grad():
        model[3].weight[0, 0] = float("nan")
    for config in (Magnitude(0.5), Quality(1.0), NM(), Channel(0.5), Magnitude(0.5, "deviation")):
        with pytest.raises(EfflabError, match=r"'3\.weight' holds NaN"):
            prune_(copy.deepcopy(model), config)
    hooked = net()
    torch.nn.utils.prune.l1_unstructured(hooked[0], "weight", 0.5)
    with pytest.raises(EfflabError, match=r"held by torch\.nn\.utils\.prune"):
        prune_(hooked, Magnitude(0.5))
    with pytest.raises(EfflabError, match="a pruner's state"):
        prune_(net(), Magnitude(0.5)).load_state_dict({})
