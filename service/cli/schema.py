"""`schema`: the contract, and whether files keep it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.account import account as account_in_force
from service.cli.account import asked
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
    *,
    account: Annotated[
        bool, typer.Option("--account", help="The order event with the account's own properties.")
    ] = False,
) -> None:
    """Print JSON Schemas (2020-12), or write them to a folder.

    With --account HubSpot is asked for its properties, their types and options: the schema of an order event as this
    account takes it, for editors and CI.

      ordersync schema export --account > order-event.account.json
    """
    from service.contract.schemas import documents, text

    if account and name is not None:
        raise typer.BadParameter(
            "the account's schema is one: leave out the name", param_hint="NAME"
        )
    known = _of_account() if account else documents()
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
    *,
    account: Annotated[
        bool, typer.Option("--account", help="Also say what this HubSpot account would refuse.")
    ] = False,
) -> None:
    """Check order events as the service would, offline. Exits 1 with every fault and its path.

    With --account HubSpot is asked for its properties and stages (ORDERSYNC_HUBSPOT__TOKEN): unknown and read-only
    properties, values of the wrong form, options and stages that are none are faults, too. Nothing is sent.

    A JSON file holds an event, or a message as RabbitMQ's management API takes it, with properties
    (content_type, headers) and payload: that is how an event in the binary mode is written down.
    """
    from service.contract.account import account_schema
    from service.contract.event_files import from_path
    from service.contract.filed import faults

    schema = None
    if account:
        settings = account_in_force()
        schema = asked(settings, account_schema)
        id_property = id_property or settings.id_property
    total = wrong = 0
    for file in files:
        for filed in from_path(file):
            total += 1
            found = faults(filed, id_property, schema)
            wrong += bool(found)
            where = f"{file}: {filed.where}" if filed.line else filed.where
            for path, message in found:
                told = f"{where}: {path}: {message}" if path else f"{where}: {message}"
                typer.echo(visible(told))
    say(f"{total} events, {wrong} with faults")
    if wrong:
        raise typer.Exit(Exit.FAILED)


def _of_account() -> dict[str, Any]:
    from service.contract.account import account_schema
    from service.contract.schemas import documents
    from service.core.account.event_schema import event_schema

    found = asked(account_in_force(), account_schema)
    return {"order-event.account.json": event_schema(documents()["order-event.v1.json"], found)}
