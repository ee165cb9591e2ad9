"""What the machine's parts take and what its operations cost in the published 45 nm process.

Source: ISCA 2016, table I (operations), table II (modules), section VI (non-zero detection), figure 9 (reads of the matrix
SRAM by width, digitised) and figure 10 (multiplications by precision, digitised); registers: Han et al., NIPS 2015,
figure 1, the same process. Every number is a record of ``efflab.paper``.
"""

import math
from collections.abc import Mapping
from typing import Final

from efflab import paper
from efflab.eie.machine import PRECISIONS
from efflab.errors import EfflabError
from efflab.paper import REGISTER_READ_PJ_PER_WORD, WORD_BYTES

WORD_BITS: Final = 8 * WORD_BYTES


def _value(name: str) -> float:
    return float(paper.get(f"eie/{name}").value)


_IDS = {
    "Act queue": "act-queue",
    "PtrRead": "ptrread",
    "SpmatRead": "spmatread",
    "ArithmUnit": "arithmunit",
    "ActRW": "actrw",
}
MODULES: Final = tuple(_IDS)
"""Modules of a PE, by table II."""
LNZD: Final = "LNZD"
FILLER: Final = "filler cell"

POWER_MW: Final = {module: _value(f"table2/{name}/power") for module, name in _IDS.items()}
AREA_UM2: Final = {
    module: _value(f"table2/{name}/area")
    for module, name in {**_IDS, FILLER: "filler-cell-module-view"}.items()
}
LNZD_MW: Final = _value("hardware/lnzd_power")
LNZD_UM2: Final = _value("hardware/lnzd_area")
LNZD_FANIN: Final = int(_value("hardware/lnzd_fanin"))

# The machine that table II describes.
CLOCK_MHZ: Final = _value("hardware/clock")
TECHNOLOGY_NM: Final = _value("table5/eie-64pe/technology")
ACT_BITS: Final = _value("hardware/act")
ENTRY_BITS: Final = _value("hardware/entry")
FIFO: Final = _value("hardware/fifo_depth")
REGS: Final = _value("hardware/act_registers")
SPMAT_KB: Final = _value("hardware/spmat_sram")
PTR_KB: Final = _value("hardware/ptr_sram")
SPMAT_WIDTH: Final = _value("hardware/spmat_width")

WIDTHS: Final = (32, 64, 128, 256, 512)
"""Widths of the matrix SRAM in figure 9, bits."""
READ_PJ: Final = {width: _value(f"figure9/sram/width_{width}/energy_per_read") for width in WIDTHS}
"""Figure 9, left: energy of one read."""
READS: Final = {width: _value(f"figure9/sram/width_{width}/reads") for width in WIDTHS}
"""Figure 9, left: reads of one layer."""

SRAM_READ_PJ_PER_BIT: Final = _value("table1/sram_32b_32kb") / WORD_BITS
REGISTER_PJ_PER_BIT: Final = REGISTER_READ_PJ_PER_WORD / WORD_BITS
MULTIPLY_PJ: Final = {
    precision: _value(f"figure10/{precision.replace('float', 'fp')}/multiply_energy")
    for precision in PRECISIONS
}
# An integer adder takes energy in proportion to its bits; table I has the one of 32.
ADD_PJ: Final = {
    precision: _value("table1/fp32_add")
    if precision == "float32"
    else _value("table1/int32_add") * bits / WORD_BITS
    for precision, bits in PRECISIONS.items()
}


def read_pj(width: float) -> float:
    """Energy of a read of the matrix SRAM, between the widths of figure 9 along straight lines on logarithmic axes.

    Args:
        width: bits of a row.

    Raises:
        EfflabError: a width that the figure does not reach.

    >>> read_pj(64), round(read_pj(96), 1)
    (16.0, 24.0)
    """
    if not WIDTHS[0] <= width <= WIDTHS[-1]:
        raise EfflabError(
            f"sram_width is {width:g} bits, and the energy of a read is published from {WIDTHS[0]} to {WIDTHS[-1]}"
        )
    return _between(READ_PJ, width)


def reads(entries_per_row: float) -> float:
    """Reads of figure 9's layer by the entries that a row holds; beyond the figure along its last line."""
    return _between(READS, entries_per_row * ENTRY_BITS)


def _between(points: Mapping[int, float], width: float) -> float:
    """Follow the line through two neighbouring points on logarithmic axes."""
    widths = list(points)
    at = max(1, min(sum(known <= width for known in widths), len(widths) - 1))
    low, high = widths[at - 1], widths[at]
    share = math.log(width / low) / math.log(high / low)
    return float(points[low] * (points[high] / points[low]) ** share)


def lnzd_nodes(pes: int) -> int:
    """Nodes of the tree that finds the next non-zero input, each over four.

    >>> lnzd_nodes(64), lnzd_nodes(1)
    (21, 0)
    """
    nodes = 0
    while pes > 1:
        pes = -(-pes // LNZD_FANIN)
        nodes += pes
    return nodes
