"""``efflab sweep``: many EIE machines on the same layers."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efflab.cli.output import Json, note, print_json, print_table
from efflab.cli.simulated import (
    ActDensity,
    InputFile,
    Layers,
    ModelName,
    Seed,
    chained_or_drawn,
    check_figure,
    model_and_input,
    read_input,
    save_figure,
)
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from efflab.eie.networks import Network
    from efflab.eie.sweep import Work

BENCHMARKS = "benchmarks"
COLUMNS = {
    "pes": "PEs",
    "fifo": "FIFO",
    "sram_width": "SRAM bits",
    "precision": "precision",
    "index_bits": "index bits",
    "clock_mhz": "MHz",
}
ALWAYS = ("pes", "fifo", "sram_width", "precision")
"""Columns that are shown even where all machines have the same."""


def parse_list(text: str, option: str, kind: type) -> list[Any]:
    """Read ``"16,32,64"``.

    Raises:
        BadParameter: a value is not of the kind.

    >>> parse_list("16, 32", "--pes", int)
    [16, 32]
    """
    try:
        return [kind(part.strip()) for part in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise typer.BadParameter(
            f"{option} reads {what} with commas between, such as 16,32,64; got {text!r}"
        ) from None


def sweep(  # noqa: PLR0917 - the command line gives them by name
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help=f"An .efz file, or `{BENCHMARKS}`: the paper's nine layers, drawn."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="CSV file; a sweep goes on with one that it holds already.")
    ],
    pes: Annotated[str, typer.Option(metavar="N,N,...", help="Processing elements.")] = "16,32,64,128,256",
    fifo: Annotated[str, typer.Option(metavar="N,N,...", help="Slots of each queue.")] = "2,4,8,16",
    sram_width: Annotated[
        str, typer.Option(metavar="N,N,...", help="Bits of a row of the matrix SRAM.")
    ] = "32,64,128",
    precision: Annotated[
        str, typer.Option(metavar="NAME,...", help="int8, int16, int32, float32.")
    ] = "int16",
    index_bits: Annotated[str, typer.Option(metavar="N,N,...", help="Bits of the count of zeros.")] = "4",
    clock: Annotated[str, typer.Option(metavar="X,X,...", help="MHz.")] = "800",
    spmat_kb: Annotated[float, typer.Option(help="Matrix SRAM of each PE, in KB.")] = 128.0,
    layer: Layers = None,
    input_file: InputFile = None,
    act_density: ActDensity = None,
    model: ModelName = "",
    input_shape: Annotated[
        str, typer.Option(help="Shape of the input of a model of your own, such as 1x28x28.")
    ] = "",
    seed: Seed = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads [default: one a processor].")] = None,
    scheduler: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A dask scheduler, tcp://..., that runs the machines.")
    ] = "",
    figure: Annotated[Path | None, typer.Option(help="Draw time against energy (.png, .svg, .pdf).")] = None,
    as_json: Json = False,
) -> None:
    """Run a grid of EIE machines: time, energy and area of each, and the ones that no other beats.

    Example: efflab sweep lenet-300-100.efz -o sweep.csv --pes 4,8,16 --figure pareto.png
    """
    from efflab.eie import Machine
    from efflab.eie import sweep as sweeping

    # What can be refused at once is refused before anything is loaded.
    _check_options(output, figure, scheduler)
    given = read_input(input_file, act_density, model, input_shape)
    machines = sweeping.grid(
        Machine(spmat_kb=spmat_kb),
        pes=parse_list(pes, "--pes", int), fifo=parse_list(fifo, "--fifo", int),
        sram_width=parse_list(sram_width, "--sram-width", int), precision=parse_list(precision, "--precision", str),
        index_bits=parse_list(index_bits, "--index-bits", int), clock_mhz=parse_list(clock, "--clock", float),
    )  # fmt: skip
    sweeping.check(machines)
    if file == BENCHMARKS:
        if act_density is not None or model or input_file is not None:
            raise EfflabError(
                f"--act-density, --model and --input go with a file; the {BENCHMARKS} have the published densities"
            )
        works = _benchmarks(layer or [], seed)
    elif model:
        works = _with_model(Path(file), layer or [], model, input_shape, given)
    else:
        works = _alone(Path(file), layer or [], given, act_density, seed)
    if scheduler:
        note(f"asking the scheduler at {scheduler}, for up to {sweeping.SCHEDULER_SECONDS} s")
    try:
        points = sweeping.sweep(
            works, machines, path=output, workers=workers, scheduler=scheduler, progress=not as_json
        )
    except KeyboardInterrupt:
        note(f"{output} keeps what is done: the same command goes on from there")
        raise
    if figure is not None:
        save_figure(sweeping.plot(points), figure)
    front = sweeping.pareto(points)
    if as_json:
        print_json(
            {
                "output": str(output),
                "points": [vars(one) for one in points],
                "front": [vars(one) for one in front],
            }
        )
        return
    small = sum(not one.fits for one in points)
    beside = f"; {small:,} are too small for a layer" if small else ""
    shown = [name for name in COLUMNS if name in ALWAYS or len({getattr(one, name) for one in points}) > 1]
    print_table(
        (*(COLUMNS[name] for name in shown), "µs", "µJ", "mm²", "balance %"),
        [
            (
                *(getattr(one, name) for name in shown),
                one.time_us,
                one.energy_uj,
                one.area_mm2,
                100 * one.balance,
            )
            for one in front
        ],
        caption=f"Machines that no other beats in time and energy, of {len(points):,}{beside}",
        note=f"all machines: {output}",
    )


def _check_options(output: Path, figure: Path | None, scheduler: str) -> None:
    """Refuse what would otherwise fail after the run."""
    if figure is not None:
        check_figure(figure)
    if scheduler and importlib.util.find_spec("distributed") is None:
        from efflab.cli.doctor import set_up

        raise EfflabError(
            f"--scheduler takes dask.distributed, which is not installed: {set_up('instructor')}"
        )
    if not output.absolute().parent.is_dir():
        raise EfflabError(f"{output} cannot be written: there is no folder {output.absolute().parent}")


def _benchmarks(only: list[str], seed: int) -> "list[Work]":
    """The paper's layers, each with its vector."""
    from efflab.eie import nine
    from efflab.eie.sweep import Work

    known = {one.title: one for one in nine.BENCHMARKS.values()}
    for name in only:
        if name not in known:
            raise EfflabError(f"no benchmark is called {name!r}; they are {', '.join(known)}")
    return [Work(name, known[name].pattern(seed), known[name].active(seed)) for name in only or known]


def _alone(file: Path, only: list[str], given: Any, density: float | None, seed: int) -> "list[Work]":
    """The layers of a file with the array given, or drawn inputs."""
    from efflab.eie import sweep_works

    network = sweep_works.positions(file, only)
    for text in _notes(network):
        note(text)
    return sweep_works.of_network(network, chained_or_drawn(network, given, density, seed))


def _with_model(file: Path, only: list[str], name: str, shape: str, given: Any) -> "list[Work]":
    """The layers of a file with what its model gives them."""
    from efflab.eie import inputs, sweep_works

    own, x = model_and_input(file, name, shape, given)
    network = sweep_works.positions(file, only, own)
    for text in _notes(network):
        note(text)
    return sweep_works.of_network(network, inputs.watched(network, own, x))


def _notes(network: "Network") -> Iterator[str]:
    """What there is to know before the figures."""
    import numpy as np

    most = (1 << network.machine.code_bits) - 1
    for one in network.layers:
        count = np.unique(one.weight.matrix[one.weight.matrix != 0]).size
        if count > most:
            yield (
                f"{one.name}: the machine would cluster its {count:,} values anew to {most}; time and energy hang on "
                "the weights' places alone"
            )
    yield from network.notes()
