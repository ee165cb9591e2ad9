"""The weights of an ``.efz`` file as matrices: which of its tensors the machine multiplies by, and how.

Source: ISCA 2016, sections III and VII.D. A fully connected layer is one product of a matrix and a vector. A convolution is
many: one for every place of its output, whose vector is the patch under the kernel (im2col). Its groups are the blocks of a
block-diagonal matrix. What a tensor is, only its model tells: without one it is judged by its shape.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from efflab.efz import Entry, File

FULLY_CONNECTED, CONVOLUTION = "fully connected", "convolution"
KNOWN = "vectors are known of linear layers and of convolutions in two dimensions"


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight of a network as the machine multiplies by it.

    Args:
        name: of the tensor in the file.
        matrix: (rows, columns); a convolution's columns are channel, then place in the kernel.
        kind: ``"fully connected"`` or ``"convolution"``.
        bias: (rows,), or None.
        kernel: height and width of a convolution's kernel.
        groups: of a convolution: blocks on the matrix's diagonal, all else being zero.
        index_bits: width of the counts of zeros in the file; 0 where it has none.
    """

    name: str
    matrix: NDArray[Any]
    kind: str = FULLY_CONNECTED
    bias: NDArray[np.float64] | None = None
    kernel: tuple[int, ...] = ()
    groups: int = 1
    index_bits: int = 0

    @property
    def layer_name(self) -> str:
        """The name without what a module calls its weight."""
        return self.name.removesuffix(".weight")

    @property
    def module(self) -> str:
        """The module's name in its model; empty for the model itself."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, eq=False)
class Found:
    """What a file holds.

    Args:
        weights: in the order of the file, tied ones once a name.
        left: by name, why other tensors of two axes and more are none.
        notes: what was taken for granted, and what was left out, a sentence each.
    """

    weights: tuple[Weight, ...]
    left: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def weights(path: str | os.PathLike[str], model: "nn.Module | None" = None) -> Found:
    """Read the matrices of an ``.efz`` file.

    Args:
        path: the file.
        model: whose weights they are, which tells of what kind each is; by default its shape is taken to tell it.

    Returns:
        The weights, the other tensors, and what there is to say of them.

    Raises:
        EfzError: the file is damaged.
    """
    from efflab import efz  # noqa: PLC0415 - numba's cost, where it is needed

    found: list[Weight] = []
    left: dict[str, str] = {}
    notes: list[str] = []
    with efz.open(path) as file:
        for name, entry in _tensors(file):
            reason = _why_not(name, entry)
            groups, reason = (1, reason) if reason or model is None else _in_model(name, model)
            if reason:
                left[name] = reason
                continue
            bias, note = _bias(name, entry.shape[0], file)
            values = file.read(name).float().numpy().reshape(entry.shape[0], -1)
            kernel = tuple(entry.shape[2:])
            kind = CONVOLUTION if kernel else FULLY_CONNECTED
            matrix = block_diagonal(values, groups)
            found.append(Weight(name, matrix, kind, bias, kernel, groups, entry.index_bits))
            notes += [note] if note else []
    guessed = [_guess(found)] if found and model is None else []
    return Found(tuple(found), left, (*guessed, *notes))


def _tensors(file: "File") -> "Iterator[tuple[str, Entry]]":
    """The tensors of two axes and more, by each of their names."""
    for entry in file.entries:
        if len(entry.shape) >= 2:
            yield from ((name, entry) for name in entry.names)


def _why_not(name: str, entry: "Entry") -> str:
    """Why a tensor is no matrix of any layer; nothing where it may be one."""
    dtype = str(entry.dtype).removeprefix("torch.")
    if "float" not in dtype:
        return f"it holds {dtype}, and weights are floating-point numbers"
    if 0 in entry.shape:
        return "it is empty"
    last = name.rpartition(".")[2]
    return "" if last.startswith("weight") or last.endswith("_weight") else "it is not called a weight"


def _in_model(name: str, model: "nn.Module") -> tuple[int, str]:
    """The groups of the layer to which a tensor belongs, and why the machine does not run it, where it does not."""
    from torch import nn  # noqa: PLC0415 - only where there is a model

    modules = dict(model.named_modules(remove_duplicate=False))
    head, _, last = name.rpartition(".")
    module, above = modules.get(head), modules.get(head.rpartition(".")[0]) if head else None
    if module is None:
        return 1, f"the model has no module {head!r}"
    first = next(one for one, other in modules.items() if other is module)
    if first != head:
        return 1, f"it is the layer {first!r} under another name"
    if last != "weight" or not isinstance(module, nn.Linear | nn.Conv2d):
        return 1, f"it belongs to a module of the type {type(module).__name__}{_instead(module)}; {KNOWN}"
    if isinstance(above, nn.MultiheadAttention):
        return 1, "its product is made within a MultiheadAttention, which shows no vectors"
    return (module.groups if isinstance(module, nn.Conv2d) else 1), ""


def _instead(module: "nn.Module") -> str:
    """What a module does in place of a product with the matrix that its weight looks like."""
    from torch import nn  # noqa: PLC0415 - as above

    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return ", which looks rows up and multiplies nothing"
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return ", whose rows are its inputs"
    return ""


def _bias(name: str, rows: int, file: "File") -> tuple[NDArray[np.float64] | None, str]:
    """The bias beside a weight, or a sentence where it has another length than the layer."""
    head, dot, last = name.rpartition(".")
    own = (
        f"{last.removesuffix('weight')}bias"
        if last.endswith("_weight")
        else f"bias{last.removeprefix('weight')}"
    )
    bias = f"{head}{dot}{own}"
    if bias not in file.names:
        return None, ""
    held = file.read(bias).double().numpy()
    if held.shape == (rows,):
        return held, ""
    shape = " x ".join(map(str, held.shape)) or "a single number"
    return None, f"{bias} is left out: it has {shape} values, and its layer {rows:,} outputs"


def _guess(found: list[Weight]) -> str:
    """What the shapes were taken for."""
    kinds = {
        kind: ", ".join(one.layer_name for one in found if one.kind == kind)
        for kind in (FULLY_CONNECTED, CONVOLUTION)
    }
    said = {
        FULLY_CONNECTED: "as fully connected, which an embedding is not",
        CONVOLUTION: "as convolutions of one group, their first axis the outputs",
    }
    parts = [f"{names} {said[kind]}" for kind, names in kinds.items() if names]
    return f"taken by their shapes: {'; '.join(parts)}; the model's name would tell"


def block_diagonal(values: NDArray[Any], groups: int) -> NDArray[Any]:
    """Spread the rows of a grouped convolution so that they have a column for every input, their own group's not zero.

    Args:
        values: (rows, columns) as the tensor has them, the columns those of one group.
        groups: how many; rows is a multiple.

    Returns:
        (rows, groups x columns).

    >>> block_diagonal(np.array([[1, 2], [3, 4]]), 2).tolist()
    [[1, 2, 0, 0], [0, 0, 3, 4]]
    """
    if groups == 1:
        return values
    rows, columns = values.shape
    matrix = np.zeros((groups, rows // groups, groups, columns), values.dtype)
    each = np.arange(groups)
    matrix[each, :, each] = values.reshape(groups, -1, columns)
    return matrix.reshape(rows, -1)


def blocks(matrix: NDArray[Any], groups: int) -> NDArray[Any]:
    """Undo :func:`block_diagonal`.

    >>> blocks(np.array([[1, 2, 0, 0], [0, 0, 3, 4]]), 2).tolist()
    [[1, 2], [3, 4]]
    """
    rows, columns = matrix.shape
    each = np.arange(groups)
    return matrix.reshape(groups, rows // groups, groups, columns // groups)[each, :, each].reshape(rows, -1)
