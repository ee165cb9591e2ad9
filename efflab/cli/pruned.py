"""``efflab prune``: cut the small connections of a model, retrain the rest, and write it with its zeros."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from efflab.cli.networks import Model, Weights, build
from efflab.cli.output import Json, note, print_json, print_table, size
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import nn

    from efflab.data import ImageData
    from efflab.pruning.configs import Config

Scope = Literal["global", "layer"]


def parse_n_m(text: str) -> tuple[int, int]:
    """Read ``"2:4"``.

    >>> parse_n_m("2:4")
    (2, 4)
    """
    try:
        n, m = (int(part) for part in text.split(":"))
    except ValueError:
        raise typer.BadParameter(f"a pattern reads 2:4 (2 of every 4 weights stay), got {text!r}") from None
    return n, m


def choose(sparsity: float | None, scope: Scope, n_m: str) -> "Config":
    """The configuration that the options ask for.

    Raises:
        UsageError: both or neither of ``--sparsity`` and ``--n-m`` were given.
        EfflabError: a value is outside its range.
    """
    from efflab.pruning import NM, Magnitude

    if (sparsity is None) == (not n_m):
        raise typer.BadParameter("give either --sparsity, such as 0.9, or --n-m, such as 2:4")
    return NM(*parse_n_m(n_m)) if sparsity is None else Magnitude(sparsity, scope=scope)


def refuse_output(output: Path, force: bool) -> None:
    """Tell before any work is done that the result could not be written.

    Raises:
        EfflabError: the file exists and may not be replaced, or its folder does not.
    """
    if not output.absolute().parent.is_dir():
        raise EfflabError(f"{output} cannot be written: its folder does not exist")
    if output.exists() and not output.is_file():
        raise EfflabError(f"{output} cannot be written: it is no regular file")
    if output.exists() and not force:
        raise EfflabError(f"{output} exists; --force replaces it")


def images(name: str) -> "ImageData":
    """A data set of images with its labels.

    Raises:
        EfflabError: the data set holds no images.
    """
    from efflab import data

    if "images" not in data.describe(name).unit:
        raise EfflabError(f"data set {name!r} holds no images, and models are tested on images alone")
    found: Any = data.load(name)
    return found  # type: ignore[no-any-return] # the unit says that it is ImageData


def error_percent(model: str, network: "nn.Module", data: "ImageData") -> float:
    """Error on the test set.

    Raises:
        EfflabError: the model does not take these images, or does not return a score for each class.
    """
    from efflab.training import evaluate

    try:
        return float(evaluate(network, data.test).error_percent)
    except (OSError, MemoryError):
        raise  # the machine's fault, not the model's
    except Exception as error:
        shape = "x".join(map(str, data.test.x.shape[1:]))
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise EfflabError(
            f"{model} does not fit {data.name} ({shape}, {len(data.classes)} classes): it should take a batch of images"
            f" and return a score for each class, and raised {why}"
        ) from error


def by_layer(network: "nn.Module") -> list[dict[str, Any]]:
    """Weights, zeros and share kept of each prunable layer."""
    from efflab.pruning import prunable_layers

    found = []
    for name, weight in prunable_layers(network).items():
        kept = int(weight.count_nonzero())
        total = weight.numel()
        found.append(
            {
                "layer": name,
                "weights": total,
                "kept": kept,
                "zeros": total - kept,
                "kept_percent": 100 * kept / total,
            }
        )
    return found


def prune(  # noqa: PLR0917 - the command line gives them by name
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write (safetensors).")],
    weights: Weights = None,
    sparsity: Annotated[float | None, typer.Option(help="Fraction of zeros, in [0, 1).")] = None,
    scope: Annotated[Scope, typer.Option(help="One threshold for all layers, or one a layer.")] = "global",
    n_m: Annotated[
        str, typer.Option("--n-m", metavar="N:M", help="Keep N of every M consecutive weights.")
    ] = "",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Prune these layers alone (name or pattern, such as 'fc*'); may be repeated, each by itself."
        ),
    ] = None,
    data: Annotated[str, typer.Option(help="Data set to test on, and to retrain on.", metavar="NAME")] = "",
    retrain_epochs: Annotated[int, typer.Option(min=0, help="Epochs of retraining; needs --data.")] = 0,
    lr: Annotated[float, typer.Option(min=0, help="Learning rate of the retraining.")] = 0.005,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Prune a model's smallest weights and write it; with --data, show its test error before and after."""
    if retrain_epochs and not data:
        raise typer.BadParameter("--retrain-epochs needs --data")
    config = choose(sparsity, scope, n_m)
    refuse_output(output, force)
    from efflab import models, pruning, training

    network = build(model, weights)
    bytes_before = weights.stat().st_size if weights else None  # now: the output may be the same file
    if weights is None and ":" not in model:
        note(f"no --weights: these are the untrained weights of {model}")
    images_ = images(data) if data else None
    before = error_percent(model, network, images_) if images_ else None
    pruner = pruning.prune_(network, dict.fromkeys(layer, config) if layer else config)
    if images_ and retrain_epochs:
        training.fit(
            network,
            images_.train,
            epochs=retrain_epochs,
            lr=lr,
            after_step=pruner.apply,
            progress=not as_json,
        )
    after = error_percent(model, network, images_) if images_ else None
    pruner.finalize()
    models.save_weights(network, output)
    answer = summary(model, network, bytes_before, output) | {
        "data": data or None,
        "error_percent_before": before,
        "error_percent_after": after,
    }
    print_json(answer) if as_json else show(answer)


def summary(model: str, network: "nn.Module", bytes_before: int | None, output: Path) -> dict[str, Any]:
    """What was written: layers, totals, and the real sizes of the files."""
    layers = by_layer(network)
    total, kept = (sum(one[key] for one in layers) for key in ("weights", "kept"))
    return {
        "model": model,
        "output": str(output),
        "weights": total,
        "kept": kept,
        "zeros": total - kept,
        "sparsity": 1 - kept / total,
        "bytes_before": bytes_before,
        "bytes_after": output.stat().st_size,
        "layers": layers,
    }


def show(answer: dict[str, Any]) -> None:
    """Print the summary for a person."""
    columns = ("layer", "weights", "kept", "zeros", "kept %")
    rows = [tuple(one.values()) for one in answer["layers"]]
    share = 100 * answer["kept"] / answer["weights"]
    print_table(columns, [*rows, ("in all", answer["weights"], answer["kept"], answer["zeros"], share)])
    if answer["data"]:
        before, after = answer["error_percent_before"], answer["error_percent_after"]
        typer.echo(f"test error on {answer['data']}: {before:.2f} % before, {after:.2f} % after")
    before_bytes = f" ({size(answer['bytes_before'])} before)" if answer["bytes_before"] else ""
    typer.echo(
        f"{answer['output']}: {size(answer['bytes_after'])}{before_bytes}; the zeros are stored as they are"
    )
