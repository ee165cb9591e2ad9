"""Between tensors and arrays: what comes in as a tensor is worked on as a flat NumPy array and goes out as a tensor."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError

Array = NDArray[Any]
Values = NDArray[Any]  # float32 or float64


@dataclass(frozen=True)
class Flat:
    """Finite weights as one float32 or float64 vector, and the way back to what they came as."""

    values: Values
    shape: tuple[int, ...]
    like: Tensor | None
    dtype: np.dtype[Any] | torch.dtype

    def wrap(self, values: Array) -> Any:
        """Give centroids back in the weights' kind, dtype and device."""
        if self.like is None:
            return values.astype(cast("np.dtype[Any]", self.dtype), copy=False)
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.like.device, self.like.dtype)

    def wrap_labels(self, labels: Array) -> Any:
        """Give labels back in the weights' kind, shape and device: tensors know no 16-bit unsigned arithmetic."""
        shaped = labels.reshape(self.shape)
        if self.like is None:
            return shaped
        if shaped.dtype == np.uint16:
            shaped = shaped.astype(np.int32)
        return torch.from_numpy(shaped).to(self.like.device)


def flatten(weights: object, name: str = "weights", *, finite: bool = True, empty: bool = False) -> Flat:
    """Take a tensor or an array of floats apart.

    Raises:
        EfflabError: where it is no array of floats, is empty, or holds NaN or infinity.
    """
    if isinstance(weights, Tensor):
        if not weights.is_floating_point():
            raise EfflabError(f"{name} must be a tensor of floats, got {weights.dtype}")
        tensor = weights.detach()
        wide = tensor.dtype if tensor.dtype in {torch.float32, torch.float64} else torch.float32
        values = tensor.to("cpu", wide).contiguous().view(-1).numpy()
        flat = Flat(values, tuple(weights.shape), tensor, weights.dtype)
    else:
        try:
            array = np.asarray(weights)
        except ValueError as error:
            raise EfflabError(f"{name} must be an array or a tensor of floats: {error}") from None
        if array.dtype.kind in "iub":
            array = array.astype(np.float64)
        if array.dtype.kind != "f":
            raise EfflabError(
                f"{name} must be an array or a tensor of floats, got {type(weights).__name__} of {array.dtype}"
            )
        wide_array = array.dtype if array.dtype in {np.dtype("f4"), np.dtype("f8")} else np.dtype("f4")
        if array.dtype.itemsize > 8:
            wide_array = np.dtype("f8")
        values = np.ascontiguousarray(array, dtype=wide_array).reshape(-1)
        flat = Flat(values, array.shape, None, array.dtype)
    if not empty and flat.values.size == 0:
        raise EfflabError(f"{name} is empty (shape {flat.shape}): there is nothing to cluster")
    if finite:
        check_finite(flat.values, name)
    return flat


def check_finite(values: Values, name: str) -> None:
    """Raise an ``EfflabError`` that counts NaN and infinity, where there are any."""
    if values.size == 0 or bool(np.isfinite(values.min()) and np.isfinite(values.max())):
        return
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    what = " and ".join(
        f"{count} {word}" for count, word in ((nan, "NaN"), (infinite, "infinite values")) if count
    )
    raise EfflabError(f"{name} holds {what} among {values.size} entries, which no codebook can stand for")


def vector(centroids: object, name: str = "centroids") -> NDArray[np.float64]:
    """Take a non-empty vector of centroids as float64."""
    flat = flatten(centroids, name)
    if len(flat.shape) != 1:
        raise EfflabError(f"{name} must be a vector, got shape {flat.shape}")
    return flat.values.astype(np.float64)


def integers(labels: object, k: int, name: str = "labels") -> Array:
    """Take labels as a flat array of integers in [0, k)."""
    array = labels.detach().cpu().contiguous().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise EfflabError(f"{name} must be integers, got {array.dtype}")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= k):
        raise EfflabError(
            f"{name} must lie in [0, {k}), got values from {int(array.min())} to {int(array.max())}"
        )
    return array.reshape(-1)


def check_count(value: object, name: str = "k", low: int = 1, high: int = 1 << 16) -> int:
    """Return an integer of [low, high], or raise an ``EfflabError``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise EfflabError(f"{name} must be an integer from {low} to {high}, got {value!r}")
    return int(value)


def label_dtype(k: int) -> type[np.uint8] | type[np.uint16]:
    """The smallest unsigned integer that counts to k."""
    return np.uint8 if k <= 256 else np.uint16
