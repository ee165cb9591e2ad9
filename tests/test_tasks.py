"""Hidden checks: partial credit, seeds, and failures that cost one check only."""

import math
from types import ModuleType

import numpy as np
import pytest
import torch
from fixtures import sample_checks

from autograder import expect
from autograder.inprocess import InProcess
from autograder.tasks import Failed, collect, generator, grade, task


def oracle_update(weight, gradient, mask, rate):
    return mask * (weight - rate * gradient)


def grade_sample(seed=1, **names):
    scores = grade(collect(sample_checks), InProcess(names), seed)
    return {score.task: score for score in scores}


def test_the_reference_earns_everything_and_an_empty_notebook_nothing():
    full = grade_sample(keep_largest=sample_checks.oracle, masked_update=oracle_update)
    assert {name: (s.points, s.max_points) for name, s in full.items()} == {
        "sample-1": (3, 3),
        "sample-2": (2, 2),
    }
    assert all(result.passed and not result.message for s in full.values() for result in s.results)
    empty = grade_sample()
    assert [s.points for s in empty.values()] == [0, 0]
    assert empty["sample-2"].results[0].message == "The notebook does not define masked_update."


def test_several_checks_of_a_task_give_partial_credit_in_the_order_written():
    score = grade_sample(keep_largest=lambda weight, sparsity: np.ones(weight.shape, bool))["sample-1"]
    assert [(r.name, r.points) for r in score.results] == [
        ("keeps_the_largest", 0.0),
        ("keeps_all_at_zero", 1),
    ]
    assert "the mask at sparsity 0.25" in score.results[0].message
    assert score.results[0].words.startswith("The mask keeps the weights of largest magnitude.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "is None (is a return missing?)"),
        ("text", "is a str"),
        ({"a": 1}, "is a dict"),
        ([[1], [1, 2]], "rows differ in length"),
        (np.float64("nan"), "should have shape (6, 7), but has ()"),
        (object(), "not data"),
        (torch.nn.Linear(1, 1), "not data"),
        (np.zeros((6, 7), "S1"), "not data"),
        (2**5000, "bits"),
    ],
    ids=["none", "text", "dict", "ragged", "nan", "object", "module", "bytes", "long"],
)
def test_an_answer_of_any_kind_costs_only_its_own_check(answer, words):
    scores = grade_sample(keep_largest=lambda weight, sparsity: answer, masked_update=oracle_update)
    assert scores["sample-1"].points == 0
    message = scores["sample-1"].results[0].message
    assert words in message or (words == "not data" and "returned what cannot be graded" in message)
    assert scores["sample-2"].points == 2


def test_what_breaks_the_comparison_is_kept_from_students_and_shown_to_instructors():
    @task("t", points=1)
    def sums(student, rng):
        """The sum."""
        expect.true(student.call("answer").secret_attribute > 0, "positive")

    (result,) = grade([sums], InProcess({"answer": lambda: "text"}), 0)[0].results
    assert result.points == 0
    assert "secret_attribute" not in result.message
    assert "secret_attribute" in result.detail


def test_inputs_depend_on_seed_task_and_check_alone():
    first, second, _ = collect(sample_checks)
    draw = {
        (seed, check.name): generator(seed, check).integers(2**62)
        for seed in (1, 2)
        for check in (first, second)
    }
    assert len(set(draw.values())) == 4
    assert generator(1, first).integers(2**62) == draw[1, first.name]


@pytest.mark.parametrize(
    ("fraction", "points"), [(None, 4), (1.0, 4), (0.25, 1), (2.0, 4), (-1.0, 0), (math.nan, 0)]
)
def test_a_check_may_give_a_part_of_its_points(fraction, points):
    @task("challenge", points=4)
    def merit(student, rng):
        """A figure of merit."""
        return fraction

    (score,) = grade([merit], InProcess({}), 0)
    assert score.points == points
    assert score.results[0].passed is (points == 4)


def test_a_check_needs_points_words_and_a_name_of_its_own():
    with pytest.raises(ValueError, match="positive"):
        task("t", points=0)
    with pytest.raises(ValueError, match="docstring"):
        task("t", points=1)(lambda student, rng: None)
    module = ModuleType("twice")
    first, *_ = collect(sample_checks)
    module.one, module.two = first, first
    module.__file__ = sample_checks.__file__
    with pytest.raises(ValueError, match="name of its own"):
        collect(module)


