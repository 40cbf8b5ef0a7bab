"""The journal read on a real broker: to its end, whatever stands in it, while it is written, by whoever may."""

import asyncio
from datetime import datetime, timedelta

import aiormq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

from service.broker import PrivateBroker
from service.clock import stamp
from service.core.hubspot.verdicts import Applied
from service.core.settlement.journal import JOURNAL, remembered
from service.core.settlement.outcomes import conclude
from service.core.settlement.retries import Finish
from service.rabbitmq.frames import START
from service.rabbitmq.journal_reader import JournalUnreadError, _Frames, _Page, reading
from tests.orders.journals import fill, filling
from tests.strategies import STAMP, contribution, slot

DAY = timedelta(days=1)


async def bodies(url: str, since: datetime | None = None) -> list[bytes]:
    async with reading(url) as journal:
        return [body async for some in journal.bodies(since) for body in some]


async def published(url: str, *messages: bytes) -> None:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    for message in messages:
        await channel.basic_publish(message, routing_key=JOURNAL)
    await connection.close()


async def test_all_of_it_however_often_and_nothing_after_its_end(amqp_url: str) -> None:
    await fill(amqp_url, filling(300_000, "B-1", 5))

    for since in (None, stamp() - DAY, None):
        found = await bodies(amqp_url, since)
        assert len(found) == 3_000
        assert len([row for body in found for row in remembered(body, "B-1")]) == 5
    assert not await bodies(amqp_url, stamp() + DAY)


async def test_an_empty_journal_has_nothing(amqp_url: str) -> None:
    await fill(amqp_url, iter(()))

    assert not await bodies(amqp_url)


async def test_whatever_stands_in_it_is_read_over_and_whole_outcomes_count(amqp_url: str) -> None:
    """Strangers' messages of any size, empty ones, and outcomes as the exchange has them."""
    (settlement,) = conclude(
        Finish(slot(contribution(key="A-1")), Applied("17", created=True)), 1, STAMP
    )
    large = b"\0" * 400_000
    await fill(amqp_url, filling(100, "B-1", 1))
    await published(amqp_url, b"", large, b"{", settlement.outcome.body, b"\xff" * 3)

    found = await bodies(amqp_url, stamp() - DAY)

    assert [len(body) for body in found[1:4]] == [0, len(large), 1]
    assert [row["status"] for body in found for row in remembered(body, "A-1")] == ["applied"]


async def test_the_end_is_what_it_was_when_the_reading_began(amqp_url: str) -> None:
    """An enemy writes all the time: the reading ends."""
    await fill(amqp_url, filling(50_000, "B-1", 3))
    stop = asyncio.Event()

    async def writing() -> None:
        while not stop.is_set():
            await published(amqp_url, *[b"x" * 100] * 20)

    busy = asyncio.create_task(writing())
    await asyncio.sleep(0.3)
    async with asyncio.timeout(30):
        found = await bodies(amqp_url)
    stop.set()
    await busy

    assert len([row for body in found for row in remembered(body, "B-1")]) == 3


async def test_there_is_none_or_it_may_not_be_read(private_broker: PrivateBroker) -> None:
    node = private_broker
    with pytest.raises(JournalUnreadError, match=r"there is no stream orders\.journal"):
        await bodies(node.url)

    await fill(node.url, filling(100, "B-1", 1))
    node.ctl("add_user", "poor", "p")
    node.ctl("set_permissions", "poor", ".*", ".*", "^orders\\.results$")

    with pytest.raises(JournalUnreadError, match=r"may not read orders\.journal"):
        await bodies(node.url.replace("guest:guest", "poor:p"))


async def test_a_broker_that_goes_while_it_is_read_is_an_error_not_an_end(
    private_broker: PrivateBroker,
) -> None:
    await fill(private_broker.url, filling(200_000, "B-1", 1))

    async def slowly() -> None:
        async with reading(private_broker.url) as journal:
            async for _ in journal.bodies(None):
                if private_broker.running:
                    private_broker.kill()

    async with asyncio.timeout(60):
        with pytest.raises((ConnectionError, TimeoutError)):
            await slowly()


def frames(offset: int, parts: list[bytes]) -> list[tuple[int, bytes]]:
    """One delivery, as a broker sends it."""
    size = sum(map(len, parts))
    properties = Basic.Properties(headers={"x-stream-offset": 2**40 + offset, "a": "b"})
    sent = [
        marshal(Basic.Deliver("consumer", offset + 1, False, "", JOURNAL), 1),
        marshal(ContentHeader(0, size, properties), 1),
        *(marshal(ContentBody(part), 1) for part in parts),
    ]
    return [(frame[0], frame[START.size : -1]) for frame in sent]


@given(st.lists(st.lists(st.binary(min_size=1, max_size=20), max_size=3), max_size=6))
def test_deliveries_of_any_parts(messages: list[list[bytes]]) -> None:
    """Other frames between two deliveries, and those of other channels, are not ours."""
    reader, page = _Frames(), _Page()
    reader.pages[1] = page
    qos = marshal(Basic.QosOk(), 1)
    for offset, parts in enumerate(messages):
        assert not reader.take(1, 1, qos[START.size : -1], STAMP)
        for kind, payload in frames(offset, parts):
            assert not reader.take(kind, 2, payload, STAMP)
            assert reader.take(kind, 1, payload, STAMP)
        assert page.offset == 2**40 + offset
        assert page.tag == offset + 1

    assert page.bodies == [b"".join(parts) for parts in messages]
