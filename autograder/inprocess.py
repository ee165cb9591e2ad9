"""A student in this very process, for tests and gates: every value crosses the wire as it would to a sandbox.

There is no protection here against what the code does; that is the sandbox's work.
"""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from autograder.tasks import StudentError
from autograder.wire import LIMITS, Callback, Handle, Limits, Tag, WireError, decode, encode


class InProcess:
    """A namespace of functions and classes, asked as a student.

    Args:
        namespace: what the notebook defined; looked up anew at each call.
        limits: what one message may hold.
    """

    def __init__(self, namespace: Mapping[str, Any], limits: Limits = LIMITS) -> None:
        self._namespace, self._limits = namespace, limits
        self._objects: list[Any] = []
        self._callbacks: list[Callable[..., Any]] = []

    def call(self, name: str, *data: Any, **named: Any) -> Any:
        """See `autograder.tasks.Student.call`."""
        return self._back(self._run(name, self._lookup(name), data, named))

    def make(self, name: str, *data: Any, **named: Any) -> Handle:
        """See `autograder.tasks.Student.make`."""
        return self._keep(self._run(name, self._lookup(name), data, named))

    def call_method(self, handle: Handle, method: str, *data: Any, **named: Any) -> Any:
        """See `autograder.tasks.Student.call_method`."""
        return self._back(self._run(method, _attribute(self._kept(handle), method), data, named))

    def get(self, name: str) -> Handle:
        """See `autograder.tasks.Student.get`."""
        return self._keep(self._lookup(name))

    def put(self, value: Any) -> Handle:
        """See `autograder.tasks.Student.put`."""
        return self._keep(self._there(value))

    def fetch(self, handle: Handle, path: str = "") -> Any:
        """See `autograder.tasks.Student.fetch`."""
        return self._back(_attribute(self._kept(handle), path))

    def _lookup(self, name: str) -> Any:
        first, _, rest = name.partition(".")
        if first not in self._namespace:
            raise StudentError(f"The notebook does not define {first}.")
        return _attribute(self._namespace[first], rest)

    def _keep(self, value: Any) -> Handle:
        self._objects.append(value)
        return Handle(len(self._objects) - 1)

    def _kept(self, handle: Handle) -> Any:
        if not 0 <= handle.id < len(self._objects):
            raise WireError(f"there is no object behind handle {handle.id}")
        return self._objects[handle.id]

    def _run(self, name: str, function: Any, data: tuple[Any, ...], named: dict[str, Any]) -> Any:
        arguments, keywords = self._there((data, named))
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                return function(*arguments, **keywords)
            except (Exception, SystemExit) as error:
                raise StudentError(describe(name, error)) from error

    def _there(self, value: Any) -> Any:
        message = encode(value, limits=self._limits, refer=self._refer)
        return decode(message, limits=self._limits, resolve=self._resolve, tensors="torch")

    def _back(self, value: Any) -> Any:
        return decode(encode(value, limits=self._limits), limits=self._limits, tensors="numpy")

    def _refer(self, value: Handle | Callback) -> tuple[Tag, int]:
        if isinstance(value, Handle):
            return Tag.HANDLE, value.id
        self._callbacks.append(value.function)
        return Tag.CALLBACK, len(self._callbacks) - 1

    def _resolve(self, tag: Tag, number: int) -> Any:
        if tag is Tag.HANDLE:
            return self._kept(Handle(number))
        return functools.partial(self._ask, self._callbacks[number])

    def _ask(self, function: Callable[..., Any], *data: Any, **named: Any) -> Any:
        """The student calls back: its arguments come over as data, the answer goes over as data."""
        arguments, keywords = self._back((data, named))
        return self._there(function(*arguments, **keywords))


def describe(name: str, error: BaseException) -> str:
    """One sentence on what the student's code raised."""
    if isinstance(error, NotImplementedError):
        return f"{name} is not written yet ({error})."
    text = str(error).strip().splitlines()
    return f"{name} raised {type(error).__name__}{': ' + text[0][:300] if text else ''}."


def _attribute(value: Any, path: str) -> Any:
    """``value.a.b`` for the path ``"a.b"``."""
    try:
        return functools.reduce(getattr, filter(None, path.split(".")), value)
    except Exception as error:
        raise StudentError(f"The object has no {path} ({type(error).__name__}).") from error
