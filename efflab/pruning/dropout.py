"""Dropout adjusted to the connections that pruning left.

Source: NIPS 2015, section 3.2, equations (1) and (2): dropout works on neurons, and the connections C_i = N_i N_(i-1)
grow with their square, so retraining takes D_r = D_o sqrt(C_ir / C_io).
"""

from collections.abc import Mapping

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from efflab.errors import EfflabError
from efflab.pruning.configs import unknown_layer
from efflab.pruning.layers import sites
from efflab.pruning.masks import dropout_rate

DENSE = "dense_dropout"


def adjust_dropout_(model: nn.Module, layers: Mapping[str, str] | None = None) -> dict[str, float]:
    """Lower every dropout rate to what the pruned model should be retrained with, in place.

    The layer whose connections count is the fully connected one before the dropout, whose outputs it drops; where
    none precedes it (torchvision's AlexNet begins its classifier with a dropout), the next one after it. A recurrent
    layer's own dropout goes by its own connections. The dense rates are kept in the modules, so that a second
    call after more pruning starts from them again.

    Args:
        model: pruned: its layers' connections are the masks' where there are masks, else the non-zero weights.
        layers: names of the layers by names of the dropout modules, where the rule above does not serve.

    Returns:
        The new rates by name of the module.

    Raises:
        EfflabError: where ``layers`` names what is not there.
    """
    chosen = dict(layers or {})
    modules = dict(model.named_modules())
    for dropout, named in chosen.items():
        if not isinstance(modules.get(dropout), _DropoutNd):
            raise EfflabError(
                f"{dropout!r} is not a dropout module; there are {', '.join(_dropouts(model)) or 'none'}"
            )
        if named not in modules or not _connections(modules[named])[1]:
            raise EfflabError(unknown_layer(named, sites(model)))
    rates = {}
    for name, module in _dropouts(model).items():
        layer: str | None = chosen.get(name) or (
            name if isinstance(module, nn.RNNBase) else _nearest(modules, name)
        )
        if layer is not None:
            rates[name] = _set(module, dropout_rate(_dense(module), *_connections(modules[layer])))
    return rates


def restore_dropout_(model: nn.Module) -> None:
    """Give every dropout the rate it had before ``adjust_dropout_``."""
    for module in _dropouts(model).values():
        _set(module, _dense(module))
        module.__dict__.pop(DENSE, None)


def _dropouts(model: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _DropoutNd) or (isinstance(module, nn.RNNBase) and _dense(module) > 0)
    }


def _dense(module: nn.Module) -> float:
    rate = module.__dict__.get(DENSE, module.dropout if isinstance(module, nn.RNNBase) else module.p)
    return float(rate)


def _set(module: nn.Module, rate: float) -> float:
    module.__dict__.setdefault(DENSE, _dense(module))
    setattr(module, "dropout" if isinstance(module, nn.RNNBase) else "p", rate)
    return rate


def _nearest(modules: Mapping[str, nn.Module], dropout: str) -> str | None:
    """Find the fully connected layer before, else after, in the order of definition."""
    names = list(modules)
    at = names.index(dropout)
    linear = [name for name in names if isinstance(modules[name], nn.Linear)]
    before = [name for name in linear if names.index(name) < at]
    after = [name for name in linear if names.index(name) > at]
    return before[-1] if before else after[0] if after else None


def _connections(module: nn.Module) -> tuple[int, int]:
    """Count the connections left and those the dense layer had, over all its weights."""
    own = list(sites(module, lambda child, _: child is module).values())
    kept = sum(int((site.parameter if site.mask is None else site.mask).count_nonzero()) for site in own)
    return kept, sum(site.parameter.numel() for site in own)
