"""Layers that compute in integers: int8 weights and inputs, int32 sums, floats only at the edges.

Source: Jacob et al., CVPR 2018, section 2.2 (equation 4), and 2.3 for the zero point's part of the sum (equation 7).
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from efflab.errors import EfflabError
from efflab.quantization._arrays import check_finite
from efflab.quantization._sites import check_values
from efflab.quantization.calibration import Calibration, int8_layers
from efflab.quantization.linear import affine_parameters, integer_range, quantize


@cache
def _int_mm_is_exact() -> bool:
    """Whether torch's integer product neither saturates nor fails: some processors' instructions clip sums of pairs."""
    low = torch.full((32, 32), -128, dtype=torch.int8)
    high = torch.full((32, 32), 127, dtype=torch.int8)
    try:
        pairs = ((low, low), (low, high), (high, low), (high, high))
        return all(
            bool((torch._int_mm(a, b) == 32 * int(a[0, 0]) * int(b[0, 0])).all())  # noqa: SLF001 - torch has no public integer product
            for a, b in pairs
        )
    except (RuntimeError, AttributeError):
        return False


def integer_product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply int8 matrices (m, n) and (n, p) into int32, exactly."""
    # With an inner dimension of 1 torch 2.13 leaves the product unwritten.
    if a.device.type == "cpu" and a.shape[1] > 1 and a.shape[0] > 0 and _int_mm_is_exact():
        product: Tensor = torch._int_mm(a, b)  # noqa: SLF001 - as above
        return product
    # Products of int8 are below 2^14, so sums are exact in float32 up to 2^10 terms and in float64 up to 2^38.
    wide = torch.float32 if a.shape[1] <= 1 << 10 else torch.float64
    return (a.to(wide) @ b.to(wide)).to(torch.int32)


