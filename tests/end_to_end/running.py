"""The whole service in the test's own loop: a real broker, real sockets, the twin at the network boundary."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiormq
import orjson
from aiormq.abc import AbstractChannel, DeliveredMessage

from service import app
from service.rabbitmq import topology
from service.settings.config import Settings
from service.twin import Twin, TwinOptions, serving

ID_PROPERTY = "shop_order_id"


@dataclass
class Running:
    """What a test sees of it."""

    url: str
    settings: Settings
    twin: Twin
    channel: AbstractChannel
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    dead_letters: list[DeliveredMessage] = field(default_factory=list)

    async def publish(self, body: bytes, **properties: Any) -> None:
        usual: dict[str, Any] = {"content_type": "application/cloudevents+json", "delivery_mode": 2}
        await self.channel.basic_publish(
            body,
            exchange="orders.events",
            properties=aiormq.spec.Basic.Properties(**(usual | properties)),
        )

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    url: str,
    options: TwinOptions | None = None,
    line_id_property: str | None = None,
    backfill_queues: tuple[str, ...] = (),
    **sections: Any,
) -> AsyncIterator[Running]:
    """Run the service for the length of the block; at its end it is stopped as by SIGTERM."""
    twin = Twin(options or TwinOptions(calls=0))
    async with serving(twin) as address:
        hubspot: dict[str, Any] = {
            "base_url": address,
            "token": "t",
            "id_property": ID_PROPERTY,
            "calls": 10_000,
        }
        hubspot["line_id_property"] = line_id_property
        http = {"host": "127.0.0.1", "port": 0}
        settings = Settings(
            rabbitmq={"url": url, "backfill_queues": backfill_queues},
            hubspot=hubspot,
            http=http,
            **sections,
        )
        await topology.declare(url, topology.Topology.of(settings.rabbitmq))
        connection = await aiormq.connect(url)
        on = Running(url, settings, twin, await connection.channel())
        reading = await connection.channel()

        async def outcome(message: DeliveredMessage) -> None:
            on.outcomes.append(orjson.loads(message.body))
            await reading.basic_ack(message.delivery_tag or 0)

        async def dead_letter(message: DeliveredMessage) -> None:
            on.dead_letters.append(message)
            await reading.basic_ack(message.delivery_tag or 0)

        await reading.basic_consume("orders.results", outcome)
        await reading.basic_consume("orders.dead-letters", dead_letter)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.serve(settings, stop))
            try:
                yield on
            finally:
                stop.set()
        await connection.close()
