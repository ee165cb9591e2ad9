"""``efflab sweep``: many EIE machines on the same layers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efflab.cli.output import Json, note, print_json, print_table
from efflab.cli.simulated import DEFAULT_DENSITY, Layers, Seed, save_figure
from efflab.errors import EfflabError

if TYPE_CHECKING:
    from efflab.eie.sweep import Work

BENCHMARKS = "benchmarks"


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
    act_density: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", help="Share of inputs that are not zero [default: 0.35]."),
    ] = None,
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

    machines = sweeping.grid(
        Machine(spmat_kb=spmat_kb),
        pes=parse_list(pes, "--pes", int), fifo=parse_list(fifo, "--fifo", int),
        sram_width=parse_list(sram_width, "--sram-width", int), precision=parse_list(precision, "--precision", str),
        index_bits=parse_list(index_bits, "--index-bits", int), clock_mhz=parse_list(clock, "--clock", float),
    )  # fmt: skip
    works = _works(file, layer or [], act_density, seed)
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
    print_table(
        ("PEs", "FIFO", "SRAM bits", "precision", "µs", "µJ", "mm²", "balance %"),
        [
            (
                one.pes,
                one.fifo,
                one.sram_width,
                one.precision,
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


def _works(file: str, only: list[str], density: float | None, seed: int) -> "list[Work]":
    """The layers to run, with their inputs."""
    from efflab.eie import Machine, inputs, networks, nine
    from efflab.eie.sweep import Work

    if file == BENCHMARKS:
        if density is not None:
            raise EfflabError(
                f"--act-density goes with a file; the {BENCHMARKS} have the published densities"
            )
        known = {one.title: one for one in nine.BENCHMARKS.values()}
        for name in only:
            if name not in known:
                raise EfflabError(f"no benchmark is called {name!r}; they are {', '.join(known)}")
        return [Work(name, known[name].pattern(seed), known[name].active(seed)) for name in only or known]
    # The memories' sizes are judged machine by machine.
    unbound = Machine(code_bits=8, spmat_kb=None, sram_width=64)
    network = networks.load(Path(file), unbound, only=only)
    drawn = inputs.drawn(network, DEFAULT_DENSITY if density is None else density, seed)
    return [Work(one.name, one.layer.pattern, drawn[one.name].values[0]) for one in network.layers]
