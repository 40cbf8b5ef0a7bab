"""Faults that one order or one message brings along: everybody else flows on beside it."""

import asyncio
from collections.abc import Awaitable, Callable

from service.twin.faults import parse_fault
from tests.brokers import giant
from tests.faults.run import Fault
from tests.faults.stand import Stand
from tests.faults.trace import MARK, Event, Fate

KEY = "poison"
PAUSES = 2  # that one order may cause
REFUSED_WITHIN = 120.0  # seconds; it takes half a minute or so
NAMED_WITHIN = 20.0  # where the answer names the record: nothing is left to prove
LIMIT = 256 << 20  # bytes, a container's
# HubSpot's own words about a wrong set-up, as a value that an event wrote.
WORDS = "Unable to perform upserts by non-unique order property shop_order_id"


def _poisoned(
    *rules: str, within: float = REFUSED_WITHIN, **values: str
) -> Callable[[Stand], Awaitable[None]]:
    """One order among all meets a no that sounds like everybody's. It is refused, and it alone."""

    async def strike(on: Stand) -> None:
        poison = Event(f"{KEY}-0", KEY, 0, "upsert", {MARK: f"{KEY}-0", **values}, Fate.REFUSED)
        on.twin.arm([parse_fault(f"{rule} key={KEY}") for rule in rules])
        on.healed()  # nobody else is to wait
        began = on.now()
        await on.publish([poison, *on.events[len(on.published) :]])
        async with asyncio.timeout(within):
            while all(receipt.event != poison.id for receipt in on.receipts):
                await on.outcomes(len(on.receipts) + 1, within)
        on.remarks.append(f"refused after {on.now() - began:.1f} s")
        _count(on)

    return strike


def _count(on: Stand) -> None:
    """How often everybody was paused, and given back, which costs a delivery each."""
    said = on.replicas[0].said()
    pauses, returns = said.count(b'"intake_paused"'), said.count(b'"given_back"')
    on.remarks.append(f"{pauses} pauses, {returns} times given back")
    if pauses > PAUSES or returns > PAUSES:
        on.complaints.append(on.remarks[-1])


async def _giant(on: Stand) -> None:
    """A message that no memory holds, among events of 245 KB each; a replica beyond 256 MiB is killed."""
    size = giant(on.node.version)
    await on.publish([Event("", "giant", 0, "upsert", {}, Fate.MALFORMED, padding=size)])
    on.healed()


QUICK = {"ORDERSYNC_HUBSPOT__CONCURRENCY": "8", "ORDERSYNC_BATCH__SIZE": "100"}
POISONS: dict[str, Callable[[Stand], Awaitable[None]]] = {
    "403": _poisoned("403"),
    "scope": _poisoned("refuse category=MISSING_SCOPES"),
    "words": _poisoned(within=NAMED_WITHIN, hs_total_price=WORDS),
}

FAULTS = [
    *(
        Fault(f"poison-{name}", strike, "orders", beforehand=0.2, events=3000, settings=QUICK)
        for name, strike in POISONS.items()
    ),
    Fault(
        "giants",
        _giant,
        "orders",
        at=0.02,
        events=400,
        large=True,
        memory=LIMIT,
        settings={
            "ORDERSYNC_RABBITMQ__PREFETCH": "2000",
            "ORDERSYNC_BATCH__SIZE": "100",
            "ORDERSYNC_HUBSPOT__CONCURRENCY": "auto",
        },
    ),
]
