"""The LSTM in fixed point, as the accelerator computes it.

Source: S. Han et al., "ESE", FPGA 2017: weights of 12 bits with a point for each matrix, activations of 16 bits, tables for sigma and
tanh. The points of activations are set once, by what occurs on some sequences (the paper's own rule for these is not among our
sources).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError
from efflab.ese.fixed import Format, Integers, product
from efflab.ese.gates import matrices
from efflab.ese.lookup import Lookup
from efflab.ese.lstm import LSTM, cell

Floats = NDArray[np.float64]
State = tuple[Integers, Integers]


@dataclass(frozen=True, eq=False)
class Held:
    """Integers and what they stand for."""

    integers: Integers
    format: Format

    @classmethod
    def of(cls, values: Tensor, bits: int) -> "Held":
        """Round a tensor to the finest format that holds it."""
        array = values.detach().cpu().double().numpy()
        chosen = Format.holding(array, bits)
        return cls(chosen.integers(array), chosen)


@dataclass(frozen=True, eq=False)
class FixedLSTM:
    """An LSTM of integers.

    Attributes:
        weights: by the paper's names, the matrices; each has its own point.
        peepholes: by gate (``i``, ``f``, ``o``), the diagonals.
        biases: by gate (``i``, ``f``, ``c``, ``o``), in the format of the gate's sum.
        formats: of ``x``, ``y``, ``c`` and ``m``, and of the gates' sums (``sum i`` and so on).
        sigmoids: tables by gate; ``tanhs``: those of the cell's input (``g``) and output (``h``).
        tanhs: see above.

    >>> _ = torch.manual_seed(0)
    >>> layer, x = LSTM(6, 16, proj_size=8), torch.randn(2, 5, 6)
    >>> y = FixedLSTM.of(layer, x)(x)
    >>> bool((y - layer(x)[0]).abs().max() < 0.003)
    True
    """

    weights: dict[str, Held]
    peepholes: dict[str, Held]
    biases: dict[str, Integers]
    formats: dict[str, Format]
    sigmoids: dict[str, Lookup]
    tanhs: dict[str, Lookup]

    @classmethod
    def of(
        cls,
        lstm: LSTM,
        x: Tensor,
        *,
        weight_bits: int = 12,
        activation_bits: int = 16,
        table_entries: int = 2048,
    ) -> "FixedLSTM":
        """Round an LSTM.

        Args:
            lstm: the layer.
            x: sequences, N x T x inputs, on which the ranges of activations are taken.
            weight_bits: of matrices and peepholes.
            activation_bits: of inputs, outputs, cells, sums and biases.
            table_entries: of the tables.

        Raises:
            EfflabError: widths out of range, a value that is not finite, or a shape that does not fit.
        """
        formats = {name: Format.holding(top, activation_bits) for name, top in ranges(lstm, x).items()}
        formats["m"] = Format(activation_bits, activation_bits - 1)
        sums = {gate: formats[f"sum {gate}"] for gate in "ifco"}
        biases = dict(zip("ifco", lstm.bias_l0.detach().cpu().double().numpy().reshape(4, -1), strict=True))
        holes = () if lstm.peephole_l0 is None else zip("ifo", lstm.peephole_l0, strict=True)
        size = (activation_bits, table_entries)
        return cls(
            {name: Held.of(matrix, weight_bits) for name, matrix in matrices(lstm).items()},
            {gate: Held.of(vector, weight_bits) for gate, vector in holes},
            {gate: sums[gate].integers(bias) for gate, bias in biases.items()},
            formats,
            {gate: Lookup.of("sigmoid", sums[gate], *size) for gate in "ifo"},
            {"g": Lookup.of("tanh", sums["c"], *size), "h": Lookup.of("tanh", formats["c"], *size)},
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Run over sequences from an empty state.

        Args:
            x: N x T x inputs.

        Returns:
            y_1 to y_T as floats, N x T x outputs.

        Raises:
            EfflabError: x has another shape.
        """
        inputs = self.weights["Wix"].integers.shape[1]
        if x.dim() != 3 or x.shape[2] != inputs:
            raise EfflabError(f"x must have shape (n, frames, {inputs}), got {tuple(x.shape)}")
        frames = self.formats["x"].integers(x.detach().cpu().double().numpy())
        made = [self.formats["y"].floats(y) for y in self._run(frames)]
        return torch.from_numpy(np.stack(made, axis=1)).to(x.dtype)

    def _run(self, frames: Integers) -> Iterator[Integers]:
        hidden, outputs = self.weights["Wir"].integers.shape
        y = np.zeros((len(frames), outputs), np.int64)
        c = np.zeros((len(frames), hidden), np.int64)
        for t in range(frames.shape[1]):
            y, c = self.step(frames[:, t], y, c)
            yield y

    def step(self, x: Integers, y: Integers, c: Integers) -> State:
        """One step: y_t and c_t from x_t, y_(t-1) and c_(t-1), all integers (n, ...)."""
        i = self.sigmoids["i"](self.sum("i", x, y, c))
        f = self.sigmoids["f"](self.sum("f", x, y, c))
        g = self.tanhs["g"](self.sum("c", x, y))
        cells, one = self.formats["c"], self.formats["m"]
        kept = cells.rounded(f * c, one.fraction + cells.fraction)
        entered = cells.rounded(i * g, 2 * one.fraction)
        c = cells.saturate(kept + entered)
        o = self.sigmoids["o"](self.sum("o", x, y, c))
        m = one.rounded(o * self.tanhs["h"](c), 2 * one.fraction)
        if "Wym" in self.weights:
            return self.multiply("Wym", m, one, self.formats["y"]), c
        return self.formats["y"].rounded(m, one.fraction), c

    def sum(self, gate: str, x: Integers, y: Integers, c: Integers | None = None) -> Integers:
        """What a gate's table is asked: two products, bias and peephole, each rounded to the sum's format, then added."""
        form = self.formats[f"sum {gate}"]
        total = self.multiply(f"W{gate}x", x, self.formats["x"], form) + self.biases[gate]
        total = total + self.multiply(f"W{gate}r", y, self.formats["y"], form)
        if c is not None and gate in self.peepholes:
            hole = self.peepholes[gate]
            total = total + form.rounded(hole.integers * c, hole.format.fraction + self.formats["c"].fraction)
        return form.saturate(total)

    def multiply(self, name: str, vector: Integers, source: Format, target: Format) -> Integers:
        """A sparse product: exact, then rounded once."""
        weight = self.weights[name]
        exact = product(weight.integers, vector, weight.format.bits + source.bits)
        return target.rounded(exact, weight.format.fraction + source.fraction)


