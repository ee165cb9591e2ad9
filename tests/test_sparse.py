"""Sparse arrays: what goes in comes out, and the entries are those that the papers' conventions say."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from efflab import sparse
from efflab.errors import EfflabError
from efflab.sparse import CSC, CSR, Relative, RelativeCSC, _masks

DTYPES = (np.float32, np.float64, np.float16, np.int8, np.uint16, np.int64, np.bool_, np.complex64, ">f4")


def entries_one_by_one(values, bits):
    """The released files' convention, as a loop over places."""
    gaps, kept, zeros = [], [], 0
    waiting = 0
    for value in values:
        if value != 0:
            gaps += [2**bits - 1] * waiting + [zeros]
            kept += [0] * waiting + [value]
            zeros = waiting = 0
        elif zeros == 2**bits - 1:
            waiting, zeros = waiting + 1, 0
        else:
            zeros += 1
    return gaps, kept


@st.composite
def sparse_arrays(draw, shapes=hnp.array_shapes(min_dims=1, max_dims=3, max_side=40)):  # noqa: B008 - a strategy
    shape = draw(shapes)
    density = draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    values = generator.integers(1, 100, shape).astype(dtype)
    return np.where(generator.random(shape) < density, values, np.zeros((), dtype))


@settings(max_examples=200, deadline=None)
@given(sparse_arrays(), st.integers(1, 16))
def test_any_array_comes_back(array, bits):
    short = sparse.to_relative(array, bits)
    back = short.dense()
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    gaps, values = entries_one_by_one(array.ravel().tolist(), bits)
    assert short.gaps.tolist() == gaps
    assert short.values.tolist() == values
    assert short.gaps.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert short.fillers == len(values) - np.count_nonzero(array)
    assert short.density == np.count_nonzero(array) / array.size
    assert short.stored_bits(5) == short.entries * (5 + bits)
    assert np.array_equal(short.positions()[short.values != 0], np.flatnonzero(array))


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, 5000), max_size=60), st.integers(1, 16))
def test_any_positions_come_back(places, bits):
    positions = np.array(sorted(places), np.int64)
    gaps, fillers = sparse.relative_index(positions, bits)
    assert np.array_equal(sparse.absolute_index(gaps)[~fillers], positions)
    assert (gaps[fillers] == 2**bits - 1).all()
    assert gaps.max(initial=0) < 2**bits


@pytest.mark.parametrize("density", [0.0, 0.001, 0.09, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.float64])
def test_large_arrays_take_the_same_entries_as_numpy(density, dtype):
    generator = np.random.default_rng(0)
    array = (generator.random((300, 1111)) < density) * generator.integers(1, 200, (300, 1111))
    array = array.astype(dtype)
    for bits in (2, 4, 8, 9):
        short = sparse.to_relative(array, bits)
        gaps, fillers = sparse.relative_index(np.flatnonzero(array), bits)
        assert np.array_equal(short.gaps, gaps)
        assert np.array_equal(short.values == 0, fillers)
        assert np.array_equal(short.dense(), array)


def test_a_sample_that_misleads_costs_time_alone():
    """Room is taken after a look at the first block of 64; here all values stand in the others."""
    array = np.zeros(1 << 19, np.float32)
    array[5000:] = 1.0
    assert np.array_equal(sparse.to_relative(array, 4).dense(), array)
    array[:] = 0
    array[-1] = 2.0
    short = sparse.to_relative(array, 1)
    assert short.fillers == (1 << 18) - 1
    assert np.array_equal(short.dense(), array)


def test_the_paper_s_figure():
    """Figure 2 of Deep Compression: differences of 1, 3, 8 + 3 places with three bits."""
    weights = np.zeros(16)
    weights[[1, 4, 15]] = 3.4, 0.9, 1.7
    short = sparse.to_relative(weights, 3)
    assert short.gaps.tolist() == [1, 2, 7, 2]
    assert short.values.tolist() == [3.4, 0.9, 0, 1.7]
    assert short.fillers == 1


def test_fillers_of_a_random_mask_are_as_many_as_computed():
    density, bits = 0.09, 4
    array = np.random.default_rng(0).random(2_000_000) < density
    short = sparse.to_relative(array, bits)
    expected = 1 / (1 - (1 - density) ** 2**bits)
    assert short.entries / (short.entries - short.fillers) == pytest.approx(expected, rel=0.005)


def test_zeros_and_what_is_none():
    values = np.array([0.0, -0.0, np.nan, np.inf, 5e-324])
    short = sparse.to_relative(values, 4)
    assert short.entries == 3
    assert np.isnan(short.dense()[2])
    assert sparse.to_relative(np.zeros((0, 3)), 4).dense().shape == (0, 3)
    assert sparse.to_relative(np.zeros(9), 4).entries == 0
    assert sparse.to_relative(np.float32(3), 4).dense() == 3
    assert (
        sparse.to_relative(np.arange(12).reshape(3, 4).T, 4).dense().tolist()
        == np.arange(12).reshape(3, 4).T.tolist()
    )


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=50), st.integers(0, 600))
def test_hostile_gaps_are_refused_or_stay_inside(gaps, size):
    gaps = np.frombuffer(gaps, np.uint8)
    end = int((gaps.astype(int) + 1).sum())
    for dtype in (np.float32, np.complex64):
        short = Relative(gaps, np.ones(gaps.size, dtype), (size,), 8)
        if end <= size:
            assert np.count_nonzero(short.dense()) == gaps.size
        else:
            with pytest.raises(EfflabError, match=f"position {end - 1:,}, and the array has {size} elements"):
                short.dense()


