"""`setup`: the first order in an account."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.account import account, asked
from service.cli.doctor import EXITS, gravity, tell
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, say, show

if TYPE_CHECKING:
    from service.core.account.keys import Key
    from service.doctor import Finding
    from service.settings.hubspot import HubSpotSettings
    from service.setup.account import Keys

BROKER: Final = "ORDERSYNC_RABBITMQ__URL"
# Findings about what is still to be made.
_OF_KEYS: Final = frozenset({"property", "lines"})


def setup(
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Make the properties that are missing.")
    ] = False,
    id_property: Annotated[
        str | None, typer.Option(help="The property that identifies an order; found without.")
    ] = None,
    line_id_property: Annotated[
        str | None, typer.Option(help="The property that identifies a line; found without.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Look at a HubSpot account, and print the settings that ordersync needs for it.

    Only a token has to be set (ORDERSYNC_HUBSPOT__TOKEN). A unique property of orders, and one of line items, are
    found; where there is none, --apply makes shop_order_id and shop_line_id, which needs the scopes
    crm.schemas.orders.write and crm.schemas.line_items.write. Without --apply nothing is changed.

    The doctor's checks follow, those of RabbitMQ too where ORDERSYNC_RABBITMQ__URL is set. Settings go to stdout:

      eval "$(ordersync setup --apply)"

    Exits 77 where the token is refused or lacks a scope, 69 where HubSpot cannot be reached, 1 where the account
    cannot be set up so.
    """
    from service.setup.account import find
    from service.setup.paper import settled

    given = account()
    order, line = id_property or given.id_property, line_id_property or given.line_id_property
    keys = asked(given, lambda enquirer: find(enquirer, order, line, apply=apply))
    for key in keys.both():
        say(f"{key.wanted.object}: {key.name} {_state(key)}")
    settings = settled(given, keys)
    findings = asyncio.run(_examined(settings, keys))
    _print(settings, keys, findings, output)
    if not keys.there:
        say("nothing was changed; --apply makes what is missing")
    troubles = [EXITS[finding.trouble] for finding in findings if finding.trouble]
    raise typer.Exit(max(troubles, key=gravity, default=Exit.DONE))


def _state(key: "Key") -> str:
    if not key.there:
        return "is to be made"
    if key.made:
        return "is made, and unique"
    so_are = f" (so would be {', '.join(key.others)})" if key.others else ""
    return f"is there and unique{so_are}"


async def _examined(settings: "HubSpotSettings", keys: "Keys") -> "list[Finding]":
    """The doctor's findings, told as they come; but for those about properties that are still to be made."""
    from service.doctor import examine, hubspot
    from service.doctor.examination import TIMEOUT
    from service.hubspot.http import Http
    from service.settings.config import Settings
    from service.setup import paper

    findings = []
    async with Http(settings.base_url, timeout=TIMEOUT) as http:
        told = (
            examine(Settings(hubspot=paper.given(settings)))
            if os.environ.get(BROKER)
            else hubspot.examine(http, settings, frozenset())
        )
        async for finding in told:
            if keys.there or finding.subject not in _OF_KEYS:
                findings.append(finding)
                tell(finding, err=True)
    return findings


def _print(
    settings: "HubSpotSettings", keys: "Keys", findings: "list[Finding]", output: Output
) -> None:
    from service.cli.doctor import row
    from service.setup.paper import lines, spelt

    if output is Output.TABLE:
        for line in lines(settings, broker=bool(os.environ.get(BROKER))):
            typer.echo(line)
        return
    document: dict[str, Any] = {
        "properties": [
            {"object": key.wanted.object, "name": key.name, "there": key.there}
            for key in keys.both()
        ],
        "settings": dict(spelt(settings)),
        "findings": [row(finding) for finding in findings],
    }
    show([document], output)
