"""The student of hidden checks, in another process: `autograder.tasks.Student` over the channel."""

import functools
from collections.abc import Callable
from typing import Any

from autograder.sandbox.outputs import plain
from autograder.sandbox.patience import Patience
from autograder.sandbox.replay import Lost, Process
from autograder.tasks import Failed, StudentError
from autograder.wire import Callback, Handle, Tag, WireError, decode, encode


class Remote:
    """Asks a submission's process.

    Args:
        process: the notebook's cells have run in it, as far as they do.
        patience: stops counting while the student's code runs.
    """

    def __init__(self, process: Process, patience: Patience) -> None:
        self._process, self._patience = process, patience
        self._kept: list[tuple[int, int]] = []
        self._callbacks: list[Callable[..., Any]] = []

    def call(self, name: str, *data: Any, **named: Any) -> Any:
        """See `autograder.tasks.Student.call`."""
        return self._value(name, self._ask(name, "call", name, self._there((data, named))))

    def make(self, name: str, *data: Any, **named: Any) -> Handle:
        """See `autograder.tasks.Student.make`."""
        return self._handle(name, self._ask(name, "make", name, self._there((data, named))))

    def call_method(self, handle: Handle, method: str, *data: Any, **named: Any) -> Any:
        """See `autograder.tasks.Student.call_method`."""
        number = self._number(handle)
        return self._value(method, self._ask(method, "method", number, method, self._there((data, named))))

    def get(self, name: str) -> Handle:
        """See `autograder.tasks.Student.get`."""
        return self._handle(name, self._ask(name, "get", name))

    def put(self, value: Any) -> Handle:
        """See `autograder.tasks.Student.put`."""
        return self._handle("a value", self._ask("a value", "put", self._there(value)))

    def fetch(self, handle: Handle, path: str = "") -> Any:
        """See `autograder.tasks.Student.fetch`."""
        what = path or "an object"
        return self._value(what, self._ask(what, "fetch", self._number(handle), path))

    def forget(self) -> None:
        """The objects of one check are none of the next one's."""
        self._kept.clear()
        self._callbacks.clear()

    def _ask(self, what: str, kind: str, *parts: Any) -> tuple[Any, ...]:
        try:
            with self._patience.away():
                return self._process.ask(kind, *parts, answer=self._answer)
        except Lost as lost:
            raise StudentError(f"{what} {lost.reason}.") from lost

    def _value(self, what: str, reply: tuple[Any, ...]) -> Any:
        match reply:
            case ("value", bytes(data)):
                return decode(data, tensors="numpy")
        raise _verdict(what, reply)

    def _handle(self, what: str, reply: tuple[Any, ...]) -> Handle:
        match reply:
            case ("handle", int(number)) if 0 <= number < 2**31:
                self._kept.append((self._process.present, number))
                return Handle(len(self._kept) - 1)
        raise _verdict(what, reply)

    def _number(self, handle: Handle) -> int:
        """What the process calls an object."""
        if not 0 <= handle.id < len(self._kept):
            raise WireError(f"there is no object behind handle {handle.id}")
        generation, number = self._kept[handle.id]
        if generation != self._process.present:
            raise StudentError("The object was lost with the process that held it.")
        return number

    def _there(self, value: Any) -> bytes:
        return encode(value, refer=self._refer)

    def _refer(self, value: Handle | Callback) -> tuple[Tag, int]:
        if isinstance(value, Handle):
            return Tag.HANDLE, self._number(value)
        self._callbacks.append(value.function)
        return Tag.CALLBACK, len(self._callbacks) - 1

    def _answer(self, which: int, data: bytes) -> tuple[Any, ...]:
        """The student calls back: its arguments came as data, the answer goes over as data."""
        try:
            function = self._callbacks[which] if 0 <= which < len(self._callbacks) else None
            if function is None:
                return "raise", "WireError", "there is no such function"
            arguments, keywords = decode(data, tensors="numpy")
            with self._patience.back():
                return "answer", self._there(functools.partial(function, *arguments)(**keywords))
        except (Failed, StudentError, WireError) as error:
            return "raise", type(error).__name__, str(error)[:2000]
        except Exception:  # noqa: BLE001 - arguments of an unforeseen kind; what the grader holds stays here
            return "raise", "ValueError", "it was called with arguments of another kind than expected"


def _verdict(what: str, reply: tuple[Any, ...]) -> Exception:
    match reply:
        case ("refused", str(sentence)):
            return StudentError(plain(sentence)[:2000])
        case ("wire", str(sentence)):
            return WireError(plain(sentence)[:2000])
    return StudentError(f"{what} gave no reply that can be read.")
