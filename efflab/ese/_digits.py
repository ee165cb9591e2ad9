"""Trained networks on the accelerator: their errors in fixed point, and the time of their steps."""

from typing import Any

import torch
from torch import Tensor

from efflab.data.split import SpeechSplit
from efflab.ese._curves import times
from efflab.ese.balanced import balance
from efflab.ese.channel import product
from efflab.ese.fixed_lstm import FixedLSTM
from efflab.ese.gates import matrices
from efflab.ese.machine import Machine
from efflab.ese.speech import Recogniser

FORMATS = {"fixed16": (16, 16), "fixed12": (12, 16), "fixed8": (8, 16), "all8": (8, 8)}
"""Bits of a weight and of an activation."""
PAPER = "fixed12"
"""The paper's format."""


@torch.no_grad()
def fixed_error(
    made: Recogniser, formats: tuple[int, int], ranging: SpeechSplit, split: SpeechSplit
) -> float:
    """Error in percent with the LSTM in fixed point; the linear layer behind it stays in floats.

    Args:
        made: the network.
        formats: bits of a weight and of an activation.
        ranging: recordings on which the ranges of activations are taken; training recordings.
        split: recordings to classify.
    """
    fixed = FixedLSTM.of(
        made.lstm, made.frames(ranging.x)[0], weight_bits=formats[0], activation_bits=formats[1]
    )
    right = 0
    # Recordings of like length go together, so that little padding is computed.
    order = split.lengths.argsort()
    for start in range(0, len(order), 50):
        chosen = order[start : start + 50]
        x, y = split.x[chosen], split.y[chosen]
        stacked, lengths = made.frames(x)
        right += int((made.classify(fixed(stacked), lengths).argmax(1) == y).sum())
    return 100 * ((len(split) - right) / len(split))


def measured(made: Recogniser, machine: Machine) -> dict[str, Any]:
    """What a step of a network takes, and how even its matrices are."""
    weights: dict[str, Tensor] = matrices(made.lstm)
    zeros = sum(int((weight == 0).sum()) for weight in weights.values())
    size = sum(weight.numel() for weight in weights.values())
    return {
        **times(weights, machine),
        "sparsity": zeros / size,
        "stored_share": sum(product(weight, machine).stored for weight in weights.values()) / size,
        "balance": {name: balance(weight, machine.pes) for name, weight in weights.items()},
    }
