"""What HubSpot holds of one order: asked in few calls, the same for support as for programs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from service.core.account.definitions import Definitions
from service.core.account.held import (
    KNOWN_BY,
    LINE_PROPERTIES,
    LINKED,
    HeldLine,
    HeldLink,
    HeldOrder,
    asked_for,
    held_lines,
    held_links,
    held_order,
    linked,
)
from service.core.account.questions import Single
from service.core.events.order_event import ORDERS, RECORD_ID
from service.core.graph.lines import LINE_ITEMS
from service.core.graph.pipelines import OrderPipeline
from service.core.hubspot import calls
from service.core.hubspot.answers import objects
from service.hubspot.enquirer import Enquirer, NotAllowedError, TurnedDownError
from service.orders.reading import definitions, pipelines

# Records of one read.
PAGE = 100
Say = Callable[[str], None]


async def holding(
    enquirer: Enquirer, id_property: str, line_id_property: str | None, key: str, say: Say
) -> HeldOrder | None:
    """The order with its history, lines, links and stage; None where HubSpot has none of this key.

    Raises:
        HubSpotError: HubSpot does not say.
    """
    defined = await definitions(enquirer, ORDERS, say)
    entry = await _entry(enquirer, id_property, key, defined)
    if entry is None:
        return None
    order = held_order(entry, await _named(enquirer, say))
    if order.archived is not None:
        return order
    lines, links = await _linked(enquirer, order.record_id, line_id_property, key, say)
    return replace(order, lines=tuple(lines), links=tuple(links))


async def _entry(
    enquirer: Enquirer, id_property: str, key: str, defined: Definitions | None
) -> Mapping[str, Any] | None:
    """The record with its histories, among the living first."""
    names = asked_for(defined)
    for archived in (False, True):
        call = calls.find(
            ORDERS, [key], id_property, properties=names, histories=names, archived=archived
        )
        found = list(objects(await enquirer.ask(call), "results"))
        if found:
            return found[0]
    return None


async def _named(enquirer: Enquirer, say: Say) -> tuple[OrderPipeline, ...]:
    try:
        return await pipelines(enquirer)
    except NotAllowedError as error:
        say(f"the stage is shown by its id: {error} (crm.pipelines.orders.read)")
        return ()


async def _linked(
    enquirer: Enquirer, record_id: str, line_id_property: str | None, key: str, say: Say
) -> tuple[list[HeldLine], list[HeldLink]]:
    lines: list[HeldLine] = []
    links: list[HeldLink] = []
    try:
        shown = await enquirer.ask(Single(ORDERS, record_id, {"associations": ",".join(LINKED)}))
        for to, ids in linked(shown).items():
            if to == LINE_ITEMS:
                more = (line_id_property,) if line_id_property else ()
                for body in await _read(enquirer, to, ids, (*LINE_PROPERTIES, *more)):
                    lines += held_lines(body, line_id_property, key)
            elif to in KNOWN_BY:
                for body in await _read(enquirer, to, ids, (KNOWN_BY[to],)):
                    links += held_links(body, to)
    except (NotAllowedError, TurnedDownError) as error:
        say(f"not all lines and links are shown: {error}")
    return sorted(lines, key=lambda line: (line.key is None, line.key or "", line.record_id)), links


async def _read(
    enquirer: Enquirer, to: str, ids: list[str], properties: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    return [
        await enquirer.ask(calls.look_up(to, RECORD_ID, some, properties))
        for some in calls.portions(ids, PAGE)
    ]
