"""What a machine's memories hold, and how many PEs a layer takes.

Source: ISCA 2016, section IV and table II: 128 KB of entries and 32 KB of pointers in each PE. A pointer of 16 bits counts
from where its batch of inputs begins; the entries of the whole layer stay in the matrix SRAM. Activations that the
registers do not hold are taken to fit their SRAM.
"""

import numpy as np

from efflab.eie.machine import MOST_PES, POINTER_BITS, Machine
from efflab.eie.pattern import Pattern
from efflab.errors import EfflabError


def most_entries(pattern: Pattern, machine: Machine) -> int:
    """Entries of the PE that has most."""
    return int(pattern.entries(machine.pes, machine.index_bits).max())


def fits(pattern: Pattern, machine: Machine) -> bool:
    """Whether each PE's memories hold its part of a matrix."""
    return not _problem(pattern, machine)


def pes_needed(pattern: Pattern, machine: Machine) -> int | None:
    """Find a number of PEs, from the machine's own on, whose memories hold a matrix; None where none was found.

    One PE fewer does not do. It is the least number where more PEs never need more room in each; padding zeros and rows
    that are dealt unevenly make exceptions, and with them some smaller number may do as well.
    """
    least, low, high = machine.pes, machine.pes, machine.pes
    while not _would_fit(pattern, machine, high):
        if high >= min(max(pattern.shape[0], least), MOST_PES):
            return None  # each row has a PE of its own
        low, high = high, min(2 * high, MOST_PES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _would_fit(pattern, machine, middle) else (middle, high)
    return high


def _would_fit(pattern: Pattern, machine: Machine, pes: int) -> bool:
    """Try a number of PEs without keeping what is counted for it."""
    return fits(pattern.fresh(), machine.with_(pes=pes))


def check_fits(pattern: Pattern, machine: Machine) -> None:
    """Refuse a matrix that the machine's memories do not hold.

    Raises:
        EfflabError: it does not fit; the sentence has the number of PEs that would do.
    """
    problem = _problem(pattern, machine)
    if problem:
        enough = pes_needed(pattern, machine)
        remedy = f"{enough} PEs would do" if enough else "no number of PEs would do"
        raise EfflabError(f"{problem}; {remedy}")


def _problem(pattern: Pattern, machine: Machine) -> str:
    """What does not fit, as the beginning of a sentence, or nothing."""
    if machine.capacity is None:
        return ""
    most = most_entries(pattern, machine)
    if most > machine.capacity:
        return (
            f"the matrix has {most:,} entries for one of {machine.pes} PEs, padding included, "
            f"and a matrix SRAM of {machine.spmat_kb:g} KB holds {machine.capacity:,}"
        )
    if most <= 1 << POINTER_BITS:
        return ""
    counts = pattern.counts(machine.pes, machine.index_bits)
    starts = np.arange(0, pattern.shape[1], machine.batch)
    most = int(np.add.reduceat(counts, starts, axis=0, dtype=np.int64).max())
    if most > 1 << POINTER_BITS:
        return (
            f"a batch of {machine.batch:,} inputs has {most:,} entries for one of {machine.pes} PEs, "
            f"and a pointer of {POINTER_BITS} bits reaches {1 << POINTER_BITS:,}"
        )
    return ""
