"""A journal of any length, written in the groups that a busy service makes of it."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from service.clock import stamp
from service.core.outgoing import Outgoing, iso
from service.core.settlement import journal
from service.core.settlement.journal import COLUMNS
from service.rabbitmq.publisher import Publisher
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import JournalSettings

SIZE = 100  # outcomes of a group


def row(key: str, number: int, **more: Any) -> tuple[Any, ...]:
    """One outcome, by column."""
    at = iso(stamp())
    known = {
        "key": key,
        "id_property": "shop_order_id",
        "record_id": str(395_000_000_000 + number),
        "status": "applied",
        "operation": "upsert",
        "created": False,
        "event_id": f"01JD{number:012d}",
        "event_source": "/shops/eu-1",
        "event_time": at,
        "attempts": 1,
        "batch_size": 100,
        "merged": 1,
        "received_at": at,
        "settled_at": at,
    }
    return tuple((known | more).get(column) for column in COLUMNS)


def filling(number: int, wanted: str, hits: int) -> Iterator[Outgoing]:
    """`number` outcomes of others, `hits` of the wanted order among them."""
    chance = random.Random(1)
    at = set(chance.sample(range(number), hits))
    for first in range(0, number, SIZE):
        yield journal._group(
            [
                row(wanted if n in at else f"A-{chance.randrange(10**6)}-{n % 97}", n)
                for n in range(first, min(first + SIZE, number))
            ]
        )


async def fill(url: str, groups: Iterator[Outgoing]) -> None:
    """Declare the stream, and write."""
    await declare(url, Topology.of_journal(JournalSettings()))
    publisher = Publisher(url, {"journal": ""}, name="tests")
    some: list[Outgoing] = []
    for group in groups:
        some.append(group)
        if len(some) == 200:
            await publisher.publish(some)
            some = []
    if some:
        await publisher.publish(some)
    await asyncio.sleep(0)
    await publisher.close()
