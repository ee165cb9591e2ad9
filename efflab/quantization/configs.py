"""How to quantize: frozen configurations, and patterns that give layers their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from efflab.errors import EfflabError
from efflab.pruning.configs import matches, unknown_layer
from efflab.quantization._arrays import check_count
from efflab.quantization.clustering import INITS, Init


@dataclass(frozen=True)
class KMeans:
    """Share each layer's weights among 2^bits centroids.

    Args:
        bits: of a label, 1 to 16.
        init: how k-means starts, or ``"optimal"``.
        zeros: ``"keep"``: weights that are exactly 0 (those of a pruned network) stay 0 and take no centroid;
            ``"share"``: zeros are clustered like the rest.
        recluster: assign the weights anew after this many optimiser steps (``Sharing.attach``); None: never.
    """

    bits: int = 4
    init: Init = "linear"
    zeros: Literal["keep", "share"] = "keep"
    recluster: int | None = None

    def __post_init__(self) -> None:
        check_count(self.bits, "bits", 1, 16)
        if self.init not in INITS:
            raise EfflabError(f"init must be one of {', '.join(map(repr, INITS))}, got {self.init!r}")
        if self.zeros not in {"keep", "share"}:
            raise EfflabError(f"zeros must be 'keep' or 'share', got {self.zeros!r}")
        if self.recluster is not None:
            check_count(self.recluster, "recluster", 1, 1 << 62)

    @property
    def k(self) -> int:
        """Number of centroids."""
        return 1 << self.bits


@dataclass(frozen=True)
class Affine:
    """Round each layer's weights to 2^bits evenly spaced values.

    Args:
        bits: 2 to 16.
        symmetric: zero point 0 and a range of [-max, max]; otherwise [min, max], widened to hold 0.
        per_channel: a scale for every output channel instead of one for the layer.
    """

    bits: int = 8
    symmetric: bool = True
    per_channel: bool = True

    def __post_init__(self) -> None:
        check_count(self.bits, "bits", 2, 16)


C = TypeVar("C")
KMeansConfigs = KMeans | Mapping[str, KMeans]
AffineConfigs = Affine | Mapping[str, Affine]


def assign_configs(config: Any, kind: type[C], names: Iterable[str]) -> dict[str, C]:
    """Give each layer its configuration.

    Args:
        config: one for all layers, or a dictionary of patterns, of which the first that matches a layer counts.
        kind: the configurations' class.
        names: full parameter names.

    Returns:
        Configurations by name; layers that no pattern matches are left out.

    Raises:
        EfflabError: where a pattern matches no layer; close names are listed.
    """
    known = list(names)
    if isinstance(config, kind):
        return dict.fromkeys(known, config)
    if not isinstance(config, Mapping) or not all(isinstance(value, kind) for value in config.values()):
        raise EfflabError(
            f"config must be {kind.__name__} or a dictionary from layer patterns to {kind.__name__}, got {config!r}"
        )
    for pattern in config:
        if not any(matches(pattern, name) for name in known):
            raise EfflabError(unknown_layer(pattern, known).replace("prunable layer", "layer with weights"))
    chosen = {
        name: next((value for pattern, value in config.items() if matches(pattern, name)), None)
        for name in known
    }
    return {name: value for name, value in chosen.items() if value is not None}