@torch.no_grad()
def ranges(lstm: LSTM, x: Tensor) -> dict[str, float]:
    """Largest magnitudes of what an LSTM computes on sequences.

    Args:
        lstm: the layer.
        x: N x T x inputs.

    Returns:
        By ``x``, ``y``, ``c`` and the gates' sums with their peepholes, ``sum i``, ``sum f``, ``sum c`` and ``sum o``.
    """
    if x.dim() != 3 or x.shape[2] != lstm.input_size or not x.numel():
        raise EfflabError(
            f"x must have shape (n, frames, {lstm.input_size}) and not be empty, got {tuple(x.shape)}"
        )
    y, c = lstm.empty(x)
    found = {"x": float(x.abs().max()), "y": 0.0, "c": 0.0, **{f"sum {gate}": 0.0 for gate in "ifco"}}
    for at in x.unbind(1):
        sums = at @ lstm.weight_ih_l0.T + lstm.bias_l0 + y @ lstm.weight_hh_l0.T
        before = c
        m, c = cell(sums, before, lstm.peephole_l0)
        y = m if lstm.weight_hr_l0 is None else m @ lstm.weight_hr_l0.T
        for gate, part in zip("ifco", sums.chunk(4, dim=-1), strict=True):
            seen = part
            if lstm.peephole_l0 is not None and gate != "c":
                seen = part + lstm.peephole_l0["ifo".index(gate)] * (c if gate == "o" else before)
            found[f"sum {gate}"] = max(found[f"sum {gate}"], float(seen.abs().max()))
        found |= {"y": max(found["y"], float(y.abs().max())), "c": max(found["c"], float(c.abs().max()))}
    return found
