"""How many multiplications a layer takes, from its shapes alone.

Every multiplication pairs an element of a weight tensor with an activation (a *use* of the weight), or two activations
(a *product*, as in attention). Knowing how often each weight tensor is used gives both the dense count and the count
that zero weights and zero inputs leave (Han et al., NIPS 2015, FLOP % in Tables 2 to 5). Additions of biases, gates,
norms and activation functions take no MAC here, as in the papers.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.nn.utils.rnn import PackedSequence

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LOOKUPS = (nn.Embedding, nn.EmbeddingBag)
_NORMS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the only common base of all batch and instance norms
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
_SCALINGS = (nn.PReLU,)


class Use(NamedTuple):
    """A weight tensor at work.

    Attributes:
        tensor: its name within the module, ``"weight"``.
        times: multiplications by each of its elements.
        reads_input: whether the other factor is the module's input, so that zeros in the input count.
        part: (i, n) where only the i-th of n equal blocks of rows is meant.
    """

    tensor: str
    times: int
    reads_input: bool = True
    part: tuple[int, int] = (0, 1)


class Count(NamedTuple):
    """The multiplications of one call of a layer.

    Attributes:
        kind: what the layer is, ``"conv2d"``.
        uses: its weight tensors at work.
        products: multiplications of two activations.
    """

    kind: str
    uses: tuple[Use, ...]
    products: int = 0


def linear_macs(inputs: int, outputs: int, positions: int = 1) -> int:
    """MACs of a matrix with ``inputs`` columns and ``outputs`` rows on ``positions`` vectors.

    >>> linear_macs(784, 300)
    235200
    """
    return inputs * outputs * positions


def conv_macs(
    in_channels: int, out_channels: int, kernel: Sequence[int], output: Sequence[int], groups: int = 1
) -> int:
    """MACs of a convolution on one example, padding included.

    Args:
        in_channels: channels read.
        out_channels: channels written.
        kernel: size of the kernel on each axis.
        output: size of the output on each axis.
        groups: groups that channels are split into.

    Returns:
        ``out_channels x in_channels / groups x prod(kernel) x prod(output)``.

    >>> conv_macs(96, 256, (5, 5), (27, 27), groups=2)  # AlexNet's conv2
    223948800
    """
    return out_channels * (in_channels // groups) * math.prod(kernel) * math.prod(output)


def has_rule(module: nn.Module) -> bool:
    """Whether :func:`count` knows this kind of layer."""
    return any(isinstance(module, types) for types, _ in _RULES)


def count(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Count | None:
    """Count one call of ``module``.

    Args:
        module: the layer.
        args: what it was called with.
        kwargs: what it was called with by name.
        output: what it returned.

    Returns:
        The count, with no use where a layer multiplies nothing (embedding, norm); None where no rule fits.
    """
    given = in_order(module, args, kwargs)
    return next((rule(module, given, output) for types, rule in _RULES if isinstance(module, types)), None)


def in_order(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of a call in the order of ``forward``'s signature, however they were named."""
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
    except (TypeError, ValueError):  # a compiled forward may show no signature
        return (*args, *kwargs.values())
    return (*bound.args, *bound.kwargs.values())


def _convolution(module: Any, _: Sequence[Any], output: Any) -> Count:
    """Each weight meets every output position."""
    kind = f"conv{module.weight.dim() - 2}d"
    return Count(kind, (Use("weight", output.numel() // module.out_channels),))


def _transposed(module: Any, given: Sequence[Any], _: Any) -> Count:
    """Each weight meets every input position; what padding crops was multiplied too."""
    kind = f"conv{module.weight.dim() - 2}d transposed"
    return Count(kind, (Use("weight", given[0].numel() // module.in_channels),))


def _linear(module: Any, _: Sequence[Any], output: Any) -> Count:
    return Count("linear", (Use("weight", output.numel() // module.out_features),))


def _bilinear(module: Any, _: Sequence[Any], output: Any) -> Count:
    """``x1 A x2``: the matrices first, then one dot product an output."""
    positions = output.numel() // module.out_features
    return Count(
        "bilinear", (Use("weight", positions),), positions * module.out_features * module.in1_features
    )


def _steps(x: Any, features: int) -> int:
    """Vectors in a batch of sequences: batch times steps, or the real steps of a packed batch."""
    elements: int = (x.data if isinstance(x, PackedSequence) else x).numel()
    return elements // features


def _recurrent(module: Any, given: Sequence[Any], _: Any) -> Count:
    """Every matrix of every layer and direction once a step; later layers read what is no input of the module."""
    steps = _steps(given[0], module.input_size)
    names = [name for group in module._all_weights for name in group if name.startswith("weight")]  # noqa: SLF001 - the one list of them
    first = ("weight_ih_l0", "weight_ih_l0_reverse")
    return Count(module.mode.split("_")[0].lower(), tuple(Use(name, steps, name in first) for name in names))


def _cell(module: Any, given: Sequence[Any], _: Any) -> Count:
    steps = _steps(given[0], module.input_size)
    kind = type(module).__name__.removesuffix("Cell").lower()
    return Count(kind, (Use("weight_ih", steps), Use("weight_hh", steps, reads_input=False)))


def _attention(module: Any, given: Sequence[Any], _: Any) -> Count:
    """Four projections, the scores and the weighted sum."""
    query, key = given[:2]
    steps = 1 if query.dim() == 3 and module.batch_first else 0
    batch = query.shape[1 - steps] if query.dim() == 3 else 1
    length, source = query.shape[steps], key.shape[steps]
    packed = module.in_proj_weight is not None
    names = ("in_proj_weight",) * 3 if packed else ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    met = (batch * length, batch * source, batch * source)
    parts = [(i, 3) if packed else (0, 1) for i in range(3)]
    inner = [Use(name, times, part=part) for name, times, part in zip(names, met, parts, strict=True)]
    attended = source + (module.bias_k is not None) + module.add_zero_attn
    products = 2 * batch * length * attended * module.embed_dim
    outer = Use("out_proj.weight", batch * length, reads_input=False)
    return Count("attention", (*inner, outer), products)


def _nothing(kind: str) -> Callable[[Any, Sequence[Any], Any], Count]:
    """The rule of a layer without multiplications of its own."""
    return lambda _module, _given, _output: Count(kind, ())


_RULES: tuple[tuple[tuple[type, ...], Callable[[Any, Sequence[Any], Any], Count]], ...] = (
    (_CONVOLUTIONS, _convolution),
    (_TRANSPOSED, _transposed),
    ((nn.Linear,), _linear),
    ((nn.Bilinear,), _bilinear),
    ((nn.RNNBase,), _recurrent),
    ((nn.RNNCellBase,), _cell),
    ((nn.MultiheadAttention,), _attention),
    (_LOOKUPS, _nothing("embedding")),
    (_NORMS, _nothing("norm")),
    (_SCALINGS, _nothing("activation")),
)
