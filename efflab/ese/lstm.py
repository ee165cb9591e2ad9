"""An LSTM with peepholes and a projection, as ESE runs it.

Source: H. Sak, A. Senior, F. Beaufays, "Long Short-Term Memory Recurrent Neural Network Architectures for Large Scale Acoustic
Modeling", Interspeech 2014, section 2; S. Han et al., "ESE", FPGA 2017, which runs this network. At time t

    i = sigma(W_ix x_t + W_ir y_(t-1) + w_ic * c_(t-1) + b_i)        input gate
    f = sigma(W_fx x_t + W_fr y_(t-1) + w_fc * c_(t-1) + b_f)        forget gate
    g = tanh (W_cx x_t + W_cr y_(t-1)                  + b_c)        what may enter the cell
    c_t = f * c_(t-1) + i * g                                        the cell
    o = sigma(W_ox x_t + W_or y_(t-1) + w_oc * c_t     + b_o)        output gate
    m = o * tanh(c_t)
    y_t = W_ym m                                                     the projection

Peepholes are diagonal matrices, kept as vectors. Weights have the names, shapes and order of gates (i, f, g, o) of
``torch.nn.LSTM``, so that its tools, pruning among them, see the same tensors.
"""

import math
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.ese._checks import described, whole
from efflab.pruning.layers import MASK

State = tuple[Float[Tensor, "n outputs"], Float[Tensor, "n hidden"]]
GATES = ("i", "f", "c", "o")


def cell(
    sums: Float[Tensor, "n four_hidden"],
    c: Float[Tensor, "n hidden"],
    peephole: Float[Tensor, "3 hidden"] | None = None,
) -> tuple[Float[Tensor, "n hidden"], Float[Tensor, "n hidden"]]:
    """The element-wise part of a step.

    Args:
        sums: W_x x_t + W_r y_(t-1) + b of the gates i, f, g, o, one after the other.
        c: c_(t-1).
        peephole: w_ic, w_fc and w_oc; None for none.

    Returns:
        m and c_t.
    """
    i, f, g, o = sums.chunk(4, dim=-1)
    if peephole is None:
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    entered = torch.sigmoid(i + peephole[0] * c) * torch.tanh(g)
    c = torch.sigmoid(f + peephole[1] * c) * c + entered
    return torch.sigmoid(o + peephole[2] * c) * torch.tanh(c), c


