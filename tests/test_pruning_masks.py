"""Which weights are kept: against sorting, brute force, torch.nn.utils.prune and the paper's formulas."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn.utils import prune as torch_prune

from efflab import pruning
from efflab.errors import EfflabError
from efflab.pruning import _kernels, _select

untimed = settings(deadline=None)  # the first call compiles
finite = st.floats(width=32, allow_nan=False)
arrays = hnp.arrays(np.float32, st.integers(1, 200), elements=finite)
few_values = hnp.arrays(
    np.float32, st.integers(1, 200), elements=st.sampled_from([-1.0, -0.0, 0.0, 0.5, -0.5, 1.0, 2.0])
)
sparsities = st.floats(0, 1, exclude_max=True)


def expected_mask(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """The rule in one line of NumPy: a stable sort by magnitude, the first ``round(s n)`` go."""
    keep = np.ones(weight.size, bool)
    keep[np.argsort(np.abs(weight).ravel(), kind="stable")[: round(sparsity * weight.size)]] = False
    return keep.reshape(weight.shape)


@untimed
@given(st.one_of(arrays, few_values), sparsities)
def test_magnitude_mask_is_a_stable_sort(weight, sparsity):
    mask = pruning.magnitude_mask(torch.from_numpy(weight), sparsity)
    assert np.array_equal(mask.numpy(), expected_mask(weight, sparsity))


@untimed
@given(st.one_of(arrays, few_values), sparsities)
def test_threshold_is_the_largest_magnitude_pruned(weight, sparsity):
    count = round(sparsity * weight.size)
    threshold = pruning.magnitude_threshold(torch.from_numpy(weight), sparsity)
    assert threshold == (np.partition(np.abs(weight), count - 1)[count - 1] if count else 0.0)


@untimed
@given(st.one_of(arrays, few_values), st.one_of(arrays, few_values), sparsities)
def test_compiled_selection_agrees_with_torch(first, second, sparsity):
    weights = {"a": torch.from_numpy(first), "b": torch.from_numpy(second)}
    count = round(sparsity * (first.size + second.size))
    expected, threshold = _select._cut_scores({name: w.abs() for name, w in weights.items()}, count)
    if count:
        got, compiled = _select._cut_bits(weights, count)
        assert compiled == threshold
        for name in weights:
            assert torch.equal(got[name], expected[name])


@untimed
@given(few_values, st.data())
def test_histogram_finds_the_same_cut(weight, data):
    count = data.draw(st.integers(1, weight.size))
    cut = _select._find_cut_by_histogram([weight.view(np.uint32)], count)
    magnitudes = np.sort(np.abs(weight))
    assert cut.threshold == magnitudes[count - 1]
    assert cut.equal == np.count_nonzero(magnitudes == cut.threshold)
    assert cut.ties == count - np.count_nonzero(magnitudes < cut.threshold)


@untimed
@given(arrays, finite, finite)
def test_kernels_as_plain_python(weight, one, other):
    low, high = sorted((abs(np.float32(one)), abs(np.float32(other))))
    bits, bounds = weight.view(np.uint32), (low.view(np.uint32), high.view(np.uint32))
    found = np.empty(4096, np.uint32)
    with np.errstate(over="ignore"):
        below, inside, largest = _kernels.bracket.py_func(bits, *bounds, found)
    magnitude = np.abs(weight)
    assert below == np.count_nonzero(magnitude < low)
    assert sorted(found[:inside].view(np.float32)) == sorted(
        magnitude[(magnitude >= low) & (magnitude <= high)]
    )
    assert largest.view(np.float32) == magnitude.max()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["normal", "mostly zero", "one value", "misleading sample"])
def test_large_tensors(kind, threads):
    rng = np.random.default_rng(0)
    total = _select.LARGE + 1234
    weight = rng.standard_normal(total, dtype=np.float32)
    if kind == "mostly zero":
        weight[rng.random(total) < 0.8] = 0.0
    elif kind == "one value":
        weight[:] = 0.25
    elif kind == "misleading sample":
        weight[:: total // _select.SAMPLE] = 1e-9
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for sparsity in (0.0, 0.5, 0.9, 1 - 1e-6):
            pieces = {"a": torch.from_numpy(weight[:1000]), "b": torch.from_numpy(weight[1000:])}
            masks = pruning.global_masks(pieces, sparsity)
            got = np.concatenate([masks["a"].numpy(), masks["b"].numpy()])
            assert np.array_equal(got, expected_mask(weight, sparsity))
    finally:
        torch.set_num_threads(before)


def test_global_is_torch_where_magnitudes_differ():
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(40, 30))
    for parameter in model.parameters():
        nn.init.normal_(parameter, generator=generator)
    weights = {"0": model[0].weight.detach().clone(), "1": model[1].weight.detach().clone()}
    torch_prune.global_unstructured(
        [(model[0], "weight"), (model[1], "weight")], torch_prune.L1Unstructured, amount=0.7
    )
    masks = pruning.global_masks(weights, 0.7)
    assert torch.equal(masks["0"], model[0].weight_mask.bool())
    assert torch.equal(masks["1"], model[1].weight_mask.bool())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtypes_and_layouts(dtype):
    weight = torch.randn(6, 5, 4, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = expected_mask(weight.double().numpy(), 0.6)
    assert np.array_equal(pruning.magnitude_mask(weight, 0.6).numpy(), expected)
    strided = weight.to(memory_format=torch.channels_last)
    assert np.array_equal(pruning.magnitude_mask(strided, 0.6).numpy(), expected)
    assert np.array_equal(
        pruning.magnitude_mask(weight.transpose(0, 3), 0.5).numpy(),
        expected_mask(weight.double().numpy().transpose(3, 1, 2, 0), 0.5),
    )


def test_large_strided_weight():
    weight = torch.randn(1100, 1000, generator=torch.Generator().manual_seed(1)).t()
    assert np.array_equal(pruning.magnitude_mask(weight, 0.6).numpy(), expected_mask(weight.numpy(), 0.6))


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_fallback_on_any_device(device):
    """What a GPU runs, held against the compiled path; on a machine without one, on the CPU."""
    weight = torch.randn(2000, 700, generator=torch.Generator().manual_seed(0)).mul(50).round()
    count = round(0.9 * weight.numel())
    mask = _select._cut_scores({"w": weight.abs().to(device)}, count)[0]["w"]
    assert torch.equal(mask.cpu(), pruning.magnitude_mask(weight, 0.9))


@untimed
@given(arrays, sparsities, sparsities)
def test_masks_never_grow(weight, one, other):
    low, high = sorted((one, other))
    weights = {"w": torch.from_numpy(weight)}
    first = pruning.global_masks(weights, low)
    weights["w"] = torch.where(first["w"], weights["w"], 0.0)
    second = pruning.global_masks(weights, high, alive=first)["w"]
    assert not bool((second & ~first["w"]).any())
    assert int((~second).sum()) == round(high * weight.size)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan"), True, "0.5", None])
def test_sparsity_out_of_range(sparsity):
    with pytest.raises(EfflabError, match=r"sparsity must lie in \[0, 1\)"):
        pruning.magnitude_mask(torch.ones(3), sparsity)


@pytest.mark.parametrize("size", [10, _select.LARGE + 10])
@pytest.mark.parametrize("value", [float("nan"), -float("nan")])
def test_nan_names_the_layer(size, value):
    weights = {"fc1.weight": torch.ones(size), "fc2.weight": torch.ones(size)}
    weights["fc2.weight"][3] = value
    with pytest.raises(EfflabError, match=r"'fc2\.weight' holds NaN \(1 of"):
        pruning.global_masks(weights, 0.5)


def test_infinite_weights_are_the_largest():
    weight = torch.randn(_select.LARGE + 10)
    weight[7] = float("-inf")
    mask = pruning.magnitude_mask(weight, 1 - 1.5 / weight.numel())
    assert mask[7]


def test_integers_are_refused():
    with pytest.raises(EfflabError, match=r"floating-point numbers, got torch\.int64"):
        pruning.magnitude_mask(torch.arange(4), 0.5)


@untimed
@given(arrays, st.floats(0, 5))
def test_quality_is_times_the_deviation(weight, quality):
    weight = np.clip(weight, -1e6, 1e6)
    threshold = quality * np.std(weight.astype(np.float64))
    tensor = torch.from_numpy(weight)
    assert math.isclose(pruning.quality_threshold(tensor, quality), threshold, rel_tol=1e-9, abs_tol=1e-12)
    far = np.abs(np.abs(weight) - threshold) > 1e-6 * (1 + threshold)
    assert np.array_equal(
        pruning.quality_mask(tensor, quality).numpy()[far], (np.abs(weight) >= threshold)[far]
    )


def test_quality_of_a_normal_layer():
    """P(|w| < t sigma) = erf(t / sqrt 2) for a normal layer."""
    weight = torch.randn(300_000, generator=torch.Generator().manual_seed(0)) * 0.02
    kept = pruning.quality_mask(weight, 1.5).double().mean()
    assert float(kept) == pytest.approx(1 - math.erf(1.5 / math.sqrt(2)), abs=2e-3)


def test_quality_within_survivors():
    weight = torch.tensor([1.0, -2.0, 3.0, 100.0])
    alive = torch.tensor([True, True, True, False])
    assert pruning.quality_threshold(weight, 2.0, alive) == pytest.approx(2 * np.std([1, -2, 3]))
    assert not pruning.quality_mask(weight, 0.0, alive)[3]


@untimed
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 11)), elements=finite),
    st.integers(1, 5),
    st.integers(0, 4),
)
def test_n_m_against_brute_force(weight, n, extra):
    m = n + extra
    mask = pruning.n_m_mask(torch.from_numpy(weight), n, m).numpy()
    for row, keep in zip(np.abs(weight).astype(np.float64), mask, strict=True):
        for start in range(0, row.size, m):
            block, kept = row[start : start + m], keep[start : start + m]
            best = max(sum(c) for c in itertools.combinations(block, min(n, block.size)))
            assert kept.sum() == min(n, block.size)
            assert block[kept].sum() == pytest.approx(best)


def test_n_m_of_a_convolution_runs_over_its_inputs():
    weight = torch.randn(6, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    mask = pruning.n_m_mask(weight, 2, 4)
    assert bool((mask.unflatten(1, (2, 4)).sum(2) == 2).all())
    one = weight[2, 4:8, 1, 2].abs()
    assert set(one.topk(2).indices.tolist()) == set(mask[2, 4:8, 1, 2].nonzero().flatten().tolist())


@pytest.mark.parametrize("p", [1, 2, float("inf")])
def test_channels_of_the_largest_norm(p):
    weight = torch.randn(10, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    mask = pruning.channel_mask(weight, 0.3, p)
    norms = np.linalg.norm(weight.flatten(1).numpy(), ord=p, axis=1)
    kept = np.flatnonzero(mask.flatten(1).all(1).numpy())
    assert set(kept) == set(np.argsort(norms)[-3:])
    assert pruning.sparsity(mask) == pytest.approx(0.7)


@pytest.mark.parametrize("call", [
    lambda: pruning.quality_mask(torch.ones(2), -1.0),
    lambda: pruning.n_m_mask(torch.ones(2, 4), 3, 2),
    lambda: pruning.n_m_mask(torch.ones(4)),
    lambda: pruning.channel_mask(torch.ones(4, 2), 0.0),
    lambda: pruning.channel_mask(torch.ones(4), 0.5),
    lambda: pruning.dropout_rate(0.5, 3, 2),
    lambda: pruning.dropout_rate(1.5, 1, 2),
])  # fmt: skip
def test_bad_settings(call):
    with pytest.raises(EfflabError, match=r"\w+ .*"):
        call()


def two_layers():
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: pruning.NM(n=True, m=4), "n:m must be whole numbers with 1 <= n <= m, got True:4"),
    (lambda: pruning.n_m_mask(torch.ones(2, 4), 1, m=True), "n:m must be whole numbers"),
    (lambda: pruning.Channel(0.5, p=-1), "p, the order of the norm, must be a number of at least 0, got -1"),
    (lambda: pruning.Channel(0.5, p=float("nan")), "p, the order of the norm, .* got nan"),
    (lambda: pruning.channel_mask(torch.ones(4, 2), 0.5, -1), "p, the order of the norm"),
    (lambda: pruning.remove_channels(two_layers(), torch.ones(1, 3), pruning.Channel(0.5), round_to=0), "round_to must be a whole number of at least 1, got 0"),
    (lambda: pruning.Steps([float("nan")]), "values must be a rising list of numbers .* got .nan."),
    (lambda: pruning.Steps([0.5, float("inf")]), "values must be a rising list"),
    (lambda: pruning.Steps("ab"), "values must be a rising list"),
    (lambda: pruning.Steps([]), "values must be a rising list"),
    (lambda: pruning.Steps([0.5, 0.2]), "values must be a rising list"),
    (lambda: pruning.Steps([0.0]), "values must be a rising list"),
    (lambda: pruning.Linear(2.5), "steps must be a whole number of at least 1 .* got 2.5 and 0"),
    (lambda: pruning.Linear("a"), "steps must be a whole number of at least 1 .* got 'a' and 0"),
    (lambda: pruning.Cubic(2, begin=0.5), "steps must be a whole number .* got 2 and 0.5"),
])  # fmt: skip
def test_bad_settings_are_named(call, message):
    with pytest.raises(EfflabError, match=message):
        call()


def test_dropout_rate_of_the_paper():
    """AlexNet's fc6 keeps 9 % of its connections (table 4), so retraining drops 0.5 x sqrt(0.09) = 0.15."""
    assert pruning.dropout_rate(0.5, 9, 100) == pytest.approx(0.15)
    assert pruning.dropout_rate(0.5, 100, 100) == 0.5
    assert pruning.dropout_rate(0.5, 0, 100) == 0.0
