"""Linear quantization: a float x becomes the integer round(x / scale) + zero_point, per tensor or per channel.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, arXiv:1712.05877, sections 2.1 and 3. Integers are signed, and rounding is half to even, as in torch.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from efflab.errors import EfflabError
from efflab.quantization._arrays import check_count

EPSILON = float(np.finfo(np.float32).eps)  # the least scale that torch's observers give


def integer_range(bits: int = 8, *, symmetric: bool = False) -> tuple[int, int]:
    """Give the least and the largest integer of b bits; a symmetric range leaves out the least one.

    >>> integer_range(8), integer_range(8, symmetric=True)
    ((-128, 127), (-127, 127))
    """
    top = (1 << (check_count(bits, "bits", 2, 16) - 1)) - 1
    return -top - (not symmetric), top


def affine_parameters(low: Any, high: Any, bits: int = 8, symmetric: bool = False) -> tuple[Any, Any]:
    """Find the scale and zero point that map [low, high], widened to hold 0, to the integers of b bits.

    Args:
        low: least value: a number, or one a channel (array or tensor).
        high: largest value, of the same kind.
        bits: 2 to 16.
        symmetric: zero point 0, range [-m, m] with m the larger magnitude.

    Returns:
        Scales (at least float32's epsilon, so that a constant 0 needs no care) and zero points; numbers for numbers.

    Raises:
        EfflabError: where low is above high, or either is NaN or infinite.

    >>> affine_parameters(-1.0, 3.0, bits=2)
    (1.3333333333333333, -1)
    >>> affine_parameters(-1.0, 3.0, symmetric=True)[1]
    0
    """
    least, most = integer_range(bits, symmetric=symmetric)
    lows, highs = _tensor(low, "low"), _tensor(high, "high")
    if lows.shape != highs.shape:
        raise EfflabError(f"low has shape {tuple(lows.shape)}, high {tuple(highs.shape)}")
    if not bool((torch.isfinite(lows) & torch.isfinite(highs) & (lows <= highs)).all()):
        raise EfflabError(f"low and high must be finite and low at most high, got {low!r} and {high!r}")
    below, above = lows.clamp(max=0), highs.clamp(min=0)
    scale = torch.maximum(-below, above) / most if symmetric else (above - below) / (most - least)
    scale = scale.clamp(min=EPSILON)
    zero = torch.zeros_like(scale) if symmetric else (least - torch.round(below / scale)).clamp(least, most)
    return _like(scale, low), _like(zero.to(torch.int32), low)


def _tensor(value: Any, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach() if value.is_floating_point() else value.detach().double()
    try:
        array = np.asarray(value)
        return torch.from_numpy(np.array(array if array.dtype.kind == "f" else array.astype(np.float64)))
    except (TypeError, ValueError):
        raise EfflabError(f"{name} must be a number, an array or a tensor, got {value!r}") from None


def _like(value: Tensor, given: Any) -> Any:
    if isinstance(given, Tensor):
        return value
    return value.numpy() if isinstance(given, np.ndarray) and given.ndim else value.item()


def _spread(value: Any, x: Tensor, axis: int | None, name: str) -> Tensor:
    """Shape per-channel parameters so that they broadcast along ``axis`` of x."""
    parameter = torch.as_tensor(value, device=x.device)
    if axis is None:
        if parameter.numel() != 1:
            raise EfflabError(
                f"{name} has {parameter.numel()} entries: say with axis= which dimension they belong to"
            )
        return parameter.reshape(())
    if not -x.dim() <= axis < x.dim():
        raise EfflabError(f"axis must be a dimension of x, which has {x.dim()}, got {axis}")
    if parameter.numel() not in {1, x.shape[axis]}:
        raise EfflabError(
            f"{name} has {parameter.numel()} entries, x has {x.shape[axis]} channels along axis {axis}"
        )
    shape = [1] * x.dim()
    shape[axis] = -1
    return parameter.reshape(shape)


def quantize(
    x: Any,
    scale: Any,
    zero_point: Any = 0,
    bits: int = 8,
    *,
    symmetric: bool = False,
    axis: int | None = None,
) -> Any:
    """Round floats to integers: ``clamp(round(x / scale) + zero_point)``.

    Args:
        x: floats, an array or a tensor.
        scale: above 0; a number, or one a channel along ``axis``.
        zero_point: the integer of 0.0.
        bits: 2 to 16.
        symmetric: whether to leave out the least integer.
        axis: the dimension of the channels; None: one scale for all.

    Returns:
        int8 up to 8 bits, else int16, of the kind and shape of x. Infinity becomes the range's end.

    Raises:
        EfflabError: where x holds NaN or a scale is not above 0.

    >>> quantize(np.array([-1.0, 0.0, 0.26, 9.0]), 0.1, 3)
    array([-7,  3,  6, 93], dtype=int8)
    """
    values = _floats(x)
    integers, _ = _round(values, scale, zero_point, bits, symmetric, axis)
    if bool(torch.isnan(integers).any()):
        raise EfflabError("x holds NaN, which is no integer")
    narrow = integers.to(torch.int8 if bits <= 8 else torch.int16)
    return narrow if isinstance(x, Tensor) else narrow.numpy()


def _floats(x: Any) -> Tensor:
    tensor = _tensor(x, "x")
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor


def _round(  # noqa: PLR0917 - as the public functions
    values: Tensor, scale: Any, zero_point: Any, bits: int, symmetric: bool, axis: int | None
) -> tuple[Tensor, Tensor]:
    """Integers as floats, and whether they lay within the range before it cut them off."""
    least, most = integer_range(bits, symmetric=symmetric)
    scales = _spread(scale, values, axis, "scale").to(values.dtype)
    zeros = _spread(zero_point, values, axis, "zero_point").to(values.dtype)
    if not bool((scales > 0).all()):
        raise EfflabError("scale must be above 0")
    # A product with the reciprocal, as torch's own kernels round.
    rounded = torch.round(values * (1 / scales)) + zeros
    return rounded.clamp(least, most), (rounded >= least) & (rounded <= most)


def dequantize(q: Any, scale: Any, zero_point: Any = 0, *, axis: int | None = None) -> Any:
    """Turn integers back into floats: ``(q - zero_point) * scale``.

    Args:
        q: integers, an array or a tensor.
        scale: as in ``quantize``; its dtype is the result's where it has one, else float32.
        zero_point: as in ``quantize``.
        axis: as in ``quantize``.

    >>> dequantize(np.array([-7, 3, 6], dtype=np.int8), 0.5, 3)
    array([-5. ,  0. ,  1.5], dtype=float32)
    """
    integers = q if isinstance(q, Tensor) else torch.from_numpy(np.asarray(q))
    if integers.is_floating_point():
        raise EfflabError(f"q must be integers, got {integers.dtype}")
    scales = _spread(scale, integers, axis, "scale")
    if isinstance(scale, float) or not scales.is_floating_point():
        scales = scales.float()
    zeros = _spread(zero_point, integers, axis, "zero_point").to(torch.int32)
    values = (integers.to(torch.int32) - zeros).to(scales.dtype) * scales
    return values if isinstance(q, Tensor) else values.numpy()


class _FakeQuantize(torch.autograd.Function):
    """Rounded forward; backward as if it were the identity within the range, 0 outside."""

    @staticmethod
    def forward(  # noqa: PLR0917 - as the public functions
        ctx: Any, x: Tensor, scale: Any, zero_point: Any, bits: int, symmetric: bool, axis: int | None
    ) -> Tensor:
        """Round."""
        integers, inside = _round(x, scale, zero_point, bits, symmetric, axis)
        ctx.save_for_backward(inside)
        zeros = _spread(zero_point, x, axis, "zero_point").to(x.dtype)
        return (integers - zeros) * _spread(scale, x, axis, "scale").to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        """Pass straight through, where nothing was cut off."""
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None, None, None, None


def fake_quantize(
    x: Any,
    scale: Any,
    zero_point: Any = 0,
    bits: int = 8,
    *,
    symmetric: bool = False,
    axis: int | None = None,
) -> Any:
    """Round floats to what ``dequantize(quantize(x))`` gives; the gradient passes straight through within the range.

    Args:
        x: floats, an array or a tensor.
        scale: as in ``quantize``.
        zero_point: as in ``quantize``.
        bits: 2 to 16.
        symmetric: as in ``quantize``.
        axis: as in ``quantize``.

    Returns:
        Floats of the kind, shape and dtype of x.

    >>> x = torch.tensor([0.24, 9.0], requires_grad=True)
    >>> fake_quantize(x, 0.1, bits=4).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    if isinstance(x, Tensor):
        wide = x.float() if x.dtype in {torch.float16, torch.bfloat16} else x
        rounded: Tensor = _FakeQuantize.apply(wide, scale, zero_point, bits, symmetric, axis)  # type: ignore[no-untyped-call]  # torch leaves apply without types
        return rounded if wide is x else rounded.to(x.dtype)
    values = _floats(x)
    return _FakeQuantize.apply(values, scale, zero_point, bits, symmetric, axis).numpy()  # type: ignore[no-untyped-call]  # as above
