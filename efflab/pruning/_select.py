"""Exact selection of the smallest magnitudes: which weights a count, not a value, says to prune.

Ties at the threshold are pruned in order of position (first tensor first, then the flat index), so that the count is
exact and the outcome does not depend on threads or device. Without ties this is what ``torch.nn.utils.prune`` does;
with ties torch leaves the choice to ``topk``, which documents no order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError

# Below this many weights selection takes milliseconds in torch, and compiling the kernels would take longer.
LARGE = 1 << 20
SAMPLE = 1 << 17

Bits = NDArray[np.uint32]
T = TypeVar("T")
R = TypeVar("R")
G = TypeVar("G", bound=np.generic)


@dataclass(frozen=True)
class Cut:
    """Where to cut: everything below ``threshold`` goes, and the first ``ties`` of the ``equal`` weights at it."""

    threshold: float
    ties: int
    equal: int


def check_finite_order(weights: Mapping[str, Tensor]) -> None:
    """Raise an ``EfflabError`` that names the first tensor holding a NaN, which no order can rank."""
    for name, weight in weights.items():
        if weight.is_floating_point() and bool(torch.isnan(weight).any()):
            count = int(torch.isnan(weight).sum())
            raise EfflabError(
                f"layer {name!r} holds NaN ({count} of {weight.numel()} weights), so its weights cannot be ranked"
            )


def masks_without_smallest(
    weights: Mapping[str, Tensor], count: int, alive: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Tensor], float]:
    """Keep all but the ``count`` smallest magnitudes of all tensors together.

    Args:
        weights: named tensors, any floating dtype, layout and device.
        count: how many entries to prune, those already pruned included.
        alive: masks of what is left; what they exclude is pruned before anything else.

    Returns:
        Boolean masks (True: kept) of the tensors' shapes, and the largest pruned magnitude (0.0 if none).

    Raises:
        EfflabError: where a tensor holds NaN.
    """
    if alive is None:
        return _cut(weights, count)
    masks, threshold = _cut(weights, count)
    masks = {name: mask & alive[name] for name, mask in masks.items()}
    total = sum(weight.numel() for weight in weights.values())
    if sum(int(mask.sum()) for mask in masks.values()) == min(
        total - count, sum(int(m.sum()) for m in alive.values())
    ):
        return masks, threshold
    # Surviving weights that are zero tie with pruned ones, or the scores are not zero where the mask is.
    scores = {name: torch.where(alive[name], weight.detach().abs(), -1.0) for name, weight in weights.items()}
    masks, threshold = _cut_scores(scores, count)
    return {name: mask & alive[name] for name, mask in masks.items()}, max(threshold, 0.0)


def smallest_threshold(weights: Mapping[str, Tensor], count: int) -> float:
    """Return the count-th smallest magnitude of all tensors together, 0.0 for none; see ``masks_without_smallest``."""
    if _is_large(weights, count):
        return _find_finite_cut(weights, _bits(weights), count).threshold
    return _cut(weights, count)[1]


def prune_smallest_(weights: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Zero the ``count`` smallest magnitudes in place, and return the masks; see ``masks_without_smallest``."""
    if _is_large(weights, count) and all(weight.is_contiguous() for weight in weights.values()):
        arrays = _bits(weights)
        cut = _find_finite_cut(weights, arrays, count)
        masks = _write_masks(weights, arrays, cut, erase=cut.ties == cut.equal)
        if cut.ties == cut.equal:
            for weight in weights.values():
                _tell_autograd(weight)
            return masks
    else:
        masks = _cut(weights, count)[0]
    for name, weight in weights.items():
        weight.detach().masked_fill_(~masks[name], 0)
    return masks


def _tell_autograd(weight: Tensor) -> None:
    """Count a change that NumPy made behind autograd's back."""
    torch.autograd.graph.increment_version(weight)


