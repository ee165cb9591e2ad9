"""Whole files back into tensors or a model, which is changed wholly or not at all."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from efflab.efz.dtypes import name_of, writable_bytes
from efflab.efz.layout import SPARSE, Entry
from efflab.efz.read import File, fresh
from efflab.errors import CheckpointError, EfflabError

M = TypeVar("M", bound=nn.Module)

_HOOKS = ("_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


@overload
def load(
    path: str | os.PathLike[str], model: None = None, *, limit_bytes: int | None = None
) -> dict[str, Tensor]: ...


@overload
def load(path: str | os.PathLike[str], model: M, *, limit_bytes: int | None = None) -> M: ...


def load(
    path: str | os.PathLike[str], model: M | None = None, *, limit_bytes: int | None = None
) -> M | dict[str, Tensor]:
    """Read a file whole.

    Args:
        path: the file.
        model: a model to load into; its tensors must have the names, shapes and dtypes of the file's, which is compared
            before anything is decoded. The file is then read through once before the model is changed at all, and
            Ctrl-C waits until the model is whole.
        limit_bytes: the most that the tensors may take where no model says how large they are; by default 1 GiB, or 256
            times the file where that is more.

    Returns:
        ``model``, or tensors by name, on the CPU; tied ones are one tensor under several names.

    Raises:
        EfzError: the file is missing, damaged, of another version, or too large.
        CheckpointError: it belongs to another model; the message names the first difference.
    """
    with File(path, limit_bytes) as file:
        if model is None:
            return _tensors(file)
        if not isinstance(model, nn.Module):
            raise EfflabError(f"model is {type(model).__name__}, and must be an nn.Module or None")
        own = model.state_dict(keep_vars=True)
        _refuse_difference(own, file)
        _refuse_untied(own, file)
        if _plain(model, own):
            file.verify()
            with _ctrl_c_afterwards():
                _fill(own, file)
        else:
            model.load_state_dict(_decoded(file))
        return model


def _tensors(file: File) -> dict[str, Tensor]:
    file.refuse_large(file.dense_bytes, "the tensors")
    return _decoded(file)


def _decoded(file: File) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for entry in file.entries:
        section = file.section(entry)
        section.check()
        state.update(dict.fromkeys(entry.names, fresh(section)))
    return state


def _refuse_difference(own: Mapping[str, object], file: File) -> None:
    held = {name: entry for entry in file.entries for name in entry.names}
    for name, value in own.items():
        if name not in held:
            raise CheckpointError(f"{file.path} belongs to another model: it holds no {name}")
        entry = held[name]
        if not isinstance(value, Tensor) or is_lazy(value):
            raise CheckpointError(
                f"{name} of the model has no shape yet: run the model once before it is loaded"
            )
        if (entry.shape, entry.dtype) != (tuple(value.shape), value.dtype):
            raise CheckpointError(
                f"{file.path} belongs to another model: {name} is {_form(entry)} there, and {_form(value)} in the model"
            )
    for name in held:
        if name not in own:
            raise CheckpointError(
                f"{file.path} belongs to another model: it holds {name}, which the model lacks"
            )


def _refuse_untied(own: Mapping[str, Tensor], file: File) -> None:
    """Refuse different values for names that the model ties: the last one would win."""
    first: dict[object, str] = {}
    for name, tensor in own.items():
        if not tensor.numel() or tensor.is_meta:
            continue
        memory = (tensor.data_ptr(), tensor.device, tensor.dtype, tensor.shape, tensor.stride())
        other = first.setdefault(memory, name)
        if file.entry(other) is not file.entry(name) and _bits(file, other) != _bits(file, name):
            raise CheckpointError(
                f"{file.path} belongs to another model: the model ties {other} and {name}, which differ there"
            )


def _bits(file: File, name: str) -> bytes:
    section = file.section(file.entry(name))
    section.check()
    return fresh(section).contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _form(value: Entry | Tensor) -> str:
    return f"{'x'.join(map(str, value.shape)) or 'a scalar'} {name_of(value.dtype)}"


def _plain(model: nn.Module, own: Mapping[str, Tensor]) -> bool:
    """Whether loading is no more than writing into the model's own tensors."""
    tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(
        model.named_buffers(remove_duplicate=False)
    )
    if any(tensors.get(name) is not tensor or tensor.is_meta for name, tensor in own.items()):
        return False
    return not any(_has_own_loading(module) for module in model.modules())


def _has_own_loading(module: nn.Module) -> bool:
    # torch's own overrides deal with states of older versions, which a file with every tensor does not hold.
    method = type(module)._load_from_state_dict  # noqa: SLF001 - the documented place to override
    changed = not method.__module__.startswith("torch.nn.modules.")
    return changed or any(getattr(module, hooks, None) for hooks in _HOOKS)


def _fill(own: Mapping[str, Tensor], file: File) -> None:
    """Write into the tensors of a model; the file has been verified."""
    for entry in file.entries:
        section = file.section(entry)
        # Names that the file ties may stand for separate tensors of this model.
        for tensor in {own[name].data_ptr(): own[name] for name in entry.names}.values():
            memory = writable_bytes(tensor)
            with torch.no_grad():
                if memory is None:
                    tensor.copy_(fresh(section))
                    continue
                if entry.coding == SPARSE:
                    memory.fill(0)
                section.decode(memory)


@contextlib.contextmanager
def _ctrl_c_afterwards() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, in the main thread, where Python's own handler is in place."""
    # efflab.training has such a block, and brings all of training with it.
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    waiting: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if waiting:
        raise KeyboardInterrupt
