"""A model run on one input, and what new clusters change in its own output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from efflab.eie.networks import Network
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class OutputChange:
    """What new clusters change in a model's output.

    Args:
        relative: norm of the change over the norm of the output.
        places: rows of the output, along whose last axis the largest value is looked for: 1 for an image's classes.
        moved: of them, those whose largest value stands elsewhere.
    """

    relative: float
    places: int
    moved: int

    def __str__(self) -> str:
        if self.places == 1:
            largest = "moves" if self.moved else "stays where it is"
        else:
            largest = f"moves in {self.moved:,} of {self.places:,} rows"
        return f"new clusters change the model's own output by {self.relative:.2%}, and its largest value {largest}"


def output_change(network: Network, model: "nn.Module", example: "Tensor") -> OutputChange | None:
    """Run a model with its own weights and with those that the machine keeps.

    Args:
        network: loaded from the model's file.
        model: with the weights of the file.
        example: an input, batch axis included.

    Returns:
        The change; None where the output has no tensor, or no layer has new clusters.

    Raises:
        EfflabError: the model does not take the input.
    """
    import torch  # noqa: PLC0415 - only where a model runs

    own = dict(model.named_parameters(remove_duplicate=False))
    anew = {
        one.weight.name: torch.from_numpy(one.values())
        .to(own[one.weight.name])
        .reshape(own[one.weight.name].shape)
        for one in network.layers
        if one.drift and one.weight.name in own
    }
    before = _first_tensor(forward(model, example))
    after = _first_tensor(forward(model, example, anew))
    if not anew or before is None or after is None:
        return None
    before, after = (one.double().reshape(-1, one.shape[-1] if one.dim() else 1) for one in (before, after))
    size = float(before.norm())
    moved = int((before.argmax(1) != after.argmax(1)).sum())
    return OutputChange(float((after - before).norm()) / size if size else 0.0, before.shape[0], moved)


def forward(model: "nn.Module", example: "Tensor", parameters: "Mapping[str, Tensor] | None" = None) -> Any:
    """Run a model in evaluation mode, the input in the precision of its parameters.

    Args:
        model: is left as it was.
        example: an input, batch axis included.
        parameters: by name, in place of its own.

    Raises:
        EfflabError: the model does not take the input.
    """
    import torch  # noqa: PLC0415 - as above

    from efflab.training.evaluation import mode  # noqa: PLC0415 - torch, as above

    kinds = [parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()]
    given = example.to(kinds[0]) if kinds and example.is_floating_point() else example
    try:
        with torch.no_grad(), mode(model, training=False):
            if not parameters:
                return model(given)
            return torch.func.functional_call(model, dict(parameters), (given,), tie_weights=False)
    except (OSError, MemoryError, EfflabError):
        raise  # not the input's fault
    except Exception as error:
        shape = " x ".join(map(str, example.shape)) or "no axes"
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise EfflabError(
            f"the model does not take an input of shape {shape}, batch axis included: it raised {why}"
        ) from error


def _first_tensor(output: Any) -> "Tensor | None":
    """The output itself, or the first of several."""
    from torch import Tensor  # noqa: PLC0415 - as above

    if isinstance(output, Mapping):
        output = tuple(output.values())
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output.detach() if isinstance(output, Tensor) and output.numel() else None
