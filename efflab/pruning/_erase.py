"""Zeroing pruned weights once a training step, at next to no cost."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor

from efflab.errors import EfflabError
from efflab.pruning._select import LARGE
from efflab.pruning.layers import MASK, Site, erase_, mask_bits

# Below this many weights in all a torch operation is quicker than loading the compiled loop.
SMALL = 1 << 14


class Eraser:
    """Erases parameters by their masks; to be made anew where any was exchanged.

    A Boolean mask is a quarter of the traffic of a float or integer one, which is what a step of a small model feels; but
    torch converts a Boolean mask before it multiplies by it, so a compiled loop erases with it where it can.
    """

    def __init__(self, sites: Iterable[Site]) -> None:
        self._sites = list(sites)
        # What was seen, with the dictionaries it was seen in: looking again costs a step next to nothing.
        self._seen = [
            (site.module._parameters, site.name, site.parameter, site.parameter.data_ptr())  # noqa: SLF001 - as Site reads them
            for site in self._sites
        ]
        self._masks = [
            (site.module._buffers, site.name + MASK, mask, mask._version)  # noqa: SLF001 - as above, and autograd's change counter
            for site, mask in self._pairs()
        ]
        pruned = [(site.parameter, mask) for site, mask in self._pairs() if not bool(mask.all())]
        total = sum(parameter.numel() for parameter, _ in pruned)
        compiled = [pair for pair in pruned if total >= SMALL and _is_plain(pair[0])]
        others = [pair for pair in pruned if not any(pair[0] is parameter for parameter, _ in compiled)]
        self._steps: list[Callable[[], None]] = [
            partial(erase_, p, mask, _bits(p, mask)) for p, mask in others
        ]
        if compiled:
            self._steps.append(_compile(compiled))

    def fits(self) -> bool:
        """Tell whether parameters, storages and masks are still those it was made for."""
        for held, name, parameter, address in self._seen:
            if held[name] is not parameter or parameter.data_ptr() != address:
                return False
        for buffers, name, mask, version in self._masks:
            if buffers.get(name) is not mask or mask._version != version:  # noqa: SLF001 - as above
                return False
        return True

    def erase(self) -> None:
        """Zero every pruned weight."""
        for step in self._steps:
            step()

    def _pairs(self) -> Iterable[tuple[Site, Tensor]]:
        for site in self._sites:
            mask = site.mask
            if mask is None:
                raise EfflabError(f"the mask of {site.fqn!r} is gone from the model: make a new Pruner")
            yield site, mask


def _is_plain(parameter: Tensor) -> bool:
    cpu = parameter.is_cpu and parameter.dtype == torch.float32 and parameter.is_contiguous()
    return cpu and parameter.numel() < LARGE


def _bits(parameter: Tensor, mask: Tensor) -> Tensor | None:
    """Integers for the bitwise "and"; large float32 weights do without, since all threads run the compiled loop on them."""
    large = parameter.is_cpu and parameter.dtype == torch.float32 and parameter.numel() >= LARGE
    return None if large and parameter.is_contiguous() else mask_bits(mask, parameter.dtype)


def _compile(pairs: Sequence[tuple[Tensor, Tensor]]) -> Callable[[], None]:
    import numpy as np  # noqa: PLC0415 - with the kernels, only where they are used

    from efflab.pruning import _kernels  # noqa: PLC0415 - Numba loads only where it pays

    parameters = [parameter for parameter, _ in pairs]
    arrays = [
        (parameter.detach().view(-1).numpy().view(np.uint32), mask.contiguous().view(-1).numpy())
        for parameter, mask in pairs
    ]

    def erase() -> None:
        for bits, flags in arrays:
            _kernels.erase(bits, flags)
        torch.autograd.graph.increment_version(parameters)

    return erase
