"""Where k-means starts: linear, density-based and random (Forgy) centroids.

Source: Deep Compression, section 3.2 and figure 2: linear initialisation keeps centroids among the few large weights,
which matter most; density-based and random initialisation put them where the many small ones are.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from efflab.errors import EfflabError
from efflab.quantization._arrays import Values, check_count, flatten

Generator = torch.Generator | np.random.Generator | int | None


def linear_centroids(weights: Any, k: int) -> Any:
    """Space k centroids evenly over [min, max] of the weights.

    Args:
        weights: floats of any shape, an array or a tensor.
        k: number of centroids; a single one lies in the middle.

    Returns:
        (k,) ascending centroids of the weights' kind and dtype.

    Raises:
        EfflabError: where weights are empty, NaN or infinite.

    >>> linear_centroids(np.array([-1.0, 0.1, 3.0]), 3)
    array([-1.,  1.,  3.])
    """
    flat = flatten(weights)
    return flat.wrap(linear(flat.values, check_count(k)))


def density_centroids(weights: Any, k: int) -> Any:
    """Space k centroids evenly in the weights' cumulative distribution: the (i + 1/2)/k quantiles.

    Args:
        weights: floats of any shape, an array or a tensor.
        k: number of centroids.

    Returns:
        (k,) ascending centroids of the weights' kind and dtype, each one of the weights.

    >>> density_centroids(np.array([5.0, 1.0, 2.0, 3.0]), 2)
    array([2., 5.])
    """
    flat = flatten(weights)
    return flat.wrap(density(np.sort(flat.values), check_count(k)))


def random_centroids(weights: Any, k: int, generator: Generator = None) -> Any:
    """Draw k of the weights at random (Forgy).

    Args:
        weights: floats of any shape, an array or a tensor.
        k: number of centroids.
        generator: of torch or NumPy, or a seed; torch's global one by default.

    Returns:
        (k,) ascending centroids of the weights' kind and dtype; drawn without replacement while there are k weights.
    """
    flat = flatten(weights)
    return flat.wrap(forgy(flat.values, check_count(k), generator))


def linear(values: Values, k: int) -> NDArray[np.float64]:
    """Compute ``linear_centroids`` of a flat array."""
    low, high = float(values.min()), float(values.max())
    if k == 1:
        return np.array([low / 2 + high / 2])
    steps = np.arange(k) / (k - 1)
    return np.clip(low * (1 - steps) + high * steps, low, high)


def density(ordered: Values, k: int) -> NDArray[np.float64]:
    """Compute ``density_centroids`` of an ascending flat array."""
    at = ((np.arange(k) + 0.5) / k * ordered.size).astype(np.int64)
    return ordered[np.minimum(at, ordered.size - 1)].astype(np.float64)


def forgy(values: Values, k: int, generator: Generator) -> NDArray[np.float64]:
    """Compute ``random_centroids`` of a flat array."""
    rng = as_numpy_generator(generator)
    chosen = rng.choice(values.size, size=k, replace=values.size < k)
    return np.sort(values[chosen]).astype(np.float64)


def as_numpy_generator(generator: Generator) -> np.random.Generator:
    """Draw a NumPy generator from torch's, or take the one given."""
    if isinstance(generator, np.random.Generator):
        return generator
    if generator is None or isinstance(generator, torch.Generator):
        device = None if generator is None else generator.device
        seed = int(torch.randint(1 << 62, (), generator=generator, device=device))
        return np.random.default_rng(seed)
    if isinstance(generator, bool) or not isinstance(generator, int):
        raise EfflabError(f"generator must be a torch or NumPy generator or a seed, got {generator!r}")
    return np.random.default_rng(generator)
