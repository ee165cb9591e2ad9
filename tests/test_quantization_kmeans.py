"""Clustering: against exhaustive search, plain iterations, and ckwrap's exact clusters; any distribution of weights."""

import itertools

import ckwrap
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from efflab import quantization as q
from efflab.errors import EfflabError
from efflab.quantization import Codebook, KMeans1D, optimal

untimed = settings(deadline=None)  # the first call compiles
finite = st.floats(-1e3, 1e3, width=32)
samples = arrays.arrays(np.float32, st.integers(1, 9), elements=finite | st.sampled_from([0.0, 0.5, 1.0]))


def least_error(values, k):
    """Try every split of the sorted values into at most k runs."""
    ordered = np.sort(values.astype(np.float64))
    best = np.inf
    for cuts in itertools.combinations(range(1, ordered.size), min(k, ordered.size) - 1):
        runs = np.split(ordered, cuts)
        best = min(best, sum(float(((run - run.mean()) ** 2).sum()) for run in runs))
    return best


def nearest(values, centroids):
    """In exact arithmetic: Python's integers behind the floats."""
    from fractions import Fraction

    exact = [Fraction(float(c)) for c in centroids]
    return [min(range(len(exact)), key=lambda i: (abs(Fraction(float(v)) - exact[i]), i)) for v in values]


@untimed
@given(samples, st.integers(1, 4), st.booleans())
def test_optimal_equals_exhaustive_search(values, k, exact):
    book = q.kmeans(values.astype(np.float64), k, init="optimal", exact=exact)
    least = least_error(values, k)
    assert book.squared_error(values) == pytest.approx(
        least, rel=1e-9, abs=1e-12 * float(np.abs(values).max()) ** 2
    )
    assert book.k == min(k, np.unique(values).size)


@untimed
@given(samples, arrays.arrays(np.float32, st.integers(1, 5), elements=finite))
def test_assign_is_the_nearest_with_ties_to_the_lower_index(values, centroids):
    middles = ((centroids[:-1].astype(np.float64) + centroids[1:]) / 2).astype(np.float32)
    values = np.concatenate([values, middles, centroids])
    labels = q.assign(values, centroids)
    assert labels.dtype == np.uint8
    assert labels.tolist() == nearest(values, centroids)


