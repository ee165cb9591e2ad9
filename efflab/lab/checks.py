"""Visible checks: they earn nothing and explain everything. The hidden ones, which earn points, are elsewhere."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from efflab.errors import EfflabError
from efflab.lab.cards import card
from efflab.lab.differences import as_array, describe, dtype_name, first_difference, is_tensor, shape_text
from efflab.lab.misconceptions import NOTHING, common, named
from efflab.viz.output import in_kernel

_KINDS = {"float": "f", "int": "iu", "bool": "b", "complex": "c"}


class CheckFailed(AssertionError):  # noqa: N818 - the name students read, a sentence in itself
    """A visible check does not hold yet; the message says what was expected, what came, and what the cause may be."""

    headline = ""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback: the reason is in the student's function, not in this call."""
        told = f"CheckFailed: {self.headline}" if in_kernel() else f"CheckFailed: {self}"
        return told.splitlines()


class Checker:
    """What a ``with check(...) as c`` block calls. Each method checks one thing and raises :class:`CheckFailed`.

    Attributes:
        task: the task's id.
        passed: how many checks have held so far.
    """

    def __init__(self, task: str) -> None:
        self.task = task
        self.passed = 0

    def _fail(self, headline: str, rows: Sequence[tuple[str, str]], causes: Sequence[str] = ()) -> NoReturn:
        box = card("bad", f"{self.task}: {headline}", rows, causes)
        error = CheckFailed(box.text.removeprefix("✗ "))
        error.headline = f"{self.task}: {headline}"
        if in_kernel():
            box.show()
        raise error

    def equal(
        self,
        got: Any,
        expected: Any,
        *,
        what: str = "the result",
        misconceptions: Mapping[str, Any] | None = None,
        tolerance: float = 0.0,
    ) -> None:
        """The values agree: exactly, or within a tolerance.

        Tensors, arrays, lists and numbers are compared by value and shape; two NaN agree; the number type is
        :meth:`dtype`'s business. Texts, tuples and dictionaries of all these work too.

        Args:
            got: the student's answer.
            expected: the right one.
            what: what it is, for the sentence ("the mask of three weights").
            misconceptions: by sentence, the value to which that misconception leads, or a function
                ``answer -> bool``; a failing check names those that match.
            tolerance: numbers may differ by ``tolerance * max(1, |expected|)``.

        Raises:
            CheckFailed: they differ.
        """
        difference = first_difference(got, expected, tolerance)
        if difference is None:
            self.passed += 1
            return
        causes = named(got, misconceptions or {}, tolerance) if got is not None else []
        causes = causes or common(got, expected, tolerance)
        first = difference.sentence + (f" ({difference.detail})" if difference.detail else "")
        rows = [("expected", describe(expected)), ("got", describe(got)), ("first difference", first)]
        self._fail(f"Not as expected: {what}.", rows, [f"Likely cause: {cause}" for cause in causes])

    def close(
        self,
        got: Any,
        expected: Any,
        *,
        what: str = "the result",
        misconceptions: Mapping[str, Any] | None = None,
        tolerance: float = 1e-5,
    ) -> None:
        """The values agree but for rounding: :meth:`equal` with a tolerance.

        Raises:
            CheckFailed: they differ by more than ``tolerance * max(1, |expected|)``.
        """
        self.equal(got, expected, what=what, misconceptions=misconceptions, tolerance=tolerance)

    def true(
        self,
        condition: Any,
        sentence: str,
        *,
        got: Any = ...,
        misconceptions: Mapping[str, Any] | None = None,
    ) -> None:
        """Something holds.

        Args:
            condition: one truth value.
            sentence: what must hold, as a whole sentence.
            got: the answer it was computed from, to be shown and to be held against ``misconceptions``.
            misconceptions: as for :meth:`equal`.

        Raises:
            CheckFailed: it does not hold.
            EfflabError: ``condition`` is many truth values.
        """
        holds = self._truth(condition)
        if holds:
            self.passed += 1
            return
        shown = [] if got is ... else [("got", describe(got))]
        causes = [NOTHING] if condition is None or got is None else named(got, misconceptions or {}, 0.0)
        rows = [("should hold", sentence), *shown]
        self._fail("something does not hold yet.", rows, [f"Likely cause: {cause}" for cause in causes])

    def _truth(self, condition: Any) -> bool:
        if condition is None:
            return False
        array = as_array(condition)
        if array is not None and array.size != 1:
            raise EfflabError(
                f"condition must be one truth value, got {describe(condition)}: use .all() or .any()"
            )
        return bool(array.item()) if array is not None else bool(condition)

    def raises(
        self,
        error: type[BaseException] | tuple[type[BaseException], ...],
        function: Callable[..., Any],
        *arguments: Any,
        match: str | None = None,
        what: str = "this call",
        **keywords: Any,
    ) -> None:
        """A call refuses bad input.

        Args:
            error: the expected kind of exception, or several.
            function: what to call.
            *arguments: what to call it with.
            match: words that the message must contain, in any case of letters.
            what: the call in words ("a sparsity of 1.5").
            **keywords: further arguments of the call.

        Raises:
            CheckFailed: the call returned, or raised something else.
            NotImplementedError: the function is still a stub.
        """
        kinds = error if isinstance(error, tuple) else (error,)
        wanted = " or ".join(kind.__name__ for kind in kinds)
        try:
            result = function(*arguments, **keywords)
        except kinds as raised:
            if match is None or match.lower() in str(raised).lower():
                self.passed += 1
                return
            rows = [("expected", f"{wanted} with a message that names {match!r}"), ("got", repr(raised))]
            self._fail(f"{what} is refused, but the message does not say why.", rows)
        except NotImplementedError:
            raise
        except Exception as raised:  # noqa: BLE001 - whatever a student's function raises is the finding
            rows = [("expected", wanted), ("got", repr(raised))]
            self._fail(f"{what} raises another error than expected.", rows)
        self._fail(
            f"{what} should be refused.", [("expected", wanted), ("got", f"no error, but {describe(result)}")]
        )

    def shape(self, got: Any, expected: Sequence[int], *, what: str = "the result") -> None:
        """A tensor or array has a shape.

        Raises:
            CheckFailed: it has another, or is no array at all.
        """
        array = as_array(got)
        if array is not None and array.shape == tuple(expected):
            self.passed += 1
            return
        found = describe(got) if array is None else shape_text(array.shape)
        causes = [f"Likely cause: {NOTHING}"] if got is None else []
        self._fail(f"Wrong shape: {what}.", [("expected", shape_text(expected)), ("got", found)], causes)

    def dtype(self, got: Any, expected: Any, *, what: str = "the result") -> None:
        """A tensor or array holds numbers of a type.

        Args:
            got: the answer.
            expected: ``torch.bool``, ``np.float32`` and the like, or a family: ``"bool"``, ``"int"``, ``"float"``.
            what: what it is.

        Raises:
            CheckFailed: it holds another.
        """
        wanted = _dtype_text(expected)
        if got is not None and _is_dtype(got, wanted):
            self.passed += 1
            return
        causes = [f"Likely cause: {NOTHING}"] if got is None else []
        self._fail(
            f"Wrong type of number: {what}.",
            [("expected", wanted), ("got", dtype_name(got))],
            causes,
        )


