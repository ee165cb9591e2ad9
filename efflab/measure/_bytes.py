"""Bytes of a model: in memory by number format, and in a real file."""

import os
from pathlib import Path

import safetensors.torch
from torch import Tensor, nn

from efflab.errors import EfflabError


def bytes_by_dtype(model: nn.Module) -> dict[str, int]:
    """Bytes of parameters and buffers in memory by number format, shared tensors once.

    >>> bytes_by_dtype(nn.Linear(784, 300))
    {'float32': 942000}
    """
    found: dict[str, int] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        name = str(tensor.dtype).removeprefix("torch.")
        found[name] = found.get(name, 0) + tensor.numel() * tensor.element_size()
    return dict(sorted(found.items()))


def file_bytes(path: str | os.PathLike[str]) -> int:
    """Size of a file in bytes.

    Raises:
        EfflabError: it does not exist or is no file.
    """
    if not Path(path).is_file():
        raise EfflabError(f"path must be an existing file, got {os.fspath(path)!r}")
    return Path(path).stat().st_size


def saved_bytes(model: nn.Module) -> int:
    """Bytes of the safetensors file that the model's state makes, header included; nothing is written.

    >>> saved_bytes(nn.Linear(784, 300)) - 4 * 235_500 < 200
    True
    """
    seen: set[int] = set()
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        # A tied tensor is kept once: the file knows no two names for one storage.
        if isinstance(tensor, Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            state[name] = tensor.detach().cpu().clone().contiguous()
    return len(safetensors.torch.save(state, metadata={"format": "pt"}))
