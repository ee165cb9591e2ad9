"""Load-balance-aware pruning: every processing element keeps equally many weights.

Source: S. Han et al., "ESE", FPGA 2017, section on load-balance-aware pruning. Element k of N owns the rows i with
i mod N = k. A matrix is done when the last element is, so that what counts is the element with the most weights.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError
from efflab.ese._checks import described, whole
from efflab.pruning._select import check_finite_order
from efflab.pruning.masks import count_to_prune

# Below this many weights compiling loops takes longer than it saves.
LARGE = 1 << 17


def balanced_mask(
    weight: Float[Tensor, "rows columns"],
    sparsity: float,
    pes: int,
    alive: Bool[Tensor, "rows columns"] | None = None,
) -> Bool[Tensor, "rows columns"]:
    """Keep the largest magnitudes of each processing element's rows, as many in one as in another.

    The lab's function of this name fixes the share of each element instead of the whole: an element with n_k weights loses
    ``round(sparsity * n_k)``. Where the rows are dealt out evenly, the two keep the same number in each element, give or take one.

    Args:
        weight: a matrix of any floating dtype, on any device.
        sparsity: fraction to prune, in [0, 1); exactly ``round(sparsity * n)`` weights are, unless ``alive`` excludes more already.
        pes: processing elements, N; 1 is plain magnitude pruning.
        alive: an earlier mask, Boolean; what it excludes stays pruned, and counts towards the sparsity.

    Returns:
        The mask. Elements keep the same number of weights, give or take one, but for those that have fewer, which keep all they
        have (see ``shares``): rows that do not divide evenly leave an element fewer, and so may ``alive``. Of equal magnitudes
        the first by flat index goes first.

    Raises:
        EfflabError: the weight is no matrix of floats or holds NaN, alive is no Boolean mask of its shape, sparsity is outside [0, 1), or
            pes is no whole number of at least 1.

    >>> weight = torch.tensor([[9.0, 8.0], [1.0, 4.0], [7.0, 6.0], [2.0, 3.0]])
    >>> balanced_mask(weight, 0.5, pes=2).int().tolist()
    [[1, 1], [0, 1], [0, 0], [0, 1]]
    >>> balanced_mask(weight, 0.5, pes=1).int().tolist()
    [[1, 1], [0, 0], [1, 1], [0, 0]]
    """
    pes = _check_matrix(weight, pes)
    _check_alive(weight, alive)
    kept = weight.numel() - count_to_prune(sparsity, weight.numel())
    if alive is None:
        sizes = [len(range(k, weight.shape[0], pes)) * weight.shape[1] for k in range(pes)]
    else:
        sizes = loads(alive, pes).tolist()
    given = shares(min(kept, sum(sizes)), sizes)
    if alive is None and weight.numel() >= LARGE and weight.dtype != torch.float64:
        mask = _keep_by_bits(weight, given)
    else:
        check_finite_order({"weight": weight})
        mask = _keep_by_parts(_scores(weight, alive), given)
    return torch.from_numpy(mask).to(weight.device)


def shares(kept: int, sizes: Sequence[int]) -> list[int]:
    """Deal out how many weights each processing element keeps: equally, as far as its rows have room.

    Args:
        kept: weights that stay in all, from 0 to the sum of ``sizes``.
        sizes: weights each element has. They differ where the rows cannot be dealt out evenly, or where some are pruned already.

    Returns:
        How many each keeps. Those that are not full differ by one at most, the first having one more.

    >>> shares(10, [4, 4, 4]), shares(10, [8, 8, 2])
    ([4, 3, 3], [4, 4, 2])
    """
    given = [0] * len(sizes)
    left, open_ = kept, sorted(range(len(sizes)), key=lambda k: sizes[k])
    while open_:
        smallest = open_[0]
        if sizes[smallest] > left // len(open_):
            break
        given[smallest] = sizes[smallest]
        left -= sizes[smallest]
        open_.pop(0)
    each, more = divmod(left, len(open_)) if open_ else (0, 0)
    for place, k in enumerate(sorted(open_)):
        given[k] = each + (place < more)
    return given


def _keep_by_parts(scores: NDArray[np.floating], given: Sequence[int]) -> NDArray[np.bool_]:
    """Mark the largest scores of each element's rows, element by element."""
    mask = np.empty(scores.shape, np.bool_)
    for k, share in enumerate(given):
        mask[k :: len(given)] = _largest(scores[k :: len(given)], share)
    return mask


def _largest(scores: NDArray[np.floating], count: int) -> NDArray[np.bool_]:
    """Mark the ``count`` largest scores; of equal ones the last."""
    drop = scores.size - count
    if drop <= 0:
        return np.ones(scores.shape, np.bool_)
    threshold = np.partition(scores, drop - 1, axis=None)[drop - 1]
    keep: NDArray[np.bool_] = scores > threshold
    ties = count - int(np.count_nonzero(keep))
    if ties:
        keep.ravel()[np.flatnonzero(scores == threshold)[-ties:]] = True
    return keep