@pytest.mark.parametrize("k", [3, 40, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_assign_of_many_equals_assign_of_few(k, dtype):
    rng = np.random.default_rng(k)
    centroids = np.concatenate([rng.normal(size=k - 2), [1e-7, 2e-7]]).astype(dtype)
    values = np.concatenate([rng.normal(size=1 << 18), [1e30, -1e30], centroids]).astype(dtype)
    many = q.assign(values, centroids)
    few = np.concatenate([q.assign(part, centroids) for part in np.array_split(values, 8)])
    assert np.array_equal(many, few)
    assert many.dtype == (np.uint8 if k <= 256 else np.uint16)
    sample = rng.choice(values.size, 40)
    assert many[sample].tolist() == nearest(values[sample], centroids)


@pytest.mark.parametrize("init", ["linear", "density", "random"])
def test_lloyd_on_sorted_weights_equals_plain_lloyd(init):
    weights = np.random.default_rng(0).standard_t(3, size=3000)
    start = {
        "linear": q.linear_centroids(weights, 7),
        "density": q.density_centroids(weights, 7),
        "random": q.random_centroids(weights, 7, 5),
    }[init]
    plain = start.copy()
    for _ in range(20):
        labels = np.abs(weights[:, None] - plain).argmin(1)
        plain = np.array([weights[labels == c].mean() if (labels == c).any() else plain[c] for c in range(7)])
    moved, labels = q.lloyd(weights, start, max_iter=20, tol=0)
    np.testing.assert_allclose(moved, plain, rtol=1e-12)
    np.testing.assert_array_equal(labels, np.abs(weights[:, None] - moved).argmin(1))


@untimed
@given(samples, st.integers(1, 4))
def test_no_move_of_lloyd_raises_the_error(values, k):
    values = values.astype(np.float64)
    centroids = q.linear_centroids(values, k)
    error = Codebook(centroids, q.assign(values, centroids)).squared_error(values)
    for _ in range(4):
        centroids, labels = q.lloyd(values, centroids, max_iter=1, tol=0)
        fresh = Codebook(centroids, labels).squared_error(values)
        assert fresh <= error * (1 + 1e-12) + 1e-12
        error = fresh


def test_the_three_starts_of_the_paper():
    weights = np.random.default_rng(0).normal(size=10_000)
    linear, density = q.linear_centroids(weights, 5), q.density_centroids(weights, 4)
    np.testing.assert_allclose(np.diff(linear), np.ptp(weights) / 4)
    assert (linear[0], linear[-1]) == (weights.min(), weights.max())
    np.testing.assert_allclose(
        [(weights < c).mean() for c in density], [0.125, 0.375, 0.625, 0.875], atol=1e-3
    )
    forgy = q.random_centroids(torch.from_numpy(weights), 6, torch.Generator().manual_seed(3))
    assert torch.equal(
        forgy, q.random_centroids(torch.from_numpy(weights), 6, torch.Generator().manual_seed(3))
    )
    assert np.isin(forgy.numpy(), weights).all()
    assert len(set(forgy.tolist())) == 6


def test_exact_equals_ckwrap():
    weights = np.random.default_rng(1).normal(0, 0.02, 20_000)
    for k in (2, 16, 32):
        known = ckwrap.ckmeans(weights, k)
        book = q.kmeans(weights, k, init="optimal", exact=True)
        assert np.array_equal(book.labels, known.labels)
        assert book.squared_error(weights) == pytest.approx(known.withinss.sum(), rel=1e-12)


def distributions(n):
    rng = np.random.default_rng(2)
    normal = rng.normal(0, 0.02, n)
    return {
        "normal": normal,
        "laplace": rng.laplace(size=n),
        "student": rng.standard_t(2, n),
        "cauchy": rng.standard_cauchy(n),
        "lognormal": np.exp(2 * rng.normal(size=n)),
        "two spikes": np.where(rng.random(n) < 0.5, 0.1, 0.3),
        "blurred spikes": np.where(rng.random(n) < 0.5, 0.1, 0.3) + 1e-6 * rng.normal(size=n),
        "pruned": np.where(np.abs(normal) < 0.02, 0, normal),
        "survivors": normal[np.abs(normal) > 0.005],
        "one outlier": np.append(normal, 1e4),
        "far outliers": np.append(normal, [1e30, -3e38]),
        "constant": np.full(n, 0.3),
        "few values": rng.integers(0, 10, n) / 10,
        "grid": rng.integers(-1000, 1000, n).astype(float),
        "denormal": normal * 1e-39,
        "huge": normal * 1e39,
        "offset": 1000 + normal,
        "clusters": rng.normal(0, 100, 9)[rng.integers(0, 9, n)] + rng.normal(size=n),
    }


@pytest.mark.parametrize("name", distributions(9))
def test_the_fast_optimum_of_many_weights_is_near_the_exact_one(name):
    values = distributions(optimal.LARGE + 100)[name].astype(np.float32)
    fast, exact = (q.kmeans(values, 12, init="optimal", exact=way) for way in (False, True))
    least = exact.squared_error(values)
    assert fast.squared_error(values) <= least * (1 + 1e-5) + 1e-12 * least
    assert fast.k == exact.k == min(12, np.unique(values).size)
    assert np.array_equal(fast.labels, q.assign(values, fast.centroids))


def test_the_histogram_carries_the_bars():
    values = np.random.default_rng(3).normal(0, 0.02, 1 << 19).astype(np.float32)
    assert optimal._histogram(values, 16) is not None
    for k, bar in ((16, 1e-5), (32, 5e-5)):
        fast, exact = (q.kmeans(values, k, init="optimal", exact=way) for way in (False, True))
        assert fast.squared_error(values) <= exact.squared_error(values) * (1 + bar)


def test_an_outlier_beyond_the_digits_of_a_double_leaves_the_others_their_clusters():
    values = np.append(np.random.default_rng(4).normal(size=2000), [1e25, -1e30])
    alone = q.kmeans(values[:-2], 6, init="optimal", exact=True)
    book = q.kmeans(values, 8, init="optimal", exact=True)
    np.testing.assert_allclose(book.centroids[1:-1], alone.centroids, rtol=1e-9)


def test_doubles_near_overflow_and_underflow():
    base = np.random.default_rng(5).normal(size=500)
    expected = q.optimal_centroids(base, 5)
    for factor in (2.0**1020, 2.0**-1010):
        np.testing.assert_allclose(
            q.optimal_centroids(base / 8 * factor, 5) / factor * 8, expected, rtol=1e-12
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_tensors_of_any_layout_give_tensors(dtype):
    weights = torch.randn(30, 20, generator=torch.Generator().manual_seed(0)).to(dtype).t()
    book = q.kmeans(weights, 8)
    assert book.centroids.dtype == dtype
    assert book.labels.shape == weights.shape
    assert book.labels.dtype == torch.uint8
    assert book.decode().dtype == dtype
    distances = (weights.double().unsqueeze(-1) - book.centroids.double()).abs()
    assert torch.equal(book.labels.long(), distances.argmin(-1))


def test_more_than_256_clusters():
    weights = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    book = q.kmeans(weights, 1000, init="density")
    assert book.labels.dtype == torch.int32
    assert q.kmeans(weights.numpy(), 1000, init="density").labels.dtype == np.uint16
    assert book.bits == 10
    every = q.kmeans(weights, 1 << 16, init="optimal")
    assert torch.equal(every.decode(), weights)


def test_update_and_its_empty_clusters():
    weights, labels = np.array([1.0, 3.0, 8.0]), np.array([0, 0, 2])
    assert q.update(weights, labels, 3, previous=[0.0, 7.0, 0.0]).tolist() == [2.0, 7.0, 8.0]
    with pytest.raises(EfflabError, match="cluster 1 of 3 has no weight"):
        q.update(weights, labels, 3)


def test_figure_3_and_equation_1_of_the_paper():
    weights = np.array(
        [
            [2.09, -0.98, 1.48, 0.09],
            [0.05, -0.14, -1.08, 2.12],
            [-0.91, 1.92, 0, -1.03],
            [1.87, 0, 1.53, 1.49],
        ]
    )
    gradient = np.array(
        [
            [-0.03, -0.01, 0.03, 0.02],
            [-0.01, 0.01, -0.02, 0.12],
            [-0.01, 0.02, 0.04, 0.01],
            [-0.07, -0.02, 0.01, -0.02],
        ]
    )
    book = q.kmeans(weights, 4, init="optimal")
    np.testing.assert_allclose(book.centroids, [-1.00, 0.00, 1.50, 2.00], atol=5e-3)
    np.testing.assert_allclose(
        q.centroid_gradient(gradient, book.labels, 4), [-0.03, 0.04, 0.02, 0.04], atol=1e-9
    )
    assert q.compression_rate(16, 32, 4) == pytest.approx(3.2)


@untimed
@given(samples, st.integers(1, 5))
def test_the_estimator_agrees_with_the_function(values, k):
    model = KMeans1D(k).fit(values.reshape(-1, 1))
    book = q.kmeans(values, k, init="optimal")
    assert np.array_equal(model.cluster_centers_, book.centroids)
    assert np.array_equal(model.fit_predict(values), book.labels)
    assert np.array_equal(model.predict(values), model.labels_)
    assert model.inertia_ == book.squared_error(values)


def test_the_estimator_from_given_centres_equals_scikit_learn():
    from sklearn.cluster import KMeans

    values = np.random.default_rng(0).normal(size=2000)
    start = np.linspace(-2, 2, 5)
    known = KMeans(5, init=start.reshape(-1, 1), n_init=1, tol=0, max_iter=500).fit(values.reshape(-1, 1))
    model = KMeans1D(5, init=start, tol=0, max_iter=500).fit(values)
    np.testing.assert_allclose(model.cluster_centers_, known.cluster_centers_[:, 0], rtol=1e-9)
    assert model.inertia_ == pytest.approx(known.inertia_, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: q.kmeans(np.array([1.0, np.nan]), 2), "weights holds 1 NaN among 2"),
        (lambda: q.kmeans(torch.tensor([1.0, float("inf")]), 2, init="optimal"), "1 infinite"),
        (lambda: q.kmeans(np.full(1 << 18, np.nan, np.float32), 2, init="optimal"), "NaN"),
        (lambda: q.kmeans(np.zeros((0, 3)), 2), r"weights is empty \(shape \(0, 3\)\)"),
        (lambda: q.kmeans([1.0], 0), "k must be an integer from 1 to 65536, got 0"),
        (lambda: q.kmeans([1.0], 2, init="best"), "init must be one of 'linear'"),
        (lambda: q.kmeans([1.0], 2, exact=True), "exact=True goes with init='optimal'"),
        (lambda: q.kmeans(["a"], 2), "floats"),
        (lambda: q.kmeans(torch.tensor([1]), 2), "floats, got torch.int64"),
        (lambda: q.lloyd([1.0], [1.0], tol=-1.0), "tol must be a number of at least 0"),
        (lambda: q.assign([1.0], []), "centroids is empty"),
        (lambda: q.update([1.0], [1], 1), r"labels must lie in \[0, 1\)"),
        (lambda: q.centroid_gradient([1.0, 2.0], [0], 1), "labels has 1 entries"),
        (lambda: q.compression_rate(0, 32, 4), "n must be an integer"),
        (lambda: Codebook(np.ones(2), np.zeros(3, np.uint8)).squared_error([1.0]), "3 labels"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(EfflabError, match=message):
        call()


@pytest.mark.parametrize("init", ["linear", "density", "random", "optimal"])
def test_constant_single_and_few_weights(init):
    for values in ([0.25], [0.25] * 5, [0.0, 0.0], [1.0, 2.0, 2.0]):
        book = q.kmeans(np.array(values), 4, init=init, generator=0 if init == "random" else None)
        assert book.k <= 4
        if init != "random":  # Forgy may draw the same weight again
            np.testing.assert_allclose(book.decode(), values)


def test_the_course_s_names():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 5))
    quantizer = q.KMeansQuantizer(model, {"0": 2, "2": 3})
    assert len(model[0].weight.unique()) == 4
    assert len(model[2].weight.unique()) == 8
    with torch.no_grad():
        model[0].weight += 0.1 * torch.randn_like(model[0].weight)
    drifted = model[0].weight.detach().clone()
    quantizer.apply(model, update_centroids=True)
    labels = quantizer.codebook["0.weight"].labels
    for c in range(4):
        assert model[0].weight[labels == c].unique().item() == pytest.approx(
            float(drifted[labels == c].mean())
        )
