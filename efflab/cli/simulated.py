"""``efflab simulate``: a compressed network through EIE."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from efflab.cli.compressed import EfzFile, complete_layer, complete_model
from efflab.cli.networks import build, example
from efflab.cli.output import Json, note, print_json
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from efflab.eie.machine import Machine
    from efflab.eie.network_run import Given, NetworkRun
    from efflab.eie.networks import Network

DEFAULT_DENSITY = 0.35
FIGURES = ("png", "svg", "pdf")

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


@dataclass(frozen=True)
class Question:
    """What the options ask for: a network's layers on a machine, and its inputs."""

    file: Path
    machine: "Machine"
    only: tuple[str, ...]
    as_is: bool
    density: float | None
    seed: int
    engine: Literal["event", "cycle"]
    progress: bool


def simulate(  # noqa: PLR0917 - the command line gives them by name
    file: EfzFile,
    pes: Annotated[int, typer.Option(help="Processing elements.")] = 64,
    fifo: Annotated[int, typer.Option(help="Slots of each queue, one of which stays free.")] = 8,
    index_bits: Annotated[int, typer.Option(help="Bits of the count of zeros before an entry.")] = 4,
    code_bits: Annotated[int, typer.Option(help="Bits of a weight's code.")] = 4,
    precision: Annotated[Precision, typer.Option(help="Of values and sums.")] = "int16",
    sram_width: Annotated[int, typer.Option(help="Bits of a row of the matrix SRAM.")] = 64,
    clock: Annotated[float, typer.Option(help="MHz.")] = 800.0,
    bypass: Annotated[
        bool, typer.Option(help="Whether a sum goes straight to the next entry of the same row.")
    ] = True,
    regs: Annotated[int, typer.Option(help="Activations in the register file of each PE.")] = 64,
    spmat_kb: Annotated[float, typer.Option(help="Matrix SRAM of each PE, in KB.")] = 128.0,
    ptr_kb: Annotated[float, typer.Option(help="Pointer SRAM of each PE, in KB.")] = 32.0,
    technology: Annotated[
        int, typer.Option(metavar="NM", help="Process, in nm; the clock is the one given.")
    ] = 45,
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
        typer.Option(
            "--as-is",
            help="Refuse weights of too many values or another index width instead of encoding them anew.",
        ),
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
    from efflab.eie import Machine, power

    machine = Machine(
        pes=pes, fifo=fifo, index_bits=index_bits, code_bits=code_bits, precision=precision, sram_width=sram_width,
        clock_mhz=clock, bypass=bypass, regs=regs, spmat_kb=spmat_kb, ptr_kb=ptr_kb, technology_nm=technology,
    )  # fmt: skip
    # All that can be refused is refused before anything is read, clustered or run.
    power(machine)
    if figure is not None:
        check_figure(figure)
    given = read_input(input_file, act_density, model, input_shape)
    asked = Question(file, machine, tuple(layer or ()), as_is, act_density, seed, engine, not as_json)
    run = _with_model(asked, model, input_shape, given) if model else _alone(asked, given)
    if figure is not None:
        save_figure(run.plot(), figure)
    print_json(run.to_dict()) if as_json else typer.echo(str(run))


def _alone(asked: Question, given: Any) -> "NetworkRun":
    """Run the file's layers on the array given, or on drawn inputs."""
    from efflab.eie import networks
    from efflab.eie.network_run import run_network

    network = networks.load(asked.file, asked.machine, as_is=asked.as_is, only=asked.only)
    for sentence in network.notes():
        note(sentence)
    vectors = chained_or_drawn(network, given, asked.density, asked.seed)
    return run_network(network, vectors, engine=asked.engine, progress=asked.progress)


def chained_or_drawn(network: "Network", given: Any, density: float | None, seed: int) -> "Given":
    """What layers multiply where no model is named: the array given, handed on from layer to layer, or drawn inputs."""
    from efflab.eie import inputs

    if given is not None:
        return inputs.chained(network, given)
    if any(one.weight.kernel for one in network.layers):
        note("without --model a convolution runs at one place of its output")
    return inputs.drawn(network, DEFAULT_DENSITY if density is None else density, seed)


def _with_model(asked: Question, name: str, shape: str, given: Any) -> "NetworkRun":
    """Run the file's layers on what its model gives them."""
    from efflab.eie import inputs, networks
    from efflab.eie.model_output import output_change
    from efflab.eie.network_run import run_network

    own, x = model_and_input(asked.file, name, shape, given)
    network = networks.load(asked.file, asked.machine, as_is=asked.as_is, only=asked.only, model=own)
    for sentence in network.notes():
        note(sentence)
    vectors = inputs.watched(network, own, x)
    change = output_change(network, own, x) if any(one.drift for one in network.layers) else None
    return run_network(network, vectors, engine=asked.engine, progress=asked.progress, change=change)


def model_and_input(file: Path, name: str, shape: str, given: Any) -> "tuple[nn.Module, Tensor]":
    """Build a file's model with the file's weights, and one input for it.

    Raises:
        EfflabError: there is no such model, it is not the file's, or the array has another shape than its inputs.
    """
    from efflab import efz

    own = build(name, None)
    x = _example(name, own, shape, given)
    return efz.load(file, own), x


def _example(name: str, network: "nn.Module", shape: str, given: Any) -> "Tensor":
    """One input of a model: the array given, with or without a batch axis, or a random one.

    Raises:
        EfflabError: the array has another shape than the model's inputs.
    """
    if given is None:
        return example(name, network, shape)
    import torch

    drawn = example(name, network, shape or ("x".join(map(str, given.shape)) if ":" in name else ""))
    expected = tuple(drawn.shape[1:])
    if _without_ones(given.shape) != _without_ones(expected):
        raise EfflabError(
            f"--input has the shape {_written(given.shape)}, and {name} takes {_written(expected)}, a batch axis of 1 allowed"
        )
    return torch.from_numpy(given.astype(float)).to(drawn.dtype).reshape(drawn.shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _written(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "of a single number"


def read_input(path: Path | None, density: float | None, model: str, shape: str) -> Any:
    """Read the input given, if one is, after a look at the options that go with it.

    Raises:
        EfflabError: options that contradict each other, or no array of numbers.
    """
    if density is not None and (path is not None or model):
        raise EfflabError("--act-density draws inputs; it goes neither with --input nor with --model")
    if shape and not model:
        raise EfflabError("--input-shape is of a model's input: name the model as --model")
    return None if path is None else read_array(path)


def read_array(path: Path) -> Any:
    """Read an array of numbers from a ``.npy`` file.

    Raises:
        EfflabError: it is none, is empty, or holds no finite numbers.
    """
    import numpy as np

    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise EfflabError(f"{path} is no .npy file of numbers: {' '.join(str(error).split())}") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "buif" or not values.size:
        raise EfflabError(f"{path} holds no array of numbers")
    if not np.isfinite(values).all():
        raise EfflabError(f"{path} must hold finite numbers, and some are not")
    return values


def check_figure(path: Path) -> None:
    """Refuse a figure that could not be drawn or written.

    Raises:
        EfflabError: the name's ending is of no known format, its folder is missing, or matplotlib is.
    """
    if path.suffix.removeprefix(".").lower() not in FIGURES:
        raise EfflabError(f"a figure is written as .png, .svg or .pdf, and {path} is none of them")
    if not path.parent.is_dir():
        raise EfflabError(f"{path} cannot be written: there is no folder {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        from efflab.cli.doctor import set_up

        raise EfflabError(f"a figure is drawn by matplotlib, which is not installed: {set_up('student')}")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises:
        EfflabError: see ``check_figure``.
    """
    from efflab.files import atomic_path

    check_figure(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".").lower(), bbox_inches="tight", dpi=150)
    note(f"{path}: figure")
