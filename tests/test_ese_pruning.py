"""Balanced pruning: equal loads, the largest of each part, through the pruner of a model that trains."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from efflab import ese, pruning
from efflab.errors import EfflabError
from efflab.ese import balanced
from efflab.ese import pruner as pruner_module
from efflab.ese.gates import gates_in

sizes = st.tuples(st.integers(1, 24), st.integers(1, 12))
sparsities = st.floats(0, 0.999)


@settings(max_examples=200, deadline=None)
@given(sizes, sparsities, st.integers(1, 30), st.integers(0, 999))
def test_loads_are_equal_as_far_as_rows_have_room(size, sparsity, pes, seed):
    weight = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    mask = ese.balanced_mask(weight, sparsity, pes)
    assert int(mask.sum()) == mask.numel() - round(sparsity * mask.numel())
    room = [weight[k::pes].numel() for k in range(pes)]
    loads = ese.loads(mask, pes).tolist()
    free = [load for load, most in zip(loads, room, strict=True) if load < most]
    full = [load for load, most in zip(loads, room, strict=True) if load == most]
    if free:
        assert max(free) - min(free) <= 1
        assert max(full, default=0) <= max(free) + (max(free) == min(free))
    if size[0] % pes == 0:
        assert max(loads) - min(loads) <= 1


@settings(max_examples=150, deadline=None)
@given(sizes, sparsities, st.integers(1, 30), st.integers(0, 999), st.booleans())
def test_each_element_keeps_the_largest_of_its_rows(size, sparsity, pes, seed, ties):
    weight = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    if ties:
        weight = weight.round()
    mask = ese.balanced_mask(weight, sparsity, pes)
    for k in range(pes):
        own, kept = weight[k::pes].abs().ravel(), mask[k::pes].ravel()
        # Independent: a stable sort, of which the last are kept.
        order = np.argsort(own.numpy(), kind="stable")
        expected = np.zeros(own.numel(), bool)
        expected[order[own.numel() - int(kept.sum()) :]] = True
        assert kept.numpy().tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(
    sizes,
    sparsities,
    st.integers(0, 999),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_one_element_is_magnitude_pruning(size, sparsity, seed, dtype):
    weight = torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(dtype)
    assert torch.equal(ese.balanced_mask(weight, sparsity, 1), pruning.magnitude_mask(weight, sparsity))


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 8), st.integers(0, 999), sparsities, sparsities)
def test_pruning_further_never_revives(size, pes, seed, first, second):
    low, high = sorted((first, second))
    weight = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    before = ese.balanced_mask(weight, low, pes)
    changed = weight * before + 5 * torch.randn(size) * ~before
    after = ese.balanced_mask(changed, high, pes, alive=before)
    assert not bool((after & ~before).any())
    loads = ese.loads(after, pes)
    if size[0] % pes == 0:
        assert int(loads.max() - loads.min()) <= 1
        assert int(after.sum()) == after.numel() - round(high * after.numel())


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.floats(0, 1))
def test_shares_are_dealt_out_whole(room, part):
    kept = round(part * sum(room))
    given_ = ese.shares(kept, room)
    assert sum(given_) == kept
    assert all(0 <= share <= most for share, most in zip(given_, room, strict=True))
    top = max(given_)
    assert all(share == most or share >= top - 1 for share, most in zip(given_, room, strict=True))


@settings(max_examples=40, deadline=None)
@given(sizes, sparsities, st.integers(1, 30), st.integers(0, 999), st.integers(0, 2))
def test_the_passes_for_many_weights_keep_what_the_parts_keep(size, sparsity, pes, seed, digits):
    """Compiled loops against NumPy, with ties, zeros and infinities among the weights."""
    weight = torch.randn(size, generator=torch.Generator().manual_seed(seed)).round(decimals=digits)
    if digits == 2:
        weight[0, 0] = -torch.inf
    expected = ese.balanced_mask(weight, sparsity, pes)
    room = [weight[k::pes].numel() for k in range(pes)]
    given_ = ese.shares(weight.numel() - round(sparsity * weight.numel()), room)
    assert (balanced._keep_by_bits(weight, given_) == expected.numpy()).all()


def test_many_weights_are_ranked_in_any_dtype():
    torch.manual_seed(0)
    weight = torch.randn(640, 512)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        rounded = weight.to(dtype)
        mask = ese.balanced_mask(rounded, 0.9, 32)
        assert torch.equal(mask, ese.balanced_mask(rounded.double(), 0.9, 32))
        assert ese.loads(mask, 32).unique().numel() <= 2
    weight[3, 3] = torch.nan
    with pytest.raises(EfflabError, match="NaN"):
        ese.balanced_mask(weight, 0.9, 32)


def test_layouts_and_views_do_not_matter():
    weight = torch.randn(12, 20)
    mask = ese.balanced_mask(weight, 0.7, 4)
    assert torch.equal(ese.balanced_mask(weight.T.contiguous().T, 0.7, 4), mask)
    assert torch.equal(ese.balanced_mask(torch.randn(24, 20)[::2].copy_(weight), 0.7, 4), mask)
    assert torch.equal(ese.balanced_mask(nn.Parameter(weight), 0.7, 4), mask)


def test_balance_is_mean_over_largest():
    weight = torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert ese.loads(weight, 2).tolist() == [3, 1]
    assert ese.balance(weight, 2) == 4 / 6
    assert ese.balance(torch.zeros(3, 3), 2) == 1
    assert ese.balance(torch.ones(2, 3), 8) == 2 / 8


@pytest.mark.parametrize(
    ("layer", "parameter", "gates"),
    [
        (nn.LSTM(6, 16, proj_size=8), "weight_ih_l0", 4),
        (nn.LSTM(6, 16, num_layers=2, bidirectional=True), "weight_hh_l1_reverse", 4),
        (nn.LSTMCell(6, 16), "weight_ih", 4),
        (nn.GRU(6, 16), "weight_hh_l0", 3),
        (nn.RNN(6, 16), "weight_hh_l0", 1),
        (nn.LSTM(6, 16, proj_size=8), "weight_hr_l0", 1),
        (ese.LSTM(6, 16, proj_size=8), "weight_hh_l0", 4),
        (nn.Linear(6, 16), "weight", 1),
        (nn.Conv2d(6, 16, 3), "weight", 1),
    ],
)  # fmt: skip
def test_every_matrix_of_any_layer_is_balanced(layer, parameter, gates):
    torch.manual_seed(0)
    pruner = ese.prune_(layer, ese.Balanced(0.75, pes=4))
    assert gates_in(layer, parameter) == gates
    for block in pruner.masks[parameter].flatten(1).chunk(gates):
        loads = ese.loads(block, 4)
        assert int(loads.max() - loads.min()) <= 1
        assert int(loads.sum()) == block.numel() - round(0.75 * block.numel())
    assert bool((getattr(layer, parameter)[~pruner.masks[parameter]] == 0).all())


def test_a_transposed_convolution_is_dealt_out_by_its_outputs():
    layer = nn.ConvTranspose2d(6, 16, 3)
    mask = ese.prune_(layer, ese.Balanced(0.75, pes=4)).masks["weight"]
    assert ese.loads(mask.movedim(1, 0).flatten(1), 4).unique().numel() == 1


def test_pruned_weights_stay_zero_while_it_trains_and_masks_travel(tmp_path):
    torch.manual_seed(0)
    model = nn.ModuleDict({"lstm": ese.LSTM(5, 16, proj_size=8), "fc": nn.Linear(8, 3)})
    schedule = pruning.Steps((0.5, 1.0))
    pruner = ese.BalancedPruner(model, {"lstm": ese.Balanced(0.8, pes=4)}, schedule=schedule)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=0.1)
    pruner.attach(optimizer)
    x, target = torch.randn(4, 6, 5), torch.tensor([0, 1, 2, 0])
    for share in (0.4, 0.8):
        pruner.step()
        assert pruner.sparsity() == pytest.approx(share, abs=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model["fc"](model["lstm"](x)[0][:, -1]), target).backward()
            optimizer.step()
        for name, mask in pruner.masks.items():
            assert not model.get_parameter(name)[~mask].any()
    assert model["fc"].weight.all()
    saved = copy.deepcopy(model.state_dict())
    assert "lstm.weight_ih_l0_mask" in saved
    state = pruner.state_dict()
    again = nn.ModuleDict({"lstm": ese.LSTM(5, 16, proj_size=8), "fc": nn.Linear(8, 3)})
    other = ese.BalancedPruner(again, {"lstm": ese.Balanced(0.8, pes=4)}, schedule=pruning.Steps((0.5, 1.0)))
    again.load_state_dict(saved)
    other.load_state_dict(state)
    assert other.sparsity() == pruner.sparsity()
    assert other.tick == 2
    pruner.finalize()
    assert not [name for name in model.state_dict() if name.endswith("_mask")]
    assert {ese.balance(matrix, 4) > 0.9 for matrix in ese.matrices(model["lstm"]).values()} == {True}


@settings(max_examples=100, deadline=None)
@given(sizes, st.integers(1, 30), sparsities, st.floats(0, 1), st.integers(0, 999))
def test_shares_are_dealt_over_what_is_alive_however_uneven(size, pes, sparsity, density, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(size, generator=generator)
    alive = torch.rand(size, generator=generator) < density
    mask = ese.balanced_mask(weight, sparsity, pes, alive)
    assert not bool((mask & ~alive).any())
    zeros = max(round(sparsity * mask.numel()), int((~alive).sum()))
    assert int((~mask).sum()) == zeros
    room, loads = ese.loads(alive, pes).tolist(), ese.loads(mask, pes).tolist()
    top = max(loads)
    assert all(load == most or load >= top - 1 for load, most in zip(loads, room, strict=True))
    for k in range(pes):
        own = weight[k::pes].abs()
        kept, left = own[mask[k::pes]], own[alive[k::pes] & ~mask[k::pes]]
        assert not (kept.numel() and left.numel()) or kept.min() >= left.max()


def test_an_uneven_mask_of_magnitudes_is_balanced_exactly():
    torch.manual_seed(0)
    weight = torch.randn(64, 32)
    weight[::8] *= 4
    alive = ese.balanced_mask(weight, 0.5, 1)
    assert ese.balance(alive, 8) < 0.6
    assert int((~ese.balanced_mask(weight, 0.5, 8, alive)).sum()) == 1024
    further = ese.balanced_mask(weight, 0.75, 8, alive)
    assert int((~further).sum()) == 1536
    assert ese.loads(further, 8).tolist() == [64] * 8


@pytest.mark.parametrize("config", [ese.Balanced(0.5, pes=4), {"*": ese.Balanced(0.5, pes=4)}])
def test_the_plain_pruner_refuses_what_it_would_not_balance(config):
    layer = nn.LSTM(8, 16)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with pytest.raises(EfflabError, match=r"efflab\.ese\.prune_ is that of efflab\.ese\.Balanced"):
        pruning.prune_(layer, config)
    assert list(layer.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_the_first_masks_are_chosen_without_an_earlier_one(monkeypatch):
    """A mask of ones beside the weight would keep the compiled passes from being used."""
    seen = []

    def spy(weight, sparsity, pes, alive=None):
        seen.append(alive is None)
        return balanced.balanced_mask(weight, sparsity, pes, alive)

    monkeypatch.setattr(pruner_module, "balanced_mask", spy)
    schedule = pruning.Steps((0.5, 1.0))
    pruner = ese.BalancedPruner(ese.LSTM(5, 16), ese.Balanced(0.8, pes=4), schedule=schedule)
    pruner.step()
    assert seen == [True] * 8
    pruner.step()
    assert seen[8:] == [False] * 8


def test_any_integral_number_of_elements_will_do():
    weight = torch.randn(8, 6)
    two = np.int64(2)
    assert torch.equal(ese.balanced_mask(weight, 0.5, two), ese.balanced_mask(weight, 0.5, 2))
    assert ese.balance(weight, two) == ese.balance(weight, 2)
    assert ese.Balanced(0.5, pes=two) == ese.Balanced(0.5, pes=2)
    assert type(ese.Machine(pes=two).word_bytes) is int


def test_other_configurations_still_work_beside_it():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    pruner = ese.prune_(model, {"0": ese.Balanced(0.5, pes=2), "1": pruning.NM(1, 4)})
    assert ese.loads(pruner.masks["0.weight"], 2).tolist() == [16, 16]
    assert pruner.masks["1.weight"].view(-1, 4).sum(1).unique().tolist() == [1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ese.balanced_mask(torch.ones(4), 0.5, 2), r"must be a matrix \(rows, columns\), got shape \(4,\)"),
        (lambda: ese.balanced_mask(np.ones((2, 2)), 0.5, 2), "must be a matrix"),
        (lambda: ese.balanced_mask(torch.ones(4, 4), 1.0, 2), r"sparsity must lie in \[0, 1\), got 1.0"),
        (lambda: ese.balanced_mask(torch.ones(4, 4), 0.5, 0), "pes must be a whole number of at least 1, got 0"),
        (lambda: ese.balanced_mask(torch.full((4, 4), torch.nan), 0.5, 2), "NaN"),
        (lambda: ese.balanced_mask(torch.ones(4, 4), 0.5, 2, torch.ones(2, 2, dtype=torch.bool)), "alive must have"),
        (lambda: ese.balanced_mask(torch.ones(4, 4), 0.5, 2, torch.ones(4, 4)), "and be Boolean, got shape .* of torch.float32"),
        (lambda: ese.balanced_mask(torch.ones(4, 4, dtype=torch.bool), 0.5, 2), "weight must be of a floating dtype, got torch.bool"),
        (lambda: ese.balanced_mask(torch.ones(4, 4), 0.5, 2.0), "pes must be a whole number of at least 1, got 2.0"),
        (lambda: ese.balance(torch.ones(4, 4), None), "pes must be a whole number of at least 1, got None"),
        (lambda: ese.Balanced(0.5, pes=True), "pes must be a whole number"),
        (lambda: ese.Balanced(1.5), "sparsity"),
        (lambda: ese.Balanced(0.5, scope="global"), "scope must be 'layer'"),
        (lambda: ese.prune_(nn.Linear(2, 2), {"nothing": ese.Balanced(0.5)}), "no prunable layer matches"),
        (lambda: ese.prune_(_with_nan(), ese.Balanced(0.5)), "layer '0.weight_ih_l0' holds NaN"),
    ],
)  # fmt: skip
def test_says_what_is_wrong(call, words):
    with pytest.raises(EfflabError, match=words):
        call()


def _with_nan():
    model = nn.Sequential(nn.LSTM(3, 4))
    nn.init.constant_(model[0].weight_ih_l0, torch.nan)
    return model
