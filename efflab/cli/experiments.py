"""``efflab reproduce`` runs a paper's experiments; ``efflab results`` shows what was measured."""

import importlib
import time
from typing import Annotated, Literal

import typer

from efflab import topics
from efflab.cli.output import Json, note, print_json
from efflab.errors import EfflabError

SEEDS = {"smoke": (0,), "cpu": (0, 1, 2), "full": (0, 1, 2)}


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``"0,1,2"``.

    Raises:
        BadParameter: it is no list of different whole numbers.

    >>> parse_seeds("0, 7")
    (0, 7)
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"seeds are whole numbers with commas between, such as 0,1,2; got {text!r}"
        ) from None
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise typer.BadParameter(f"seeds must differ and be at least 0, got {text!r}")
    return seeds


def reproduce(
    topic: Annotated[str, typer.Argument(help="A topic, such as pruning.")],
    scale: Annotated[
        Literal["smoke", "cpu", "full"],
        typer.Option(
            help="smoke: does it run (seconds); cpu: the recorded figures (a laptop's hours); full: the paper's."
        ),
    ] = "cpu",
    seeds: Annotated[str, typer.Option(help="Seeds of the runs \\[default: the scale's own].")] = "",
    as_json: Json = False,
) -> None:
    """Run a paper's experiments and write their results; an interrupted run goes on where it stopped."""
    chosen = topics.get(topic)
    if not chosen.ready:
        raise EfflabError(f"topic {chosen.name!r} is planned and has no experiments yet")
    numbers = parse_seeds(seeds) if seeds else None
    from efflab import results as ledger

    start = time.monotonic()
    module = importlib.import_module(f"{chosen.module}.reproduce")
    numbers = numbers or getattr(module, "SEEDS", SEEDS).get(scale, SEEDS[scale])
    measured = module.run(scale, numbers, progress=not as_json)
    records = measured.records
    path = ledger.write(chosen.name, records, measured.series)
    note(f"{len(records)} results in {time.monotonic() - start:.0f} s, written to {path}")
    if as_json:
        print_json([one.to_dict() for one in records])
    else:
        typer.echo(str(ledger.table(chosen.name, scale)))


def results(
    topic: Annotated[str | None, typer.Argument(help="A topic \\[default: all].")] = None,
    scale: Annotated[
        Literal["smoke", "cpu", "full"] | None, typer.Option(help="Only results of this scale.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show recorded results beside the papers' figures and the bars."""
    from efflab import results as ledger

    names = [topics.get(topic).name] if topic else ledger.topics()
    if as_json:
        records = [one for name in names for one in ledger.read(name)]
        print_json([one.to_dict() for one in records if scale in {None, one.scale}])
        return
    if not names:
        note("nothing was recorded yet; efflab reproduce TOPIC writes results")
    for name in names:
        typer.echo(str(ledger.table(name, scale)))