class _Int8Layer(nn.Module):
    """What the two layers share: weights with a scale an output channel, and the input's scale and zero point."""

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    input_scale: Tensor
    input_zero_point: Tensor

    def __init__(
        self, weight: Tensor, bias: Tensor | None, parameters: tuple[float, int] | None, name: str
    ) -> None:
        super().__init__()
        check_values(weight, name)
        weight = weight.detach().float()
        check_finite(weight.cpu().numpy(), f"layer {name!r}")
        rows = weight.reshape(weight.shape[0], -1)
        largest = rows.abs().amax(1) if rows.shape[1] else rows.new_zeros(rows.shape[0])
        scale, _ = affine_parameters(-largest, largest, symmetric=True)
        self.register_buffer("weight", quantize(weight, scale, 0, symmetric=True, axis=0).contiguous())
        self.register_buffer("weight_scale", scale)
        self.register_buffer("bias", None if bias is None else bias.detach().float().clone())
        self.dynamic = parameters is None
        step, zero = parameters or (1.0, 0)
        self.register_buffer("input_scale", torch.tensor(step, dtype=torch.float32, device=weight.device))
        self.register_buffer("input_zero_point", torch.tensor(zero, dtype=torch.int32, device=weight.device))

    def _parameters_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.dynamic:
            return self.input_scale, self.input_zero_point
        if x.numel() == 0:
            return self.input_scale, self.input_zero_point
        low, high = torch.aminmax(x.detach())
        scale, zero = affine_parameters(low, high)
        return scale, zero

    def _input(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The input as integers, with its scale and zero point."""
        x = x.detach().float()
        scale, zero = self._parameters_of(x)
        least, most = integer_range()
        integers = (torch.round(x * (1 / scale)) + zero).clamp(least, most).to(torch.int8)
        return integers, scale, zero

    def _dequantize(self, sums: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
        """Turn (..., out) int32 sums into floats."""
        y = sums.float() * (self.weight_scale * scale)
        if self.bias is not None:
            y = y + self.bias
        return y.to(dtype)


class Int8Linear(_Int8Layer):
    """A linear layer in integers: y = s_w s_x (W_q x_q - z_x W_q 1) + b.

    Args:
        layer: the float layer.
        parameters: scale and zero point of its inputs; None: of each batch's own range (dynamic quantization).
        name: for messages.
    """

    def __init__(
        self, layer: nn.Linear, parameters: tuple[float, int] | None = None, name: str = "Int8Linear"
    ) -> None:
        super().__init__(layer.weight, layer.bias, parameters, name)
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def accumulate(self, integers: Tensor, zero: Tensor) -> Tensor:
        """Sum in int32: (n, in) int8 inputs to (n, out)."""
        offset = zero * self.weight.sum(1, dtype=torch.int32)
        return integer_product(integers, self.weight.t()) - offset

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) floats to (..., out) floats."""
        integers, scale, zero = self._input(x)
        sums = self.accumulate(integers.reshape(-1, self.in_features), zero)
        return self._dequantize(sums, scale, x.dtype).view(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Say its size."""
        return f"{self.in_features}, {self.out_features}, dynamic={self.dynamic}"


class Int8Conv2d(_Int8Layer):
    """A two-dimensional convolution in integers; padding is the input's zero point.

    Args:
        layer: the float layer, of any stride, padding, dilation and groups.
        parameters: scale and zero point of its inputs; None: of each batch's own range.
        name: for messages.
    """

    def __init__(
        self, layer: nn.Conv2d, parameters: tuple[float, int] | None = None, name: str = "Int8Conv2d"
    ) -> None:
        super().__init__(layer.weight, layer.bias, parameters, name)
        if layer.padding_mode != "zeros":
            raise EfflabError(
                f"layer {name!r} pads with {layer.padding_mode!r}; int8 convolutions pad with zeros"
            )
        self.kernel_size: tuple[int, ...] = layer.kernel_size
        self.stride: tuple[int, ...] = layer.stride
        self.dilation: tuple[int, ...] = layer.dilation
        self.groups = layer.groups
        # (left, right, top, bottom), as torch's padding functions take it.
        self.padding: list[int] = list(layer._reversed_padding_repeated_twice)  # noqa: SLF001 - resolves 'same' too

    def accumulate(self, integers: Tensor, zero: Tensor) -> Tensor:
        """Sum in int32: (n, in, height, width) int8 inputs to (n, height', width', out)."""
        padded = functional.pad(integers, self.padding, value=int(zero))
        patches = self._patches(padded)  # (n, height', width', in, kh, kw)
        n, height, width = patches.shape[:3]
        parts = []
        for group, weight in zip(
            patches.chunk(self.groups, 3), self.weight.chunk(self.groups, 0), strict=True
        ):
            rows = weight.flatten(1)
            columns = group.reshape(n * height * width, rows.shape[1])
            parts.append(integer_product(columns, rows.t()) - zero * rows.sum(1, dtype=torch.int32))
        return torch.cat(parts, 1).view(n, height, width, self.weight.shape[0])

    def _patches(self, x: Tensor) -> Tensor:
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        windows = x.unfold(2, reach[0], self.stride[0]).unfold(3, reach[1], self.stride[1])
        return windows[..., :: self.dilation[0], :: self.dilation[1]].permute(0, 2, 3, 1, 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in, height, width) floats, or one image without n, to floats."""
        batch = x if x.dim() == 4 else x.unsqueeze(0)
        integers, scale, zero = self._input(batch)
        y = self._dequantize(self.accumulate(integers, zero), scale, x.dtype).permute(0, 3, 1, 2)
        return y if x.dim() == 4 else y.squeeze(0)

    def extra_repr(self) -> str:
        """Say its size."""
        return f"{tuple(self.weight.shape)}, stride={self.stride}, dynamic={self.dynamic}"


def quantize_int8_(
    model: nn.Module, calibration: Calibration | None = None, filter_fn: Any = None
) -> nn.Module:
    """Replace a model's linear layers and two-dimensional convolutions by their int8 forms, in place.

    Args:
        model: for inference; its layers' float weights are dropped. A model that is itself such a layer is returned
            as a new one.
        calibration: of its inputs' ranges; None: each batch's own range.
        filter_fn: ``filter_fn(module, fqn) -> bool``; which layers.

    Returns:
        The model.

    Raises:
        EfflabError: no such layers, a layer that calibration did not see, NaN or infinity in its weights.

    >>> model = nn.Sequential(nn.Linear(4, 2))
    >>> quantize_int8_(model)
    Sequential(
      (0): Int8Linear(4, 2, dynamic=True)
    )
    """
    layers = int8_layers(model, filter_fn)
    if not layers:
        raise EfflabError(
            f"{type(model).__name__} has no linear or convolutional layers to compute in integers"
        )
    made: dict[nn.Module, nn.Module] = {}
    for path, layer in layers.items():
        parameters = None if calibration is None else calibration.parameters(path)
        kind: Any = Int8Linear if isinstance(layer, nn.Linear) else Int8Conv2d
        made[layer] = kind(layer, parameters, path).train(layer.training)
    if model in made:
        return made[model]
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):  # noqa: SLF001 - named_children leaves shared ones out
            if child in made:
                setattr(module, name, made[child])
                if isinstance(module, nn.TransformerEncoderLayer):
                    module.activation_relu_or_gelu = 0  # torch's fused layer would read its float weights
    return model
