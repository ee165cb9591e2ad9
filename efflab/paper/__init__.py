"""The published figures as records: value, unit, where it stands, and how surely it was read.

Every number that book, README and notebooks quote from a paper is taken from here. Records are kept one file a paper in
``records/``; an id reads paper, table, row, column: ``pruning/table2/fc1/weights_pct``.

>>> from efflab import paper
>>> paper.get("pruning/table1/lenet-5/error_pruned")
Figure(pruning/table1/lenet-5/error_pruned = 0.77 %, Table 1, verified)
>>> paper.get("pruning/table2/fc1/weights").printed
'235K'
"""

from efflab.paper._figures import Figure, Paper, Status, suggestion
from efflab.paper._records import cite, find, get, info, papers
from efflab.paper._tables import Table, table, tables
from efflab.paper.energy import (
    DRAM_READ_PJ_PER_WORD,
    FP32_ADD_PJ,
    FP32_MULTIPLY_PJ,
    INT32_ADD_PJ,
    INT32_MULTIPLY_PJ,
    REGISTER_READ_PJ_PER_WORD,
    SRAM_READ_PJ_PER_WORD,
    WORD_BYTES,
)

__all__ = [
    "DRAM_READ_PJ_PER_WORD",
    "FP32_ADD_PJ",
    "FP32_MULTIPLY_PJ",
    "INT32_ADD_PJ",
    "INT32_MULTIPLY_PJ",
    "REGISTER_READ_PJ_PER_WORD",
    "SRAM_READ_PJ_PER_WORD",
    "WORD_BYTES",
    "Figure",
    "Paper",
    "Status",
    "Table",
    "cite",
    "find",
    "get",
    "info",
    "papers",
    "suggestion",
    "table",
    "tables",
]
