"""`send`: one event through the queue, its outcome awaited."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import uuid4

import typer

from service.cli import interrupts
from service.cli.account import account, asked
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, say, show, show_document

if TYPE_CHECKING:
    from service.cli.interrupts import Interrupts
    from service.core.account.preflight import AccountSchema
    from service.core.events.order_event import Operation
    from service.orders.draft import Typed
    from service.settings.rabbitmq import RabbitMQ

_Several = list[str] | None
DONE: Final = frozenset({"applied", "superseded"})


_Operation = Annotated[str, typer.Argument(metavar="create|upsert|update|archive")]
_Key = Annotated[str, typer.Argument(help="The order's key: a value of the identifying property.")]
_Properties = Annotated[
    _Several,
    typer.Option("--set", metavar="NAME=VALUE", help="A property; NAME= clears it."),
]
_Lines = Annotated[
    _Several,
    typer.Option(
        "--line",
        metavar="KEY:NAME=VALUE,...",
        help="A line, by its key within the order; the others stay.",
    ),
]
_AllLines = Annotated[
    bool, typer.Option("--all-lines", help="Each --line is all there is: other lines go.")
]
_RemovedLines = Annotated[
    _Several, typer.Option("--remove-line", metavar="KEY", help="A line that goes.")
]
_Links = Annotated[
    _Several,
    typer.Option(
        "--link",
        metavar="TO:BY=VALUE,...",
        help="A link to a record by its unique property. Further words: label=NAME, exclusive, "
        "on_missing=wait|skip|fail|create and, with create, properties of the new record.",
    ),
]
_Unlinks = Annotated[
    _Several, typer.Option("--unlink", metavar="TO:BY=VALUE", help="A link that goes.")
]
_Stage = Annotated[str | None, typer.Option(help="Its label, or id.")]
_Pipeline = Annotated[
    str | None, typer.Option(help="Of the stage; else the account's default pipeline.")
]
_IdProperty = Annotated[
    str | None, typer.Option(help="The property that KEY is a value of; else the configured.")
]
_Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for the outcome.")]
_CheckAccount = Annotated[
    bool,
    typer.Option("--check-account", help="Check it against the HubSpot account's properties, too."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check the event, and print it.")]


def send(
    operation: _Operation,
    key: _Key,
    *,
    properties: _Properties = None,
    lines: _Lines = None,
    all_lines: _AllLines = False,
    removed_lines: _RemovedLines = None,
    links: _Links = None,
    unlinks: _Unlinks = None,
    stage: _Stage = None,
    pipeline: _Pipeline = None,
    id_property: _IdProperty = None,
    timeout: _Timeout = 60.0,
    check_account: _CheckAccount = False,
    dry_run: _DryRun = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Send one order's event through the queue, and wait for its outcome.

    create: an order that is there already is refused. upsert: made or changed. update: changed, and
    must be there. archive: taken out of HubSpot.

    A value with a comma stands in double quotes, as --line '1:name="Tent, large",quantity=3'.

    Exits 0 where it is applied or superseded, 1 where it failed, 69 where no outcome came in time: the
    event is on its way then. It is an event like any other, and goes through `ordersync run`.

    Such as:

      ordersync send upsert A-10023 --set hs_order_name=Camping --stage Shipped

      ordersync send update A-10023 --line 1:name=Tent,quantity=3,price=19.90

      ordersync send update A-10023 --link contact:email=mia@example.com,on_missing=create,firstname=Mia

      ordersync send archive A-10023
    """
    from service.orders.draft import Typed
    from service.settings.config import BrokerSettings, FileSettings
    from service.watch import logs

    typed = Typed(
        properties=properties or (), lines=lines or (), all_lines=all_lines,
        removed_lines=removed_lines or (), links=links or (), unlinks=unlinks or (),
        stage=stage, pipeline=pipeline, id_property=id_property,
    )  # fmt: skip
    settings = FileSettings.load() if dry_run else BrokerSettings.load()
    logs.for_command(settings.log)
    schema = _schema() if check_account else None
    event = _checked(_operation(operation), key, typed, settings.hubspot.id_property, schema)
    if not isinstance(settings, BrokerSettings):
        show_document(event, output)
        return
    rabbitmq = settings.rabbitmq
    outcome = interrupts.run(lambda signals: _sent(rabbitmq, event, timeout, signals))
    if output is Output.TABLE:
        show(list(_rows(outcome)), output)
    else:
        show_document(outcome, output)
    if outcome["data"]["status"] not in DONE:
        say(f"its dead letter: `ordersync dlq show {event['id']}`")
        raise typer.Exit(Exit.FAILED)


def _schema() -> "AccountSchema":
    from service.contract.account import account_schema

    return asked(account(), account_schema)


def _operation(word: str) -> "Operation":
    from service.core.events.order_event import Operation
    from service.core.misspelt import did_you_mean

    try:
        return Operation(word)
    except ValueError:
        known = [str(operation) for operation in Operation]
        raise typer.BadParameter(
            f"{word!r} is not one of {', '.join(known)}{did_you_mean(word, known)}"
        ) from None


def _checked(
    operation: "Operation",
    key: str,
    typed: "Typed",
    id_property: str | None,
    schema: "AccountSchema | None",
) -> dict[str, Any]:
    """The event, as the service would take it.

    Raises:
        typer.BadParameter: it would be malformed, or HubSpot would refuse it.
    """
    import orjson

    from service.clock import stamp
    from service.contract.filed import Filed, faults
    from service.core.outgoing import iso
    from service.orders.draft import DraftError, drafted

    try:
        event = drafted(operation, key, typed, uuid4().hex, iso(stamp()))
    except DraftError as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from None
    found = faults(Filed("", 0, orjson.dumps(event)), id_property, schema)
    if found:
        told = "; ".join(f"{path}: {said}" if path else said for path, said in found)
        raise typer.BadParameter(told, param_hint="the event")
    return event


async def _sent(
    rabbitmq: "RabbitMQ", event: dict[str, Any], seconds: float, signals: "Interrupts"
) -> dict[str, Any]:
    from service.orders.sending import send as send_event

    signals.told = "interrupted; nothing was sent"

    def sent() -> None:
        say(f"event {event['id']} is sent; its outcome is awaited")
        signals.told = f"interrupted; event {event['id']} is on its way"

    return await send_event(rabbitmq, event, seconds, sent)


def _rows(outcome: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The order first, then each part."""
    data = outcome["data"]
    order = {"status": data["status"], "record_id": data["order"]["record_id"]}
    if data["created"] and data["status"] == "applied":
        order["status"] = "applied, created"
    if data["superseded_by"]:
        order["reason"] = f"by event {data['superseded_by']}"
    yield _row(f"order {outcome.get('subject', '')}", data | order)
    parts = data["parts"] or {"line_items": (), "associations": ()}
    for line in parts["line_items"]:
        yield _row(f"line {line['key']}", line)
    for link in parts["associations"]:
        yield _row(f"{link['to']} {link['by']} {link['value']}", link)


def _row(part: str, told: dict[str, Any]) -> dict[str, Any]:
    reason = told["reason"]
    if isinstance(reason, dict):
        reason = f"{reason['code']}: {reason['message']}"
    return {
        "part": part,
        "status": told["status"],
        "record_id": told["record_id"],
        "reason": reason,
    }
