"""What the tests of dead letters stand on: letters as the service writes them, and counts of a queue."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import aiormq
import orjson
from pamqp.commands import Basic

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.order_event import STRUCTURED
from service.core.letters.dead_letters import dead_letter
from service.core.outgoing import Outgoing
from service.core.reasons import Code, Reason
from service.rabbitmq import topology
from service.rabbitmq.publisher import Publisher
from service.settings.rabbitmq import RabbitMQ

QUEUE = "orders.dead-letters"
ID_PROPERTY = "shop_order_id"
FAILED_AT = datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
_NAMES = "content_encoding correlation_id reply_to message_id timestamp message_type app_id delivery_mode"


def event(number: object, key: str, time: str = "2026-11-22T10:00:00Z", **values: Any) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(number),
            "source": "/tests",
            "type": "ordersync.order.upsert.v1",
            "subject": key,
            "time": time,
            "data": {"properties": values},
        }
    )


def delivery(body: bytes, headers: dict[str, Any] | None = None, **more: Any) -> Delivery:
    properties: Any = SimpleNamespace(
        **dict.fromkeys(_NAMES.split()) | {"content_type": STRUCTURED, "headers": headers} | more
    )
    where = ("orders.events", "orders.events", "ordersync.order.upsert.v1")
    return Delivery(1, 1, *where, False, properties, body, FAILED_AT)


def letter(body: bytes, code: Code = Code.PROPERTY_INVALID, **headers: Any) -> Outgoing:
    """The dead letter that the service writes for this event."""
    failed = parse(delivery(body, headers or None), ID_PROPERTY)
    reason = Reason(code, "soon was not a valid number.", 207, "VALIDATION_ERROR", "c-1", "total")
    status = "rejected" if isinstance(failed, Contribution) else "malformed"
    return dead_letter(failed, status, reason, 1, FAILED_AT)


def rabbitmq(url: str) -> RabbitMQ:
    return RabbitMQ(url=url)


async def prepared(url: str) -> None:
    """The whole topology."""
    await topology.declare(url, topology.Topology.of(rabbitmq(url)))


async def bury(url: str, letters: Iterable[Outgoing]) -> None:
    """Publish letters as the service does, confirmed."""
    async with channel(url) as publishing:
        pending: list[asyncio.Task[Any]] = []
        async with asyncio.TaskGroup() as tasks:
            for one in letters:
                properties = Basic.Properties(
                    content_type=one.content_type,
                    headers=cast("Any", one.headers),
                    delivery_mode=2,
                    app_id=one.app_id,
                )
                publish = publishing.basic_publish(
                    one.body,
                    exchange=QUEUE,
                    routing_key=one.routing_key,
                    properties=properties,
                    mandatory=True,
                )
                pending.append(tasks.create_task(publish))
                if len(pending) % 500 == 0:
                    await asyncio.wait(pending[-500:])


async def buried_fast(url: str, letters: Iterable[Outgoing]) -> None:
    """The same for very many: through the service's own publisher."""
    names = {"outcomes": "orders.outcomes", "dead_letters": QUEUE}
    publisher = Publisher(url, names, name="tests")
    some: list[Outgoing] = []
    for one in letters:
        some.append(one)
        if len(some) == 1000:
            await publisher.publish(some)
            some = []
    await publisher.publish(some)
    await publisher.close()


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)
    finally:
        await connection.close()


async def drained(url: str, queue: str = QUEUE) -> list[tuple[bytes, dict[str, Any]]]:
    """Everything on a queue, taken off it, in order."""
    taken: list[tuple[bytes, dict[str, Any]]] = []
    async with channel(url) as reading:

        async def arrived(message: aiormq.abc.DeliveredMessage) -> None:
            taken.append((message.body, dict(message.header.properties.headers or {})))

        await reading.basic_consume(queue, arrived, no_ack=True)
        silent = before = 0
        while silent < 3:
            await asyncio.sleep(0.1)
            left = (await reading.queue_declare(queue, passive=True)).message_count
            silent = silent + 1 if not left and len(taken) == before else 0
            before = len(taken)
    return taken


async def waiting(url: str, queue: str = QUEUE) -> int:
    """How many messages wait on a queue."""
    async with channel(url) as asking:
        return (await asking.queue_declare(queue, passive=True)).message_count or 0


async def soon_waiting(url: str, queue: str, number: int) -> None:
    """Wait until so many messages wait on a queue."""
    async with asyncio.timeout(60):
        while await waiting(url, queue) != number:
            await asyncio.sleep(0.05)


async def killed_by_the_limit(url: str) -> None:
    """Send what is on the input queue back until the broker gives up on it."""
    async with channel(url) as taking:

        async def refuse(message: aiormq.abc.DeliveredMessage) -> None:
            await taking.basic_reject(message.delivery_tag or 0, requeue=True)

        await taking.basic_consume("orders.events", refuse)
        async with asyncio.timeout(60):
            while not await waiting(url):
                await asyncio.sleep(0.1)


def ids(messages: Iterable[tuple[bytes, dict[str, Any]]]) -> list[str]:
    return [orjson.loads(body)["id"] for body, _ in messages]
