"""`schema`: the contract, and whether files keep it."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.exits import Exit
from service.cli.printing import say
from service.core.visible import visible

app = typer.Typer(help="The contract with producers and readers.", no_args_is_help=True)


@app.command()
def export(
    name: Annotated[
        str | None,
        typer.Argument(help="order-event.v1, outcome.v1 or dead-letter.v1; none = all of them."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write files into this folder.", file_okay=False)
    ] = None,
) -> None:
    """Print JSON Schemas (2020-12), or write them to a folder."""
    from service.contract.schemas import documents, text

    known = documents()
    if name is not None and f"{name}.json" not in known:
        names = ", ".join(file.removesuffix(".json") for file in known)
        raise typer.BadParameter(f"there is {names}", param_hint="NAME")
    chosen = known if name is None else {f"{name}.json": known[f"{name}.json"]}
    for file, document in chosen.items():
        if to is None:
            typer.echo(text(document), nl=False)
        else:
            to.mkdir(parents=True, exist_ok=True)
            (to / file).write_text(text(document))
            say(f"wrote {to / file}")


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(help="NDJSON, CSV or JSON files, or folders.", exists=True)
    ],
    id_property: Annotated[
        str | None,
        typer.Option(help="The service's identifying property; unknown if not given."),
    ] = None,
) -> None:
    """Check order events as the service would, offline. Exits 1 with every fault and its path.

    A JSON file holds an event, or a message as RabbitMQ's management API takes it, with properties
    (content_type, headers) and payload: that is how an event in the binary mode is written down.
    """
    from service.contract.event_files import from_path
    from service.contract.filed import faults

    total = wrong = 0
    for file in files:
        for filed in from_path(file):
            total += 1
            found = faults(filed, id_property)
            wrong += bool(found)
            where = f"{file}: {filed.where}" if filed.line else filed.where
            for path, message in found:
                told = f"{where}: {path}: {message}" if path else f"{where}: {message}"
                typer.echo(visible(told))
    say(f"{total} events, {wrong} with faults")
    if wrong:
        raise typer.Exit(Exit.FAILED)
