"""Trained quantization: a model's weights as labels, its centroids as the only parameters.

Source: Deep Compression, section 3.3: in the forward pass each weight is looked up in its layer's codebook, in the
backward pass the gradients of a cluster's weights are summed and move its centroid (equation 3, figure 3).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from efflab.errors import CheckpointError, EfflabError
from efflab.pruning.layers import FilterFn
from efflab.quantization import _nearest
from efflab.quantization._arrays import flatten, vector
from efflab.quantization._decode import Gather
from efflab.quantization._lloyd import iterate
from efflab.quantization._sites import Weight, detached, parametrize_, unparametrize_, weights_of
from efflab.quantization.clustering import MAX_ITER, TOL, cluster
from efflab.quantization.codebook import Codebook
from efflab.quantization.configs import KMeans, KMeansConfigs, assign_configs


class SharedWeights(nn.Module):
    """The parametrization: from centroids (k,) to a weight of the labels' shape.

    Args:
        labels: unsigned integers; with ``zero``, label 0 is a pruned weight's and label i the centroid i - 1's.
        zero: whether label 0 stands for exactly 0.
        config: how the weights were clustered.
    """

    labels: Tensor

    def __init__(self, labels: Tensor, *, zero: bool, config: KMeans) -> None:
        super().__init__()
        self.register_buffer("labels", labels)
        self.zero = zero
        self.config = config
        self.recording = False
        self.gradient: Tensor | None = None
        self.drift: Tensor | None = None

    def forward(self, centroids: Tensor) -> Tensor:
        """Decode the weight."""
        weight: Tensor = Gather.apply(centroids, self.labels, self.zero)  # type: ignore[no-untyped-call]  # torch leaves apply without types
        if self.recording and weight.requires_grad:
            weight.register_hook(self._record)  # type: ignore[no-untyped-call]  # as above
        return weight

    def _record(self, gradient: Tensor) -> None:
        detached_gradient = gradient.detach()
        self.gradient = (
            detached_gradient.clone() if self.gradient is None else self.gradient + detached_gradient
        )

    def extra_repr(self) -> str:
        """Say what it shares."""
        return f"shape={tuple(self.labels.shape)}, bits={self.config.bits}, zeros={self.config.zeros!r}"

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Take labels of any integer width: a codebook of another size may need another."""
        labels = state_dict.get(prefix + "labels")
        if labels is not None and labels.shape == self.labels.shape and labels.dtype != self.labels.dtype:
            self.labels = self.labels.to(labels.dtype)
        super()._load_from_state_dict(dict(state_dict), prefix, *rest)