def _cut(weights: Mapping[str, Tensor], count: int) -> tuple[dict[str, Tensor], float]:
    if _is_large(weights, count):
        return _cut_bits(weights, count)
    check_finite_order(weights)
    return _cut_scores({name: weight.detach().abs() for name, weight in weights.items()}, count)


def _is_large(weights: Mapping[str, Tensor], count: int) -> bool:
    total = sum(weight.numel() for weight in weights.values())
    return count > 0 and total >= LARGE and all(map(_is_plain, weights.values()))


def _is_plain(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and type(weight.data) is Tensor


# Any dtype and device, in torch.


def _cut_scores(scores: Mapping[str, Tensor], count: int) -> tuple[dict[str, Tensor], float]:
    if count <= 0:
        return {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}, 0.0
    flat = _flatten(list(scores.values()))
    threshold = flat.kthvalue(count).values
    keep = flat > threshold
    at = (flat == threshold).nonzero().flatten()
    ties = count - int((flat < threshold).sum())
    keep[at[ties:]] = True
    pieces = torch.split(keep, [score.numel() for score in scores.values()])
    masks = {
        name: piece.view(score.shape).to(score.device)
        for (name, score), piece in zip(scores.items(), pieces, strict=True)
    }
    return masks, float(threshold)


def _flatten(scores: Sequence[Tensor]) -> Tensor:
    """One vector, in a dtype that represents every score exactly, on the scores' device (the CPU if they differ)."""
    dtype = torch.float64 if any(score.dtype == torch.float64 for score in scores) else torch.float32
    devices = {score.device for score in scores}
    device = devices.pop() if len(devices) == 1 else torch.device("cpu")
    return torch.cat([score.reshape(-1).to(device, dtype) for score in scores])


# Large float32 weights on the CPU, in compiled loops over their bits.


def _cut_bits(weights: Mapping[str, Tensor], count: int) -> tuple[dict[str, Tensor], float]:
    arrays = _bits(weights)
    cut = _find_finite_cut(weights, arrays, count)
    return _write_masks(weights, arrays, cut), cut.threshold


def _bits(weights: Mapping[str, Tensor]) -> list[Bits]:
    return [weight.detach().contiguous().view(-1).numpy().view(np.uint32) for weight in weights.values()]


def _find_finite_cut(weights: Mapping[str, Tensor], arrays: Sequence[Bits], count: int) -> Cut:
    """Find the count-th smallest magnitude; raise where there is a NaN."""
    cut = _find_cut(arrays, count)
    if cut is None:
        check_finite_order(weights)
        raise AssertionError("a magnitude above infinity is a NaN")
    return cut


def _find_cut(arrays: Sequence[Bits], count: int) -> Cut | None:
    """Find the count-th smallest magnitude; None where there is a NaN."""
    from efflab.pruning import _kernels  # noqa: PLC0415 - Numba loads only where weights are large

    low, high = _guess(arrays, count)
    pieces = _pieces(arrays)

    def search(piece: Bits) -> tuple[int, Bits | None, int]:
        found = np.empty(max(piece.size // 8, 1 << 12), np.uint32)
        below, inside, largest = _kernels.bracket(piece, low, high, found)
        return int(below), None if inside < 0 else found[:inside], int(largest)

    results = _parallel(search, pieces)
    collected = [found for _, found, _ in results if found is not None]
    below = sum(result[0] for result in results)
    if len(collected) < len(results) or not below < count <= below + sum(map(len, collected)):
        # The sample misled, or too many weights are equal: two histograms are slower and always right.
        return _find_cut_by_histogram(pieces, count)
    if max(largest for _, _, largest in results) > _kernels.INFINITY:
        return None
    candidates = np.concatenate(collected)
    bits = np.partition(candidates, count - below - 1)[count - below - 1]
    ties = count - below - int(np.count_nonzero(candidates < bits))
    return Cut(float(bits.view(np.float32)), ties, int(np.count_nonzero(candidates == bits)))


def _guess(arrays: Sequence[Bits], count: int) -> tuple[np.uint32, np.uint32]:
    """Bracket the count-th smallest magnitude by 3.5 standard deviations of its rank in a strided sample."""
    total = sum(array.size for array in arrays)
    stride = max(1, total // SAMPLE)
    sample = np.concatenate([array[::stride] for array in arrays]) & np.uint32(0x7FFFFFFF)
    fraction = count / total
    spread = 3.5 * np.sqrt(fraction * (1 - fraction) * sample.size) + 2
    ranks = np.clip(
        [fraction * sample.size - spread, fraction * sample.size + spread], 0, sample.size - 1
    ).astype(int)
    ordered = np.partition(sample, ranks)
    low = np.uint32(0) if ranks[0] == 0 else ordered[ranks[0]]
    high = np.uint32(0x7FFFFFFF) if ranks[1] == sample.size - 1 else ordered[ranks[1]]
    return low, high


def _find_cut_by_histogram(pieces: Sequence[Bits], count: int) -> Cut | None:
    from efflab.pruning import _kernels  # noqa: PLC0415 - as above

    high = np.sum(_parallel(_kernels.histogram_high, pieces), axis=0)
    top = int(np.searchsorted(np.cumsum(high), count))
    below = int(high[:top].sum())
    counts = np.sum(_parallel(lambda piece: _kernels.histogram_low(piece, top), pieces), axis=0)
    bottom = int(np.searchsorted(np.cumsum(counts), count - below))
    infinite = _kernels.INFINITY >> 15
    nans_beside_infinity = np.sum(_parallel(lambda p: _kernels.histogram_low(p, infinite), pieces), axis=0)[
        1:
    ].sum()
    if high[infinite + 1 :].any() or nans_beside_infinity:
        return None
    threshold = np.uint32((top << 15) | bottom).view(np.float32)
    return Cut(float(threshold), count - below - int(counts[:bottom].sum()), int(counts[bottom]))


def _write_masks(
    weights: Mapping[str, Tensor], arrays: Sequence[Bits], cut: Cut, *, erase: bool = False
) -> dict[str, Tensor]:
    from efflab.pruning import _kernels  # noqa: PLC0415 - as above

    bits = np.float32(cut.threshold).view(np.uint32)
    masks = [np.empty(array.size, np.bool_) for array in arrays]
    write = _kernels.keep_larger_erase_others if erase else _kernels.keep_larger
    pairs = list(zip(_pieces(arrays), _pieces(masks), strict=True))
    _parallel(lambda pair: write(pair[0], bits, pair[1]), pairs)
    left = cut.ties
    for array, mask in zip(arrays, masks, strict=True) if cut.ties < cut.equal else ():
        at = np.flatnonzero((array & np.uint32(0x7FFFFFFF)) == bits)
        mask[at[left:]] = True
        left = max(0, left - len(at))
    named = zip(weights.items(), masks, strict=True)
    return {name: torch.from_numpy(mask).view(weight.shape) for (name, weight), mask in named}


def erase_large(weight: Tensor, mask: Tensor) -> None:
    """Zero what ``mask`` does not keep of a contiguous float32 CPU tensor, in one pass."""
    from efflab.pruning import _kernels  # noqa: PLC0415 - as above

    bits = weight.detach().view(-1).numpy().view(np.uint32)
    flags = mask.contiguous().view(-1).numpy()
    _parallel(lambda pair: _kernels.erase(*pair), list(zip(_pieces([bits]), _pieces([flags]), strict=True)))
    _tell_autograd(weight)


def _pieces(arrays: Iterable[NDArray[G]]) -> list[NDArray[G]]:
    """Split every array into one piece a thread, in order."""
    threads = torch.get_num_threads()
    return [
        piece
        for array in arrays
        for piece in (np.array_split(array, threads) if array.size > LARGE else [array])
    ]


def _parallel(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Map over the items on torch's number of threads; the kernels release the interpreter lock."""
    threads = min(torch.get_num_threads(), len(items))
    if threads == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
