"""Values cross the border unchanged, code never does, and no bytes can break the reader."""

import collections
import contextlib
import enum
import math
import sys

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from autograder.inprocess import InProcess
from autograder.tasks import Callback, Handle, StudentError
from autograder.wire import Limits, Tag, WireError, decode, encode

CODES = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
DTYPES = [np.dtype(order + code) for order in "<>" for code in CODES]
ARRAYS = npst.arrays(st.sampled_from([*DTYPES, np.dtype(bool)]), npst.array_shapes(min_dims=0, min_side=0))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | ARRAYS
)
KEYS = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-5, 5) | st.tuples(st.integers(0, 3))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


def same(one, other):
    """Equal in value and kind, where NaN equals NaN."""
    if isinstance(one, np.ndarray):
        return (
            one.shape == other.shape
            and one.dtype.name == other.dtype.name
            and one.tobytes() == (other.astype(one.dtype).tobytes())
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@given(VALUES)
@settings(deadline=None)
def test_values_come_back_unchanged(value):
    assert same(decode(encode(value)), value)


@given(ARRAYS)
@settings(deadline=None)
def test_tensors_arrive_as_tensors_and_return_as_arrays(array):
    try:
        tensor = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    except TypeError:
        return  # torch lacks the dtype
    there = decode(encode(tensor), tensors="torch")
    assert type(there) is torch.Tensor
    assert there.dtype == tensor.dtype
    assert same(decode(encode(tensor)), tensor.numpy())


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_random_bytes_give_a_value_or_a_wire_error(message):
    with contextlib.suppress(WireError):
        decode(message)


SHAPE = st.lists(st.integers(-1, 2**62) | st.none(), max_size=4)
PARTS = st.one_of(
    st.integers(), st.binary(), SHAPE, st.sampled_from(["float32", "bool", "object", "O", ""]), st.none()
)
TREES = st.recursive(
    st.lists(st.integers(-1, 11) | PARTS, max_size=5),
    lambda inner: st.lists(inner | PARTS, max_size=5),
    max_leaves=15,
)


@given(TREES, st.sampled_from(["torch", "numpy"]))
@settings(deadline=None, max_examples=400)
def test_well_formed_nonsense_gives_a_value_or_a_wire_error(tree, tensors):
    try:
        message = msgpack.packb(tree)
    except OverflowError:
        return
    with contextlib.suppress(WireError):
        decode(message, tensors=tensors)


@given(VALUES, st.data())
@settings(deadline=None)
def test_a_damaged_message_gives_a_value_or_a_wire_error(value, data):
    message = bytearray(encode(value))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        decode(bytes(message))


class Liar(np.ndarray):
    """Says something else at every question, once it is armed."""

    armed = False

    def _lie(self, *args, **named):
        if Liar.armed:
            raise AssertionError("a method of a student's class ran")

    tobytes = astype = view = __array__ = __eq__ = __len__ = __iter__ = __reduce__ = __array_finalize__ = _lie
    __array_ufunc__ = __array_function__ = __hash__ = _lie
    shape = dtype = size = itemsize = property(_lie)


class LyingDict(dict):
    def items(self):
        raise AssertionError("a method of a student's class ran")

    __iter__ = __len__ = keys = items


def test_methods_of_subclasses_never_run(monkeypatch):
    array = np.ndarray.__new__(Liar, (2,), np.int64, np.array([3, 4]).tobytes())
    monkeypatch.setattr(Liar, "armed", True)
    assert decode(encode(array)).tolist() == [3, 4]
    assert decode(encode(LyingDict(a=1))) == {"a": 1}


def test_kinds_of_tuple_dict_and_parameter_become_plain():
    pair = collections.namedtuple("pair", "x y")(1, 2)  # noqa: PYI024 - as students write it
    assert decode(encode(pair)) == (1, 2)
    assert decode(encode(torch.ones(2, 3).shape)) == (2, 3)
    assert decode(encode(collections.OrderedDict(a=1))) == {"a": 1}
    assert decode(encode(torch.nn.Parameter(torch.ones(2)))).tolist() == [1.0, 1.0]
    assert decode(encode(np.float32(0.5))) == np.float32(0.5)


def test_bfloat16_comes_back_as_float32():
    tensor = torch.tensor([1.0, -3.5, math.inf], dtype=torch.bfloat16)
    assert decode(encode(tensor), tensors="torch").dtype is torch.bfloat16
    assert decode(encode(tensor)).dtype == np.float32
    assert decode(encode(tensor)).tolist() == [1.0, -3.5, math.inf]


def test_views_keep_their_values():
    matrix = torch.arange(12.0).reshape(3, 4)
    assert decode(encode(matrix.T[1:])).tolist() == matrix.T[1:].tolist()
    assert decode(encode(torch.ones(1).expand(5))).tolist() == [1.0] * 5
    assert decode(encode(np.asfortranarray(matrix.numpy()))).tolist() == matrix.tolist()
    assert decode(encode(torch.tensor([1 + 2j]).conj())).tolist() == [1 - 2j]


class Colour(enum.IntEnum):
    RED = 1


class Subtensor(torch.Tensor):
    pass


REFUSED = [
    object(), {1, 2}, range(3), print, sys, Colour.RED, np.array([object()]), np.array(["a"]), np.dtype("f4"),
    np.zeros(1, "M8[s]"), torch.nn.Linear(1, 1), torch.ones(2).to_sparse(), torch.ones(1, device="meta"),
    torch.ones(1).as_subclass(Subtensor), {object(): 1}, "\ud800", Handle(0), Callback(print), iter([1]),
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_is_not_data_is_refused(value):
    with pytest.raises(WireError):
        encode([value])


def test_sizes_are_bounded_before_memory_is_spent():
    limits = Limits(size=1000, items=10, depth=5, integer_bits=128)
    cycle = []
    cycle.append(cycle)
    deep = 1
    for _ in range(6):
        deep = [deep]
    huge = [
        np.broadcast_to(np.float64(1), (10**6, 10**6)),
        torch.ones(1).expand(10**12),
        b"x" * 1001,
        "é" * 501,
    ]
    for value in [*huge, list(range(11)), dict.fromkeys(range(6)), 2**129, cycle, deep]:
        with pytest.raises(WireError):
            encode(value, limits=limits)
    with pytest.raises(WireError, match="deep"):
        decode(encode(deep), limits=limits)
    with pytest.raises(WireError):
        decode(encode(list(range(11))), limits=limits)
    with pytest.raises(WireError):
        decode(encode(2**200), limits=limits)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xdd\xff\xff\xff\xff" * 600,  # lists of four thousand million elements in one another
        b"\x91" * 100_000,
        msgpack.packb({"a": 1}),
        msgpack.ExtType(5, b"") and msgpack.packb(msgpack.ExtType(5, b"")),
        msgpack.packb(["object"]),
        msgpack.packb([Tag.ARRAY, "object", [1], b"\0" * 8]),
        msgpack.packb([Tag.ARRAY, "float64", [2], b"\0" * 8]),
        msgpack.packb([Tag.ARRAY, "float64", [-1], b"\0" * 8]),
        msgpack.packb([Tag.ARRAY, "float64", [0, 2**39, 2**39], b""]),
        msgpack.packb([Tag.ARRAY, "bool", [2], b"\0\7"]),
        msgpack.packb([Tag.TENSOR, "float64", [1] * 40, b"\0" * 8]),
        msgpack.packb([Tag.DICT, 1]),
        msgpack.packb([Tag.DICT, [Tag.LIST], 1]),
        msgpack.packb([Tag.DICT, [Tag.TUPLE, [Tag.LIST]], 1]),
        msgpack.packb([Tag.DICT, [Tag.INTEGER, b"\1" + b"\0" * 16], 1]),
        msgpack.packb([Tag.INTEGER, b"\1" * 100_000]),
        msgpack.packb([Tag.HANDLE, 0]),
        msgpack.packb([Tag.CALLBACK, 0]),
        msgpack.packb([99]),
    ],
)
def test_forged_messages_are_refused(message):
    with pytest.raises(WireError):
        decode(message)


