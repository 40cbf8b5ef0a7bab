"""`order`: what happened to one order."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli import interrupts
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, say, show, show_document
from service.cli.sieving import moment_of

if TYPE_CHECKING:
    from datetime import datetime

    from service.core.account.held import HeldLine, HeldOrder
    from service.orders.explaining import OrderStory
    from service.settings.config import BrokerSettings

# Of the journal, where nobody says how far back.
DAY: Final = timedelta(days=1)


def order(
    key: Annotated[
        str, typer.Argument(help="The order's key: a value of the identifying property.")
    ],
    *,
    since: Annotated[
        str | None,
        typer.Option(help="How far back the journal is read: 2h, 7d, or a time; a day without."),
    ] = None,
    id_property: Annotated[
        str | None, typer.Option(help="The property that KEY is a value of; else the configured.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what happened to one order, and what HubSpot holds of it now.

    The journal has its outcomes, the dead letters what failed, HubSpot every value that its properties had, with what
    wrote it. The journal's last day is read; where nothing is in it, all of it. Nothing is taken away or changed.

    Exits 1 where nobody has ever heard of the order.

      ordersync order A-10023

      ordersync order A-10023 --since 7d -o json
    """
    from service.clock import stamp
    from service.settings.config import BrokerSettings
    from service.watch import logs

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    at = moment_of(since, "--since") or stamp() - DAY
    story = interrupts.run(
        lambda signals: _told(settings, key, at, id_property, signals, further=since is None)
    )
    for who, why in story.silent.items():
        say(f"{who}: {why}")
    if output is Output.TABLE:
        _print(story)
    else:
        show_document(story.document(), output)
    if not story.heard_of:
        say(f"nobody knows an order {key}")
        raise typer.Exit(Exit.FAILED)


async def _told(
    settings: "BrokerSettings",
    key: str,
    since: "datetime",
    id_property: str | None,
    signals: "interrupts.Interrupts",
    *,
    further: bool,
) -> "OrderStory":
    from service.hubspot.enquirer import enquiring
    from service.orders.explaining import explain
    from service.orders.holding import holding
    from service.settings.misconfiguration import ConfigurationError
    from service.settings.reading import AccountSettings

    signals.told = "interrupted; nothing was changed"
    try:
        account = AccountSettings.load().hubspot
    except ConfigurationError as error:
        return await explain(settings, key, since, "; ".join(error.lines), say, further=further)
    by = id_property or account.id_property
    if by is None:
        why = "ORDERSYNC_HUBSPOT__ID_PROPERTY is not set, and no --id-property given"
        return await explain(settings, key, since, why, say, further=further)
    async with enquiring(account) as enquirer:
        return await explain(
            settings, key, since,
            lambda: holding(enquirer, by, account.line_id_property, key, say),
            say, further=further,
        )  # fmt: skip


def _print(story: "OrderStory") -> None:
    show([_row(each) for each in story.timeline()], Output.TABLE)
    if story.held is not None:
        if story.timeline():
            typer.echo()
        show(list(_held(story.held)), Output.TABLE)


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    match told["what"]:
        case "outcome":
            status, words = _outcome(told)
        case "dead letter":
            status, words = told["reason"], f"{told['message']} (`ordersync dlq show {told['id']}`)"
        case _:
            values = ", ".join(f"{name}={value}" for name, value in told["values"].items())
            status, words = "written", f"{values}, by {told['by']}"
    return {"at": told["at"], "what": told["what"], "status": status, "told": words}


def _outcome(told: Mapping[str, Any]) -> tuple[str, str]:
    event = f"{told['operation'] or 'event'} {told['event_id']} of {told['event_source']}"
    more = [event]
    if told["created"]:
        more.append("created")
    if told["reason"]:
        more.append(" ".join(filter(None, (told["reason"], told["property"]))))
    if told["superseded_by"]:
        more.append(f"by event {told['superseded_by']}")
    if told["replay"]:
        more.append(f"replay {told['replay']}")
    for part in ("lines", "links"):
        if told[part]:
            counts = ", ".join(f"{count} {status}" for status, count in told[part].items())
            more.append(f"{part}: {counts}")
    more += [
        f"{name}: {status} {reason or ''}".strip() for name, status, reason in told["undone"] or ()
    ]
    return str(told["status"]), "; ".join(more)


def _held(order: "HeldOrder") -> Iterator[dict[str, Any]]:
    since = f", archived {order.archived}" if order.archived else ""
    yield {"held": "order", "value": f"record {order.record_id}, changed {order.updated}{since}"}
    if order.stage:
        yield {"held": "stage", "value": f"{order.stage} ({order.pipeline})"}
    for name, value in order.properties.items():
        yield {"held": name, "value": value}
    for line in order.lines:
        name = "line of others" if line.key is None else f"line {line.key}"
        yield {"held": name, "value": _line(line)}
    for link in order.links:
        yield {"held": link.to, "value": f"{link.name or ''} (record {link.record_id})".strip()}


def _line(line: "HeldLine") -> str:
    values = dict(line.properties)
    name, sku = values.get("name", ""), values.get("hs_sku")
    told = f"{values.get('quantity', '?')} x {name}" + (f" [{sku}]" if sku else "")
    return f"{told} at {values['price']}" if "price" in values else told