def test_hostile_gaps_of_many_values_stay_inside():
    gaps = np.full(1 << 15, 1, np.uint8)
    for size in (1 << 16, (1 << 16) - 1, 5, 0):
        short = Relative(gaps, np.ones(gaps.size, np.float32), (size,), 8)
        if size == 1 << 16:
            assert np.array_equal(short.dense(), np.arange(size) % 2)
        else:
            with pytest.raises(EfflabError, match=f"position 65,535, and the array has {size:,} elements"):
                short.dense()


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint32, 64, elements=st.integers(0, 3)), st.sampled_from([1, 2, 3]))
def test_masks_in_plain_python(words, matters):
    mask = _masks.nonzero_mask(words, np.uint64(0), np.uint64(matters))
    places = []
    while mask:
        places.append(int(_masks.lowest_bit(mask)))
        mask = _masks.without_lowest_bit(mask)
    assert places == np.flatnonzero(words & matters).tolist()
    assert _masks.lowest_bit(mask) == 64


matrices = sparse_arrays(hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=30))


@settings(max_examples=80, deadline=None)
@given(matrices, st.integers(0, 2**32))
def test_rows_and_columns_are_scipy_s(matrix, seed):
    vector = np.random.default_rng(seed).integers(-5, 6, matrix.shape[1]).astype(np.float64)
    for ours, theirs in ((CSR, scipy.sparse.csr_array), (CSC, scipy.sparse.csc_array)):
        short = ours.from_dense(matrix)
        assert short.dense().dtype == matrix.dtype
        assert np.array_equal(short.dense(), matrix)
        assert np.array_equal(short.matvec(vector), matrix @ vector)
        # scipy knows no half precision, and no foreign byte order.
        reference = theirs(matrix.astype(np.complex128))
        assert np.array_equal(short.values, reference.data)
        assert np.array_equal(short.indices, reference.indices)
        assert np.array_equal(short.pointers, reference.indptr)


@settings(max_examples=80, deadline=None)
@given(matrices, st.integers(1, 9), st.integers(1, 70), st.integers(0, 2**32))
def test_interleaved_columns_come_back_and_multiply(matrix, bits, pes, seed):
    short = RelativeCSC.from_dense(matrix, bits, pes)
    assert short.pes == pes
    assert np.array_equal(short.dense(), matrix)
    vector = np.random.default_rng(seed).integers(-2, 3, matrix.shape[1]).astype(np.float64)
    assert np.array_equal(short.matvec(vector), matrix @ vector)
    assert int(short.entries.sum()) - short.padding == np.count_nonzero(matrix)
    for k, element in enumerate(short.elements):
        for column in range(matrix.shape[1]):
            part = slice(element.p[column], element.p[column + 1])
            gaps, values = entries_one_by_one(matrix[k::pes, column].tolist(), bits)
            assert element.z[part].tolist() == gaps
            assert element.v[part].tolist() == values


def test_eie_s_example_column():
    """Section III-B: [0,0,1,2,0 x 18,3] is v = [1,2,0,3], z = [2,0,15,2]."""
    column = np.array([0, 0, 1, 2, *[0] * 18, 3])[:, None]
    (element,) = RelativeCSC.from_dense(column).elements
    assert element.v.tolist() == [1, 2, 0, 3]
    assert element.z.tolist() == [2, 0, 15, 2]
    assert element.p.tolist() == [0, 4]


def test_hostile_columns_are_refused():
    element = sparse.Element(np.ones(2), np.array([3, 3], np.uint8), np.array([0, 2]))
    with pytest.raises(EfflabError, match="row 7, and the matrix has 4 rows"):
        RelativeCSC((element,), (4, 1)).dense()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sparse.to_relative([1], 0), "bits is 0"),
        (lambda: sparse.to_relative([1], 17), "bits is 17"),
        (lambda: sparse.relative_index([3, 3], 4), "rise strictly"),
        (lambda: sparse.relative_index([-1], 4), "rise strictly"),
        (lambda: sparse.relative_index([9, 1, 1, 1], 1), "rise strictly"),
        (lambda: sparse.relative_index([0.5], 4), "integers"),
        (lambda: sparse.absolute_index([1, 2]), "uint8 or uint16"),
        (lambda: Relative(np.zeros(2, np.uint8), np.zeros(3), (3,), 4), "one length"),
        (lambda: CSR.from_dense([1, 2]), "two axes"),
        (lambda: CSR.from_dense([[1, 2]]).matvec([1]), "shape \\(2,\\)"),
        (lambda: CSR(np.ones(1), np.array([5]), np.array([0, 1]), (1, 2)), "from 0 to 1"),
        (lambda: CSR(np.ones(1), np.array([0]), np.array([0, 2]), (1, 2)), "pointers"),
        (lambda: CSR(np.ones(1), np.array([0]), np.array([0, 0, 1]), (1, 2)), "shape \\(1, 2\\)"),
        (lambda: RelativeCSC.from_dense([1]), "two axes"),
        (lambda: RelativeCSC.from_dense([[1]], pes=0), "pes is 0"),
        (lambda: RelativeCSC.from_dense([[1, 2]]).matvec([1]), "shape \\(2,\\)"),
    ],
)
def test_says_what_is_wrong(call, words):
    with pytest.raises(EfflabError, match=words):
        call()