# The student in this process.


class Counter:
    def __init__(self, start):
        self.count = start
        self.weight = torch.zeros(2)

    def add(self, amount):
        self.count += amount
        return self.count


def double_(tensor):
    tensor *= 2


def student(**names):
    return InProcess({"Counter": Counter, "double_": double_, "np": np, **names})


def test_handles_stay_and_come_back_as_arguments():
    pupil = student(read=lambda counters: [counter.count for counter in counters])
    counter = pupil.make("Counter", 5)
    assert type(counter) is Handle
    assert pupil.call_method(counter, "add", 2) == 7
    assert pupil.call("read", [counter, pupil.make("Counter", start=1)]) == [7, 1]
    assert pupil.fetch(counter, "weight").tolist() == [0.0, 0.0]
    with pytest.raises(WireError, match="handle"):
        pupil.call("read", [Handle(99)])


def test_arguments_are_copies_and_in_place_work_goes_through_a_handle():
    pupil = student()
    weight = torch.ones(3)
    assert pupil.call("double_", weight) is None
    assert weight.tolist() == [1.0] * 3
    kept = pupil.put(weight)
    pupil.call("double_", kept)
    assert pupil.fetch(kept).tolist() == [2.0] * 3


def test_tensors_reach_the_student_as_tensors():
    pupil = student(kinds=lambda *values: [type(value).__name__ for value in values])
    assert pupil.call("kinds", torch.ones(1), np.ones(1), (1,), {"a": 1}) == [
        "Tensor",
        "ndarray",
        "tuple",
        "dict",
    ]
    assert type(student(same=lambda x: x).call("same", torch.ones(1))) is np.ndarray


