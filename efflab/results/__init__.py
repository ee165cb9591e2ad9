"""The ledger of measured figures: what ``efflab reproduce`` and the benchmarks write, and the book and README read.

One JSON file a topic, ``results/<topic>.json``, holds records (one measured figure each, with everything needed to
judge and repeat it) and series (the points of a figure). Files are written whole or not at all, and merged, so that a
quick ``smoke`` run never replaces the figures of a longer one.
"""

from efflab.results._kept import kept, kept_folder
from efflab.results._ledger import folder, get, read, series, table, topics, write
from efflab.results._record import SCALES, Measured, Result, machine, record, versions

__all__ = [
    "SCALES",
    "Measured",
    "Result",
    "folder",
    "get",
    "kept",
    "kept_folder",
    "machine",
    "read",
    "record",
    "series",
    "table",
    "topics",
    "versions",
    "write",
]