class LSTM(nn.Module):
    """One layer: peepholes, projection, or neither.

    Args:
        input_size: numbers in x_t.
        hidden_size: cells, H.
        proj_size: numbers in y_t, P; 0 for no projection, when y_t is m.
        peepholes: whether gates see the cell.

    Attributes:
        weight_ih_l0: (4 H, input_size), W_ix, W_fx, W_cx and W_ox one below the other.
        weight_hh_l0: (4 H, P), likewise W_ir, W_fr, W_cr, W_or; P is H without a projection.
        bias_l0: (4 H,).
        weight_hr_l0: (P, H), W_ym; None without a projection.
        peephole_l0: (3, H), w_ic, w_fc, w_oc; None without peepholes.

    Raises:
        EfflabError: a size that is not a whole number above 0, or proj_size not below hidden_size.

    >>> layer = LSTM(5, 8, proj_size=4)
    >>> y, (last, c) = layer(torch.zeros(2, 7, 5))
    >>> y.shape, last.shape, c.shape
    (torch.Size([2, 7, 4]), torch.Size([2, 4]), torch.Size([2, 8]))
    """

    weight_hr_l0: nn.Parameter | None
    peephole_l0: nn.Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, proj_size: int = 0, *, peepholes: bool = True
    ) -> None:
        super().__init__()
        input_size, hidden_size = whole("input_size", input_size), whole("hidden_size", hidden_size)
        proj_size = whole("proj_size", proj_size, 0)
        if proj_size >= hidden_size:
            raise EfflabError(f"proj_size must be below hidden_size {hidden_size}, got {proj_size}")
        self.input_size, self.hidden_size, self.proj_size = input_size, hidden_size, proj_size
        outputs = proj_size or hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size, outputs))
        self.bias_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.register_parameter(
            "weight_hr_l0", nn.Parameter(torch.empty(outputs, hidden_size)) if proj_size else None
        )
        self.register_parameter(
            "peephole_l0", nn.Parameter(torch.empty(3, hidden_size)) if peepholes else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters as ``torch.nn.LSTM`` does, uniformly within 1 / sqrt(H)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @classmethod
    def from_torch(cls, lstm: nn.LSTM) -> Self:
        """Take over a ``torch.nn.LSTM`` of one layer and one direction.

        Its two biases are added, peepholes are 0, and the masks of ``efflab.pruning`` come along. The layer has torch's
        ``batch_first=True`` layout, x (n, frames, inputs); its state is a pair of y (n, P) and c (n, H), without the axis of layers
        that torch's has, (1, n, P) and (1, n, H).

        Args:
            lstm: the layer, with ``batch_first=True``.

        Returns:
            A layer of the same dtype, on the same device.

        Raises:
            EfflabError: it has several layers or directions, another layout, or parameters held by ``torch.nn.utils.prune``.
        """
        if not isinstance(lstm, nn.LSTM) or lstm.num_layers != 1 or lstm.bidirectional:
            raise EfflabError(f"lstm must be an nn.LSTM of one layer and one direction, got {lstm!r}")
        if not lstm.batch_first:
            raise EfflabError(
                "lstm must have batch_first=True, as an efflab.ese.LSTM takes x of shape (n, frames, inputs): "
                "set lstm.batch_first = True, and transpose what it is given"
            )
        if held := [name for name, _ in lstm.named_parameters() if name.endswith("_orig")]:
            raise EfflabError(
                f"lstm's {held[0].removesuffix('_orig')} is held by torch.nn.utils.prune: call torch.nn.utils.prune.remove on it"
            )
        made = cls(lstm.input_size, lstm.hidden_size, lstm.proj_size).to(lstm.weight_ih_l0)  # type: ignore[arg-type]
        with torch.no_grad():
            for name in ("weight_ih_l0", "weight_hh_l0", "weight_hr_l0"):
                if (own := getattr(made, name)) is not None:
                    own.copy_(getattr(lstm, name))
                if (mask := getattr(lstm, name + MASK, None)) is not None:
                    made.register_buffer(name + MASK, mask.clone())
            made.bias_l0.zero_()
            for bias in (getattr(lstm, name) for name in ("bias_ih_l0", "bias_hh_l0") if lstm.bias):
                made.bias_l0.add_(bias)
            nn.init.zeros_(made.peephole_l0)  # type: ignore[arg-type]  # it was just made
        return made

    def forward(
        self, x: Float[Tensor, "n frames inputs"], state: State | None = None
    ) -> tuple[Float[Tensor, "n frames outputs"], State]:
        """Run over sequences.

        Args:
            x: N x T x input_size, of the layer's dtype.
            state: y and c before the first frame, N x P and N x H; zeros where None.

        Returns:
            y_1 to y_T, N x T x P, and the state after the last frame.

        Raises:
            EfflabError: x or the state has other dimensions, x has no frame, or another dtype.
        """
        check_frames(x, self.input_size)
        self.check_dtype(x)
        y, c = self.empty(x) if state is None else check_state(state, *self._shapes(len(x)))
        inputs = x @ self.weight_ih_l0.T + self.bias_l0  # (n, t, 4 H)
        outputs = []
        for at in inputs.unbind(1):
            m, c = cell(at + y @ self.weight_hh_l0.T, c, self.peephole_l0)
            y = m if self.weight_hr_l0 is None else m @ self.weight_hr_l0.T
            outputs.append(y)
        return torch.stack(outputs, dim=1), (y, c)

    def check_dtype(self, x: Tensor) -> None:
        """Raise an ``EfflabError`` where x has another dtype than the layer, and autocast does not see to that."""
        own = self.weight_ih_l0.dtype
        if x.dtype != own and not torch.is_autocast_enabled(x.device.type):
            raise EfflabError(f"x must have the layer's dtype {own}, got {x.dtype}")

    def empty(self, x: Float[Tensor, "n frames inputs"]) -> State:
        """The state before the first frame: zeros."""
        y, c = self._shapes(len(x))
        return x.new_zeros(y), x.new_zeros(c)

    def _shapes(self, n: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Shapes of y and c for n sequences."""
        return (n, self.proj_size or self.hidden_size), (n, self.hidden_size)

    def extra_repr(self) -> str:
        """Sizes, for ``repr``."""
        peepholes = self.peephole_l0 is not None
        return f"{self.input_size}, {self.hidden_size}, proj_size={self.proj_size}, peepholes={peepholes}"


def check_frames(x: object, inputs: int) -> None:
    """Raise an ``EfflabError`` where x is no batch of sequences of floats, (n, frames, inputs), with a frame at least."""
    expected = f"x must have shape (n, frames, {inputs})"
    if not isinstance(x, Tensor):
        raise EfflabError(f"{expected}, got {type(x).__name__}")
    if x.dim() != 3 or x.shape[2] != inputs:
        raise EfflabError(f"{expected}, got {tuple(x.shape)}")
    if not x.shape[1]:
        raise EfflabError(f"{expected} with one frame at least, got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise EfflabError(f"x must be of a floating dtype, got {x.dtype}")


def check_state(state: object, y_shape: tuple[int, int], c_shape: tuple[int, int]) -> State:
    """Return a state of y and c, or raise an ``EfflabError`` where their shapes are others."""
    parts = tuple(state) if isinstance(state, tuple | list) else (state,)
    shapes = [tuple(part.shape) for part in parts if isinstance(part, Tensor)]
    if len(parts) != 2 or shapes != [y_shape, c_shape]:
        got = " and ".join(described(part) for part in parts)
        raise EfflabError(
            f"state must be y of shape {y_shape} and c of shape {c_shape}, without torch's axis of layers, got {got}"
        )
    return parts[0], parts[1]
