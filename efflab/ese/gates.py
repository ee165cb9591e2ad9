"""Which matrices a layer multiplies by: a recurrent layer holds those of its gates one below the other.

ESE multiplies by one matrix after another, so that each must be balanced by itself.
"""

from collections.abc import Iterator

from torch import Tensor, nn

from efflab.errors import EfflabError
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


def matrices(module: nn.Module) -> dict[str, Tensor]:
    """The matrices of an LSTM by the paper's names, in the order in which ESE multiplies by them.

    Args:
        module: ``efflab.ese.LSTM``, ``torch.nn.LSTM`` of one layer and direction, or ``torch.nn.LSTMCell``.

    Returns:
        ``Wix``, ``Wfx``, ``Wcx``, ``Wox``, ``Wir``, ``Wfr``, ``Wcr``, ``Wor`` and, with a projection, ``Wym``: views, without gradient.

    Raises:
        EfflabError: it is another module, or has several layers.

    >>> {name: tuple(matrix.shape) for name, matrix in matrices(LSTM(5, 8, 4)).items()}["Wir"]
    (8, 4)
    """
    if not isinstance(module, _LAYERS) or (isinstance(module, nn.LSTM) and _many(module)):
        raise EfflabError(
            "module must be an LSTM of one layer and one direction (efflab.ese.LSTM, torch.nn.LSTM or torch.nn.LSTMCell), "
            f"got {module!r}"
        )
    return dict(_named(module))


def _many(lstm: nn.LSTM) -> bool:
    return lstm.num_layers != 1 or lstm.bidirectional


def _named(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    end = "" if isinstance(module, nn.LSTMCell) else "_l0"
    for parameter, source in (("weight_ih", "x"), ("weight_hh", "r")):
        for gate, matrix in zip(GATES, getattr(module, parameter + end).detach().chunk(4), strict=True):
            yield f"W{gate}{source}", matrix
    projection = getattr(module, "weight_hr_l0", None)
    if projection is not None:
        yield "Wym", projection.detach()
