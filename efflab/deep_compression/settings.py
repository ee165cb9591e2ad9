"""What to do with each layer: one setting for all, and what single layers have of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.pruning.configs import matches, unknown_layer
from efflab.pruning.layers import FilterFn, require_sites
from efflab.pruning.masks import check_sparsity

UNSHARED_BITS = 32
INITS = ("linear", "density", "random", "optimal")
RETRAINED_SPARSITY, ONE_SHOT_SPARSITY = 0.9, 0.5

IndexBits = int | Literal["auto"]
Init = Literal["linear", "density", "random", "optimal"]


@dataclass(frozen=True)
class Layer:
    """What one layer has of its own; None takes what ``Settings`` has.

    Args:
        sparsity: fraction of zeros, in [0, 1); None ranks the layer with the others, 0 leaves it unpruned.
        bits: of a code, 1 to 16: 2^bits shared weights; 32 shares none.
        init: of the centroids: ``"linear"``, ``"density"``, ``"random"`` or ``"optimal"``.
        index_bits: of the relative index, 1 to 16, or ``"auto"``. Where layers differ in it, the report counts each
            with its own, and the file takes the best.
    """

    sparsity: float | None = None
    bits: int | None = None
    init: Init | None = None
    index_bits: IndexBits | None = None

    def __post_init__(self) -> None:
        _check(self.sparsity, self.bits, self.init, self.index_bits)


@dataclass(frozen=True)
class Settings:
    """What ``compress_`` does with every layer.

    Args:
        sparsity: fraction of zeros over all layers together, in [0, 1); None takes 0.9 where the model is retrained and
            0.5 where it is not.
        scope: how layers share the zeros out, as in ``efflab.pruning.Magnitude``.
        bits: of a code, for all layers; None takes the two below.
        conv_bits: of a code of a convolution (kernels of three dimensions or more); the paper's 8.
        fc_bits: of a code of a matrix; the paper's 5.
        init: of the centroids; linear is the paper's choice, since it keeps the large ones.
        index_bits: of the relative index; ``"auto"`` takes the smallest outcome, layer by layer.
        rounds: prunings with a retraining after each.
        iterations: of the whole chain from pruning to fine-tuning; sparsity grows over them in equal steps.
        layers: by pattern (of a parameter, a layer or a module around it), what single layers have of their own; the
            first that matches counts.
    """

    sparsity: float | None = None
    scope: Literal["global", "layer", "deviation"] = "deviation"
    bits: int | None = None
    conv_bits: int = 8
    fc_bits: int = 5
    init: Init = "linear"
    index_bits: IndexBits = "auto"
    rounds: int = 3
    iterations: int = 1
    layers: Mapping[str, Layer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.sparsity, self.bits, self.init, self.index_bits)
        for name in ("conv_bits", "fc_bits"):
            _check_bits(name, getattr(self, name))
        if self.scope not in {"global", "layer", "deviation"}:
            raise EfflabError(f"scope must be 'global', 'layer' or 'deviation', got {self.scope!r}")
        for name in ("rounds", "iterations"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise EfflabError(f"{name} must be a whole number of at least 1, got {value!r}")
        _check_layers(self.layers)


Config = Settings | Mapping[str, Layer] | float


@dataclass(frozen=True)
class Target:
    """What is to happen to one parameter; sparsity None ranks it with the others."""

    sparsity: float | None
    bits: int
    init: Init
    index_bits: IndexBits


def settings_of(config: Config | None) -> Settings:
    """Read what a user gave: settings, layers by pattern, one number (the sparsity), or nothing.

    Raises:
        EfflabError: it is none of these.
    """
    if config is None:
        return Settings()
    if isinstance(config, Settings):
        return config
    if isinstance(config, Mapping):
        return Settings(layers=dict(config))
    if isinstance(config, int | float) and not isinstance(config, bool):
        return Settings(sparsity=float(config))
    raise EfflabError(
        f"config must be Settings, a dictionary from layer patterns to Layer, or a sparsity in [0, 1), got {config!r}"
    )


def targets(model: nn.Module, config: Config | None, filter_fn: FilterFn | None = None) -> dict[str, Target]:
    """Say what is to happen to every parameter that will be compressed.

    A dictionary names all layers to compress; ``Settings`` compresses the others too.

    Args:
        model: any module.
        config: as in ``compress_``.
        filter_fn: which modules to compress, as in ``efflab.pruning.prune_``.

    Returns:
        The targets by full parameter name, in the model's order.

    Raises:
        EfflabError: no layer to compress, a pattern that matches none, or a layer that holds NaN or infinity.

    >>> chain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    >>> {name: target.bits for name, target in targets(chain, None).items()}
    {'0.weight': 8, '2.weight': 5}
    """
    chosen = settings_of(config)
    only_named = isinstance(config, Mapping)
    found = {name: site.parameter.detach() for name, site in require_sites(model, filter_fn).items()}
    for pattern in chosen.layers:
        if not any(matches(pattern, name) for name in found):
            raise EfflabError(unknown_layer(pattern, found))
    result = {}
    for name, weight in found.items():
        own = next((layer for pattern, layer in chosen.layers.items() if matches(pattern, name)), None)
        if weight.numel() and (own is not None or not only_named):
            _refuse_non_finite(name, weight)
            result[name] = _target(chosen, own or Layer(), weight)
    if not result:
        raise EfflabError(f"{type(model).__name__} has no layer to compress: all are empty or left out")
    return result


def _target(settings: Settings, own: Layer, weight: Tensor) -> Target:
    by_kind = settings.conv_bits if weight.dim() > 2 else settings.fc_bits
    default = by_kind if settings.bits is None else settings.bits
    return Target(
        sparsity=own.sparsity,
        bits=default if own.bits is None else own.bits,
        init=own.init or settings.init,
        index_bits=own.index_bits or settings.index_bits,
    )


def _refuse_non_finite(name: str, weight: Tensor) -> None:
    if weight.is_meta:
        raise EfflabError(f"layer {name!r} is on the meta device, which holds no values")
    bad = weight.numel() - int(weight.isfinite().sum())
    if bad:
        raise EfflabError(
            f"layer {name!r} holds {bad} weights that are NaN or infinite, of {weight.numel()}: "
            "train it to finite weights, or leave it out with filter_fn"
        )


def _check(sparsity: float | None, bits: int | None, init: str | None, index_bits: Any) -> None:
    if sparsity is not None:
        check_sparsity(sparsity)
    if bits is not None:
        _check_bits("bits", bits)
    if init is not None and init not in INITS:
        raise EfflabError(f"init must be one of {', '.join(INITS)}, got {init!r}")
    if index_bits is not None and index_bits != "auto" and not _is_whole(index_bits, 1, 16):
        raise EfflabError(f"index_bits must be a whole number from 1 to 16, or 'auto', got {index_bits!r}")


def _check_bits(name: str, bits: Any) -> None:
    if not _is_whole(bits, 1, 16) and bits != UNSHARED_BITS:
        raise EfflabError(f"{name} must be a whole number from 1 to 16, or 32 to share none, got {bits!r}")


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_layers(layers: Any) -> None:
    if not isinstance(layers, Mapping) or not all(isinstance(one, Layer) for one in layers.values()):
        raise EfflabError(f"layers must be a dictionary from layer patterns to Layer, got {layers!r}")
