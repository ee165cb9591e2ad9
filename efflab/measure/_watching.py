"""Watching one forward pass: which layers ran, on what, and what multiplied beside them."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from efflab.errors import EfflabError
from efflab.measure._counting import Count, count, has_rule, in_order

# What multiplies matrices when no counted module does it.
_MATRIX_PRODUCTS = re.compile(
    r"aten::(_?convolution.*|conv\w+|mm|addmm|bmm|baddbmm|addbmm|mv|addmv|dot|vdot|addr|linear|matmul|_trilinear"
    r"|_scaled_dot_product\w*|_native_multi_head_attention|_transformer_encoder_layer_fwd|_int_mm|_scaled_mm"
    r"|mkldnn_\w+|lstm|gru|\w*rnn\w*|_cudnn_rnn)"
)
# What may follow a layer and still be seen as its output: activation functions, norms, residual sums.
_FOLLOWERS = re.compile(
    r"aten::(relu6?|threshold|hardtanh|leaky_relu|_?prelu\w*|r?relu\w*|elu|celu|selu|gelu|silu|mish|hardswish|hardsigmoid"
    r"|sigmoid|tanh|softplus|clamp(_min|_max)?|softmax|_softmax|\w*batch_norm\w*|native_(layer|group)_norm|native_dropout"
    r"|add|sub|mul|div)_?"
)


_UNKNOWN_TO_NUMPY = {torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2}
# These act upon the output of the layer before them and have no activations of their own.
_PASSING = {"norm", "activation"}


_PIECE = 2**18  # elements whose truth values stay in the cache


def count_nonzero(tensor: Tensor) -> int:
    """Elements that are not zero; piece by piece, since counting at once pays for fresh pages more than for numbers."""
    flat = tensor.detach().reshape(-1)
    if flat.device.type != "cpu" or flat.dtype in _UNKNOWN_TO_NUMPY:
        return int(torch.count_nonzero(flat))
    array = flat.numpy()
    return sum(int(np.count_nonzero(array[i : i + _PIECE] != 0)) for i in range(0, array.size, _PIECE))


class Elements(NamedTuple):
    """Elements of a tensor, and how many of them are not zero."""

    nonzeros: int
    total: int

    @classmethod
    def of(cls, tensor: Tensor | None) -> "Elements":
        """Count those of ``tensor``; none where there is no tensor."""
        return cls(0, 0) if tensor is None else cls(count_nonzero(tensor), tensor.numel())

    @property
    def density(self) -> float:
        """Share that is not zero; 1 of nothing."""
        return self.nonzeros / self.total if self.total else 1.0


@dataclass
class Tally:
    """What was seen of one module: a count, the elements read and the elements written, for each call."""

    kind: str
    known: bool
    calls: list[Count] = field(default_factory=list)
    given: list[Elements] = field(default_factory=list)
    made: list[Elements] = field(default_factory=list)
    shape: tuple[int, ...] = ()


class _Maker(NamedTuple):
    """The call that a tensor came out of; ``order`` tells which of several ran last."""

    tally: Tally
    call: int
    order: int


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in what a module was given or returned."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, PackedSequence):
        yield value.data
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


class Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Hears every operation, and through hooks every call of a module.

    Attributes:
        names: every module's path.
        tallies: the modules that hold parameters or multiply, in the order they first ran.
        loose: matrix products outside of counted modules, a phrase each.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.names = {module: name for name, module in model.named_modules()}
        self.tallies: dict[nn.Module, Tally] = {}
        self.loose: dict[str, None] = {}
        self._within: list[str] = []
        self._ruled_depth = 0
        self._makers = WeakTensorKeyDictionary()
        self._order = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, and note it if no counted module is about to."""
        result = func(*args, **(kwargs or {}))
        if not self._ruled_depth:
            name = func._schema.name  # noqa: SLF001 - the only name an operation has
            if _MATRIX_PRODUCTS.fullmatch(name):
                place = self._within[-1] if self._within else ""
                self.loose[f"{name.removeprefix('aten::')} in {place or 'the model itself'}"] = None
            elif _FOLLOWERS.fullmatch(name):
                self._follow(args, result)
        return result

    def _follow(self, args: tuple[Any, ...], result: Any) -> None:
        """Let ``result`` count as the output of the latest layer among ``args``, with the zeros it has now."""
        makers = [self._makers[one] for one in tensors(args) if one in self._makers]
        written = next(tensors(result), None)
        if not makers or written is None:
            return
        maker: _Maker = max(makers, key=lambda one: one.order)
        self._makers[written] = maker
        if written.numel() == maker.tally.made[maker.call].total:
            maker.tally.made[maker.call] = Elements.of(written)

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ARG002 - a hook's arguments
        """Before a module runs."""
        self._within.append(self.names[module])
        self._ruled_depth += has_rule(module)

    def leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """After a module ran: what lies within a counted one is its own business."""
        self._within.pop()
        ruled = has_rule(module)
        self._ruled_depth -= ruled
        if not self._ruled_depth and (ruled or owns_parameters(module)):
            self._note(module, args, kwargs, output)

    def _note(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        counted = count(module, args, kwargs, output)
        kind = counted.kind if counted else type(module).__name__
        tally = self.tallies.setdefault(module, Tally(kind, counted is not None))
        read, written = next(tensors(in_order(module, args, kwargs)), None), next(tensors(output), None)
        passing = kind in _PASSING or not tally.known
        tally.calls.append(counted or Count(kind, ()))
        tally.given.append(Elements.of(None if passing else read))
        tally.made.append(Elements.of(None if passing else written))
        tally.shape = () if written is None else tuple(written.shape)
        if kind in _PASSING:
            self._follow((read,), output)
        elif tally.known and written is not None:
            self._order += 1
            self._makers[written] = _Maker(tally, len(tally.made) - 1, self._order)


def owns_parameters(module: nn.Module) -> bool:
    """Whether a module holds parameters itself, not only its parts."""
    return next(module.parameters(recurse=False), None) is not None


def watch(model: nn.Module, example_inputs: Any) -> Watcher:
    """Run the model once, in evaluation mode and without gradients, and leave it as it was.

    Raises:
        EfflabError: ``model`` is no module, or does not run on these inputs.
    """
    if not isinstance(model, nn.Module):
        raise EfflabError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    args, kwargs = arguments(example_inputs)
    watcher = Watcher(model)
    with contextlib.ExitStack() as stack:
        for module in list(watcher.names):
            stack.callback(module.register_forward_pre_hook(watcher.enter, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(watcher.leave, with_kwargs=True).remove)
            stack.callback(setattr, module, "training", module.training)
        model.eval()
        try:
            with torch.no_grad(), watcher:
                model(*args, **kwargs)
        except (OSError, MemoryError):
            raise  # the machine's fault, not the model's
        except Exception as error:
            shapes = ", ".join(str(tuple(one.shape)) for one in tensors((args, kwargs))) or "no tensor"
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EfflabError(
                f"the model does not run on example_inputs of shape {shapes}: {message}"
            ) from error
    return watcher


def arguments(example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments from a tensor, a tuple of arguments, or a mapping of them."""
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    if isinstance(example_inputs, list | tuple) and not isinstance(example_inputs, PackedSequence):
        return tuple(example_inputs), {}
    return (example_inputs,), {}
