"""Acks leave in the order in which they were computed, and nobody waits for a connection that is gone."""

import asyncio

import pytest

from service.core.events.deliveries import Delivery
from service.rabbitmq.consumer import Consumer
from tests.wire.broker import Broker
from tests.wire.loop import run

URL = "amqp://guest:guest@wire/?heartbeat=10"
QUEUE = "orders.events"


class Intake:
    """A consumer with nothing behind it but lists."""

    def __init__(self, prefetch: int = 2000) -> None:
        self.arrived: list[Delivery] = []
        self.ended: set[int] = set()
        self.consumer = Consumer(
            URL,
            {QUEUE: prefetch},
            lease=10.0,
            memory=64 << 20,
            arrived=self.arrived.append,
            lost=self.ended.update,
        )


async def until(condition, seconds: float = 120.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", range(10))
def test_three_hundred_settlements_at_once_are_acked_once_each(seed: int) -> None:
    """As after an alarm: what waited for its confirms is settled in one moment, by as many tasks."""

    async def story(broker: Broker) -> None:
        intake = Intake()
        broker.put(QUEUE, [b"%d" % n for n in range(1500)])
        running = asyncio.create_task(intake.consumer.run())
        await until(lambda: len(intake.arrived) == 1500)
        groups = [intake.arrived[n::300] for n in range(300)]
        broker.chance.shuffle(groups)

        async def settle(group: list[Delivery], turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await intake.consumer.ack(group)

        # Some come while others are still being written: a queue between them lets the late ones pass.
        settling = [settle(group, broker.chance.randrange(6)) for group in groups]
        await asyncio.wait([asyncio.ensure_future(each) for each in settling])
        await until(lambda: not broker.held(QUEUE))
        running.cancel()
        await asyncio.wait([running])
        assert broker.unknown_tags == 0
        assert not intake.ended - {d.epoch for d in intake.arrived}
        assert sorted(int(m.body) for m in broker.acked) == list(range(1500))

    run(story, seed)


@pytest.mark.parametrize("how", ["cut", "silence"])
def test_an_ack_returns_though_its_connection_ends_under_it(how: str) -> None:
    async def story(broker: Broker) -> None:
        intake = Intake()
        broker.put(QUEUE, [b"%d" % n for n in range(300)])
        running = asyncio.create_task(intake.consumer.run())
        await until(lambda: len(intake.arrived) == 300)
        acking = [asyncio.ensure_future(intake.consumer.ack([each])) for each in intake.arrived]
        getattr(broker, how)(broker.consuming())
        _, pending = await asyncio.wait(acking, timeout=120.0)
        assert not pending
        running.cancel()
        await asyncio.wait([running])

    run(story)
