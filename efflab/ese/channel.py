"""One channel multiplying by one sparse matrix: EIE's broadcast and queues.

Source: S. Han et al., "ESE", FPGA 2017 (32 elements a channel, queues of 8), and "EIE", ISCA 2016, section IV. The inputs of an LSTM
are hardly ever zero, so that all are broadcast, and all channels, which share the weights, take the same time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from efflab.eie import Pattern, run_counts
from efflab.eie.counters import Counters
from efflab.errors import EfflabError
from efflab.ese.machine import Machine, machine_or_paper, product_cycles

Counts = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Product:
    """A channel's work on one matrix.

    Attributes:
        name: the matrix.
        shape: its rows and columns.
        nonzeros: weights that are not zero; None where only entries are known.
        counters: EIE's counters of the run.
        machine: the machine.
    """

    name: str
    shape: tuple[int, int]
    nonzeros: int | None
    counters: Counters
    machine: Machine

    @property
    def entries(self) -> int:
        """Entries that are processed, padding zeros included."""
        return self.counters.entries

    @property
    def lane(self) -> int:
        """Entries of the element with the most: words that are stored, an entry of each element in a word."""
        return int(self.counters.busy.max(initial=0))

    @property
    def stored(self) -> int:
        """Entries in memory: every element's part is filled up to the longest."""
        return self.lane * self.machine.pes

    @property
    def bytes(self) -> int:
        """Bytes in memory, pointers apart."""
        return self.lane * self.machine.word_bytes

    @property
    def pointer_bytes(self) -> int:
        """Bytes of the pointers, one a column and element and one more for the end."""
        return -(-(self.shape[1] + 1) * self.machine.pes * self.machine.pointer_bits // 8)

    @property
    def density(self) -> float:
        """Stored entries over the matrix's size, as the paper's table has it."""
        return self.stored / (self.shape[0] * self.shape[1])

    @property
    def cycles(self) -> int:
        """Cycles from the first broadcast to the last sum."""
        return product_cycles(self.counters)

    @property
    def theoretical_us(self) -> float:
        """Time if every element were always at work on what is stored, µs."""
        return self.lane / self.machine.clock_mhz

    @property
    def time_us(self) -> float:
        """Time of the product, µs."""
        return self.cycles / self.machine.clock_mhz

    @property
    def utilisation(self) -> float:
        """Entries over elements times cycles: the share of its elements' cycles that a product uses."""
        return self.entries / (self.machine.pes * self.cycles) if self.cycles else 1.0


def product(weight: ArrayLike | torch.Tensor, machine: Machine | None = None, name: str = "") -> Product:
    """Run one channel on a matrix.

    Args:
        weight: (rows, columns), weights of any dtype or their mask; only where they are zero matters.
        machine: the machine; the paper's by default.
        name: what to call the matrix.

    Returns:
        The channel's work on it.

    Raises:
        EfflabError: it is no matrix, is empty, or holds NaN.

    >>> run = product(np.eye(4), Machine(pes=2), "identity")
    >>> run.entries, run.lane, run.counters.cycles
    (4, 2, 5)
    """
    machine = machine_or_paper(machine)
    pattern = Pattern.of(_nonzero(weight, name or "weight"))
    counts = pattern.counts(machine.pes, machine.index_bits)
    return product_of_counts(counts, pattern.shape, machine, name, pattern.nonzeros)


def _nonzero(weight: ArrayLike | torch.Tensor, name: str) -> NDArray[np.bool_]:
    """Where a matrix is not zero; torch looks itself, as it has dtypes that NumPy has not."""
    if isinstance(weight, torch.Tensor):
        own = weight.detach()
        nans, found = bool(own.isnan().any()), (own != 0).cpu().numpy()
    else:
        array = np.asarray(weight)
        if array.dtype.kind not in "biuf":
            raise EfflabError(f"{name} must be a matrix of numbers, got {type(weight).__name__}")
        nans, found = bool(np.isnan(array).any()), array != 0
    if nans:
        raise EfflabError(f"{name} must not hold NaN")
    positions: NDArray[np.bool_] = found
    return positions


def product_of_counts(
    counts: NDArray[Any],
    shape: tuple[int, int],
    machine: Machine | None = None,
    name: str = "",
    nonzeros: int | None = None,
) -> Product:
    """Run one channel on a matrix of which only the number of entries is known.

    Args:
        counts: (columns, pes) entries of each column in each element, padding zeros included; integers from 0.
        shape: the matrix's rows and columns.
        machine: the machine; the paper's by default.
        name: what to call the matrix.
        nonzeros: entries that are no padding, if that is known.

    Returns:
        The channel's work on it.

    Raises:
        EfflabError: counts do not have the shape (columns, pes), or are not whole numbers from 0.
    """
    machine = machine_or_paper(machine)
    counts = np.asarray(counts)
    if counts.shape != (shape[1], machine.pes):
        raise EfflabError(f"counts must have shape ({shape[1]}, {machine.pes}), and have {counts.shape}")
    if counts.dtype.kind not in "iu":
        raise EfflabError(f"counts must be integers, got {counts.dtype}")
    if counts.size and int(counts.min()) < 0:
        raise EfflabError(f"counts must be from 0, and hold {int(counts.min())}")
    counters = run_counts(counts, np.zeros(shape[1], np.int32), machine.fifo)
    return Product(name, shape, nonzeros, counters, machine)