SAME = [
    (1, 1.0),
    ([1, 2], np.array([1.0, 2.0])),
    ((1, 2), [1, 2]),
    (np.array([math.nan, 1]), np.array([math.nan, 1])),
    (np.array([True]), np.array([1])),
    ({"a": [1, None]}, {"a": (1, None)}),
    ("text", "text"),
    (2**100, 2**100),
    ([np.ones((2, 2)), "x"], [np.ones((2, 2)), "x"]),
    (np.zeros((0, 3)), np.zeros((0, 3))),
]
DIFFERENT = [
    (1, 2, "is 1, expected 2"),
    ([1, 2], [1, 3], r"at index \(1,\) is 2, expected 3; 1 of 2 values differ"),
    (np.ones((2, 1)), np.ones(2), r"shape \(2,\), but has \(2, 1\)"),
    (np.array([math.nan]), np.array([1.0]), "is nan, expected 1"),
    (np.array([1.0]), np.array([math.nan]), "is 1, expected nan"),
    (np.array([math.inf]), np.array([-math.inf]), "is inf"),
    (np.array([True, False]), np.array([True, True]), "is False, expected True"),
    ({"a": 1}, {"b": 1}, "no entry for 'b'"),
    ({"a": 1, "b": 2}, {"a": 1}, "entry for 'b', which was not expected"),
    ([1], {"a": 1}, "should be a dict"),
    ("text", "other", "should be 'other', but is 'text'"),
    (0, None, "should be None, but is 0"),
    (2**100, 2**100 + 1, "should be"),
    ([1, "x", 3], [1, "x"], "should have 2 elements, but has 3"),
    (1j, 1.0, "expected 1"),
]


@pytest.mark.parametrize(("got", "expected"), SAME)
def test_equal_and_close_accept_the_same_value_in_another_form(got, expected):
    expect.equal(got, expected)
    expect.close(got, expected)


@pytest.mark.parametrize(("got", "expected", "words"), DIFFERENT)
@pytest.mark.parametrize("compare", [expect.equal, expect.close])
def test_equal_and_close_say_what_differs(compare, got, expected, words):
    with pytest.raises(Failed, match=words):
        compare(got, expected)


def test_close_has_a_band_and_equal_has_none():
    expect.close(1.0 + 1e-6, 1.0)
    expect.close(np.float16(60000), 60000.0, rtol=1e-3)
    with pytest.raises(Failed):
        expect.close(1.0 + 1e-4, 1.0)
    with pytest.raises(Failed):
        expect.equal(1.0 + 1e-15, 1.0)


def test_the_smaller_expectations():
    expect.true(1 < 2, "holds")
    assert expect.number(np.array([2])) == 2.0
    assert expect.shape([[1, 2]], (1, 2)).tolist() == [[1, 2]]
    assert expect.dtype(np.ones(1, bool), "bool").dtype == bool
    assert expect.scale(15, worst=10, best=20) == 0.5
    assert expect.scale(1, worst=10, best=2) == 1.0
    for call, words in [
        (lambda: expect.true(2 < 1, "It should hold."), "It should hold."),
        (lambda: expect.number([1, 2]), "one number"),
        (lambda: expect.number(math.inf), "finite"),
        (lambda: expect.shape([1], (2,)), r"shape \(2,\)"),
        (lambda: expect.dtype(np.ones(1), "int"), "of dtype int, but is of dtype float64"),
        (lambda: expect.dtype(np.ones(1), "float32"), "float32"),
    ]:
        with pytest.raises(Failed, match=words):
            call()


def test_a_check_may_share_its_draws_among_all_submissions_of_a_course():
    """A third argument named ``shared`` is the same for seeds with one first part, the first one never is."""

    @task("t", points=1)
    def both(student, rng, shared):
        """Draws twice."""
        drawn.append((rng.integers(2**62), shared.integers(2**62)))

    drawn: list[tuple[int, int]] = []
    for seed in ("course.one", "course.two", "other.one"):
        grade([both], InProcess({}), seed)
    own, shared = zip(*drawn, strict=True)
    assert len(set(own)) == 3
    assert shared[0] == shared[1] != shared[2]


def test_texts_in_a_list_are_refused_before_they_are_made_equally_long():
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(Failed, match="array of numbers"):
        expect.array(["x" * 1_000_000] + ["y"] * 1000)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
