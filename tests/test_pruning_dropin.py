"""The calls of torch.nn.utils.prune, held against torch.nn.utils.prune itself; its checkpoints read and written."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as theirs

from efflab import pruning as ours
from efflab.errors import CheckpointError, EfflabError


def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    model = nn.Conv2d(4, 6, 3)
    return model, copy.deepcopy(model)


CALLS = {
    "l1 count": lambda p, m: p.l1_unstructured(m, "weight", amount=50),
    "l1 fraction": lambda p, m: p.l1_unstructured(m, "weight", amount=0.33),
    "l1 all": lambda p, m: p.l1_unstructured(m, "weight", amount=1.0),
    "l1 scores": lambda p, m: p.l1_unstructured(m, "weight", 0.4, importance_scores=m.weight.detach().cos()),
    "random": lambda p, m: p.random_unstructured(m, "weight", amount=0.4),
    "ln": lambda p, m: p.ln_structured(m, "weight", amount=0.5, n=2, dim=0),
    "ln inf": lambda p, m: p.ln_structured(m, "weight", amount=1, n=float("inf"), dim=1),
    "random structured": lambda p, m: p.random_structured(m, name="weight", amount=2, dim=1),
    "identity": lambda p, m: p.identity(m, "weight"),
    "custom": lambda p, m: p.custom_from_mask(m, "weight", mask=(m.weight > 0).float()),
    "global": lambda p, m: p.global_unstructured([(m, "weight"), (m, "bias")], pruning_method=p.L1Unstructured, amount=60),
    "global random": lambda p, m: p.global_unstructured([(m, "weight"), (m, "bias")], p.RandomUnstructured, amount=0.5),
    "global scores": lambda p, m: p.global_unstructured(
        [(m, "weight"), (m, "bias")], p.L1Unstructured, {(m, "weight"): m.weight.detach().cos()}, amount=0.5
    ),
}  # fmt: skip


@pytest.mark.parametrize("first", CALLS)
@pytest.mark.parametrize("second", ["none", "l1 fraction", "random", "ln", "global"])
def test_same_masks_as_torch(first, second):
    a, b = pair()
    for call in [first, *([second] if second != "none" and first != "l1 all" else [])]:
        torch.manual_seed(1)
        CALLS[call](ours, a)
        torch.manual_seed(1)
        CALLS[call](theirs, b)
    assert torch.equal(a.weight_mask, b.weight_mask.bool())
    assert torch.equal(a.weight, b.weight)
    assert isinstance(a.weight, nn.Parameter)
    assert ours.is_pruned(a)
    ours.remove(a, "weight")
    theirs.remove(b, "weight")
    assert torch.equal(a.weight, b.weight)
    assert "weight_mask" not in a.state_dict()


def test_trains_like_torch_and_copies():
    a, b = pair()
    ours.l1_unstructured(a, "weight", 0.5)
    theirs.l1_unstructured(b, "weight", 0.5)
    for model in (a, b):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        generator = torch.Generator().manual_seed(2)
        for _ in range(3):
            optimizer.zero_grad()
            x = torch.randn(2, 4, 5, 5, generator=generator)
            (model(x) + model(2 * x)).square().mean().backward()  # twice before backward
            optimizer.step()
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(a(x), b(x))
    for twin in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        with torch.no_grad():
            twin.weight.add_(1.0)
        assert not bool(twin.state_dict()["weight"][~a.weight_mask].any())
        with torch.no_grad():
            twin.weight.add_(1.0)
        twin(x)
        assert ours.sparsity(twin) == 0.5


def test_momentum_revives_nothing_in_evaluation_mode():
    a, b = pair()
    x = torch.randn(2, 4, 5, 5)
    for model in (a, b):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        model(x).square().mean().backward()
        optimizer.step()  # the momentum of every weight is alive when half of them are pruned
        (ours if model is a else theirs).l1_unstructured(model, "weight", 0.5)
        optimizer.step()
        model.eval()
    assert bool(a.weight.detach()[~a.weight_mask].any())
    assert ours.sparsity(a) == 0.5
    torch.testing.assert_close(a(x), b(x))
    assert ours.sparsity(a.weight) == 0.5


def test_torch_checkpoint_loads():
    a, b = pair()
    theirs.l1_unstructured(b, "weight", 0.5)
    with torch.no_grad():
        b.weight_orig.add_(0.1)  # trained on: the pruned originals are not zero
    b(torch.zeros(1, 4, 3, 3))
    masks = ours.load_masked_state_dict(a, b.state_dict())
    assert torch.equal(a.weight, b.weight)
    assert torch.equal(masks["weight"], b.weight_mask.bool())
    assert ours.Pruner(a).sparsity() == 0.5


def test_round_trip_through_torch():
    a, b = pair()
    ours.l1_unstructured(a, "weight", 0.5)
    theirs.identity(b, "weight")
    b.load_state_dict(ours.to_torch_prune_state_dict(a))
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(a(x), b(x))
    c, _ = pair()
    ours.load_masked_state_dict(c, ours.to_torch_prune_state_dict(a))
    assert torch.equal(c.weight, a.weight)
    ours.load_masked_state_dict(c, pair()[0].state_dict())  # a dense checkpoint takes the masks' places
    assert torch.equal(c.bias, a.bias)


def test_nested_and_tied_checkpoint():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    fresh = copy.deepcopy(model)
    theirs.random_unstructured(model[1][0], "weight", 0.5)
    ours.load_masked_state_dict(fresh, model.state_dict())
    assert torch.equal(fresh[1][0].weight, model[1][0].weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("bias"), "missing bias"),
        (lambda s: s.update(head=torch.ones(1)), "not in the model head"),
        (lambda s: s.update(weight_mask=torch.ones(2, 2)), "'weight_mask' has shape"),
        (lambda s: s.update(weight_orig=torch.ones(2, 2)), "'weight' has shape"),
        (lambda s: s.update(weight_mask=s["weight_mask"] * 0.5), "other than 0 and 1"),
    ],
)
def test_wrong_checkpoints(change, message):
    a, b = pair()
    theirs.l1_unstructured(b, "weight", 0.5)
    state = dict(b.state_dict())
    change(state)
    before = copy.deepcopy(a.state_dict())
    with pytest.raises(CheckpointError, match=message):
        ours.load_masked_state_dict(a, state)
    assert all(torch.equal(value, before[key]) for key, value in a.state_dict().items())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: ours.l1_unstructured(m, "weight", 1.5), "amount must be"),
        (lambda m: ours.l1_unstructured(m, "weight", -1), "amount must be"),
        (lambda m: ours.l1_unstructured(m, "weight", 10_000), "at most the 216 entries"),
        (lambda m: ours.random_unstructured(m, "weight", 10_000), "amount=10000"),
        (lambda m: ours.l1_unstructured(m, "kernel", 0.5), "no parameter 'kernel'; it has weight, bias"),
        (lambda m: ours.custom_from_mask(m, "weight", torch.ones(2)), r"has shape \(2,\), expected"),
        (lambda m: ours.l1_unstructured(m, "weight", 0.5, torch.ones(3)), "importance_scores of 'weight'"),
        (lambda m: ours.remove(m, "weight"), "is not pruned"),
        (lambda m: ours.ln_structured(m, "weight", 0.5, 2, 7), "dim must be an axis .* got 7 for 4 axes"),
        (lambda m: ours.global_unstructured([], ours.L1Unstructured, amount=1), "at least one"),
        (
            lambda m: ours.global_unstructured([(m, "weight")], ours.LnStructured, amount=1, n=1),
            "must be unstructured",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(EfflabError, match=message):
        call(pair()[0])
