"""Settling on a real broker: many settlements in one moment, as after an alarm or a pause."""

import asyncio
from random import Random

import aiormq

from service.core.events.deliveries import Delivery
from service.rabbitmq.consumer import Consumer
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import RabbitMQ

EVENTS = 1500


async def test_three_hundred_settlements_at_once_cost_no_channel(amqp_url: str) -> None:
    await declare(amqp_url, Topology.of(RabbitMQ(url=amqp_url)))
    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel()
    sending = [
        channel.basic_publish(b"%d" % number, exchange="orders.events", routing_key="k")
        for number in range(EVENTS)
    ]
    await asyncio.wait([asyncio.ensure_future(each) for each in sending])
    arrived: list[Delivery] = []
    ended: set[int] = set()
    consumer = Consumer(
        amqp_url,
        {"orders.events": 2000},
        lease=10.0,
        memory=64 << 20,
        arrived=arrived.append,
        lost=ended.update,
    )

    async def settle(group: list[Delivery], turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await consumer.ack(group)

    running = asyncio.create_task(consumer.run())
    async with asyncio.timeout(60.0):
        while len(arrived) < EVENTS:
            await asyncio.sleep(0.01)
    groups = [arrived[n::300] for n in range(300)]
    chance = Random(1)
    chance.shuffle(groups)
    # Some come while others are still being written.
    await asyncio.wait([asyncio.ensure_future(settle(g, chance.randrange(6))) for g in groups])
    # A 406 would have ended the channel by now, and what was not acked would come again.
    await asyncio.sleep(1.0)
    assert not ended
    assert len(arrived) == EVENTS
    running.cancel()
    await asyncio.wait([running])
    declared = await channel.queue_declare("orders.events", passive=True)
    assert declared.message_count == 0
    await connection.close()
