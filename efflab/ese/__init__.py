"""ESE: a sparse LSTM on an accelerator whose processing elements all have as much to do.

Source: S. Han et al., "ESE: Efficient Speech Recognition Engine with Sparse LSTM on FPGA", FPGA 2017, arXiv:1612.00694.

>>> import torch
>>> from efflab import ese
>>> _ = torch.manual_seed(0)
>>> layer = ese.LSTM(40, 64, proj_size=32)
>>> pruner = ese.prune_(layer, ese.Balanced(0.75, pes=32))
>>> {ese.balance(matrix, pes=32) for matrix in ese.matrices(layer).values()}
{1.0}
>>> run = ese.simulate(layer)
>>> run.entries < run.weights / 3
True
"""

from efflab.ese.balanced import balance, balanced_mask, loads, shares
from efflab.ese.channel import Product, product, product_of_counts
from efflab.ese.fixed import Format
from efflab.ese.fixed_lstm import FixedLSTM
from efflab.ese.gates import matrices
from efflab.ese.graph import Schedule, Slot, Task
from efflab.ese.lookup import Lookup
from efflab.ese.lstm import LSTM
from efflab.ese.machine import Machine
from efflab.ese.pruner import Balanced, BalancedPruner, prune_
from efflab.ese.run import StepRun, simulate
from efflab.ese.schedule import OVERLAPS, PAPER, Work, lstm_schedule

__all__ = [
    "LSTM",
    "OVERLAPS",
    "PAPER",
    "Balanced",
    "BalancedPruner",
    "FixedLSTM",
    "Format",
    "Lookup",
    "Machine",
    "Product",
    "Schedule",
    "Slot",
    "StepRun",
    "Task",
    "Work",
    "balance",
    "balanced_mask",
    "loads",
    "lstm_schedule",
    "matrices",
    "product",
    "product_of_counts",
    "prune_",
    "shares",
    "simulate",
]
