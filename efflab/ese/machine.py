"""The sizes of an ESE accelerator.

Source: S. Han et al., "ESE", FPGA 2017. A channel of processing elements multiplies one voice vector by a matrix; all channels
work on the same matrix, each with a vector of its own, so that a weight that was read serves all of them. What the records of
``efflab.paper`` do not tell is said here, with its reason.
"""

from dataclasses import dataclass
from numbers import Real

from efflab import paper
from efflab.eie.counters import Counters
from efflab.eie.machine import FILL, POINTER_BITS
from efflab.errors import EfflabError
from efflab.ese._checks import whole


def _recorded(name: str) -> int:
    return int(paper.get(f"ese/{name}").value)


@dataclass(frozen=True)
class Machine:
    """An accelerator.

    Attributes:
        channels: voice vectors at a time.
        pes: processing elements of a channel, N; element k has the rows i with i mod N = k.
        fifo: inputs that can wait in an element's queue, all of them usable. EIE's ``fifo`` counts the slots of a ring instead,
            of which one stays free: a machine whose queue is such a ring of 8 is ``Machine(fifo=7)``.
        clock_mhz: clock, MHz.
        weight_bits: of a weight.
        index_bits: of the count of zeros before a weight; with the weight it makes an entry.
        pointer_bits: of a pointer to where a column begins, one for each column and element. EIE's width.
        activation_bits: of inputs, outputs and cells.
        table_entries: of the tables for sigma and tanh.
        elements_per_cycle: elements of a vector that a channel's element-wise unit takes each cycle. Not in the paper; one, the least
            that there can be: a step needs far fewer element-wise operations than products, so that a wider unit stands idle longer.
        stages: pipeline stages of that unit: four of a multiplier, two of the adder tree over the four terms of a
            gate's sum, one of the table, and one that writes. Also not in the paper.

    Raises:
        EfflabError: a size that is not a whole number of at least 1, or a clock not above 0.

    >>> Machine().word_bytes, Machine(pes=16).word_bytes
    (64, 32)
    """

    channels: int = _recorded("configuration/channels")
    pes: int = _recorded("headline/pes_per_channel")
    fifo: int = _recorded("headline/fifo_depth")
    clock_mhz: float = paper.get("ese/headline/clock").value
    weight_bits: int = _recorded("configuration/weight_bits")
    index_bits: int = _recorded("configuration/index_bits")
    pointer_bits: int = POINTER_BITS
    activation_bits: int = _recorded("configuration/activation_bits")
    table_entries: int = _recorded("configuration/table_entries")
    elements_per_cycle: int = 1
    stages: int = 8

    def __post_init__(self) -> None:
        for name, value in vars(self).copy().items():
            if name != "clock_mhz":
                most = 16 if name == "index_bits" else None
                object.__setattr__(self, name, whole(name, value, 1, most))
            elif (
                isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < float("inf")
            ):
                raise EfflabError(f"{name} must be a number above 0, got {value!r}")

    @property
    def word_bytes(self) -> int:
        """Bytes that a memory port gives each cycle: one entry for every element of a channel, and all channels share it.

        The published sizes of all nine matrices are multiples of it.
        """
        return -(-self.pes * (self.weight_bits + self.index_bits) // 8)

    @property
    def port_gb_s(self) -> float:
        """GB/s of one memory port."""
        return self.word_bytes * self.clock_mhz / 1000

    @property
    def peak_gops(self) -> float:
        """GOP/s with every element of every channel at work: a multiplication and an addition each cycle."""
        return 2 * self.channels * self.pes * self.clock_mhz / 1000

    def words(self, bits: int) -> int:
        """Cycles in which a port moves so many bits."""
        return -(-bits // (8 * self.word_bytes))

    def element_wise(self, size: int) -> int:
        """Cycles of one pass of the element-wise unit over a vector."""
        return -(-size // self.elements_per_cycle) + self.stages


def product_cycles(counters: Counters) -> int:
    """Cycles of a sparse product: those of the last element, and those in which the pipeline empties (EIE's)."""
    return counters.cycles + FILL


def machine_or_paper(machine: Machine | None) -> Machine:
    """The machine that was given, the paper's where None; raise an ``EfflabError`` where it is another thing."""
    if machine is None:
        return Machine()
    if not isinstance(machine, Machine):
        raise EfflabError(f"machine must be an efflab.ese.Machine, got {type(machine).__name__}")
    return machine
