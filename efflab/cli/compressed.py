"""``efflab compress``, ``inspect`` and ``decompress``: a model into one small file, a look at it, and back."""

import contextlib
import math
import os
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efflab.cli.networks import build, example
from efflab.cli.output import Json, note, print_json, print_table, size
from efflab.cli.pruned import error_percent, images, refuse_output
from efflab.errors import EfflabError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from efflab.deep_compression import CompressionReport, Settings
    from efflab.efz import Codes, Entry, File

_CHUNK_BYTES = 2**20
_MOST_ROWS = 64
_BAR = 40


def complete_model(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    from efflab import models

    return [name for name in models.names() if name.startswith(incomplete)]


def complete_data(incomplete: str) -> list[str]:
    """Names of data sets of images that begin so."""
    from efflab import data

    return [
        name for name in data.names() if name.startswith(incomplete) and "images" in data.describe(name).unit
    ]


def complete_layer(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the file's tensors that begin so."""
    from efflab import efz

    # An option without its value keeps the command line from being read to its end.
    words = f"{os.environ.get('COMP_WORDS', '')} {os.environ.get('_TYPER_COMPLETE_ARGS', '')}".split()
    for word in (str(ctx.params.get("file") or ""), *words):
        with contextlib.suppress(EfflabError, OSError), efz.open(word) as file:
            return [name for name in file.names if name.startswith(incomplete)]
    return []


Model = Annotated[
    str,
    typer.Argument(
        help="lenet-300-100, lenet5, vgg16, resnet20, passport, ... or package.module:factory of your own "
        "(the current folder is searched too).",
        autocompletion=complete_model,
    ),
]
EfzFile = Annotated[Path, typer.Argument(metavar="FILE", help="The .efz file.")]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Most bytes of tensors to make; by default 1 GiB or 256 x the file."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]


def parse_by_layer(text: str, option: str) -> tuple[float | None, dict[str, float]]:
    """Read ``"5"``, ``"conv*=8,fc1=5"``, or both, ``"5,conv*=8"``.

    Returns:
        The number for all layers (None without one), and those for single layers by pattern.

    >>> parse_by_layer("5,conv*=8", "--bits")
    (5.0, {'conv*': 8.0})
    """
    for_all: float | None = None
    by_pattern: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        pattern, sign, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        twice = pattern.strip() in by_pattern if sign else for_all is not None
        if not math.isfinite(value) or twice or (sign and not pattern.strip()):
            raise typer.BadParameter(f"{option} reads 5 or conv*=8,fc1=5, each layer once, got {text!r}")
        if sign:
            by_pattern[pattern.strip()] = value
        else:
            for_all = value
    return for_all, by_pattern


def settings_for(network: "nn.Module", bits: str, sparsity: str, rounds: int) -> "Settings":
    """The settings that the options ask for.

    Raises:
        EfflabError: a value is outside its range, or a pattern matches no layer.
    """
    from efflab.deep_compression import Layer, Settings
    from efflab.pruning import prunable_layers
    from efflab.pruning.configs import matches, unknown_layer

    (all_bits, bits_of), (all_sparsity, sparsity_of) = (
        parse_by_layer(bits, "--bits"), parse_by_layer(sparsity, "--sparsity"),
    )  # fmt: skip
    names = list(prunable_layers(network))
    for pattern in (*bits_of, *sparsity_of):
        if not any(matches(pattern, name) for name in names):
            raise EfflabError(unknown_layer(pattern, names))

    def own(name: str, choices: dict[str, float]) -> float | None:
        return next((value for pattern, value in choices.items() if matches(pattern, name)), None)

    layers = {name: Layer(own(name, sparsity_of), _whole(own(name, bits_of))) for name in names}
    return Settings(all_sparsity, bits=_whole(all_bits), rounds=rounds, layers=layers)


def _whole(value: float | None) -> Any:
    """A number without a fraction as an int; one with a fraction stays, and is refused by name."""
    return int(value) if value is not None and value == int(value) else value


def compress(  # noqa: PLR0917 - the command line gives them by name
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write (.efz).")],
    weights: Annotated[
        Path | None, typer.Option(help="The model's weights: safetensors, or a torch state dict.")
    ] = None,
    data: Annotated[
        str,
        typer.Option(metavar="NAME", help="Data set to retrain and test on.", autocompletion=complete_data),
    ] = "",
    bits: Annotated[
        str,
        typer.Option(
            metavar="N|LAYER=N,...", help="Bits of a weight: 8 in convolutions and 5 elsewhere if not given."
        ),
    ] = "",
    sparsity: Annotated[
        str,
        typer.Option(
            metavar="X|LAYER=X,...", help="Fraction of zeros: 0.9 with --data and 0.5 without, if not given."
        ),
    ] = "",
    epochs: Annotated[int, typer.Option(min=0, help="Epochs of each training; needs --data.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Prunings, each with a retraining.")] = 3,
    lr: Annotated[float, typer.Option(min=0, help="Learning rate that the model was trained with.")] = 0.05,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of the order of the data, and of dropout.")
    ] = 0,
    input_shape: Annotated[
        str,
        typer.Option(
            help="Shape of one input, to measure the drift of a model of your own, such as 3x224x224."
        ),
    ] = "",
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Go on with an interrupted run of this model and output."),
    ] = True,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Prune, retrain, share and Huffman-code a model into one file.

    Without --data the model is pruned and shared at once, and the drift of its weights and outputs shown.

    Example: efflab compress lenet5 --weights lenet5.safetensors --data mnist -o lenet5.efz
    """
    refuse_output(output, force)
    network = build(model, weights)
    bytes_before = weights.stat().st_size if weights else None  # now: the output may be the same file
    settings = settings_for(network, bits, sparsity, rounds)
    if weights is None and ":" not in model:
        note(f"no --weights: these are the untrained weights of {model}")
    images_ = images(data) if data else None
    inputs = None
    if images_ is None:
        inputs = _example(model, network, input_shape)
    else:
        error_percent(model, network, images_)  # tells at once where the model does not fit
    kept = output.with_name(f"{output.name}.run-{_digest(model, data, weights)}")
    from efflab.deep_compression import compress_
    from efflab.deep_compression.stages import drop

    try:
        report = compress_(
            network, images_, settings, path=output, epochs=epochs, lr=lr, example_inputs=inputs, seed=seed,
            checkpoint=kept, resume=resume, progress=not as_json,
        )  # fmt: skip
    except KeyboardInterrupt:
        if kept.is_dir():
            note(f"{kept} keeps what is done: the same command goes on from there")
        raise
    drop(kept)
    answer = {"model": model, "data": data or None, "output": str(output), "bytes_before": bytes_before}
    print_json(answer | report.to_dict()) if as_json else show(report, bytes_before, data)


def _example(model: str, network: "nn.Module", input_shape: str) -> Any:
    """An input on which the drift is measured; None where its shape is not known.

    Raises:
        EfflabError: the model does not take it.
    """
    if not input_shape and ":" in model:
        note("no --input-shape: the drift of the outputs is not measured")
        return None
    inputs = example(model, network, input_shape)
    import torch

    from efflab.training.evaluation import mode

    try:
        with torch.no_grad(), mode(network, training=False):
            network(inputs)
    except (OSError, MemoryError):
        raise  # the machine's fault, not the model's
    except Exception as error:
        shape = "x".join(map(str, inputs.shape[1:]))
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise EfflabError(f"{model} does not take an input of {shape}: it raised {why}") from error
    return inputs


def _digest(model: str, data: str, weights: Path | None) -> str:
    """Tell runs of other weights apart, so that none goes on with another's stages."""
    value = zlib.crc32(f"{model} {data}".encode())
    if weights is not None:
        with weights.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                value = zlib.crc32(chunk, value)
    return f"{value:08x}"


def show(report: "CompressionReport", bytes_before: int | None, data: str) -> None:
    """Print the report for a person."""
    typer.echo(str(report))
    if report.stages:
        errors = " → ".join(f"{one.error_percent:.2f} % {one.stage}" for one in report.stages)
        typer.echo(f"test error on {data}: {errors}")
    elif report.output_drift is not None:
        typer.echo(
            f"without data nothing was retrained: the outputs on a random input drift by {100 * report.output_drift:.2g} %"
        )
    before = f" ({size(bytes_before)} before)" if bytes_before else ""
    typer.echo(f"{report.path}: {size(report.file_bytes)}{before}")


def inspect(
    file: EfzFile,
    layer: Annotated[
        str,
        typer.Option(
            help="Show the values of one layer, and how often each occurs.", autocompletion=complete_layer
        ),
    ] = "",
    limit_bytes: Limit = None,
    as_json: Json = False,
) -> None:
    """Check an .efz file, and show what each tensor takes in it.

    Example: efflab inspect lenet5.efz --layer fc1.weight
    """
    from efflab import efz

    with efz.open(file, limit_bytes=limit_bytes) as opened:
        opened.verify()
        if layer:
            codes = opened.codes(layer)
            values, counts = _histogram(codes)
            answer = {"layer": layer, "values": values.tolist(), "counts": counts.tolist()}
            print_json(answer) if as_json else _show_histogram(layer, opened.entry(layer), values, counts)
        elif as_json:
            print_json(_described(opened))
        else:
            typer.echo(str(opened.table()))


def _histogram(codes: "Codes") -> "tuple[NDArray[np.float64], NDArray[np.int64]]":
    """Values in rising order, and how often each occurs; the zeros of a sparse layer, fillers included, are left out."""
    import numpy as np

    values = codes.codebook.double().numpy()
    counts = np.bincount(codes.labels, minlength=values.size)
    used = np.flatnonzero((counts > 0) & ((values != 0) | (codes.gaps is None)) & np.isfinite(values))
    order = used[np.argsort(values[used], kind="stable")]
    return values[order], counts[order]


def _show_histogram(
    layer: str, entry: "Entry", values: "NDArray[np.float64]", counts: "NDArray[np.int64]"
) -> None:
    import numpy as np

    rows: Iterable[tuple[str, int]] = (
        (f"{value:.6g}", int(count)) for value, count in zip(values, counts, strict=True)
    )
    if values.size > _MOST_ROWS:
        counts, edges = np.histogram(values, _MOST_ROWS // 2, weights=counts)
        ends = pairwise(edges)
        rows = ((f"{a:.4g} to {b:.4g}", int(n)) for (a, b), n in zip(ends, counts, strict=True))
    most = max(counts.max(initial=0), 1)
    drawn = [(value, count, "█" * round(_BAR * count / most)) for value, count in rows]
    sparse = "" if entry.nonzeros is None else f", {entry.nonzeros:,} of them not zero"
    print_table(("value", "weights", ""), drawn, caption=f"{layer}: {entry.numel:,} weights{sparse}")


def _described(file: "File") -> dict[str, Any]:
    """What ``inspect --json`` prints."""
    return {
        "file": str(file.path),
        "file_bytes": file.file_bytes,
        "dense_bytes": file.dense_bytes,
        "metadata": dict(file.metadata),
        "tensors": [_tensor(entry) for entry in file.entries],
    }


def _tensor(entry: "Entry") -> dict[str, Any]:
    parts = entry.bytes
    return {
        "names": list(entry.names),
        "shape": list(entry.shape),
        "dtype": str(entry.dtype).removeprefix("torch."),
        "coding": entry.coding,
        "values": entry.k if entry.coding != "raw" else None,
        "index_bits": entry.index_bits,
        "order": entry.order,
        "nonzeros": entry.nonzeros,
        "fillers": entry.fillers,
        "bytes": {
            "header": parts.header, "codebook": parts.codebook, "codes": parts.codes, "index": parts.index,
            "raw": parts.raw, "total": parts.total,
        },
    }  # fmt: skip


def decompress(
    file: EfzFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write (safetensors).")],
    limit_bytes: Limit = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the tensors of an .efz file as safetensors, bit for bit.

    Example: efflab decompress lenet5.efz -o lenet5.safetensors
    """
    refuse_output(output, force)
    from efflab import efz
    from efflab.models.storage import write_safetensors

    state = efz.load(file, limit_bytes=limit_bytes)
    before = file.stat().st_size  # now: the output may be the same file
    seen: set[int] = set()
    for name, tensor in state.items():
        tied = tensor.numel() > 0 and tensor.data_ptr() in seen
        seen.add(tensor.data_ptr())
        state[name] = (
            tensor.clone() if tied else tensor.contiguous()
        )  # safetensors holds no tensor under two names
    write_safetensors(state, output)
    after = output.stat().st_size
    if as_json:
        answer = {"file": str(file), "output": str(output), "tensors": len(state)}
        print_json(answer | {"bytes_before": before, "bytes_after": after})
    else:
        typer.echo(f"{output}: {len(state)} tensors, {size(after)} ({size(before)} compressed)")