def test_a_callback_is_asked_with_data_and_answers_with_data():
    pupil = student(search=lambda score, points: max(points, key=lambda point: score(torch.tensor(point))))
    asked = []

    def score(point):
        asked.append(point)
        return -abs(float(point) - 2.2)

    assert pupil.call("search", Callback(score), [1, 2, 3]) == 2
    assert all(type(point) is np.ndarray for point in asked)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: sys.exit(3), "SystemExit"),
        (lambda: [1].pop(2), "IndexError"),
        (lambda one: one, "TypeError"),
    ],
)
def test_what_the_student_raises_is_told(function, words):
    with pytest.raises(StudentError, match=words):
        student(broken=function).call("broken")


def test_a_stub_a_missing_name_and_what_is_no_data_are_told():
    def stub():
        raise NotImplementedError("Task 1: write it.")

    with pytest.raises(StudentError, match=r"stub is not written yet \(Task 1: write it\.\)"):
        student(stub=stub).call("stub")
    with pytest.raises(StudentError, match="does not define nothing"):
        student().call("nothing")
    with pytest.raises(WireError, match="type Counter is not data"):
        student().call("Counter", 1)


def test_warnings_and_prints_of_the_student_do_not_matter(capsys):
    import warnings

    def loud():
        warnings.warn("careful", stacklevel=1)
        print("hello")  # noqa: T201 - as students do
        return 1

    assert student(loud=loud).call("loud") == 1
    assert capsys.readouterr().out == ""


def test_a_small_message_does_not_grow_into_a_large_tree():
    many = msgpack.packb([[0, *([[]] * 60_000)]] * 60)
    assert len(many) < 4_000_000
    with pytest.raises(WireError, match="more lists than"):
        decode(many)
    with pytest.raises(WireError, match="more lists than"):
        decode(msgpack.packb([[[]] * 900] * 10), limits=Limits(items=1000))


def test_as_many_scalars_as_the_limit_allows_come_through():
    values = [np.float64(i) for i in range(1000)]
    assert decode(encode(values, limits=Limits(items=1000)), limits=Limits(items=1000)) == values
