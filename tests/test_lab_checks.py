"""Visible checks: what they accept, and what a failing one says."""

import math
import types

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from efflab.errors import EfflabError
from efflab.lab import CheckFailed, check
from efflab.lab.differences import describe, first_difference

W = torch.tensor([[0.5, -3.0, 1.0], [-0.1, 2.0, -0.2]])
MASK = torch.tensor([[False, True, True], [False, True, False]])


def said(block) -> str:
    """The message of the failing check in ``block``."""
    with pytest.raises(CheckFailed) as caught, check("pruning-1") as c:
        block(c)
    return str(caught.value)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (MASK, MASK.numpy()),
        (MASK.float(), MASK),
        (MASK.tolist(), MASK),
        (np.float32(0.1), 0.1),
        (torch.tensor(3), 3),
        (torch.tensor([1.0, math.nan]), [1.0, math.nan]),
        (torch.tensor([math.inf]), np.array([math.inf])),
        (torch.eye(3).to_sparse(), torch.eye(3)),
        (torch.ones(2, dtype=torch.bfloat16), [1, 1]),
        (torch.ones(2, requires_grad=True), [1, 1]),
        ({"a": torch.ones(2), "b": [1, (2, "x")]}, {"b": [1, (2, "x")], "a": np.ones(2)}),
        ("name", "name"),
        (None, None),
        (10**30, 10**30),
        (torch.empty(0, 3), np.empty((0, 3))),
    ],
)
def test_equal_values_agree_whatever_holds_them(got, expected) -> None:
    with check("t") as c:
        c.equal(got, expected)


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (W + torch.tensor([[0, 0, 0], [0, 0, 1.0]]), W, "at [1, 2]: expected -0.2"),
        (W[0], W, "expected shape (2, 3), got shape (3,)"),
        (3, 4, "expected 4, got 3"),
        ([1, 2], [1, 2, 3], "expected shape (3,), got shape (2,)"),
        ({"fc1": 1}, {"fc1": 1, "fc2": 2}, "missing key 'fc2'"),
        ({"fc1": 1, "fc3": 2}, {"fc1": 1}, "unexpected key 'fc3'"),
        ({"fc1": [1, 2]}, {"fc1": [1, 3]}, "at ['fc1'][1]: expected 3, got 2"),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 5}], "at [1]['a']: expected 5, got 2"),
        (["x"], ["x", "y"], "expected 2 items, got 1"),
        ("lenet", "alexnet", "expected 'alexnet', got 'lenet'"),
        ([1.0], "text", "expected a str, got a list"),
        (torch.tensor([1.0, math.nan]), [1.0, 2.0], "1 is not a number (NaN)"),
        (10**30, 10**30 + 1, f"expected {10**30 + 1}, got {10**30}"),
    ],
)
def test_the_first_difference_is_named_with_both_values(got, expected, words: str) -> None:
    assert words in said(lambda c: c.equal(got, expected))


@given(
    hnp.arrays(np.int64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.integers(-3, 3)),
    st.data(),
)
def test_the_named_place_is_the_first_that_differs(expected: np.ndarray, data: st.DataObject) -> None:
    got = data.draw(hnp.arrays(np.int64, expected.shape, elements=st.integers(-3, 3)))
    found = first_difference(got, expected)
    places = [index for index in np.ndindex(expected.shape) if got[index] != expected[index]]
    if not places:
        assert found is None
    else:
        place = ", ".join(map(str, places[0]))
        assert found.sentence == f"at [{place}]: expected {expected[places[0]]}, got {got[places[0]]}"


def test_a_failure_shows_both_values_shapes_types_and_how_much_differs() -> None:
    text = said(lambda c: c.equal(~MASK, MASK.float(), what="the mask of six weights"))
    assert text.startswith("pruning-1: Not as expected: the mask of six weights.")
    assert "tensor of shape (2, 3), float32" in text
    assert "tensor of shape (2, 3), bool" in text
    assert "6 of 6 values differ" in text


def test_numbers_that_print_alike_are_told_apart() -> None:
    text = said(lambda c: c.equal(0.1 + 0.2, 0.3))
    assert "expected 0.3, got 0.30000000000000004" in text


def test_tolerance_is_relative_to_the_expected_value_above_one() -> None:
    with check("t") as c:
        c.close(1000.009, 1000.0)
        c.close(0.000009, 0.0)
        c.equal(101, 100, tolerance=0.02)
    assert "got 1000.02" in said(lambda c: c.close(1000.02, 1000.0))
    assert "got 2e-05" in said(lambda c: c.close(0.00002, 0.0))


def test_the_matching_misconception_is_named_and_no_other() -> None:
    wrong = {
        "the signed weights were compared, not their magnitudes": W > 0.6,
        "the smallest weights were kept": W.abs() < 0.6,
        "a function that raises is no match": lambda got: got["no such key"],
    }
    text = said(lambda c: c.equal(W > 0.6, MASK, misconceptions=wrong))
    assert "Likely cause: the signed weights were compared, not their magnitudes" in text
    assert "smallest" not in text
    assert "no match" not in text
    by_test = {"everything was kept": lambda got: bool(torch.as_tensor(got).all())}
    assert "everything was kept" in said(lambda c: c.equal(torch.ones(2, 3), MASK, misconceptions=by_test))


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (None, W, "Your function returned nothing: is the `return` missing?"),
        (~MASK, MASK, "the other way round"),
        (W.T, W, "transposed"),
        (W.ravel(), W, "only the shape"),
        (-W, W, "wrong sign"),
        (90.0, 0.9, "percent where a fraction is asked for"),
        (0.9, 90.0, "a fraction where percent is asked for"),
        (2 * W, W, "exactly twice"),
        (W / 2, W, "exactly half"),
        (W / torch.zeros(2, 3) * 0, W, "NaN"),
        ((MASK, 0.5), MASK, "in a tuple with others"),
        (len, 3, "A function came instead of its result"),
    ],
)
def test_slips_that_every_lab_sees_are_recognised(got, expected, words: str) -> None:
    assert words in said(lambda c: c.equal(got, expected))


