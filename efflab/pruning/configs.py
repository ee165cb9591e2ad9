"""What to prune and how much: frozen configurations, and patterns that give layers their own."""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from efflab.errors import EfflabError
from efflab.pruning.masks import check_n_m, check_norm, check_quality, check_ratio, check_sparsity


@dataclass(frozen=True)
class Magnitude:
    """Prune the smallest magnitudes to a fraction of zeros, against one threshold or one a layer.

    Args:
        sparsity: fraction of zeros, in [0, 1).
        scope: ``"global"`` ranks all layers of this configuration together, ``"layer"`` each by itself;
            ``"deviation"`` ranks them together in units of each layer's standard deviation, which is the paper's
            threshold with the one quality parameter that gives this sparsity.
    """

    sparsity: float
    scope: Literal["global", "layer", "deviation"] = "global"

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity)
        if self.scope not in {"global", "layer", "deviation"}:
            raise EfflabError(f"scope must be 'global', 'layer' or 'deviation', got {self.scope!r}")


@dataclass(frozen=True)
class Quality:
    """Prune below the paper's threshold: ``quality`` times the standard deviation of the layer's surviving weights."""

    quality: float

    def __post_init__(self) -> None:
        check_quality(self.quality)


@dataclass(frozen=True)
class NM:
    """Keep the ``n`` largest of every ``m`` consecutive weights along the input dimension."""

    n: int = 2
    m: int = 4

    def __post_init__(self) -> None:
        check_n_m(self.n, self.m)


@dataclass(frozen=True)
class Channel:
    """Keep the output channels of the largest L_p norm: a fraction ``preserve_ratio`` of each layer's, in (0, 1]."""

    preserve_ratio: float
    p: float = 1

    def __post_init__(self) -> None:
        check_ratio(self.preserve_ratio)
        check_norm(self.p)


Config = Magnitude | Quality | NM | Channel
Configs = Config | Mapping[str, Config]


def matches(pattern: str, name: str) -> bool:
    """Tell whether a pattern names a parameter, its layer, or a module around it (shell wildcards, case matters).

    >>> [matches(pattern, "features.0.weight") for pattern in ("features", "features.*", "*.weight", "classifier")]
    [True, True, True, False]
    """
    parts = name.split(".")
    return any(fnmatch.fnmatchcase(".".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))


def assign(config: Configs, names: Iterable[str]) -> list[tuple[Config, list[str]]]:
    """Share the layers out among configurations.

    Args:
        config: one for all layers, or a dictionary of patterns, of which the first that matches a layer counts.
            Layers that no pattern matches are left alone.
        names: full parameter names.

    Returns:
        Each configuration with the names it governs.

    Raises:
        EfflabError: where a pattern matches no layer; close names are listed.
    """
    known = list(names)
    if isinstance(config, Config):
        return [(config, known)]
    if not isinstance(config, Mapping) or not all(isinstance(value, Config) for value in config.values()):
        raise EfflabError(
            "config must be Magnitude, Quality, NM or Channel, or a dictionary from layer patterns to these, "
            f"got {config!r}"
        )
    for pattern in config:
        if not any(matches(pattern, name) for name in known):
            raise EfflabError(unknown_layer(pattern, known))
    left = known
    groups = []
    for pattern, value in config.items():
        groups.append((value, [name for name in left if matches(pattern, name)]))
        left = [name for name in left if not matches(pattern, name)]
    return [(value, members) for value, members in groups if members]


def unknown_layer(pattern: str, known: Iterable[str]) -> str:
    """Word the message for a pattern that matches nothing: the closest names, or all where none is close."""
    names = sorted({part for name in known for part in (name, name.rpartition(".")[0]) if part})
    close = difflib.get_close_matches(pattern, names, n=4, cutoff=0.5) or names[:8]
    return f"no prunable layer matches {pattern!r}; close names: {', '.join(close)}"
