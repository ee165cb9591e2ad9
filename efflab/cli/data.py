"""``efflab data``: which data sets there are, what is known about them, and bringing them here."""

from typing import Annotated, Any

import typer

from efflab.cli.output import Json, note, print_json, print_table, size

app = typer.Typer(help="The data sets: list, describe and fetch them.", no_args_is_help=True)


def state(name: str) -> dict[str, Any]:
    """Where a data set lies on this machine.

    Returns:
        ``name``, ``title``, ``bytes``, ``available``, and ``path``: the first file's, None if missing or embedded.
    """
    from efflab import data
    from efflab.data import store

    info = data.describe(name)
    here = data.available(name)
    paths = [path for file in info.files[:1] for path in store.candidates(file) if path.is_file()]
    return {
        "name": name,
        "title": info.title,
        "bytes": info.bytes,
        "available": here,
        "path": str(paths[0]) if here and paths else None,
    }


def _where(one: dict[str, Any]) -> str:
    if one["available"]:
        return one["path"] or "in the package"
    return f"not here: efflab data fetch {one['name']}"


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the data sets and where they lie on this machine."""
    from efflab import data

    states = [state(name) for name in data.names()]
    if as_json:
        print_json(states)
        return
    rows = [(one["name"], one["title"], size(one["bytes"]), _where(one)) for one in states]
    print_table(("name", "title", "download", "where"), rows)


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A name of `efflab data list`.")], as_json: Json = False
) -> None:
    """Describe a data set: size, splits, licence, citation."""
    from efflab import data

    about = data.describe(name)
    found = state(name) | {
        "task": about.task,
        "splits": dict(about.splits),
        "unit": about.unit,
        "classes": list(about.classes),
        "licence": about.licence,
        "licence_url": about.licence_url,
        "homepage": about.homepage,
        "urls": list(about.urls),
        "citation": about.citation,
        "note": about.note,
    }
    if as_json:
        print_json(found)
        return
    splits = ", ".join(f"{count:,} {split}" for split, count in about.splits.items())
    lines = {
        "task": about.task,
        about.unit: splits,
        "download": size(about.bytes),
        "where": _where(found),
        "licence": f"{about.licence} ({about.licence_url})",
        "homepage": about.homepage,
        "note": about.note,
    }
    typer.echo(about.title)
    for key, text in lines.items():
        if text:
            typer.echo(f"  {key}: {text}")
    typer.echo(about.citation.strip())


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Names of `efflab data list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All data sets.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Download even what is here.")] = False,
    as_json: Json = False,
) -> None:
    """Bring data sets onto this machine, checked; an interrupted download goes on where it stopped."""
    from efflab import data

    wanted = list(data.names()) if everything else list(names or [])
    if not wanted:
        raise typer.BadParameter(f"name a data set, or --all; there are {', '.join(data.names())}")
    for name in wanted:
        data.describe(name)  # an unknown name is told before anything is downloaded
    fetched = {}
    for name in wanted:
        fetched[name] = [str(path) for path in data.fetch(name, progress=not as_json, force=force)]
        if not as_json:
            note(f"{name}: {', '.join(fetched[name]) or 'in the package'}")
    if as_json:
        print_json(fetched)