@pytest.mark.parametrize(("got", "expected"), [(5.0, 3.0), (W + 1, W), (MASK.roll(1, 0), MASK)])
def test_no_cause_is_invented(got, expected) -> None:
    assert "Likely cause" not in said(lambda c: c.equal(got, expected))


def test_true_takes_one_truth_value_of_any_kind() -> None:
    with check("t") as c:
        c.true(torch.tensor(True), "it holds")  # noqa: FBT003 - as a lab writes it
        c.true(np.bool_(1), "it holds")
    text = said(lambda c: c.true(False, "Zeros stay zero.", got=W))  # noqa: FBT003 - as a lab writes it
    assert "Zeros stay zero." in text
    assert "shape (2, 3)" in text
    assert "is the `return` missing" in said(lambda c: c.true(None, "It holds."))
    with pytest.raises(EfflabError, match=r"use \.all\(\)"), check("t") as c:
        c.true(MASK, "many")


def test_raises_shape_and_dtype() -> None:
    def refuse(sparsity: float) -> None:
        raise ValueError(f"sparsity must be below 1, got {sparsity}")

    with check("t") as c:
        c.raises(ValueError, refuse, 1.5, match="SPARSITY")
        c.shape(W, (2, 3))
        c.dtype(MASK, torch.bool)
        c.dtype(MASK.numpy(), "bool")
        c.dtype(W.half(), "float")
        c.dtype(torch.ones(1, dtype=torch.bfloat16), "float")
        c.dtype(3, "int")
        c.dtype(W, np.float32)
    assert "should be refused" in said(lambda c: c.raises(ValueError, abs, -1, what="a sparsity of -1"))
    assert "got       -1" not in said(lambda c: c.raises(ValueError, abs, -1))
    assert "raises another error" in said(lambda c: c.raises(KeyError, refuse, 1))
    assert "does not say why" in said(lambda c: c.raises(ValueError, refuse, 1, match="preserve"))
    assert "expected  (3, 2)\n  got       (2, 3)" in said(lambda c: c.shape(W, (3, 2)))
    assert "expected  bool\n  got       float32" in said(lambda c: c.dtype(W, torch.bool))
    assert "is the `return` missing" in said(lambda c: c.shape(None, (3, 2)))
    assert "is the `return` missing" in said(lambda c: c.dtype(None, torch.bool))


def test_a_stub_and_other_errors_pass_through_untouched() -> None:
    stub = NotImplementedError("Task 1.2: the mask")
    for call in (lambda c: c.equal(stubbed(stub), 1), lambda c: c.raises(ValueError, stubbed, stub)):
        with pytest.raises(NotImplementedError) as caught, check("t") as c:
            call(c)
        assert caught.value is stub
    with pytest.raises(ZeroDivisionError), check("t") as c:
        c.equal(1 / 0, 1)


def stubbed(error: Exception) -> None:
    raise error


def test_success_is_one_line_and_an_empty_check_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with check("pruning-2") as c:
        c.equal(1, 1)
        c.true(True, "it holds")  # noqa: FBT003 - as a lab writes it
    assert capsys.readouterr().out == "✓ pruning-2: all 2 checks hold.\n"
    with pytest.raises(EfflabError, match="checked nothing"), check("pruning-2"):
        pass


def test_the_rendered_traceback_is_the_message_alone() -> None:
    with pytest.raises(CheckFailed) as caught, check("pruning-1") as c:
        c.equal(3, 4, what="the count")
    lines = caught.value._render_traceback_()
    assert lines[0] == "CheckFailed: pruning-1: Not as expected: the count."
    assert not any("File " in line or "Traceback" in line for line in lines)


def test_in_a_kernel_html_explains_and_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("efflab.lab.checks.in_kernel", lambda: True)
    monkeypatch.setattr("efflab.viz.output.Output.show", lambda self: shown.append(self.html))
    with pytest.raises(CheckFailed) as caught, check("pruning-1") as c:
        c.equal("<script>alert(1)</script>", "plain", what="the name")
    assert "&lt;script&gt;" in shown[0]
    assert "<script>" not in shown[0]
    assert caught.value._render_traceback_() == ["CheckFailed: pruning-1: Not as expected: the name."]


def test_hostile_and_odd_answers_do_not_break_the_check() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None

        def __repr__(self) -> str:
            return "x" * 5000

    text = said(lambda c: c.equal(Odd(), "plain"))
    assert "expected 'plain', got x" in text
    assert len(text) < 1500
    assert "expected a tensor of shape (2, 3), got a generator" in said(lambda c: c.equal((i for i in W), W))
    assert said(lambda c: c.equal(types.SimpleNamespace(a=1), {"a": 1}))


def test_large_values_are_abridged() -> None:
    text = describe(torch.zeros(1000, 1000))
    assert text.startswith("tensor of shape (1000, 1000), float32\n")
    assert len(text) < 400