def _scores(weight: Tensor, alive: Tensor | None) -> NDArray[np.floating]:
    """Magnitudes as NumPy has them; below all others where pruned already."""
    wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
    magnitudes = weight.detach().abs().to("cpu", wide)
    if alive is not None:
        magnitudes = magnitudes.masked_fill(~alive.to("cpu"), -1)
    scores: NDArray[np.floating] = magnitudes.contiguous().numpy()
    return scores


def _keep_by_bits(weight: Tensor, given: Sequence[int]) -> NDArray[np.bool_]:
    """The same in passes over all rows: a histogram finds each element's threshold but for its low bits."""
    from efflab.ese import _kernels  # noqa: PLC0415 - Numba loads only where weights are many

    bits = weight.detach().to("cpu", torch.float32).contiguous().numpy().view(np.uint32)
    pes = len(given)
    counts = np.zeros((pes, _kernels.BINS), np.int32)
    if _kernels.histogram(bits, counts) > _kernels.INFINITY:
        check_finite_order({"weight": weight})
    sums = counts.cumsum(1, dtype=np.int64)
    drop = sums[:, -1] - np.asarray(given)
    bins = np.minimum((sums < np.maximum(drop, 1)[:, None]).sum(1), _kernels.BINS - 1)
    inside = np.take_along_axis(counts, bins[:, None], 1)[:, 0]
    ranks = drop - (np.take_along_axis(sums, bins[:, None], 1)[:, 0] - inside)
    # Each element has one place more, which it writes to and does not use.
    starts = np.concatenate([[0], np.cumsum(inside[:-1] + 1, dtype=np.int64)])
    found = np.empty(int(starts[-1] + inside[-1]) + 1, np.uint32)
    _kernels.collect(bits, bins.astype(np.uint32), starts.copy(), found)
    parts = zip(starts, inside, ranks, strict=True)
    cut = [_cut(found[start : start + size], int(rank)) for start, size, rank in parts]
    mask = np.empty(bits.shape, np.bool_)
    _kernels.keep_larger(bits, np.array([threshold for threshold, _ in cut], np.uint32), mask)
    for k, (threshold, ties) in enumerate(cut):
        if drop[k] <= 0:
            mask[k::pes] = True
        elif ties:
            rows, columns = np.nonzero((bits[k::pes] & _kernels.MAGNITUDE) == threshold)
            mask[k + pes * rows[-ties:], columns[-ties:]] = True
    return mask


def _cut(inside: NDArray[np.uint32], rank: int) -> tuple[np.uint32, int]:
    """The ``rank``-th smallest of some magnitudes, and how many equal to it stay."""
    if rank < 1:
        return np.uint32(0), 0
    threshold = np.partition(inside, rank - 1)[rank - 1]
    return threshold, int(np.count_nonzero(inside <= threshold)) - rank


def _check_alive(weight: Tensor, alive: Tensor | None) -> None:
    if not weight.is_floating_point():
        raise EfflabError(f"weight must be of a floating dtype, got {weight.dtype}")
    if alive is None:
        return
    if not isinstance(alive, Tensor) or alive.dtype != torch.bool or alive.shape != weight.shape:
        raise EfflabError(
            f"alive must have the weight's shape {tuple(weight.shape)} and be Boolean, got {described(alive)}"
        )


def loads(weight: Tensor, pes: int) -> Int64[Tensor, " pes"]:
    """Count the non-zero weights of each processing element.

    Args:
        weight: a matrix (rows, columns), or its mask; any dtype, on any device.
        pes: processing elements, N; element k has the rows i with i mod N = k.

    Returns:
        (N,) counts, on the weight's device.

    Raises:
        EfflabError: the weight is no matrix, or pes is no whole number of at least 1.

    >>> loads(torch.tensor([[1.0, 0.0], [2.0, 3.0], [0.0, 0.0]]), pes=2)
    tensor([1, 2])
    """
    pes = _check_matrix(weight, pes)
    rows = weight.detach().count_nonzero(dim=1)
    return torch.zeros(pes, dtype=torch.int64, device=rows.device).index_add_(
        0, torch.arange(len(rows), device=rows.device) % pes, rows
    )


def balance(weight: Tensor, pes: int) -> float:
    """How evenly a matrix is dealt out: mean load over largest load, 1 where all are equal.

    It bounds what a machine can use of its elements, however long its queues are.

    Args:
        weight: a matrix (rows, columns), or its mask; any dtype, on any device.
        pes: processing elements, N.

    Returns:
        From 1 / N to 1; a matrix of zeros has 1.

    Raises:
        EfflabError: the weight is no matrix, or pes is no whole number of at least 1.

    >>> balance(torch.tensor([[1.0, 0.0], [2.0, 3.0]]), pes=2)
    0.75
    """
    pes = _check_matrix(weight, pes)
    counts = loads(weight, pes)
    largest = int(counts.max())
    return int(counts.sum()) / (pes * largest) if largest else 1.0


def _check_matrix(weight: object, pes: object) -> int:
    """Check both, and return the elements as an int."""
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        what = f"shape {tuple(weight.shape)}" if isinstance(weight, Tensor) else type(weight).__name__
        raise EfflabError(f"weight must be a matrix (rows, columns), got {what}")
    return whole("pes", pes)
