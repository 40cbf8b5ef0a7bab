"""What is held stays within the memory that is allowed, and all of it flows, in order, and is acked once."""

import asyncio
from itertools import pairwise

import pytest

from service.core.events.deliveries import READ_AT_MOST, Delivery
from service.rabbitmq.consumer import Consumer
from tests.wire.broker import Broker
from tests.wire.loop import run

URL = "amqp://guest:guest@wire/?heartbeat=10"
QUEUE = "orders.events"
MEMORY = 12 << 20  # a third of it are bodies, where the text is plain
READ = 2 * 256 * 1024  # one read, and what the stream had buffered


class Desk:
    """Takes what comes, and settles it in its order, some at a time."""

    def __init__(self, seconds: float, together: int, prefetch: int = 500) -> None:
        self.seconds, self.together = seconds, together
        self.held: dict[tuple[int, int], Delivery] = {}
        self.most = self.ended = 0
        self.arrived: list[int] = []
        self.sizes: list[int] = []
        self.consumer = Consumer(
            URL,
            {QUEUE: prefetch},
            lease=10.0,
            memory=MEMORY,
            arrived=self._arrived,
            lost=self._lost,
        )

    def _arrived(self, delivery: Delivery) -> None:
        self.held[delivery.epoch, delivery.tag] = delivery
        self.most = max(self.most, sum(len(each.body) for each in self.held.values()))
        self.sizes.append(delivery.size)
        if not delivery.unread:
            self.arrived.append(int(delivery.body))

    def _lost(self, epochs: frozenset[int]) -> None:
        self.ended += 1
        self.held = {key: each for key, each in self.held.items() if key[0] not in epochs}

    async def settle(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.seconds)
            some = list(self.held.values())[: self.together]
            for each in some:
                del self.held[each.epoch, each.tag]
            await self.consumer.ack(some)


async def _carried(broker: Broker, desk: Desk, seconds: float) -> None:
    tasks = [asyncio.create_task(desk.consumer.run()), asyncio.create_task(desk.settle())]
    async with asyncio.timeout(seconds):
        while broker.held(QUEUE):
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _bodies(count: int, size: int) -> list[bytes]:
    return [b"%d" % n + b" " * size for n in range(count)]


@pytest.mark.parametrize(
    ("seconds", "together", "reopened"),
    [(0.05, 100, False), (1.0, 5, False), (4.0, 100, False), (12.0, 100, True)],
)
def test_bodies_of_250_kb_are_held_in_a_third_of_the_memory(
    seconds: float, together: int, reopened: bool
) -> None:
    """However slowly they settle: where the broker's word would come too late, the rest comes again."""

    async def story(broker: Broker) -> None:
        desk = Desk(seconds, together)
        broker.put(QUEUE, _bodies(200, 250_000))
        await _carried(broker, desk, 600.0)
        assert desk.most <= MEMORY // 3 + READ
        assert broker.unknown_tags == 0
        assert [int(message.body) for message in broker.acked] == list(range(200))
        assert all(a < b for a, b in pairwise(desk.arrived))
        assert (desk.ended > 1) is reopened

    run(story)


def test_small_events_are_held_up_by_nothing() -> None:
    async def story(broker: Broker) -> None:
        desk = Desk(1.0, 500)
        broker.put(QUEUE, _bodies(2000, 600))
        await _carried(broker, desk, 10.0)
        assert desk.ended == 1

    run(story)


def test_a_giant_goes_by_and_is_left_to_the_brokers_dead_letters() -> None:
    """Five of 20 MB among events: none is ever held, each is rejected once, its neighbours are acked."""

    async def story(broker: Broker) -> None:
        desk = Desk(0.5, 7)
        bodies = _bodies(50, 600)
        bodies[::10] = [b"%d" % n + bytes(20 << 20) for n in range(0, 50, 10)]
        broker.put(QUEUE, bodies)
        await _carried(broker, desk, 600.0)
        assert desk.most <= MEMORY
        assert [message.body for message in broker.rejected] == bodies[::10]
        assert len(broker.acked) == 45
        assert broker.unknown_tags == 0
        assert [size for size in desk.sizes if size > READ_AT_MOST] == [
            len(body) for body in bodies[::10]
        ]

    run(story)


def test_heartbeats_and_acks_pass_while_nothing_is_read() -> None:
    """Nothing settles for longer than the broker would wait for a silent client."""

    async def story(broker: Broker) -> None:
        desk = Desk(90.0, 500)
        broker.put(QUEUE, _bodies(40, 250_000))
        tasks = [asyncio.create_task(desk.consumer.run())]
        await asyncio.sleep(80.0)
        assert desk.ended == 0
        held = list(desk.held.values())
        await desk.consumer.ack(held[:10])
        await asyncio.sleep(1.0)
        assert len(broker.acked) == 10
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run(story)
