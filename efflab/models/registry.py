"""Models by name, and a user's own as ``package.module:factory``."""

import contextlib
import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from efflab.errors import EfflabError
from efflab.models import cifar, digits, imagenet, lenet, recurrent, squeezenet


class _Entry(NamedTuple):
    factory: Callable[..., nn.Module]
    shape: tuple[int, ...]


_MODELS = {
    "lenet-300-100": _Entry(lenet.lenet_300_100, (1, 28, 28)),
    "lenet5": _Entry(lenet.lenet5, (1, 28, 28)),
    "alexnet": _Entry(imagenet.alexnet, (3, 227, 227)),
    "alexnet-torchvision": _Entry(imagenet.alexnet_torchvision, (3, 224, 224)),
    "vgg16": _Entry(imagenet.vgg16, (3, 224, 224)),
    "resnet20": _Entry(cifar.resnet20, (3, 32, 32)),
    "resnet32": _Entry(cifar.resnet32, (3, 32, 32)),
    "resnet56": _Entry(cifar.resnet56, (3, 32, 32)),
    "vgg-nagadomi": _Entry(cifar.vgg_nagadomi, (3, 32, 32)),
    "squeezenet1-0": _Entry(squeezenet.squeezenet1_0, (3, 227, 227)),
    "squeezenet1-1": _Entry(squeezenet.squeezenet1_1, (3, 224, 224)),
    "passport": _Entry(digits.passport, (1, 8, 8)),
    "lstm-classifier": _Entry(recurrent.lstm_classifier, (50, 40)),
    "lstm-language-model": _Entry(recurrent.lstm_language_model, (64,)),
}
# The papers write it with a hyphen.
_ALIASES = {
    "lenet-5": "lenet5",
    "vgg-16": "vgg16",
    "resnet-20": "resnet20",
    "resnet-32": "resnet32",
    "resnet-56": "resnet56",
}


def names() -> tuple[str, ...]:
    """The names that ``get`` knows, in the order in which the course meets them."""
    return tuple(_MODELS)


def _entry(name: str) -> _Entry:
    key = name.lower().replace("_", "-").replace(".", "-")
    key = _ALIASES.get(key, key)
    if key not in _MODELS:
        close = difflib.get_close_matches(key, _MODELS, n=1)
        guess = f"; did you mean {close[0]}?" if close else ""
        raise EfflabError(
            f"model {name!r} is not known{guess} (known: {', '.join(_MODELS)}; your own: package.module:factory)"
        )
    return _MODELS[key]


def get(name: str, **settings: Any) -> nn.Module:
    """Build a model by its name.

    Args:
        name: one of ``names()``; hyphens and underscores are the same.
        settings: passed to the factory, such as ``dropout=0.5``.

    Returns:
        A freshly initialised model in training mode.

    Raises:
        EfflabError: the name is not known, or the factory has no such setting.

    >>> sum(p.numel() for p in get("lenet_300_100").parameters())
    266610
    """
    factory = _entry(name).factory
    try:
        inspect.signature(factory).bind(**settings)
    except TypeError as error:
        known = ", ".join(inspect.signature(factory).parameters)
        raise EfflabError(f"model {name!r} takes {known}: {error}") from None
    return factory(**settings)


def input_shape(name: str) -> tuple[int, ...]:
    """Shape of one input without the batch axis.

    Images are C x H x W; ``lstm-classifier`` has an example of T x F, and ``lstm-language-model`` of T tokens (int64).

    Raises:
        EfflabError: the name is not known.

    >>> input_shape("passport")
    (1, 8, 8)
    """
    return _entry(name).shape


def resolve(name: str) -> nn.Module:
    """Build a model from what stands on a command line.

    Args:
        name: a name of ``names()``, or ``package.module:factory`` with a callable that needs no arguments (a function or a
            class), or a ready ``nn.Module``. Modules in the current folder are found.

    Returns:
        The model.

    Raises:
        EfflabError: one sentence that says which part of ``name`` did not work.
    """
    if ":" not in name:
        return get(name)
    module_name, _, path = name.partition(":")
    if not module_name or not path or module_name.startswith("."):
        raise EfflabError(f"model {name!r} is neither a known name nor of the form package.module:factory")
    found: Any = _import(module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise EfflabError(f"model {name!r}: {module_name} has no attribute {path!r}")
        found = getattr(found, part)
    return found if isinstance(found, nn.Module) else _build(name, found)


@contextlib.contextmanager
def _current_folder_importable() -> Iterator[None]:
    """A console script's path lacks the current folder; it comes last, so that it shadows nothing installed."""
    folder = str(Path.cwd())
    sys.path.append(folder)
    try:
        yield
    finally:
        # The import itself may have changed sys.path.
        if folder in sys.path:
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(folder)]


def _import(module_name: str) -> Any:
    importlib.invalidate_caches()
    with _current_folder_importable():
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise EfflabError(
                    f"no module named {module_name!r} is installed or lies in the current folder"
                ) from error
            raise EfflabError(
                f"module {module_name!r} needs {error.name!r}, which is not installed"
            ) from error
        except Exception as error:
            raise EfflabError(f"importing {module_name!r} failed: {type(error).__name__}: {error}") from error


def _build(name: str, factory: Any) -> nn.Module:
    if not callable(factory):
        raise EfflabError(
            f"model {name!r} is a {type(factory).__name__}, expected a function that returns an nn.Module"
        )
    needed = _required(factory)
    if needed:
        raise EfflabError(
            f"model {name!r} needs arguments ({', '.join(needed)}); name a function that takes none"
        )
    try:
        model = factory()
    except Exception as error:
        raise EfflabError(f"model {name!r} failed when called: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise EfflabError(f"model {name!r} returned a {type(model).__name__}, expected an nn.Module")
    return model


def _required(factory: Callable[..., object]) -> list[str]:
    """Parameters without a default; none where a builtin does not tell."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    named = (p for p in parameters if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD})
    return [p.name for p in named if p.default is p.empty]