def _fit_centroids(module: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Make room for as many centroids as the saved codebook has: fewer where weights were fewer."""
    saved = state_dict.get(prefix + "original")
    _refuse_labels(module, state_dict.get(prefix + "0.labels"), saved, prefix)
    current: Any = module.original
    if saved is not None and saved.dim() == 1 and saved.shape != current.shape:
        current.data = current.data.new_zeros(saved.shape)
        current.grad = None


def _refuse_labels(module: nn.Module, labels: Any, centroids: Any, prefix: str) -> None:
    """Refuse labels of centroids that the saved codebook, or without one the present, does not have."""
    held: Any = module
    labels = held[0].labels if labels is None else labels
    if not labels.numel() or labels.is_meta:
        return
    name = prefix.rstrip(".").replace("parametrizations.", "")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise CheckpointError(f"layer {name!r} has labels of {labels.dtype}, expected integers")
    known = (held.original if centroids is None else centroids).numel() + held[0].zero
    wide = labels if labels.dtype in {torch.uint8, torch.int16, torch.int32} else labels.long()
    low, high = (int(end) for end in torch.aminmax(wide))
    if low < 0 or high >= known:
        raise CheckpointError(
            f"layer {name!r} has labels from {low} to {high}, expected them in [0, {known}) for its centroids"
        )


def share_weights_(
    model: nn.Module,
    config: KMeansConfigs = KMeans(),  # noqa: B008 - frozen
    filter_fn: FilterFn | None = None,
) -> "Sharing":
    """Share a model's weights, in place: each layer's become labels and centroids.

    ``layer.weight`` is then looked up from ``layer.parametrizations.weight.original``, the centroids, a parameter of
    shape (k,) that any optimiser trains; the labels are a buffer beside it. Masks that pruning left are dropped, and
    what they exclude is 0 for good. ``torch.save(model.state_dict())`` loads into another model on which
    ``share_weights_`` was called with the same ``config``.

    Args:
        model: any module; see ``efflab.pruning.prunable_layers``. Tied weights share one codebook.
        config: one for all layers, or a dictionary from patterns to configurations: a pattern names a parameter
            (``"fc1.weight"``), a layer (``"fc1"``) or a module around it, with shell wildcards.
        filter_fn: ``filter_fn(module, fqn) -> bool``; which modules to take, embeddings for instance.

    Returns:
        The sharing, which gives the codebooks and ends it.

    Raises:
        EfflabError: a model without weights, an unknown pattern, NaN or infinity in a layer, which is named.

    >>> model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> sharing = share_weights_(model, {"0": KMeans(bits=3), "2": KMeans(bits=2)})
    >>> {name: tuple(value.shape) for name, value in model.named_parameters() if "original" in name}
    {'0.parametrizations.weight.original': (8,), '2.parametrizations.weight.original': (4,)}
    >>> int(sharing.finalize()[0].weight.unique().numel())
    8
    """
    found = weights_of(model, filter_fn)
    configs = assign_configs(config, KMeans, found)
    books = {fqn: _cluster(found[fqn], chosen) for fqn, chosen in configs.items()}
    for fqn, (centroids, shared) in books.items():
        weight = found[fqn]
        weight.drop_masks()
        weight.parameter.data, weight.parameter.grad = centroids, None
        parametrize_(weight, shared)
        for module, name in weight.holders:
            slots: Any = module.parametrizations
            slots[name].register_load_state_dict_pre_hook(_fit_centroids)
    return Sharing(model)


def _cluster(weight: Weight, config: KMeans) -> tuple[Tensor, SharedWeights]:
    """Find a layer's centroids and labels."""
    values = detached(weight)
    flat = flatten(values, f"layer {weight.fqn!r}", empty=True)
    zero = config.zeros == "keep"
    kept = flat.values[flat.values != 0] if zero else flat.values
    if kept.size == 0:
        # A layer of zeros, or of no weights, needs no centroid; one that nothing refers to keeps the shapes simple.
        codes = np.zeros(flat.values.shape, np.uint8)
        return values.new_zeros(1), SharedWeights(_as_labels(codes, values), zero=zero, config=config)
    centroids, _ = cluster(kept, config.k, config.init)
    wrapped = flat.wrap(centroids)
    codes = _label(flat.values, vector(wrapped), zero=zero)
    return wrapped, SharedWeights(_as_labels(codes, values), zero=zero, config=config)


def _label(values: Any, centroids: Any, *, zero: bool) -> Any:
    codes = _nearest.labels(values, centroids)
    if not zero:
        return codes
    if centroids.size > 255:
        codes = codes.astype(np.uint16)
    if centroids.size == 1 << 16:
        codes = codes.astype(np.uint32)
    codes += 1
    codes[values == 0] = 0
    return codes


def _as_labels(codes: Any, like: Tensor) -> Tensor:
    """Labels as the smallest tensor of integers that torch can index with after a conversion."""
    if codes.dtype != np.uint8:
        codes = codes.astype(np.int16 if codes.size == 0 or int(codes.max()) < 1 << 15 else np.int32)
    return torch.from_numpy(codes).view(like.shape).to(like.device)


class Sharing:
    """The shared weights of a model.

    Args:
        model: one that ``share_weights_`` was called on, or a deep copy of one.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._handles: list[RemovableHandle] = []
        self._steps = 0
        if not any(True for _ in self._layers()):
            raise EfflabError(
                f"{type(model).__name__} has no shared weights: call share_weights_ on it first"
            )

    def _layers(self) -> Iterator[tuple[str, nn.Module, str, nn.Parameter, SharedWeights]]:
        for path, module in self.model.named_modules():
            if not parametrize.is_parametrized(module):
                continue
            slots: Any = module.parametrizations
            for name, held in list(slots.items()):
                if isinstance(held[0], SharedWeights):
                    yield f"{path}.{name}" if path else name, module, name, held.original, held[0]

    def _distinct(self) -> dict[str, tuple[nn.Parameter, SharedWeights]]:
        """Tied weights once, under their first name."""
        seen: dict[int, str] = {}
        found = {}
        for fqn, _, _, parameter, shared in self._layers():
            if id(shared) not in seen:
                seen[id(shared)] = fqn
                found[fqn] = (parameter, shared)
        return found

    def codebooks(self) -> dict[str, Codebook]:
        """Give each layer's centroids and labels as they are now, by full parameter name; copies."""
        return {
            fqn: _codebook(parameter.detach().clone(), shared)
            for fqn, (parameter, shared) in self._distinct().items()
        }

    def attach(self, optimizer: Optimizer, every: int | None = None) -> RemovableHandle:
        """Recluster periodically while an optimiser trains the centroids.

        Between two reclusterings each weight also drifts by itself, by the learning rate times its own gradient (plain
        gradient descent); reclustering then assigns the drifted weights anew.

        Args:
            optimizer: the one that holds the centroids.
            every: steps between reclusterings of all layers; by default each layer's ``recluster``, never where None.

        Returns:
            A handle whose ``remove`` detaches it; ``finalize`` does so too.
        """
        periods = {
            fqn: shared.config.recluster if every is None else every
            for fqn, (_, shared) in self._distinct().items()
        }
        for fqn, (_, shared) in self._distinct().items():
            shared.recording = periods[fqn] is not None
            shared.gradient = None  # of steps that no optimizer reported
        handle = optimizer.register_step_post_hook(lambda *_: self._after_step(optimizer, periods))
        self._handles.append(handle)
        return handle

    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer, periods: Mapping[str, int | None]) -> None:
        self._steps += 1
        rates = {id(p): float(group["lr"]) for group in optimizer.param_groups for p in group["params"]}
        for fqn, (parameter, shared) in self._distinct().items():
            period = periods.get(fqn)
            if period is None or id(parameter) not in rates:
                continue
            if shared.gradient is not None:
                step = shared.gradient * -rates[id(parameter)]
                shared.drift = step if shared.drift is None else shared.drift.add_(step)
                shared.gradient = None
            if self._steps % period == 0:
                _recluster(parameter, shared, fqn)

    @torch.no_grad()
    def recluster(self) -> None:
        """Assign every weight anew, and move the centroids by Lloyd's iterations from where they are.

        Without drift (see ``attach``) every weight is its centroid already, so only equal centroids merge.
        """
        for fqn, (parameter, shared) in self._distinct().items():
            _recluster(parameter, shared, fqn)

    @torch.no_grad()
    def finalize(self) -> nn.Module:
        """Make every weight a plain parameter again, of its centroid's value.

        Returns:
            The model, with no trace of the sharing.
        """
        values = {
            id(parameter): shared(parameter).detach() for parameter, shared in self._distinct().values()
        }
        for _, module, name, parameter, _ in reversed(list(self._layers())):
            unparametrize_(module, name, values[id(parameter)])
        for handle in self._handles:
            handle.remove()
        self._handles = []
        return self.model


