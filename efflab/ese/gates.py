"""Which matrices a layer multiplies by: a recurrent layer holds those of its gates one below the other.

ESE multiplies by one matrix after another, so that each must be balanced by itself.

Source: S. Han et al., "ESE", FPGA 2017, table of matrices, for their names and order; ``torch.nn.LSTM``'s documentation for how its
parameters hold the gates.
"""

from collections.abc import Iterator

from torch import Tensor, nn

from efflab.errors import EfflabError
from efflab.ese._checks import whole
from efflab.ese.lstm import GATES, LSTM

_GATES: tuple[tuple[type[nn.Module], int], ...] = (
    (LSTM, 4),
    (nn.LSTM, 4),
    (nn.LSTMCell, 4),
    (nn.GRU, 3),
    (nn.GRUCell, 3),
)
_LAYERS = (LSTM, nn.LSTM, nn.LSTMCell)


def gates_in(module: nn.Module, name: str) -> int:
    """How many matrices of one shape stand below each other in a parameter: 4 for an LSTM's gates, 3 for a GRU's, else 1.

    Args:
        module: the module that holds the parameter.
        name: the parameter's name there.

    >>> gates_in(nn.LSTM(3, 8, proj_size=2), "weight_hh_l0"), gates_in(nn.LSTM(3, 8, proj_size=2), "weight_hr_l0")
    (4, 1)
    """
    if not name.startswith(("weight_ih", "weight_hh")):
        return 1
    return next((gates for kind, gates in _GATES if isinstance(module, kind)), 1)


def matrices(module: nn.Module, layer: int | None = None, *, reverse: bool = False) -> dict[str, Tensor]:
    """The matrices of an LSTM by the paper's names, in the order in which ESE multiplies by them.

    Args:
        module: ``efflab.ese.LSTM``, ``torch.nn.LSTM`` or ``torch.nn.LSTMCell``.
        layer: which layer of a ``torch.nn.LSTM``, from 0; may be None where there is one layer of one direction.
        reverse: whether to take the layer's direction from the last frame to the first.

    Returns:
        ``Wix``, ``Wfx``, ``Wcx``, ``Wox``, ``Wir``, ``Wfr``, ``Wcr``, ``Wor`` and, with a projection, ``Wym``: views, without gradient.

    Raises:
        EfflabError: it is another module, has several layers or directions of which ``layer`` chooses none, or has no such layer or
            direction.

    >>> {name: tuple(matrix.shape) for name, matrix in matrices(LSTM(5, 8, 4)).items()}["Wir"]
    (8, 4)
    >>> matrices(nn.LSTM(5, 8, num_layers=2, bidirectional=True), layer=1, reverse=True)["Wix"].shape
    torch.Size([8, 16])
    """
    if not isinstance(module, _LAYERS):
        raise EfflabError(
            f"module must be an LSTM (efflab.ese.LSTM, torch.nn.LSTM or torch.nn.LSTMCell), got {module!r}"
        )
    layers, both = (module.num_layers, module.bidirectional) if isinstance(module, nn.LSTM) else (1, False)
    if layer is None and (layers > 1 or both):
        raise EfflabError(
            "one layer and one direction run at a time: say which with layer=0 and reverse=False; "
            f"this module has {layers} layers and {1 + both} directions"
        )
    if reverse and not both:
        raise EfflabError("reverse=True needs a torch.nn.LSTM that is bidirectional")
    chosen = whole("layer", layer or 0, 0, layers - 1)
    return dict(_named(module, f"_l{chosen}{'_reverse' if reverse else ''}"))


def _named(module: nn.Module, end: str) -> Iterator[tuple[str, Tensor]]:
    own = "" if isinstance(module, nn.LSTMCell) else end
    for parameter, source in (("weight_ih", "x"), ("weight_hh", "r")):
        for gate, matrix in zip(GATES, getattr(module, parameter + own).detach().chunk(4), strict=True):
            yield f"W{gate}{source}", matrix
    projection = getattr(module, f"weight_hr{end}", None)
    if projection is not None:
        yield "Wym", projection.detach()
