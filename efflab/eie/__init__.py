"""EIE: a machine that multiplies compressed matrices by sparse vectors, simulated.

Source: S. Han, X. Liu, H. Mao, J. Pu, A. Pedram, M. A. Horowitz, W. J. Dally, "EIE: Efficient Inference Engine on Compressed
Deep Neural Network", ISCA 2016, arXiv:1602.01528.

>>> from efflab import eie
>>> layer = eie.draw(rows=1000, columns=4096, density=0.25, seed=0)
>>> run = eie.simulate(layer, eie.draw_active(4096, density=0.375, seed=1), eie.Machine())
>>> round(run.theoretical_us, 1), round(run.time_us, 1)
(7.6, 8.2)
"""

from efflab.eie.capacity import check_fits, fits, pes_needed
from efflab.eie.counters import Counters
from efflab.eie.energy_model import area, energy, power, project
from efflab.eie.energy_report import Area, Energy, Power
from efflab.eie.engine import chain, simulate
from efflab.eie.event import run_counts
from efflab.eie.fixed import Fixed, Formats, dense_product
from efflab.eie.layer import Layer, encode
from efflab.eie.machine import FILL, Machine
from efflab.eie.network_run import NetworkRun, run_network
from efflab.eie.networks import Network, load
from efflab.eie.nine import BENCHMARKS, Benchmark
from efflab.eie.pattern import Pattern, draw, draw_active
from efflab.eie.recluster import recluster
from efflab.eie.run import Run
from efflab.eie.scan import gaps
from efflab.eie.tracing import Trace, trace

__all__ = [
    "BENCHMARKS",
    "FILL",
    "Area",
    "Benchmark",
    "Counters",
    "Energy",
    "Fixed",
    "Formats",
    "Layer",
    "Machine",
    "Network",
    "NetworkRun",
    "Pattern",
    "Power",
    "Run",
    "Trace",
    "area",
    "chain",
    "check_fits",
    "dense_product",
    "draw",
    "draw_active",
    "encode",
    "energy",
    "fits",
    "gaps",
    "load",
    "pes_needed",
    "power",
    "project",
    "recluster",
    "run_counts",
    "run_network",
    "simulate",
    "trace",
]
