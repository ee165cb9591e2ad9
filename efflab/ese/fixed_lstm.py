"""The LSTM in fixed point, as the accelerator computes it.

Source: S. Han et al., "ESE", FPGA 2017: weights of 12 bits with a point for each matrix, activations of 16 bits, tables for sigma and
tanh. The points of activations are set once, by what occurs on some sequences (the paper's own rule for these is not among our
sources).

Where integers lose something: inputs, weights and biases are rounded once, when they are made. Each sparse product, each product with a
peephole, and each of the two products of the cell is rounded, halves up, and saturated when it enters the format of its sum; what is in
one format is added exactly, and the total saturates. A gate's format therefore holds every term, the bias among them, and every
running sum that occurs on the sequences, not the total alone, where large terms may have cancelled; and the cell's holds both its terms.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efflab.errors import EfflabError
from efflab.ese._checks import whole
from efflab.ese.fixed import Format, Integers, product
from efflab.ese.gates import matrices
from efflab.ese.lookup import Lookup
from efflab.ese.lstm import LSTM, check_frames, check_state
from efflab.ese.machine import Machine

Floats = NDArray[np.float64]
State = tuple[Integers, Integers]
FloatState = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Held:
    """Integers and what they stand for."""

    integers: Integers
    format: Format

    @classmethod
    def of(cls, values: Tensor, bits: int) -> "Held":
        """Round a tensor to the finest format that holds it."""
        array = _array(values)
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
        weight_bits: int = Machine.weight_bits,
        activation_bits: int = Machine.activation_bits,
        table_entries: int = Machine.table_entries,
    ) -> "FixedLSTM":
        """Round an LSTM.

        Args:
            lstm: the layer.
            x: sequences, N x T x inputs, on which the ranges of activations are taken; of the layer's dtype.
            weight_bits: of matrices and peepholes; the paper's by default, as are the others.
            activation_bits: of inputs, outputs, cells, sums and biases.
            table_entries: of the tables.

        Raises:
            EfflabError: it is no ``efflab.ese.LSTM``, widths out of range, a value that is not finite, or a shape that does not fit.
        """
        weight_bits = whole("weight_bits", weight_bits, 2, 32)
        activation_bits = whole("activation_bits", activation_bits, 2, 32)
        table_entries = whole("table_entries", table_entries, 4)
        formats = {name: Format.holding(top, activation_bits) for name, top in ranges(lstm, x).items()}
        formats["m"] = Format(activation_bits, activation_bits - 1)
        sums = {gate: formats[f"sum {gate}"] for gate in "ifco"}
        biases = dict(zip("ifco", _array(lstm.bias_l0).reshape(4, -1), strict=True))
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

    def __call__(self, x: Tensor, state: FloatState | None = None) -> Tensor:
        """Run over sequences.

        Args:
            x: N x T x inputs.
            state: y and c before the first frame, N x outputs and N x cells, in floats; zeros where None.

        Returns:
            y_1 to y_T as floats, N x T x outputs, of x's dtype and on its device.

        Raises:
            EfflabError: x or the state has other dimensions, or holds NaN; x has no frame, or is not of a floating dtype.
        """
        return self.run(x, state)[0]

    def run(self, x: Tensor, state: FloatState | None = None) -> tuple[Tensor, FloatState]:
        """Run over sequences, and return the state after the last frame too, as ``LSTM`` does.

        Args:
            x: N x T x inputs.
            state: as in a call.

        Returns:
            y_1 to y_T, N x T x outputs, and the state y_T and c_T; floats of x's dtype, on its device.

        Raises:
            EfflabError: as a call does.
        """
        hidden, outputs = self.weights["Wir"].integers.shape
        check_frames(x, self.weights["Wix"].integers.shape[1])
        shapes = (len(x), outputs), (len(x), hidden)
        y, c = map(x.new_zeros, shapes) if state is None else check_state(state, *shapes)
        for name, values in {"x": x, "the state's y": y, "the state's c": c}.items():
            if bool(values.isnan().any()):
                raise EfflabError(f"{name} must not hold NaN")
        frames, last, cells = (
            self.formats[name].integers(_array(values)) for name, values in zip("xyc", (x, y, c), strict=True)
        )
        made = []
        for t in range(frames.shape[1]):
            last, cells = self.step(frames[:, t], last, cells)
            made.append(last)

        def floats(name: str, integers: Integers) -> Tensor:
            return torch.from_numpy(self.formats[name].floats(integers)).to(x)

        return floats("y", np.stack(made, axis=1)), (floats("y", last), floats("c", cells))

    def step(self, x: Integers, y: Integers, c: Integers) -> State:
        """One step.

        Args:
            x: x_t, (n, inputs), in the format ``formats["x"]``.
            y: y_(t-1), (n, outputs), in the format ``formats["y"]``.
            c: c_(t-1), (n, cells), in the format ``formats["c"]``.

        Returns:
            y_t and c_t in the same formats.
        """
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
        """What a gate's table is asked: two products, bias and peephole, each rounded to the sum's format and saturated, then added.

        Args:
            gate: ``i``, ``f``, ``c`` or ``o``.
            x: x_t, (n, inputs).
            y: y_(t-1), (n, outputs).
            c: what the peephole sees, (n, cells); None for none.

        Returns:
            (n, cells) integers in the format of the gate's sum, which the total saturates in.
        """
        form = self.formats[f"sum {gate}"]
        total = self.multiply(f"W{gate}x", x, self.formats["x"], form) + self.biases[gate]
        total = total + self.multiply(f"W{gate}r", y, self.formats["y"], form)
        if c is not None and gate in self.peepholes:
            hole = self.peepholes[gate]
            total = total + form.rounded(hole.integers * c, hole.format.fraction + self.formats["c"].fraction)
        return form.saturate(total)

    def multiply(self, name: str, vector: Integers, source: Format, target: Format) -> Integers:
        """A sparse product: exact, then rounded and saturated once.

        Args:
            name: the matrix, rows by columns.
            vector: (n, columns) integers.
            source: their format.
            target: the format of the product.

        Returns:
            (n, rows) integers in the target's format.

        Raises:
            EfflabError: so many products of so many bits are not exact (see ``fixed.product``).
        """
        weight = self.weights[name]
        exact = product(weight.integers, vector, weight.format.bits + source.bits)
        return target.rounded(exact, weight.format.fraction + source.fraction)


@torch.no_grad()
def ranges(lstm: LSTM, x: Tensor) -> dict[str, float]:
    """Largest magnitudes of what an LSTM computes on sequences, in the order in which ``FixedLSTM`` adds.

    Args:
        lstm: the layer.
        x: N x T x inputs, of the layer's dtype.

    Returns:
        By ``x``, ``y``, ``c`` and the gates' sums ``sum i``, ``sum f``, ``sum c`` and ``sum o``. A sum's is the largest of its terms (two
        products, bias, peephole) and of its running totals; the cell's, of its two terms and itself.

    Raises:
        EfflabError: it is no ``efflab.ese.LSTM``; x has other dimensions or another dtype, or is empty; a value is not finite.
    """
    if not isinstance(lstm, LSTM):
        raise EfflabError(
            "lstm must be an efflab.ese.LSTM, which efflab.ese.LSTM.from_torch makes of a torch.nn.LSTM, "
            f"got {type(lstm).__name__}"
        )
    check_frames(x, lstm.input_size)
    if not len(x):
        raise EfflabError(f"x must hold one sequence at least and not be empty, got shape {tuple(x.shape)}")
    lstm.check_dtype(x)
    for name, values in {"x": x, **dict(lstm.named_parameters())}.items():
        if not bool(values.isfinite().all()):
            raise EfflabError(f"{name} must be finite to be put into fixed point")
    seen = _Largest()
    seen("x", x)
    state = lstm.empty(x)
    for at in x.unbind(1):
        state = _look(lstm, at, *state, seen)
    return seen.found


class _Largest:
    """Keeps the largest magnitude of each name."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def __call__(self, name: str, *several: Tensor) -> None:
        self.found[name] = max([self.found.get(name, 0.0), *(float(one.abs().max()) for one in several)])


