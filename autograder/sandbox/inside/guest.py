"""Answers to a check's calls: the student's names are looked up, called with data, and what they return goes back as data."""

import contextlib
import functools
import io
import secrets
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from autograder.sandbox.inside.framing import Line
from autograder.wire import Tag, WireError, decode, encode


class Refused(Exception):  # noqa: N818 - a verdict for the student
    """What a call could not do; the message is for the student."""


class Guest:
    """The student's side of `autograder.tasks.Student`.

    Args:
        line: the channel, which callbacks use while a call runs.
        namespace: what the notebook defined; looked up anew at each call.
    """

    def __init__(self, line: Line, namespace: Mapping[str, Any]) -> None:
        self._line, self._namespace = line, namespace
        self._objects: list[Any] = []
        self._stack: list[bytes] = []

    def answer(self, request: bytes, kind: str, parts: tuple[Any, ...]) -> None:
        """Do what a request asks and send the reply."""
        self._stack.append(request)
        try:
            reply = self._reply(kind, parts)
        finally:
            self._stack.pop()
        self._line.send(request, *reply)

    def _reply(self, kind: str, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        does: dict[str, Callable[..., tuple[Any, ...]]] = {
            "call": lambda name, data: self._data(self._run(name, self._lookup(name), data)),
            "make": lambda name, data: self._keep(self._run(name, self._lookup(name), data)),
            "method": lambda handle, name, data: self._data(
                self._run(name, attribute(self._kept(handle), name), data)
            ),
            "get": lambda name: self._keep(self._lookup(name)),
            "put": lambda data: self._keep(self._there(data)),
            "fetch": lambda handle, path: self._data(attribute(self._kept(handle), path)),
        }
        try:
            return does[kind](*parts)
        except Refused as refused:
            return "refused", str(refused)[:2000]
        except WireError as error:
            return "wire", str(error)[:2000]
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - told to the student
            return "refused", describe("Your code", error)

    def _lookup(self, name: str) -> Any:
        first, _, rest = name.partition(".")
        if first not in self._namespace:
            raise Refused(f"The notebook does not define {first}.")
        return attribute(self._namespace[first], rest)

    def _kept(self, number: int) -> Any:
        if not 0 <= number < len(self._objects):
            raise WireError(f"there is no object behind handle {number}")
        return self._objects[number]

    def _keep(self, value: Any) -> tuple[str, int]:
        self._objects.append(value)
        return "handle", len(self._objects) - 1

    @staticmethod
    def _data(value: Any) -> tuple[str, bytes]:
        return "value", encode(value)

    def _there(self, data: bytes) -> Any:
        return decode(data, resolve=self._resolve, tensors="torch")

    def _run(self, name: str, function: Any, data: bytes) -> Any:
        arguments, keywords = self._there(data)
        with warnings.catch_warnings(), contextlib.redirect_stdout(_Nowhere()):
            warnings.simplefilter("ignore")
            try:
                return function(*arguments, **keywords)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                raise Refused(describe(name, error)) from error

    def _resolve(self, tag: Tag, number: int) -> Any:
        if tag is Tag.HANDLE:
            return self._kept(number)
        return functools.partial(self._ask, number)

    def _ask(self, callback: int, *data: Any, **named: Any) -> Any:
        """Call a function of the grader's: arguments go over as data, the answer comes back as data."""
        number = secrets.token_bytes(16)
        self._line.send(self._stack[-1], "callback", number, callback, encode((data, named)))
        while True:
            request, kind, *parts = self._line.receive()
            if request != number:
                self.answer(request, kind, tuple(parts))
            elif kind == "answer":
                return self._there(parts[0])
            else:
                # The exception has the name of the grader's own, so that a message names it.
                raise type(parts[0], (Exception,), {})(parts[1])


class _Nowhere(io.StringIO):
    """Forgets what is printed."""

    def write(self, text: str) -> int:
        return len(text)


def describe(name: str, error: BaseException) -> str:
    """One sentence on what the student's code raised."""
    try:
        # Half a surrogate pair is no text that could be sent.
        text = str(error).strip().encode(errors="replace").decode()
    except BaseException:  # noqa: BLE001 - a student's own __str__
        text = ""
    if isinstance(error, NotImplementedError):
        return f"{name} is not written yet ({text[:1000]})."
    lines = text.splitlines()
    return f"{name} raised {type(error).__name__}{': ' + lines[0][:300] if lines else ''}."


def attribute(value: Any, path: str) -> Any:
    """``value.a.b`` for the path ``"a.b"``."""
    try:
        return functools.reduce(getattr, filter(None, path.split(".")), value)
    except Exception as error:
        raise Refused(f"The object has no {path} ({type(error).__name__}).") from error
