"""Which range of a layer's inputs to spread over the integers: from examples of them.

Source: Jacob et al., CVPR 2018, section 3.1 (ranges of activations); percentile and least squared error follow H. Wu et
al., "Integer Quantization for Deep Learning Inference", arXiv:2004.09602, section 3.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.quantization.linear import affine_parameters, fake_quantize

Method = Literal["minmax", "percentile", "mse"]
SAMPLES_A_BATCH = 1 << 16
CANDIDATES = 64


@dataclass(frozen=True)
class Calibration:
    """The range of each layer's inputs, by the layer's full name."""

    ranges: Mapping[str, tuple[float, float]]
    method: Method = "minmax"

    def parameters(self, name: str, bits: int = 8, *, symmetric: bool = False) -> tuple[float, int]:
        """Give the scale and zero point of a layer's inputs."""
        if name not in self.ranges:
            raise EfflabError(f"no range of the inputs of {name!r}: it was not run while calibrating")
        low, high = self.ranges[name]
        scale, zero = affine_parameters(low, high, bits, symmetric)
        return scale, zero


class _Observer:
    """The range of all inputs of a layer, and a sample of them."""

    def __init__(self, name: str, *, sample: bool) -> None:
        self.name, self.sample = name, sample
        self.low, self.high = float("inf"), float("-inf")
        self.samples: list[Tensor] = []

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        x = (inputs[0] if inputs else named["input"]).detach().float()
        if x.numel() == 0:
            return
        low, high = (float(end) for end in torch.aminmax(x))
        if not -float("inf") < low <= high < float("inf"):
            raise EfflabError(f"the inputs of layer {self.name!r} hold NaN or infinity while calibrating")
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.sample:
            flat = x.reshape(-1)
            self.samples.append(flat[:: max(1, flat.numel() // SAMPLES_A_BATCH)].cpu())

    def settle(self, method: Method, percentile: float) -> tuple[float, float]:
        if self.low > self.high:
            return 0.0, 0.0
        if method == "minmax":
            return self.low, self.high
        values = torch.cat(self.samples)
        return _percentile(values, percentile) if method == "percentile" else _least_error(values)


def _percentile(values: Tensor, percentile: float) -> tuple[float, float]:
    """Cut off the outer values, as many on both sides together as lie above the percentile."""
    ordered = values.sort().values
    cut = int((1 - percentile / 100) / 2 * values.numel())
    return float(ordered[cut]), float(ordered[values.numel() - 1 - cut])


def _least_error(values: Tensor) -> tuple[float, float]:
    """Shrink the range as long as rounding finer gains more than cutting off loses."""
    low, high = (float(end) for end in torch.aminmax(values))
    best, chosen = float("inf"), (low, high)
    for step in range(CANDIDATES, 0, -1):
        part = step / CANDIDATES
        scale, zero = affine_parameters(low * part, high * part)
        error = float((fake_quantize(values, scale, zero) - values).square().double().sum())
        if error < best:
            best, chosen = error, (low * part, high * part)
    return chosen


def int8_layers(model: nn.Module, filter_fn: Any = None) -> dict[str, nn.Module]:
    """List the layers that have an int8 form: linear ones and two-dimensional convolutions."""
    return {
        path: module
        for path, module in model.named_modules()
        if type(module) in {nn.Linear, nn.Conv2d} and (filter_fn is None or filter_fn(module, path))
    }


@torch.no_grad()
def calibrate(
    model: nn.Module,
    batches: Iterable[Any],
    method: Method = "minmax",
    *,
    percentile: float = 99.99,
    filter_fn: Any = None,
) -> Calibration:
    """Run a model on examples and find the ranges of its layers' inputs.

    Args:
        model: with linear layers or two-dimensional convolutions; run in evaluation mode.
        batches: inputs, or tuples that begin with inputs (such as a data loader's).
        method: ``"minmax"``: everything seen; ``"percentile"``: without the outermost values; ``"mse"``: the range of
            the least squared rounding error at 8 bits.
        percentile: how much of the values a range holds, above 0 to 100.
        filter_fn: ``filter_fn(module, fqn) -> bool``; which layers.

    Returns:
        The ranges.

    Raises:
        EfflabError: no layers, no batches, NaN or infinity in a layer's inputs, an unknown method.

    >>> model = nn.Sequential(nn.Linear(2, 1))
    >>> calibrate(model, [torch.tensor([[-1.0, 0.5]]), torch.tensor([[0.0, 2.0]])]).ranges["0"]
    (-1.0, 2.0)
    """
    if method not in {"minmax", "percentile", "mse"}:
        raise EfflabError(f"method must be 'minmax', 'percentile' or 'mse', got {method!r}")
    if not 0 < percentile <= 100:
        raise EfflabError(f"percentile must lie in (0, 100], got {percentile!r}")
    layers = int8_layers(model, filter_fn)
    if not layers:
        raise EfflabError(f"{type(model).__name__} has no linear or convolutional layers to calibrate")
    observers = {path: _Observer(path, sample=method != "minmax") for path in layers}
    handles = [
        module.register_forward_pre_hook(observers[path], with_kwargs=True) for path, module in layers.items()
    ]
    training = {module: module.training for module in model.modules()}
    count = 0
    try:
        model.eval()
        for batch in batches:
            model(batch[0] if isinstance(batch, tuple | list) else batch)
            count += 1
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training.items():
            module.training = mode
    if not count:
        raise EfflabError("batches is empty: there is nothing to calibrate with")
    seen = {path: observer for path, observer in observers.items() if observer.low <= observer.high}
    ranges = {path: observer.settle(method, percentile) for path, observer in seen.items()}
    return Calibration(MappingProxyType(ranges), method)