def _look(lstm: LSTM, x: Tensor, y: Tensor, c: Tensor, seen: _Largest) -> tuple[Tensor, Tensor]:
    """One step in floats; shows the terms and running totals of every sum."""
    parts = zip(
        "ifco",
        (x @ lstm.weight_ih_l0.T).chunk(4, dim=-1),
        lstm.bias_l0.chunk(4),
        (y @ lstm.weight_hh_l0.T).chunk(4, dim=-1),
        strict=True,
    )
    sums = {gate: _added(f"sum {gate}", terms, seen) for gate, *terms in parts}

    def gate(name: str, cells: Tensor) -> Tensor:
        if lstm.peephole_l0 is None:
            return torch.sigmoid(sums[name])
        hole = lstm.peephole_l0["ifo".index(name)] * cells
        return torch.sigmoid(_added(f"sum {name}", [sums[name], hole], seen))

    kept, entered = gate("f", c) * c, gate("i", c) * torch.tanh(sums["c"])
    c = _added("c", [kept, entered], seen)
    m = gate("o", c) * torch.tanh(c)
    y = m if lstm.weight_hr_l0 is None else m @ lstm.weight_hr_l0.T
    seen("y", y)
    return y, c


def _added(name: str, terms: list[Tensor], seen: _Largest) -> Tensor:
    """Add terms one after the other."""
    seen(name, *terms)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
        seen(name, total)
    return total


def _array(values: Tensor) -> Floats:
    made: Floats = values.detach().cpu().double().numpy()
    return made