def _codebook(centroids: Tensor, shared: SharedWeights) -> Codebook:
    """Copy a layer's codebook; where no weight is pruned, without the label of zeros."""
    if shared.zero and shared.labels.numel() and not bool((shared.labels == 0).any()):
        labels = shared.labels - 1
        return Codebook(centroids, labels.to(torch.uint8) if len(centroids) <= 256 else labels)
    return Codebook(centroids, shared.labels.clone(), zero=shared.zero)


def _recluster(parameter: nn.Parameter, shared: SharedWeights, fqn: str) -> None:
    weight = shared(parameter).detach()
    if shared.drift is not None:
        weight = weight + shared.drift
        shared.drift = None
    zero = shared.labels == 0 if shared.zero else torch.zeros_like(shared.labels, dtype=torch.bool)
    flat = flatten(weight, f"layer {fqn!r}", empty=True)
    pruned = zero.cpu().view(-1).numpy()
    kept = flat.values[~pruned]
    if kept.size == 0:
        return
    moved, _ = iterate(np.sort(kept), vector(parameter), MAX_ITER, TOL)
    parameter.data.copy_(flat.wrap(moved))
    values = np.where(pruned, 0, flat.values).astype(flat.values.dtype)
    codes = _nearest.labels(values, vector(parameter))
    if shared.zero:
        codes = codes.astype(np.int32) + 1
        codes[pruned] = 0
    shared.labels.copy_(torch.from_numpy(codes.astype(np.int32)).view(shared.labels.shape))
