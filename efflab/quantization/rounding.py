"""Linear quantization of a model's weights: rounded once, or in every forward pass while it trains.

Source: Jacob et al., CVPR 2018, section 3 (simulated quantization).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from efflab.pruning.layers import FilterFn
from efflab.quantization._arrays import check_finite
from efflab.quantization._sites import Weight, detached, parametrize_, unparametrize_, weights_of
from efflab.quantization.configs import Affine, AffineConfigs, assign_configs
from efflab.quantization.linear import affine_parameters, fake_quantize


class FakeQuantized(nn.Module):
    """The parametrization: rounds the weight, with scales of its range as it is now.

    Args:
        config: bits, symmetric, per channel.
        axis: the weight's dimension of output channels.
    """

    def __init__(self, config: Affine, axis: int) -> None:
        super().__init__()
        self.config = config
        self.axis = axis

    def parameters_of(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and zero point of a weight, or one each an output channel."""
        weight = weight.detach()
        if weight.dtype.itemsize < 4:
            weight = weight.float()  # a scale of few digits would cut the largest weights off
        dims = [d for d in range(weight.dim()) if not (self.config.per_channel and d == self.axis)]
        if weight.numel() == 0:
            empty = weight.new_zeros(weight.shape[self.axis] if self.config.per_channel else ())
            return affine_parameters(empty, empty, self.config.bits, self.config.symmetric)
        low, high = weight.amin(dims), weight.amax(dims)
        return affine_parameters(low, high, self.config.bits, self.config.symmetric)

    def forward(self, weight: Tensor) -> Tensor:
        """Round the weight; the gradient passes straight through."""
        scale, zero = self.parameters_of(weight)
        axis = self.axis if self.config.per_channel else None
        rounded: Tensor = fake_quantize(
            weight, scale, zero, self.config.bits, symmetric=self.config.symmetric, axis=axis
        )
        return rounded

    def extra_repr(self) -> str:
        """Say how it rounds."""
        return f"bits={self.config.bits}, symmetric={self.config.symmetric}, per_channel={self.config.per_channel}"


def quantize_(
    model: nn.Module,
    config: AffineConfigs = Affine(),  # noqa: B008 - frozen
    filter_fn: FilterFn | None = None,
    *,
    train: bool = False,
) -> "Rounding":
    """Round a model's weights to evenly spaced values, in place.

    Args:
        model: any module; see ``efflab.pruning.prunable_layers``.
        config: one for all layers, or a dictionary from patterns to configurations.
        filter_fn: ``filter_fn(module, fqn) -> bool``; which modules to take.
        train: round in every forward pass, so that training goes on with the unrounded weights beneath
            (quantization-aware training), until ``finalize``; otherwise replace the weights by their rounded values.

    Returns:
        The rounding, which gives scales and zero points.

    Raises:
        EfflabError: a model without weights, an unknown pattern, NaN or infinity in a layer, which is named.

    >>> model = nn.Sequential(nn.Linear(64, 3))
    >>> rounding = quantize_(model, Affine(bits=2))
    >>> [len(row.unique()) <= 3 for row in model[0].weight]
    [True, True, True]
    """
    found = weights_of(model, filter_fn)
    configs = assign_configs(config, Affine, found)
    for fqn in configs:
        check_finite(found[fqn].parameter.detach().float().cpu().numpy(), f"layer {fqn!r}")
    known = {}
    for fqn, chosen in configs.items():
        weight = found[fqn]
        rounder = FakeQuantized(chosen, weight.output_dim)
        known[fqn] = rounder.parameters_of(detached(weight))
        _round(weight, rounder, train=train)
    return Rounding(model, known)


def _round(weight: Weight, rounder: FakeQuantized, *, train: bool) -> None:
    with torch.no_grad():
        weight.parameter.data.copy_(detached(weight))
    if train:
        parametrize_(weight, rounder)
    else:
        with torch.no_grad():
            weight.parameter.copy_(rounder(weight.parameter))


class Rounding:
    """The linearly quantized weights of a model; made by ``quantize_``."""

    def __init__(self, model: nn.Module, parameters: dict[str, tuple[Tensor, Tensor]]) -> None:
        self.model = model
        self._parameters = parameters

    def _layers(self) -> Iterator[tuple[str, nn.Module, str, nn.Parameter, FakeQuantized]]:
        for path, module in self.model.named_modules():
            if parametrize.is_parametrized(module):
                slots: Any = module.parametrizations
                for name, held in list(slots.items()):
                    if isinstance(held[0], FakeQuantized):
                        yield f"{path}.{name}" if path else name, module, name, held.original, held[0]

    def parameters(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Give each layer's scale and zero point, as they are now, by full parameter name."""
        live = {fqn: rounder.parameters_of(parameter) for fqn, _, _, parameter, rounder in self._layers()}
        return {fqn: live.get(fqn, known) for fqn, known in self._parameters.items()}

    @torch.no_grad()
    def finalize(self) -> nn.Module:
        """Replace the weights that train beneath by their rounded values.

        Returns:
            The model, with no trace of the rounding.
        """
        self._parameters = self.parameters()
        layers = list(self._layers())
        values = {id(parameter): rounder(parameter) for _, _, _, parameter, rounder in layers}
        for _, module, name, parameter, _ in reversed(layers):
            unparametrize_(module, name, values[id(parameter)])
        return self.model
