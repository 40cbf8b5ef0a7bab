"""The journal beside a running service on a real broker: written, and never in the way of an outcome."""

import asyncio
from collections.abc import Callable

import aiormq
import pytest
from aiormq.abc import DeliveredMessage

from service.broker import PrivateBroker
from service.core.hubspot.verdicts import Applied
from service.core.outgoing import Outgoing
from service.core.settlement.journal import JOURNAL, groups, remembered, size_of
from service.core.settlement.outcomes import conclude
from service.core.settlement.retries import Finish
from service.rabbitmq.journal import ROOM, JournalWriter
from service.rabbitmq.publisher import Publisher
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import JournalSettings
from tests.end_to_end.running import Running, running
from tests.stage import event
from tests.strategies import STAMP, contribution, slot


async def read(url: str, enough: Callable[[list[bytes]], bool]) -> list[bytes]:
    """All messages of the stream, until they are enough."""
    bodies: list[bytes] = []
    full = asyncio.Event()
    connection = await aiormq.connect(url)
    channel = await connection.channel()

    async def one(message: DeliveredMessage) -> None:
        bodies.append(message.body)
        await channel.basic_ack(message.delivery_tag or 0)
        if enough(bodies):
            full.set()

    await channel.basic_qos(prefetch_count=100)
    await channel.basic_consume(JOURNAL, one, arguments={"x-stream-offset": "first"})
    async with asyncio.timeout(20):
        await full.wait()
    await connection.close()
    return bodies


def count(bodies: list[bytes]) -> int:
    return sum(int.from_bytes(body[:2]) for body in bodies)


async def carried(on: Running, number: int, first: int = 0) -> None:
    for n in range(first, first + number):
        await on.publish(event(n, f"A-{n % 7}", hs_order_name=f"n{n}"))
    await on.publish(b"{")
    await on.until(lambda: len(on.outcomes) == number + 1)


async def test_every_outcome_is_remembered_once_in_few_messages(amqp_url: str) -> None:
    """However often it is read: nothing is taken away."""
    async with running(amqp_url) as on:
        await carried(on, 200)

    for _ in range(2):
        bodies = await read(amqp_url, lambda bodies: count(bodies) >= 201)
        found = [row for n in range(7) for body in bodies for row in remembered(body, f"A-{n}")]
        assert count(bodies) == 201
        assert sorted(int(row["event_id"]) for row in found) == list(range(200))
        assert len(bodies) < 100


async def test_without_a_journal_there_is_no_stream(amqp_url: str) -> None:
    async with running(amqp_url, journal={"enabled": False}) as on:
        await carried(on, 3)

    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel()
    with pytest.raises(aiormq.exceptions.ChannelNotFoundEntity):
        await channel.queue_declare(JOURNAL, passive=True)
    await connection.close()


async def test_a_journal_of_other_bounds_ends_no_start(amqp_url: str) -> None:
    """RabbitMQ changes no arguments of a stream that is there: it is written as it is."""
    await declare(amqp_url, Topology.of_journal(JournalSettings(max_age="1h")))

    async with running(amqp_url) as on:
        await carried(on, 3)

    assert count(await read(amqp_url, lambda bodies: count(bodies) >= 4)) == 4


async def test_a_journal_that_goes_away_holds_up_no_outcome_and_is_written_when_it_is_back(
    amqp_url: str,
) -> None:
    async with running(amqp_url) as on:
        await carried(on, 3)
        connection = await aiormq.connect(amqp_url)
        channel = await connection.channel()
        await channel.queue_delete(JOURNAL)
        on.outcomes.clear()
        await carried(on, 20, first=3)
        await declare(amqp_url, Topology.of_journal(JournalSettings()))
        await connection.close()

        bodies = await read(amqp_url, lambda bodies: count(bodies) >= 21)

    assert count(bodies) == 21


async def test_a_user_that_may_not_write_it_loses_nothing_else(
    private_broker: PrivateBroker,
) -> None:
    """To publish what is not permitted ends a channel: not that of the outcomes."""
    node = private_broker
    node.ctl("add_user", "poor", "p")
    node.ctl(
        "set_permissions", "poor", ".*", "^orders\\.(events|outcomes|dead-letters|results)$", ".*"
    )

    async with running(node.url.replace("guest:guest", "poor:p")) as on:
        await carried(on, 50)

    assert len(on.outcomes) == 51


async def test_a_stream_that_hangs_holds_up_no_outcome_and_no_end(
    private_broker: PrivateBroker,
) -> None:
    """Its writer is suspended inside of RabbitMQ: it confirms nothing."""
    async with running(private_broker.url) as on:
        await carried(on, 3)
        private_broker.ctl("eval", SUSPEND)
        on.outcomes.clear()
        for n in range(2000):
            await on.publish(event(n + 100, f"B-{n}", hs_order_name="x"))
        await on.until(lambda: len(on.outcomes) == 2000)
        began = asyncio.get_running_loop().time()
    ended = asyncio.get_running_loop().time()
    private_broker.ctl("eval", SUSPEND.replace("suspend", "resume"))

    assert ended - began < 10


SUSPEND = (
    '{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"orders.journal">>)), '
    "sys:suspend(maps:get(leader_pid, amqqueue:get_type_state(Q)))."
)


async def test_what_finds_no_room_is_counted_and_the_oldest_goes_first() -> None:
    (settlement,) = conclude(Finish(slot(contribution()), Applied("1", created=True)), 1, STAMP)
    (group,) = groups([settlement] * 5)
    large = Outgoing("journal", JOURNAL, group.body + bytes(ROOM // 4), None, None)
    lost: list[int] = []
    writer = JournalWriter(Publisher("amqp://127.0.0.1:1/", {"journal": ""}, name="t"), lost.append)
    writer.write([large] * 7)
    assert lost == [5] * 4

    running_ = asyncio.create_task(writer.run())
    await asyncio.sleep(0.2)
    assert writer.age(asyncio.get_running_loop().time()) > 0
    writer.write([large] * 7)
    assert len(lost) == 8
    assert size_of(large) == 5
    async with asyncio.timeout(5):
        await writer.close()
    running_.cancel()
    await asyncio.wait([running_])