def _dtype_text(expected: Any) -> str:
    """The name of a type of number, however it was given."""
    if isinstance(expected, str):
        return expected
    if expected in {bool, int, float, complex}:
        return str(expected.__name__)
    if str(expected).startswith("torch."):
        return str(expected).removeprefix("torch.")
    return str(np.dtype(expected))


def _is_dtype(got: Any, wanted: str) -> bool:
    if dtype_name(got) == wanted:
        return True
    array = as_array(got)
    if array is None or wanted not in _KINDS:
        return False
    return array.dtype.kind in _KINDS[wanted] or (
        wanted == "float" and is_tensor(got) and got.is_floating_point()
    )


@contextlib.contextmanager
def check(task: str) -> Iterator[Checker]:
    """Check an answer and explain what is wrong with it.

    Args:
        task: the task's id, ``"pruning-1"``.

    Yields:
        The checker, to be called inside the block.

    Raises:
        CheckFailed: the first thing that does not hold, with what was expected, what came, the first difference and,
            where one is recognised, the misconception. Whatever else the student's code raises, the stub's
            NotImplementedError above all, passes through untouched.
        EfflabError: the block checked nothing.

    >>> with check("demo-1") as c:
    ...     c.equal(1 + 1, 2, what="one and one")
    ✓ demo-1: the check holds.
    """
    checker = Checker(task)
    yield checker
    if not checker.passed:
        raise EfflabError(
            f"check({task!r}) checked nothing: its block must call c.equal, c.true or another check"
        )
    told = "the check holds." if checker.passed == 1 else f"all {checker.passed} checks hold."
    card("good", f"{task}: {told}").show()
