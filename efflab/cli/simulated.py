"""``efflab simulate``: a compressed network through EIE."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from efflab.cli.compressed import EfzFile, complete_layer, complete_model
from efflab.cli.networks import build, example
from efflab.cli.output import Json, note, print_json
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from efflab.eie.network_run import Given
    from efflab.eie.networks import Network

DEFAULT_DENSITY = 0.35

Precision = Literal["int8", "int16", "int32", "float32"]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layer", metavar="NAME", help="Only this layer; may be given again.", autocompletion=complete_layer
    ),
]
ActDensity = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, metavar="P", help="Draw inputs of which this share is not zero [default: 0.35]."
    ),
]
ModelName = Annotated[
    str,
    typer.Option(
        help="The file's model, which then runs on the input and gives each layer its own; convolutions then run all places.",
        autocompletion=complete_model,
    ),
]
InputFile = Annotated[
    Path | None,
    typer.Option("--input", help="An input as .npy: of the first layer, or of the model where one is named."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of what is drawn.")]


def simulate(  # noqa: PLR0917 - the command line gives them by name
    file: EfzFile,
    pes: Annotated[int, typer.Option(help="Processing elements.")] = 64,
    fifo: Annotated[int, typer.Option(help="Slots of each queue, one of which stays free.")] = 8,
    index_bits: Annotated[int, typer.Option(help="Bits of the count of zeros before an entry.")] = 4,
    code_bits: Annotated[int, typer.Option(help="Bits of a weight's code.")] = 4,
    precision: Annotated[Precision, typer.Option(help="Of values and sums.")] = "int16",
    sram_width: Annotated[int, typer.Option(help="Bits of a row of the matrix SRAM.")] = 64,
    clock: Annotated[float, typer.Option(help="MHz.")] = 800.0,
    spmat_kb: Annotated[float, typer.Option(help="Matrix SRAM of each PE, in KB.")] = 128.0,
    layer: Layers = None,
    input_file: InputFile = None,
    act_density: ActDensity = None,
    model: ModelName = "",
    input_shape: Annotated[
        str, typer.Option(help="Shape of the input of a model of your own, such as 1x28x28.")
    ] = "",
    seed: Seed = 0,
    as_is: Annotated[
        bool,
        typer.Option("--as-is", help="Refuse weights of too many values instead of clustering them anew."),
    ] = False,
    engine: Annotated[
        Literal["event", "cycle"], typer.Option(help="Both give the same; cycle by cycle takes longer.")
    ] = "event",
    figure: Annotated[Path | None, typer.Option(help="Draw the layers' times (.png, .svg, .pdf).")] = None,
    as_json: Json = False,
) -> None:
    """Run a compressed network on EIE: cycles, time and energy, layer by layer.

    Example: efflab simulate lenet-300-100.efz --pes 16 --fifo 8
    """
    from efflab.eie import Machine, networks
    from efflab.eie.network_run import run_network

    machine = Machine(
        pes=pes, fifo=fifo, index_bits=index_bits, code_bits=code_bits, precision=precision, sram_width=sram_width,
        clock_mhz=clock, spmat_kb=spmat_kb,
    )  # fmt: skip
    network = networks.load(file, machine, as_is=as_is, only=layer or ())
    for one in network.layers:
        if one.drift:
            note(
                f"{one.name}: clustered anew to {(1 << code_bits) - 1} values, which changes its weights by {one.drift:.2%}"
            )
    for name, reason in network.left.items():
        note(f"{name} is left out: {reason}")
    given = _given(network, file, model, input_file, input_shape, act_density, seed)
    run = run_network(network, given, engine=engine, progress=not as_json)
    if figure is not None:
        save_figure(run.plot(), figure)
    print_json(run.to_dict()) if as_json else typer.echo(str(run))


def _given(  # noqa: PLR0917 - one a question
    network: "Network",
    file: Path,
    model: str,
    input_file: Path | None,
    shape: str,
    density: float | None,
    seed: int,
) -> "Given":
    """The inputs that the options ask for."""
    from efflab.eie import inputs

    if density is not None and (input_file is not None or model):
        raise EfflabError("--act-density draws inputs; it goes neither with --input nor with --model")
    if model:
        return inputs.watched(network, *_model(file, model, input_file, shape))
    if input_file is not None:
        return inputs.chained(network, read_array(input_file))
    if any(one.weight.kernel for one in network.layers):
        note("without --model a convolution runs at one place of its output")
    return inputs.drawn(network, DEFAULT_DENSITY if density is None else density, seed)


def _model(file: Path, name: str, input_file: Path | None, shape: str) -> tuple[Any, Any]:
    """The model with the file's weights, and one input of it."""
    import torch

    from efflab import efz

    network = efz.load(file, build(name, None))
    if input_file is None:
        return network, example(name, network, shape)
    values = torch.from_numpy(read_array(input_file)).float()
    expected = example(name, network, shape or "x".join(map(str, values.shape)) if ":" in name else shape)
    return network, values.reshape(expected.shape) if values.numel() == expected.numel() else values[None]


def read_array(path: Path) -> Any:
    """Read an array of numbers from a ``.npy`` file.

    Raises:
        EfflabError: it is none, or holds no numbers.
    """
    import numpy as np

    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise EfflabError(f"{path} is no .npy file of numbers: {' '.join(str(error).split())}") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "buif":
        raise EfflabError(f"{path} holds no array of numbers")
    return values


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises:
        EfflabError: the name's ending is of no known format.
    """
    from efflab.files import atomic_path

    kind = path.suffix.removeprefix(".").lower()
    if kind not in {"png", "svg", "pdf"}:
        raise EfflabError(f"a figure is written as .png, .svg or .pdf, and {path} is none of them")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, bbox_inches="tight", dpi=150)
    note(f"{path}: figure")
