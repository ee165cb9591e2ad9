"""``efflab measure``, and how commands come by a model, its weights and its inputs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efflab.cli.output import Json, print_json, size
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import Tensor, nn

Model = Annotated[
    str,
    typer.Argument(
        help="lenet-300-100, lenet5, alexnet, vgg16, resnet20, resnet56, squeezenet1-0, passport, ... "
        "or package.module:factory of your own (the current folder is searched too)."
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="The model's weights: safetensors, or a torch state dict (read with weights_only)."),
]


def build(model: str, weights: Path | None) -> "nn.Module":
    """The model that a command line names, with its weights where a file is given.

    Raises:
        EfflabError: no such model, or the file is damaged or belongs to another model.
    """
    from efflab import models
    from efflab.training import seed_everything

    seed_everything(0)
    network = models.resolve(model)
    return models.load_weights(network, weights) if weights else network


def parse_shape(text: str) -> tuple[int, ...]:
    """Read ``"3x224x224"``.

    >>> parse_shape("1x28x28")
    (1, 28, 28)
    """
    try:
        shape = tuple(int(part) for part in text.lower().replace(",", "x").split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise typer.BadParameter(f"an input shape reads 3x224x224, without the batch; got {text!r}")
    return shape


def example(model: str, network: "nn.Module", shape: str) -> "Tensor":
    """One random input: of the shape given, else of the known model's own.

    Raises:
        EfflabError: the model is the user's own and no shape is given.
    """
    import torch
    from torch import nn

    from efflab import models

    if not shape and ":" in model:
        raise EfflabError(f"the input of {model!r} is not known: give it as --input-shape 3x224x224")
    size_ = parse_shape(shape) if shape else models.input_shape(model)
    generator = torch.Generator().manual_seed(0)
    tables = [one.num_embeddings for one in network.modules() if isinstance(one, nn.Embedding)]
    if len(size_) == 1 and tables:
        return torch.randint(min(tables), (1, *size_), generator=generator)
    return torch.rand(1, *size_, generator=generator)


def measure(
    model: Model,
    weights: Weights = None,
    input_shape: Annotated[str, typer.Option(help="Shape of one input, such as 3x224x224.")] = "",
    as_json: Json = False,
) -> None:
    """Count a model's parameters, non-zeros, MACs, activations and bytes, layer by layer."""
    from efflab import measure as measuring

    network = build(model, weights).eval()
    profile = measuring.profile(network, example(model, network, input_shape))
    totals = _totals(network, profile)
    if as_json:
        print_json({"model": model, "totals": totals, "layers": [_layer(one) for one in profile.layers]})
        return
    typer.echo(str(profile.table()))
    typer.echo(
        f"file: {size(totals['file_bytes'])}; densities and non-zero MACs are those of one random input"
    )


def _totals(network: "nn.Module", profile: Any) -> dict[str, int]:
    """The sums over all layers, and the bytes of the model's file."""
    from efflab import measure as measuring

    return {
        "parameters": measuring.parameters(network),
        "nonzeros": measuring.nonzeros(network),
        "macs": sum(one.macs for one in profile.layers),
        "nonzero_macs": sum(one.nonzero_macs for one in profile.layers),
        "activations": sum(one.activations for one in profile.layers),
        "file_bytes": measuring.saved_bytes(network),
    }


def _layer(one: Any) -> dict[str, Any]:
    keys = ("name", "kind", "weights", "parameters", "nonzeros", "macs", "nonzero_macs", "activations")
    return {key: getattr(one, key) for key in keys} | {"output_shape": list(one.output_shape)}
