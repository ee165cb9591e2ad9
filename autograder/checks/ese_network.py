"""The grader's own reader of digits for lab 09's challenge: trained for it, judged by it, timed by it."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autograder.checks.ese_channel import Array, finish
from autograder.tasks import expect

CELLS, OUTPUTS, INPUTS = 128, 64, 8
SHAPES = {
    **{f"w{gate}x": (CELLS, INPUTS) for gate in "ifco"},
    **{f"w{gate}r": (CELLS, OUTPUTS) for gate in "ifco"},
    "wym": (OUTPUTS, CELLS),
}
PES, DEPTH = 8, 8
"""The lab's channel: its elements, and the inputs that can wait for each."""
HELD_OUT = 400


class Reader(nn.Module):
    """The lab's LSTM with its matrices in three blocks, one gate below the other."""

    def __init__(self) -> None:
        super().__init__()

        def drawn(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(rows, columns) - 1) / math.sqrt(columns))

        self.x, self.r, self.m = (
            drawn(4 * CELLS, INPUTS),
            drawn(4 * CELLS, OUTPUTS),
            drawn(OUTPUTS, CELLS),
        )
        self.b = nn.Parameter(torch.zeros(4, CELLS).index_fill(0, torch.tensor([1]), 1.0))
        self.p = nn.Parameter(torch.zeros(3, CELLS))
        self.digit = nn.Linear(OUTPUTS, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the ten digits, (n, 10)."""
        cell = torch.zeros(len(images), CELLS)
        out = torch.zeros(len(images), OUTPUTS)
        for step in range(images.shape[-2]):
            both = nn.functional.linear(images[:, 0, step], self.x) + nn.functional.linear(out, self.r)
            gate = both.view(-1, 4, CELLS) + self.b
            opened = torch.sigmoid(gate[:, :2] + self.p[:2] * cell[:, None])
            cell = opened[:, 1] * cell + opened[:, 0] * torch.tanh(gate[:, 2])
            out = nn.functional.linear(
                torch.sigmoid(gate[:, 3] + self.p[2] * cell) * torch.tanh(cell), self.m
            )
        scores: Tensor = self.digit(out)
        return scores

    def state(self) -> dict[str, Tensor]:
        """Its parameters under the lab's names."""
        own = {name: value.detach().clone() for name, value in self.named_parameters()}
        gates = [own["x"].chunk(4), own["r"].chunk(4)]
        matrices = [*gates[0], *gates[1], own["m"]]
        state = dict(zip(SHAPES, matrices, strict=True))
        rest = {"peephole": "p", "bias": "b", "name.weight": "digit.weight", "name.bias": "digit.bias"}
        return state | {name: own[mine] for name, mine in rest.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take parameters under the lab's names."""
        own = {
            "x": torch.cat([state[f"w{gate}x"] for gate in "ifco"]),
            "r": torch.cat([state[f"w{gate}r"] for gate in "ifco"]),
            "m": state["wym"],
            "p": state["peephole"],
            "b": state["bias"],
            "digit.weight": state["name.weight"],
            "digit.bias": state["name.bias"],
        }
        self.load_state_dict(own)


@functools.lru_cache(maxsize=4)
def trained_reader(seed: int) -> tuple[dict[str, Tensor], Any, Any]:
    """A trained reader's state, its training images, and images that it has not seen, all drawn by the seed."""
    from efflab import data, training  # noqa: PLC0415 - the challenge alone needs them

    whole = data.load("digits")
    pooled = data.Split(torch.cat([whole.train.x, whole.test.x]), torch.cat([whole.train.y, whole.test.y]))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(pooled)))
    train, held_out = pooled[order[HELD_OUT:]], pooled[order[:HELD_OUT]]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        reader = Reader()
    training.fit(reader, train, epochs=20, lr=0.3, clip=1.0, seed=seed, progress=False)
    return {name: value.contiguous() for name, value in reader.state().items()}, train, held_out


def accuracy(state: Mapping[str, Tensor], images: Any) -> float:
    """Of a reader with these parameters, in percent."""
    from efflab import training  # noqa: PLC0415 - the challenge alone needs it

    reader = Reader()
    reader.load(state)
    return 100 * training.evaluate(reader, images).accuracy


def step_cycles(state: Mapping[str, Tensor]) -> int:
    """Cycles of a channel for the nine matrices, one after the other, every input being non-zero."""
    return sum(finish(entries(state[name].numpy()), DEPTH) for name in SHAPES)


def entries(matrix: Array) -> Array:
    """Entries by column and PE; a PE has at most sixteen rows here, so that no padding is needed."""
    rows, columns = matrix.shape
    counts = np.zeros((columns, PES), int)
    for row in range(rows):
        counts[:, row % PES] += matrix[row] != 0
    return counts


def state_of(got: Any, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A student's answer as a state.

    Raises:
        Failed: it is none.
    """
    expect.true(isinstance(got, dict), "The answer should be a state dict: tensors by name.")
    found = {}
    for name, value in like.items():
        expect.true(name in got, f"The answer has no entry {name}.")
        values = expect.shape(got[name], tuple(value.shape), name)
        expect.true(values.dtype.kind in "biuf", f"{name} should hold real numbers.")
        values = values.astype(np.float32)
        expect.true(np.isfinite(values).all(), f"{name} should hold finite numbers.")
        found[name] = torch.from_numpy(values)
    return found
