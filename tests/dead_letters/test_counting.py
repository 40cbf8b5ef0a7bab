"""How often a message went back is the broker's word alone."""

import asyncio
from typing import Any, cast

import aiormq
import pytest
from pamqp.commands import Basic

from service.core.events.deliveries import Delivery
from service.rabbitmq.connection import connect
from service.rabbitmq.inbox import Inbox
from service.rabbitmq.wire import Wire
from tests.dead_letters.stand import channel, prepared

FORGED = ("x-delivery-count", "x-acquired-count")


@pytest.mark.parametrize("header", FORGED)
async def test_a_producers_count_of_returns_counts_for_nothing(version_url, header):
    """One such header once condemned its event as a crash suspect and slowed a hundred behind it."""
    await prepared(version_url)
    async with channel(version_url) as publishing:
        await publishing.basic_publish(
            b"{}",
            exchange="orders.events",
            routing_key="k",
            properties=Basic.Properties(headers=cast("Any", {header: 1_000_000})),
        )

    seen = [(await _returned(version_url)).returns for _ in range(3)]

    assert seen == [0, 1, 2]


async def _returned(url: str) -> Delivery:
    """The message as it is delivered, and given back by closing the channel, as the service does."""
    inbox, arrived = Inbox(), asyncio.Queue[Delivery]()
    connection = await connect(url, "ordersync tests", Wire(inbox))
    try:
        inbox.learn(connection.server_properties)
        taking = await connection.channel(publisher_confirms=False)
        inbox.read(taking.number, 1, "orders.events", arrived.put_nowait)
        await taking.basic_consume("orders.events", _never_called)
        async with asyncio.timeout(30):
            return await arrived.get()
    finally:
        await connection.close()


async def _never_called(message: aiormq.abc.DeliveredMessage) -> None:
    raise AssertionError(message)
