"""Layers that run from their compressed form: they keep codes, gaps and a codebook, and never a dense weight.

Source: ICLR 2016, sections 2 and 3 (relative index and codebook), section 6.3 (running from it).
"""

import math
from collections.abc import Iterator
from typing import Any, Self

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from torch import Tensor, nn

from efflab.deep_compression.codes import PackedMatrix, check, decode_rows, pack_matrix
from efflab.errors import EfflabError

_BUFFERS = ("codes", "gaps", "starts", "codebook")
# Rows that are decoded at a time, where the loop over codes does not serve: at most so many weights.
_BLOCK_WEIGHTS = 2**16
# Measured on a x86-64 core, in nanoseconds: the loop over codes takes so long for a weight that is not zero, and for each
# input of the batch; decoding for any weight and one that is not zero, and the dense product for each input.
_LOOP, _LOOP_INPUT = 1.3, 0.18
_DECODE, _DECODE_NONZERO, _DENSE_INPUT = 0.3, 1.5, 0.012
# Columns that the loop over codes is given at a time, where a convolution has unfolded its input.
_WIDTH = 4096


class PackedLayer(nn.Module):
    """What packed layers share: codes, gaps, starts of the rows and codebook as buffers, the bias as a parameter.

    ``state_dict``, ``deepcopy`` and ``to`` work; a state with another number of codes can be loaded.
    """

    codes: Tensor
    gaps: Tensor
    starts: Tensor
    codebook: Tensor
    bias: nn.Parameter | None

    def __init__(self, shape: tuple[int, ...], packed: PackedMatrix, bias: Tensor | None) -> None:
        super().__init__()
        self.shape = shape
        check(packed, self.rows, self.columns)
        for name in _BUFFERS:
            self.register_buffer(name, getattr(packed, name))
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)

    @property
    def rows(self) -> int:
        """Output features or channels."""
        return self.shape[0]

    @property
    def columns(self) -> int:
        """Weights of one output."""
        return math.prod(self.shape[1:])

    @property
    def packed(self) -> PackedMatrix:
        """Codes, gaps, starts and codebook as they are now."""
        return PackedMatrix(self.codes, self.gaps, self.starts, self.codebook)

    @property
    def weight(self) -> Tensor:
        """The dense weight, decoded anew each time and kept nowhere."""
        return decode_rows(self.packed, 0, self.rows, self.columns).view(self.shape)

    def _runs_from_codes(self, x: Tensor, batch: int) -> bool:
        """Tell whether the loop over codes serves: on the CPU, in float32, for inference, where it is the quicker way."""
        density = self.codes.numel() / max(self.rows * self.columns, 1)
        loop = density * (_LOOP + _LOOP_INPUT * batch)
        return (
            bool(self.starts.numel())
            and loop <= _DECODE + _DECODE_NONZERO * density + _DENSE_INPUT * batch
            and x.device.type == "cpu"
            and x.dtype == self.codebook.dtype == torch.float32
            and not (torch.is_grad_enabled() and x.requires_grad)
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
            and torch._C._get_tracing_state() is None  # noqa: SLF001 - a trace would keep the outputs of its example
            and not torch.autograd.forward_ad._current_level >= 0  # noqa: SLF001 - a loop gives no tangents
        )

    def _times(self, x: Tensor, low: int, high: int) -> Tensor:
        """Multiply some rows with x, (columns, batch), in the loop over codes."""
        from efflab.deep_compression import _kernels  # noqa: PLC0415 - numba's cost, where it is needed

        out = torch.zeros(high - low, x.shape[1])
        codes, gaps, book = self.codes.numpy(), self.gaps.numpy(), self.codebook.numpy()
        starts, columns = self.starts[low : high + 1].numpy(), x.detach().contiguous().numpy()
        if x.shape[1] == 1:
            _kernels.multiply_one(codes, gaps, starts, book, columns[:, 0], out.numpy()[:, 0])
        else:
            _kernels.multiply(codes, gaps, starts, book, columns, out.numpy())
        return out

    def _blocks(self, low: int, high: int) -> Iterator[Tensor]:
        """Decode some rows, a block at a time."""
        step = max(1, _BLOCK_WEIGHTS // max(self.columns, 1))
        for first in range(low, high, step):
            yield decode_rows(self.packed, first, min(first + step, high), self.columns)

    def _load_from_state_dict(  # noqa: PLR0917 - torch's signature
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Make room for as many codes as the state has; codes that do not fit are an error, and nothing is loaded."""
        new = {name: state_dict.get(prefix + name) for name in _BUFFERS}
        parts = [part for part in new.values() if isinstance(part, Tensor)]
        if len(parts) == len(_BUFFERS):
            try:
                check(PackedMatrix(*parts), self.rows, self.columns)
            except EfflabError as error:
                error_msgs.append(f"{prefix.rstrip('.') or type(self).__name__}: {error}")
                return
            for name, part in zip(_BUFFERS, parts, strict=True):
                own = getattr(self, name)
                kind = own.dtype if name == "codebook" else part.dtype
                setattr(self, name, torch.empty(part.shape, dtype=kind, device=own.device))
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class PackedLinear(PackedLayer):
    """A linear layer that keeps codes and codebook alone.

    Args:
        in_features: as in ``nn.Linear``.
        out_features: as in ``nn.Linear``.
        packed: its weights.
        bias: (out_features,), or None.

    >>> layer = nn.Linear(64, 8)
    >>> _ = layer.weight.data.sign_().masked_fill_(torch.arange(64) % 4 > 0, 0)
    >>> packed = PackedLinear.of(layer)
    >>> x = torch.ones(2, 64)
    >>> torch.allclose(packed(x), layer(x)), packed.packed.nbytes < layer.weight.nbytes / 3
    (True, True)
    """

    def __init__(
        self, in_features: int, out_features: int, packed: PackedMatrix, bias: Tensor | None = None
    ) -> None:
        super().__init__((out_features, in_features), packed, bias)
        self.in_features, self.out_features = in_features, out_features

    @classmethod
    def of(cls, layer: nn.Linear, packed: PackedMatrix | None = None) -> Self:
        """Pack a linear layer.

        Args:
            layer: its weights have few values.
            packed: its weights, where they are packed already.

        Raises:
            EfflabError: the layer would not become smaller.
        """
        return cls(layer.in_features, layer.out_features, packed or _require(layer.weight), layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Compute x W^T + b.

        Args:
            x: (..., in_features).

        Returns:
            (..., out_features).
        """
        if x.shape[-1:] != (self.in_features,):
            raise EfflabError(
                f"x must have {self.in_features} features at the end, got shape {tuple(x.shape)}"
            )
        if self._runs_from_codes(x, x.numel() // max(self.in_features, 1)):
            y = self._times(x.reshape(-1, self.in_features).t(), 0, self.rows).t()
            y = y.reshape(*x.shape[:-1], self.out_features)
        else:
            y = torch.cat([F.linear(x, block) for block in self._blocks(0, self.rows)], -1)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return _about(self, f"in_features={self.in_features}, out_features={self.out_features}")


class PackedConv2d(PackedLayer):
    """A convolution that keeps codes and codebook alone: strided, dilated, grouped, and of every padding.

    Args:
        layer: the convolution whose settings it takes.
        packed: its weights, a row an output channel.
    """

    def __init__(self, layer: nn.Conv2d, packed: PackedMatrix) -> None:
        super().__init__(tuple(layer.weight.shape), packed, layer.bias)
        self.in_channels, self.out_channels = layer.in_channels, layer.out_channels
        self.kernel_size, self.stride, self.dilation = layer.kernel_size, layer.stride, layer.dilation
        self.padding, self.groups, self.padding_mode = layer.padding, layer.groups, layer.padding_mode

    @classmethod
    def of(cls, layer: nn.Conv2d, packed: PackedMatrix | None = None) -> Self:
        """Pack a convolution; see ``PackedLinear.of``."""
        return cls(layer, packed or _require(layer.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (N, in_channels, H, W), or without N.

        Returns:
            (N, out_channels, H', W'), or without N.
        """
        if x.dim() not in {3, 4} or x.shape[-3] != self.in_channels:
            raise EfflabError(
                f"x must be N x {self.in_channels} x H x W, or without N, got shape {tuple(x.shape)}"
            )
        batch = self._padded(x if x.dim() == 4 else x.unsqueeze(0))
        size = self._output_size(batch)
        if self._runs_from_codes(batch, len(batch) * math.prod(size)):
            y = self._from_codes(batch, size)
        else:
            y = self._from_blocks(batch)
        y = y if self.bias is None else y + self.bias.view(-1, 1, 1)
        return y if x.dim() == 4 else y.squeeze(0)

    def _padded(self, x: Tensor) -> Tensor:
        sides: list[int] = []
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            sides = [side for one in reversed(total) for side in (one // 2, one - one // 2)]
        elif not isinstance(self.padding, str):
            sides = [side for one in reversed(self.padding) for side in (one, one)]
        if not any(sides):
            return x
        return F.pad(x, sides, mode="constant" if self.padding_mode == "zeros" else self.padding_mode)

    def _groups(self) -> Iterator[tuple[slice, int, int]]:
        """Input channels, first and last row of every group."""
        inputs, outputs = self.in_channels // self.groups, self.out_channels // self.groups
        for group in range(self.groups):
            yield slice(group * inputs, (group + 1) * inputs), group * outputs, (group + 1) * outputs

    def _output_size(self, x: Tensor) -> tuple[int, int]:
        sides = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True)
        height, width = ((length - d * (k - 1) - 1) // s + 1 for length, k, s, d in sides)
        if min(height, width) < 1:
            raise EfflabError(f"x of {x.shape[2]}x{x.shape[3]} with its padding is smaller than the kernel")
        return height, width

    def _from_codes(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        step = max(1, _WIDTH // math.prod(size))
        out = x.new_empty(len(x), self.out_channels, *size)
        for first in range(0, len(x), step):
            part = x[first : first + step]
            for channels, low, high in self._groups():
                columns = F.unfold(part[:, channels], self.kernel_size, self.dilation, 0, self.stride)
                y = self._times(columns.transpose(0, 1).reshape(self.columns, -1), low, high)
                out[first : first + step, low:high] = y.view(high - low, len(part), *size).transpose(0, 1)
        return out

    def _from_blocks(self, x: Tensor) -> Tensor:
        parts = [
            F.conv2d(x[:, channels], block.view(-1, *self.shape[1:]), None, self.stride, 0, self.dilation)
            for channels, low, high in self._groups()
            for block in self._blocks(low, high)
        ]
        return torch.cat(parts, 1)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return _about(
            self,
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
        )


def _require(weight: Tensor) -> PackedMatrix:
    packed = pack_matrix(weight.flatten(1)) if bool(weight.isfinite().all()) else None
    if packed is None:
        raise EfflabError(
            "the layer would not become smaller: share its weights first, so that they have few values"
        )
    return packed


def _about(layer: PackedLayer, settings: str) -> str:
    dense = math.prod(layer.shape) * layer.codebook.element_size()
    return (
        f"{settings}, bias={layer.bias is not None}, values={layer.codebook.numel()}, "
        f"bytes={layer.packed.nbytes} of {dense}"
    )
