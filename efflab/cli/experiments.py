"""``efflab reproduce`` runs a paper's experiments; ``efflab results`` shows what was measured."""

import importlib
import time
from collections.abc import Collection
from typing import Annotated, Literal

import typer

from efflab import topics
from efflab.cli.output import Json, note, print_json
from efflab.errors import EfflabError

# Experiments that a topic owns under another name: that of the module in efflab and of the ledger's file.
OWNED = {"deep_compression": "huffman"}

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


def experiment(name: str) -> tuple[str, str]:
    """Where a topic's experiments are written and what runs them.

    Args:
        name: a topic, or experiments that a topic owns.

    Returns:
        The name in the ledger, and the module whose ``reproduce`` has ``run``.

    Raises:
        EfflabError: no topic is called so, or it is planned.

    >>> experiment("pruning"), experiment("huffman")
    (('pruning', 'efflab.pruning'), ('deep_compression', 'efflab.deep_compression'))
    """
    topic = topics.get(OWNED.get(name, name))
    for own, owner in OWNED.items():
        if owner == topic.name:
            return own, f"efflab.{own}"
    if not topic.ready:
        raise EfflabError(f"topic {topic.name!r} is planned and has no experiments yet")
    return topic.name, topic.module


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
    name, package = experiment(topic)
    numbers = parse_seeds(seeds) if seeds else None
    from efflab import results as ledger

    start = time.monotonic()
    module = importlib.import_module(f"{package}.reproduce")
    numbers = numbers or getattr(module, "SEEDS", SEEDS).get(scale, SEEDS[scale])
    measured = module.run(scale, numbers, progress=not as_json)
    records = measured.records
    path = ledger.write(name, records, measured.series)
    note(f"{len(records)} results in {time.monotonic() - start:.0f} s, written to {path}")
    if as_json:
        print_json([one.to_dict() for one in records])
    else:
        typer.echo(str(ledger.table(name, scale)))


def results(
    topic: Annotated[str | None, typer.Argument(help="A topic \\[default: all].")] = None,
    scale: Annotated[
        Literal["smoke", "cpu", "full"] | None, typer.Option(help="Only results of this scale.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show recorded results beside the papers' figures and the bars."""
    from efflab import results as ledger

    names = _recorded(topic, ledger.topics()) if topic else ledger.topics()
    if as_json:
        records = [one for name in names for one in ledger.read(name)]
        print_json([one.to_dict() for one in records if scale in {None, one.scale}])
        return
    if not names:
        note("nothing was recorded yet; efflab reproduce TOPIC writes results")
    for name in names:
        typer.echo(str(ledger.table(name, scale)))


def _recorded(name: str, known: Collection[str]) -> tuple[str, ...]:
    """Names in the ledger of a topic's own results and of the experiments it owns; the topic's where there are none."""
    if name in OWNED:
        return (name,)
    topic = topics.get(name).name
    own = (topic, *(other for other, owner in OWNED.items() if owner == topic))
    return tuple(one for one in own if one in known) or (topic,)
